//! `m2m fleet`.

use super::{
	Context,
	device::{describe, owner_account},
	output::Bar,
};
use clap::Subcommand;
use m2m::{
	Error, Result, chain, fleet,
	import::{self, Estimate, Plan},
	keys::{self, Key},
	manifest::Manifest,
	money,
};
use serde_json::{Value, json};
use std::{
	io::Write,
	path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub enum FleetCommand {
	/// Register the devices of a manifest, as many as it has
	#[command(after_help = "Examples:\n  \
		m2m fleet import fleet.csv --owner alice.json --dry-run\n  \
		m2m fleet import fleet.csv --owner alice.json\n\n\
		The manifest is written by `m2m device enrol`. Every line is checked before anything is sent, and so is the\n\
		owner's balance. Running the same again goes on where it stopped: devices that the owner has are skipped, those\n\
		that were refused are tried again.\n\n\
		The result file (fleet.result.csv unless --result says otherwise) grows as devices become final. Its columns:\n\
		name, device, did, status (registered, existing, refused), block, error.")]
	Import {
		/// The manifest
		manifest: PathBuf,
		/// Key file of the owner
		#[arg(long, value_name = "KEYFILE")]
		owner: PathBuf,
		/// Result file to write, or to go on with
		#[arg(long, value_name = "CSV")]
		result: Option<PathBuf>,
		/// Check everything, ask what it would cost, and send nothing
		#[arg(long)]
		dry_run: bool,
	},
	/// List the devices of an owner
	#[command(after_help = "Example:\n  m2m fleet list --owner alice.json\n\n\
		Names are those in --home. Retired devices are not listed.")]
	List {
		/// Key file or address of the owner
		#[arg(long, value_name = "KEYFILE|ADDRESS")]
		owner: String,
	},
}

pub async fn run(context: &Context, command: FleetCommand) -> Result<()> {
	match command {
		FleetCommand::Import {
			manifest,
			owner,
			result,
			dry_run,
		} => {
			let results = result.unwrap_or_else(|| result_file(&manifest));
			let key = Key::load(&owner)?;
			let mut manifest = Manifest::open(&manifest)?;
			manifest.lock()?;
			let bar = Bar::new(context.output);
			let mut plan = Plan::read(&mut manifest, &key.account(), &bar)?;
			let chain = context.connect().await?;
			chain.check_signer(&key, &owner).await?;
			plan.compare(&chain, &manifest).await?;
			if dry_run {
				let estimate = import::estimate(&chain, &key, &plan, &mut manifest, &bar).await?;
				show_estimate(context, &plan, &estimate);
				return estimate.check(&key.account(), plan.missing());
			}
			let total = plan.total();
			let (report, outcome) = import::run(&chain, &key, plan, &mut manifest, &results, &bar).await?;
			let refused = show_report(context, total, &report, &results);
			outcome.and(refused)
		}
		FleetCommand::List { owner } => list(context, &owner).await,
	}
}

/// Where the result of a manifest goes by default: `fleet.csv` -> `fleet.result.csv`.
fn result_file(manifest: &Path) -> PathBuf {
	manifest.with_extension("result.csv")
}

fn show_estimate(context: &Context, plan: &Plan, estimate: &Estimate) {
	let devices = plan.missing();
	let all = |each: u128| each.saturating_mul(devices as u128);
	let lacking = estimate.needed.saturating_sub(estimate.available);
	let text = format!(
		"{devices} of {} devices to register in {} transactions; the owner has the others\n\
		deposits   {} M2M ({} M2M each)\n\
		wallets    {} M2M ({} M2M each, the existential deposit)\n\
		fees       {} M2M, at the present price\n\
		together   {} M2M\n\
		available  {} M2M{}",
		plan.total(),
		estimate.transactions,
		money::format(all(estimate.deposit)),
		money::format(estimate.deposit),
		money::format(all(estimate.existential_deposit)),
		money::format(estimate.existential_deposit),
		money::format(estimate.fees),
		money::format(estimate.needed),
		money::format(estimate.available),
		if lacking > 0 {
			format!("\nmissing    {} M2M", money::format(lacking))
		} else {
			String::new()
		},
	);
	let value = json!({
		"dry_run": true,
		"devices": plan.total(),
		"existing": plan.existing(),
		"to_register": devices,
		"transactions": estimate.transactions,
		"deposit_each": money::format(estimate.deposit),
		"deposits": money::format(all(estimate.deposit)),
		"existential_deposit_each": money::format(estimate.existential_deposit),
		"existential_deposits": money::format(all(estimate.existential_deposit)),
		"fees": money::format(estimate.fees),
		"together": money::format(estimate.needed),
		"available": money::format(estimate.available),
		"missing": money::format(lacking),
	});
	context.output.result(text, value);
}

fn show_report(context: &Context, total: usize, report: &import::Report, results: &Path) -> Result<()> {
	let blocks = report.blocks.map_or_else(String::new, |(first, last)| {
		format!(" in blocks {first} to {last}")
	});
	let text = format!(
		"{} registered{blocks}, {} were the owner's before, {} refused\n{} transactions, fees {} M2M\nresults in {}",
		report.registered,
		report.existing,
		report.refused,
		report.transactions,
		money::format(report.fees),
		results.display()
	);
	let value = json!({
		"devices": total,
		"registered": report.registered,
		"existing": report.existing,
		"refused": report.refused,
		"transactions": report.transactions,
		"fees": money::format(report.fees),
		"first_block": report.blocks.map(|(first, _)| first),
		"last_block": report.blocks.map(|(_, last)| last),
		"result": results,
	});
	context.output.result(text, value);
	match &report.first_refusal {
		None => Ok(()),
		Some((name, reason)) => Err(Error::SomeRefused {
			what: "registrations",
			count: report.refused,
			total,
			first: format!("{name}: {reason}"),
			hint: chain::hint(reason),
		}),
	}
}

/// Prints devices as they are read: with `--json` an array with one device a line.
async fn list(context: &Context, owner: &str) -> Result<()> {
	let owner = owner_account(owner)?;
	let names = context.device_names()?;
	let chain = context.connect().await?;
	let json = context.output.json;
	let mut out = std::io::stdout().lock();
	// A closed pipe, as with `m2m ... | head`, is not an error of the command.
	let mut print = |text: String| out.write_all(text.as_bytes()).is_ok();
	let mut open = true;
	if !json {
		open = print(format!(
			"{:<48}  {:<9}  {:>4}  {:<20}  name\n",
			"device", "status", "keys", "since"
		));
	}
	let mut count = 0usize;
	let mut outcome = Ok(());
	if open {
		outcome = fleet::list(&chain, &owner, |details| {
			let name = names.get(&details.device).map(String::as_str);
			let line = if json {
				let start = if count == 0 { "[" } else { ",\n" };
				let value: Value = describe(&chain, name, &details);
				format!("{start}{value}")
			} else {
				format!(
					"{:<48}  {:<9}  {:>4}  {:<20}  {}\n",
					keys::address(&details.device),
					format!("{:?}", details.status),
					details.device_keys.len(),
					since(details.status_since),
					name.unwrap_or("")
				)
			};
			count = count.saturating_add(1);
			open = print(line);
			open
		})
		.await;
	}
	// What was printed is whole JSON, whatever went wrong.
	if open && (json || outcome.is_ok()) {
		print(match (json, count) {
			(true, 0) => "[]\n".into(),
			(true, _) => "]\n".into(),
			(false, count) => format!("{count} devices\n"),
		});
	}
	outcome
}

/// A time to the second.
fn since(time: m2m_device::UnixMs) -> String {
	m2m::time::format(time / 1000 * 1000)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_result_file_stands_beside_the_manifest() {
		assert_eq!(
			result_file(Path::new("run/fleet.csv")),
			Path::new("run/fleet.result.csv")
		);
		assert_eq!(result_file(Path::new("fleet")), Path::new("fleet.result.csv"));
	}
}
