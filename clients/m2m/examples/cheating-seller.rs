//! A seller that seals one reading other than the anchored one, to see what becomes of it. `m2m data serve` cannot do
//! that: it signs nothing that it has not opened and compared.
//!
//! ```text
//! cheating-seller LISTING ADDRESS:PORT KEYFILE PASSPHRASE_FILE POSITION
//! ```
//! Node and home folder are those of `M2M_URL` and `M2M_HOME`. `POSITION` counts the readings of each sale from 0.

#[path = "../tests/chain/support/cheat.rs"]
mod cheat;

use cheat::Cheat;
use m2m::{
	Error, Result,
	chain::Chain,
	data::{
		goods::Source,
		market::OnChain,
		seller::Seller,
		service::{self, Limits},
		vault::{self, Vault},
	},
	keys::{Device, Key},
};
use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc};
use tokio::net::TcpListener;

const USAGE: &str = "cheating-seller LISTING ADDRESS:PORT KEYFILE PASSPHRASE_FILE POSITION";

fn usage() -> Error {
	Error::Usage(USAGE.into())
}

fn variable(name: &str) -> Result<String> {
	std::env::var(name).map_err(|_| Error::Usage(format!("{name} is not set")))
}

async fn run() -> Result<()> {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let [listing, address, key, passphrase, position] = arguments.as_slice() else {
		return Err(usage());
	};
	let listing = listing.parse().map_err(|_| usage())?;
	let position = position.parse().map_err(|_| usage())?;
	let (url, home) = (variable("M2M_URL")?, variable("M2M_HOME")?);
	let home = Path::new(&home);
	let key = Arc::new(Key::load(Path::new(key))?);
	let passphrase = vault::passphrase(Some(Path::new(passphrase)))?;
	let vault = Vault::open(&home.join("vault.redb"), &passphrase)?;
	let chain = Chain::connect(&url).await?;
	let listed = chain.finalized().await?.listing(&chain, listing).await?;
	let device = match listed {
		Some(listed) => Device::with_id(home, &listed.spec.device)?,
		None => None,
	};
	let device = device.ok_or_else(|| Error::Unknown(format!("listing {listing} is of no device here")))?;
	let source = Source {
		device: device.id.clone(),
		secret: Arc::new((*device.secret()).into()),
	};
	let market = OnChain::new(chain, url, Arc::clone(&key));
	let seller = Arc::new(Seller::new(
		market,
		vault,
		key,
		BTreeMap::from([(listing, source)]),
		home.to_owned(),
		Box::new(|line| eprintln!("{line}")),
	)?);
	let io = |cause| Error::Io {
		file: address.into(),
		cause,
	};
	let listener = TcpListener::bind(address).await.map_err(io)?;
	println!("cheating at http://{address}");
	let watching = tokio::spawn({
		let seller = Arc::clone(&seller);
		async move { seller.watch().await }
	});
	let stop = async {
		// Without a signal there is nothing to wait for but the end of the process.
		let _ = tokio::signal::ctrl_c().await;
	};
	let cheat = Cheat { seller, position };
	let served = service::serve(
		listener,
		cheat,
		Limits::default(),
		Box::new(|line| eprintln!("{line}")),
		stop,
	)
	.await;
	watching.abort();
	served
}

#[tokio::main]
async fn main() -> ExitCode {
	match run().await {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error}");
			ExitCode::from(error.exit_code())
		}
	}
}
