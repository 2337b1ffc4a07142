//! `m2m data serve`.

use crate::cli::Context;
use clap::Args;
use m2m::{
	Error, Result,
	data::{
		goods::Source,
		market::OnChain,
		seller::{Journal, Seller},
		service::{self, Limits},
		vault::{self, Vault},
	},
	keys::{self, Device, Key},
	replay,
	store::Store,
};
use m2m_fair_exchange::{ListingId, market::Listing};
use serde_json::json;
use std::{
	collections::BTreeMap,
	net::SocketAddr,
	path::{Path, PathBuf},
	sync::Arc,
};
use tokio::{
	net::TcpListener,
	signal::unix::{SignalKind, signal},
};
use zeroize::Zeroizing;

/// Name of the vault in a home folder.
const VAULT: &str = "vault.redb";

/// Where the seller's secrets are.
#[derive(Args, Default)]
pub struct VaultFile {
	/// File with the seller's secrets, made if it is not there [default: vault.redb in --home]
	#[arg(long, value_name = "FILE")]
	vault: Option<PathBuf>,
	/// File whose first line is the vault's passphrase [default: the variable M2M_PASSPHRASE]
	#[arg(long, value_name = "FILE")]
	passphrase_file: Option<PathBuf>,
}

impl VaultFile {
	/// The file.
	pub fn path(&self, context: &Context) -> PathBuf {
		self.vault.clone().unwrap_or_else(|| context.home.join(VAULT))
	}

	/// Opens the vault.
	pub fn open(&self, context: &Context) -> Result<Vault> {
		let passphrase = vault::passphrase(self.passphrase_file.as_deref())?;
		Vault::open(&self.path(context), &passphrase)
	}
}

/// Sell readings: answer buyers over HTTP, and reveal keys when they have paid
#[derive(Args)]
#[command(after_help = "Example:\n  \
	m2m data serve --listing 0 1 --listen 127.0.0.1:8090 --seller alice.json --passphrase-file passphrase\n\n\
	Buyers ask for a range and get signed terms with all leaves sealed, free of charge: they open with nothing less than\n\
	the key that is revealed when the price is held on chain. The readings come from the gateway's store in --home, which\n\
	is open only while it is needed, so that `m2m data record` can go on beside. Everything is checked before it is signed:\n\
	who signs for a wrong reading pays for it with the bond.\n\
	Who has a subscription countersigns offers instead of buying them; these are delivered key and all, and are paid from\n\
	the money that the subscription holds.\n\
	Let it run, or start it again soon: a key that is not revealed in time costs the sale and a part of the bond.\n\
	It serves plain HTTP and limits what a peer may ask for; put a TLS proxy before it to be reached from afar, and let\n\
	that limit each peer too, because all of them then have the proxy's address.")]
pub struct Serve {
	/// Numbers of the listings
	#[arg(long = "listing", required = true, num_args = 1.., value_name = "NUMBER")]
	listings: Vec<ListingId>,
	/// Where to listen
	#[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
	listen: SocketAddr,
	/// Key file of the account that pays for transactions; signs terms if the listing names no key for that
	#[arg(long, value_name = "KEYFILE")]
	seller: PathBuf,
	#[command(flatten)]
	vault: VaultFile,
}

pub async fn run(context: &Context, arguments: Serve) -> Result<()> {
	let key = Arc::new(Key::load(&arguments.seller)?);
	let vault = arguments.vault.open(context)?;
	let chain = context.connect().await?;
	chain.check_signer(&key, &arguments.seller).await?;
	if let Some(genesis) = vault.genesis()? {
		chain.expect_genesis(&format!("the vault {}", vault.path().display()), &genesis)?;
	}
	// Let go of at once: the gateway may need it.
	replay::check_store(&chain, &Store::open(&context.home)?).await?;

	let block = chain.finalized().await?;
	let mut sources = BTreeMap::new();
	for number in &arguments.listings {
		match block.listing(&chain, *number).await? {
			Some(listing) => {
				sources.insert(*number, source(context, &vault, &key, *number, &listing)?);
			}
			None => context.output.warn(format!(
				"there is no listing {number} on this chain, so nothing is sold under it"
			)),
		}
	}
	// Sales outlive their listing: their keys are still to be revealed.
	if sources.is_empty() && vault.sales()?.is_empty() {
		return Err(Error::Unknown(
			"nothing is listed and no sale is open: make a listing with `m2m data sell`, or see `m2m data list`".into(),
		));
	}
	// What an earlier run sent is in a block, so that no key is sent twice.
	chain.settle(&key.account()).await?;

	let listen = arguments.listen;
	let io = |cause| Error::io(Path::new(&listen.to_string()), cause);
	let listener = TcpListener::bind(listen).await.map_err(io)?;
	let address = listener.local_addr().map_err(io)?;
	let journal = || -> Journal {
		let output = context.output;
		Box::new(move |line| output.note(line))
	};
	let listings: Vec<ListingId> = sources.keys().copied().collect();
	let market = OnChain::new(chain, context.url.clone(), Arc::clone(&key));
	let seller = Seller::new(market, vault, key, sources, context.home.clone(), journal())?;
	let seller = Arc::new(seller);

	let mut terminated = signal(SignalKind::terminate()).map_err(io)?;
	let stop = async move {
		tokio::select! {
			_ = terminated.recv() => {}
			_ = tokio::signal::ctrl_c() => {}
		}
	};
	context.output.result(
		format!(
			"selling under {} listings at http://{address}; stop with Ctrl-C",
			listings.len()
		),
		json!({ "endpoint": format!("http://{address}"), "listings": listings }),
	);
	let mut watching = tokio::spawn({
		let seller = Arc::clone(&seller);
		async move { seller.watch().await }
	});
	let served = tokio::select! {
		served = service::serve(listener, seller, Limits::default(), journal(), stop) => served,
		// Only a fault ends it. To go on selling would be to lose price and cover of each sale.
		ended = &mut watching => Err(Error::Store(format!("sales are not followed any more: {ended:?}"))),
	};
	watching.abort();
	served
}

/// The device behind a listing that this seller can serve.
fn source(
	context: &Context,
	vault: &Vault,
	key: &Key,
	number: ListingId,
	listing: &Listing,
) -> Result<Source> {
	if listing.spec.sealing_key != vault.sealing_key() {
		return Err(Error::Usage(format!(
			"listing {number} names another sealing key than 0x{}, the one in {}: use the vault with which it was listed, or update it with `m2m data sell`",
			hex::encode(vault.sealing_key()),
			vault.path().display()
		)));
	}
	if listing.spec.terms_key.as_ref() != Some(&vault.terms_account()) && listing.seller != key.account() {
		return Err(Error::Usage(format!(
			"terms under listing {number} are signed by {} or by its terms key, and neither is here: give the seller's key file, or list it with the vault's terms key {}",
			keys::address(&listing.seller),
			keys::address(&vault.terms_account())
		)));
	}
	let device = Device::with_id(&context.home, &listing.spec.device)?.ok_or_else(|| {
		Error::Unknown(format!(
			"the device {} of listing {number} is not in {}: its secret is needed to open readings",
			keys::address(&listing.spec.device),
			context.home.display()
		))
	})?;
	Ok(Source {
		device: device.id.clone(),
		secret: Arc::new(Zeroizing::new(*device.secret())),
	})
}
