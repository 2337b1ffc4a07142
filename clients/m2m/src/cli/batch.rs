//! `m2m batch`.

use super::{Context, arguments::Selection, device::owner_account, output::Bar};
use clap::{Args, Subcommand};
use comfy_table::Table;
use m2m::{
	Error, Result,
	batch::{self, ProductionBatch, parse_hash},
	chain::{self, Chain, identity},
	keys::{self, Key},
	money,
	replay::Progress,
	selection::Devices,
	time,
};
use m2m_device::AccountId;
use serde_json::json;
use sp_core::H256;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum BatchCommand {
	/// Commit to the keys of a production run, and write the batch file
	#[command(after_help = "Example:\n  \
		m2m batch create keys.csv --issuer factory.json --model EM-100\n\n\
		The CSV file's first line names the columns; `scheme` (sr25519, ed25519 or ecdsa) and `public` (0x and hex) must be\n\
		among them, others are not looked at. One hash goes on chain, however many keys there are. The batch file\n\
		(keys.batch.json unless --out says otherwise) is needed to prove that a key is in the batch: keep it. It holds\n\
		public keys only. A key's index is its place in the file, counted from 0.\n\
		Running the same again changes nothing.")]
	Create(Create),
	/// Show to the chain that keys of devices are from a batch; anybody may do it
	#[command(after_help = "Examples:\n  \
		m2m batch prove meter-001 meter-002 --batch keys.batch.json --signer alice.json\n  \
		m2m batch prove --all-of 5F... --batch keys.batch.json --signer alice.json\n\n\
		A device is named as elsewhere, or by the account of one of its keys. Many go into few transactions, and what\n\
		the chain knows already is not sent again.")]
	Prove(Prove),
	/// Disown a batch: nothing that was proven by it counts any more
	#[command(after_help = "Example:\n  m2m batch revoke --batch keys.batch.json --issuer factory.json")]
	Revoke {
		#[command(flatten)]
		root: Root,
		/// Key file of the issuer
		#[arg(long, value_name = "KEYFILE")]
		issuer: PathBuf,
	},
	/// Show what the chain says of a batch
	#[command(after_help = "Examples:\n  m2m batch show --batch keys.batch.json\n  \
		m2m batch show --root 0x... --issuer 5F...")]
	Show {
		#[command(flatten)]
		root: Root,
		/// Key file or address of the issuer; not needed with a batch file
		#[arg(long, value_name = "KEYFILE|ADDRESS")]
		issuer: Option<String>,
	},
}

#[derive(Args)]
pub struct Create {
	/// CSV file with the public keys
	keys: PathBuf,
	/// Key file of the manufacturer
	#[arg(long, value_name = "KEYFILE")]
	issuer: PathBuf,
	/// What was made: 1 to 32 characters
	#[arg(long, value_name = "NAME")]
	model: String,
	/// Batch file to write
	#[arg(long, value_name = "FILE")]
	out: Option<PathBuf>,
}

#[derive(Args)]
pub struct Prove {
	#[command(flatten)]
	selection: Selection,
	/// The batch file
	#[arg(long, value_name = "FILE")]
	batch: PathBuf,
	/// Key file of the account that pays the fee
	#[arg(long, value_name = "KEYFILE")]
	signer: PathBuf,
}

/// Which batch.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Root {
	/// The batch file
	#[arg(long, value_name = "FILE")]
	batch: Option<PathBuf>,
	/// Root of the batch, as 0x and 64 hex digits
	#[arg(long)]
	root: Option<String>,
}

impl Root {
	/// The root, and the issuer if a file tells it. The file must belong to the chain.
	fn resolve(&self, chain: &Chain) -> Result<(H256, Option<AccountId>)> {
		if let Some(file) = &self.batch {
			let batch = ProductionBatch::load(file)?;
			chain.expect_genesis(&format!("the batch file {}", file.display()), &batch.genesis)?;
			return Ok((batch.root, Some(batch.issuer)));
		}
		let text = self.root.as_deref().unwrap_or_default();
		let root = parse_hash(text)
			.ok_or_else(|| Error::Usage(format!("`{text}` is not a root: give 0x and 64 hex digits")))?;
		Ok((root, None))
	}
}

