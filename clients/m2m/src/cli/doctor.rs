//! `m2m doctor`.

use super::{Context, account::account_or_device};
use clap::Args;
use comfy_table::{ContentArrangement, Table};
use m2m::{
	Result,
	doctor::{self, Subject},
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Example:\n  m2m doctor --key owner.json --account 5F...\n\n\
	Looks at the node, its chain and runtime, this machine's clock, the home folder with its device keys and store, and\n\
	the balances of the accounts that are named. Changes nothing. If a check fails, the exit code is that of the commands\n\
	that would fail by the first of them.")]
pub struct Doctor {
	/// Key files to look at, with the balances of their accounts
	#[arg(long = "key", value_name = "KEYFILE")]
	keys: Vec<PathBuf>,
	/// Accounts whose balances to look at: addresses, or names of devices in --home
	#[arg(long = "account", value_name = "ADDRESS")]
	accounts: Vec<String>,
}

pub async fn run(context: &Context, arguments: Doctor) -> Result<()> {
	let accounts = arguments
		.accounts
		.iter()
		.map(|text| account_or_device(context, text))
		.collect::<Result<Vec<_>>>()?;
	context.output.note("looking; this takes some blocks");
	let checks = doctor::examine(Subject {
		url: &context.url,
		home: &context.home,
		keys: &arguments.keys,
		accounts: &accounts,
	})
	.await;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_content_arrangement(ContentArrangement::Dynamic);
	table.set_header(["check", "", "result", "what to do"]);
	for check in &checks {
		let advice = check.problem.as_ref().map(|problem| problem.advice.as_str());
		table.add_row([
			check.subject.as_str(),
			if advice.is_none() { "ok" } else { "FAILED" },
			check.result.as_str(),
			advice.unwrap_or_default(),
		]);
	}
	let verdict = doctor::verdict(&checks);
	let value = json!({
		"ok": verdict.is_ok(),
		"checks": checks.iter().map(|check| json!({
			"check": check.subject,
			"ok": check.problem.is_none(),
			"result": check.result,
			"advice": check.problem.as_ref().map(|problem| &problem.advice),
		})).collect::<Vec<_>>(),
	});
	context.output.result(table.to_string(), value);
	verdict
}