pub async fn run(context: &Context, command: BatchCommand) -> Result<()> {
	match command {
		BatchCommand::Create(arguments) => create(context, arguments).await,
		BatchCommand::Prove(arguments) => prove(context, arguments).await,
		BatchCommand::Revoke { root, issuer } => {
			let (chain, key) = context.connect_as(&issuer).await?;
			let (root, _) = root.resolve(&chain)?;
			let included = chain.submit(&key, &identity::revoke_batch(root)).await?;
			context.output.result(
				format!("batch {root:?}: revoked; fee {} M2M", money::format(included.fee)),
				json!({ "root": format!("{root:?}"), "outcome": "revoked", "fee": money::format(included.fee) }),
			);
			Ok(())
		}
		BatchCommand::Show { root, issuer } => show(context, &root, issuer.as_deref()).await,
	}
}

/// Where the batch file of a list of keys goes by default: `keys.csv` -> `keys.batch.json`.
fn batch_file(keys: &Path) -> PathBuf {
	keys.with_extension("batch.json")
}

/// Writes the batch file; one that is there already must hold the same batch.
fn keep(batch: &ProductionBatch, file: &Path) -> Result<()> {
	match batch.save_new(file) {
		Err(Error::FileExists { .. }) if ProductionBatch::load(file)? == *batch => Ok(()),
		result => result,
	}
}

async fn create(context: &Context, arguments: Create) -> Result<()> {
	let out = arguments.out.unwrap_or_else(|| batch_file(&arguments.keys));
	let issuer = Key::load(&arguments.issuer)?;
	context.output.note("reading the keys");
	let keys = batch::read_keys(&arguments.keys)?;
	let chain = context.connect().await?;
	chain.check_signer(&issuer, &arguments.issuer).await?;
	let batch = ProductionBatch::new(*chain.genesis(), issuer.account(), &arguments.model, keys)?;
	// Before anything is sent: without the file nothing of the batch could ever be proven.
	keep(&batch, &out)?;
	let fee = batch::create(&chain, &issuer, &batch).await?;
	let outcome = match fee {
		Some(fee) => format!("created; fee {} M2M", money::format(fee)),
		None => "was created before".into(),
	};
	context.output.result(
		format!(
			"{} keys of {}\nissuer  {}\nroot    {:?}\nfile    {}\n{outcome}",
			batch.count(),
			batch.model,
			keys::address(&batch.issuer),
			batch.root,
			out.display()
		),
		json!({
			"issuer": keys::address(&batch.issuer),
			"model": batch.model,
			"count": batch.count(),
			"root": format!("{:?}", batch.root),
			"file": out,
			"new": fee.is_some(),
			"fee": money::format(fee.unwrap_or_default()),
		}),
	);
	Ok(())
}

async fn prove(context: &Context, arguments: Prove) -> Result<()> {
	let selected = arguments.selection.devices(context)?;
	let signer = Key::load(&arguments.signer)?;
	context.output.note("reading the batch");
	let batch = ProductionBatch::load(&arguments.batch)?;
	let tree = batch.tree(&arguments.batch)?;
	let chain = context.connect().await?;
	chain.check_signer(&signer, &arguments.signer).await?;
	chain.expect_genesis(
		&format!("the batch file {}", arguments.batch.display()),
		&batch.genesis,
	)?;
	check_stands(&chain, &batch).await?;
	let devices = match selected {
		Devices::Listed(accounts) => Devices::Listed(devices_of_keys(&chain, accounts).await?),
		all => all,
	};
	chain.settle(&signer.account()).await?;
	let bar = Bar::new(context.output);
	bar.stage("proving", arguments.selection.named() as u64);
	let result = batch::prove(&chain, &signer, &batch, &tree, devices, |count| {
		bar.advance(count as u64)
	})
	.await;
	bar.finish();
	let proofs = result?;

	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["device", "key", "index", ""]);
	for proven in &proofs.proven {
		table.add_row([
			keys::address(&proven.device),
			keys::address(&proven.key),
			proven.index.to_string(),
			if proven.before {
				"as before".into()
			} else {
				String::new()
			},
		]);
	}
	let mut text = format!(
		"{table}\n{} keys are from batch {:?} ({}); fees {} M2M",
		proofs.proven.len(),
		batch.root,
		batch.model,
		money::format(proofs.fees)
	);
	if !proofs.foreign.is_empty() {
		text.push_str(&format!(
			"\n{} devices have no key of the batch",
			proofs.foreign.len()
		));
	}
	let value = json!({
		"root": format!("{:?}", batch.root),
		"issuer": keys::address(&batch.issuer),
		"proven": proofs.proven.iter().map(|proven| json!({
			"device": keys::address(&proven.device),
			"key": keys::address(&proven.key),
			"index": proven.index,
			"before": proven.before,
		})).collect::<Vec<_>>(),
		"foreign": proofs.foreign.iter().map(keys::address).collect::<Vec<_>>(),
		"refused": proofs.refused.iter().map(|(key, reason)| json!({
			"key": keys::address(key),
			"reason": reason,
		})).collect::<Vec<_>>(),
		"fees": money::format(proofs.fees),
	});
	context.output.result(text, value);
	if let Some((key, reason)) = proofs.refused.first() {
		return Err(Error::SomeRefused {
			what: "proofs",
			count: proofs.refused.len(),
			total: proofs.proven.len().saturating_add(proofs.refused.len()),
			first: format!("{}: {reason}", keys::address(key)),
			hint: chain::hint(reason),
		});
	}
	match proofs.foreign.first() {
		Some(device) if arguments.selection.named() > 0 => Err(Error::Unknown(format!(
			"no key of {} is in {}: it was made elsewhere, or has other keys now",
			keys::address(device),
			arguments.batch.display()
		))),
		_ => Ok(()),
	}
}

/// Fails unless the chain has the batch and it was not revoked, so that no fee is paid for proofs that are
/// refused.
async fn check_stands(chain: &Chain, batch: &ProductionBatch) -> Result<()> {
	let known = chain
		.finalized()
		.await?
		.production_batch(chain, &batch.issuer, batch.root)
		.await?
		.ok_or_else(|| {
			Error::Unknown(format!(
				"the chain has no batch {:?} of {}: its issuer commits to it with `m2m batch create`",
				batch.root,
				keys::address(&batch.issuer)
			))
		})?;
	match known.revoked {
		None => Ok(()),
		Some(at) => Err(Error::Usage(format!(
			"its issuer revoked the batch {:?} at {}",
			batch.root,
			time::format(at)
		))),
	}
}

/// Puts the device in the place of an account that is one of its keys.
async fn devices_of_keys(chain: &Chain, accounts: Vec<AccountId>) -> Result<Vec<AccountId>> {
	let block = chain.finalized().await?;
	let mut devices = Vec::with_capacity(accounts.len());
	for account in accounts {
		let device = block.device_of_key(chain, &account).await?.unwrap_or(account);
		if !devices.contains(&device) {
			devices.push(device);
		}
	}
	Ok(devices)
}

async fn show(context: &Context, root: &Root, issuer: Option<&str>) -> Result<()> {
	let chain = context.connect().await?;
	let (root, of_file) = root.resolve(&chain)?;
	let issuer = match (issuer, of_file) {
		(Some(text), _) => owner_account(text)?,
		(None, Some(issuer)) => issuer,
		(None, None) => return Err(Error::Usage("name the issuer of the batch with --issuer".into())),
	};
	let known = chain
		.finalized()
		.await?
		.production_batch(&chain, &issuer, root)
		.await?
		.ok_or_else(|| {
			Error::Unknown(format!(
				"the chain has no batch {root:?} of {}",
				keys::address(&issuer)
			))
		})?;
	let model = batch::model_name(&known.model);
	let revoked = known.revoked.map(time::format);
	context.output.result(
		format!(
			"root     {root:?}\nissuer   {}\nmodel    {model}\nkeys     {}\ncreated  {}\nstate    {}",
			keys::address(&issuer),
			known.count,
			time::format(known.created),
			revoked
				.as_ref()
				.map_or_else(|| "in force".into(), |at| format!("revoked {at}"))
		),
		json!({
			"root": format!("{root:?}"),
			"issuer": keys::address(&issuer),
			"model": model,
			"count": known.count,
			"created": time::format(known.created),
			"revoked": revoked,
		}),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m::keys::Scheme;

	#[test]
	fn the_batch_file_is_written_once_and_stands_beside_the_keys() {
		assert_eq!(
			batch_file(Path::new("run/keys.csv")),
			Path::new("run/keys.batch.json")
		);
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("keys.batch.json");
		let batch = |model| {
			let keys = vec![Key::generate(Scheme::Ed25519).public()];
			ProductionBatch::new([1; 32], AccountId::new([2; 32]), model, keys).unwrap()
		};
		let first = batch("EM-100");
		keep(&first, &file).unwrap();
		keep(&first, &file).unwrap();
		assert!(matches!(
			keep(&batch("EM-100"), &file),
			Err(Error::FileExists { .. })
		));
	}
}
