//! `m2m bill`.

use super::{Context, account::account_or_device, output::Bar};
use clap::Args;
use comfy_table::{CellAlignment, Table};
use m2m::{
	Error, Result,
	bill::{self, Line, Statement, Totals, kwh},
	chain::energy::MarketId,
	keys, money,
	replay::Progress,
	time,
};
use m2m_device::UnixMs;
use serde_json::{Value, json};
use std::{
	fs::File,
	path::{Path, PathBuf},
};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// What a device bought and sold in a market, slot by slot, and what the utility would have charged
#[derive(Args)]
#[command(after_help = "Examples:\n  \
	m2m bill meter-003 --market 0\n  \
	m2m bill meter-003 --market 0 --date 2027-01-01 --csv january-1.csv\n  \
	m2m --json bill 5F... --market 0 --from 2027-01-01T00:00:00Z --to 2027-02-01T00:00:00Z | jq .totals\n\n\
	Without dates, the last 24 hours. A slot belongs to the period in which it begins. Everything comes from the events of\n\
	finalized blocks, the tariffs of the utility from the parameters that held for each slot; so any node will do that\n\
	keeps the blocks of the period (`m2m-node --state-pruning archive` keeps all). Nothing is rounded.")]
pub struct Bill {
	/// Name in --home, or SS58 id
	device: String,
	/// Number of the market
	#[arg(long)]
	market: MarketId,
	/// One day in UTC
	#[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["from", "to"])]
	date: Option<String>,
	/// Begin of the period, such as 2027-01-01T00:00:00Z
	#[arg(long, value_name = "TIME", requires = "to")]
	from: Option<String>,
	/// Its end, which does not belong to it
	#[arg(long, value_name = "TIME", requires = "from")]
	to: Option<String>,
	/// Also write the lines to this file, which must not exist
	#[arg(long, value_name = "FILE")]
	csv: Option<PathBuf>,
}

fn period(bill: &Bill) -> Result<(UnixMs, UnixMs)> {
	match (&bill.date, &bill.from, &bill.to) {
		(Some(date), _, _) => {
			let day = time::parse_date(date)?;
			Ok((day, day.saturating_add(DAY_MS)))
		}
		(None, Some(from), Some(to)) => Ok((time::parse(from)?, time::parse(to)?)),
		_ => {
			let now = time::now();
			Ok((now.saturating_sub(DAY_MS), now))
		}
	}
}

/// A difference of money with its sign.
fn signed(amount: i128) -> String {
	let sign = if amount < 0 { "-" } else { "" };
	format!("{sign}{}", money::format(amount.unsigned_abs()))
}

/// Columns of the CSV file and fields of a JSON line.
const FIELDS: [&str; 14] = [
	"slot",
	"from",
	"to",
	"bought_kwh",
	"sold_kwh",
	"price",
	"grid_fee",
	"paid",
	"earned",
	"retail",
	"feed_in",
	"utility_charge",
	"utility_credit",
	"saving",
];

/// A line in the order of [`FIELDS`]; an empty price if nothing traded.
fn fields(statement: &Statement, line: &Line) -> [String; 14] {
	let length = statement.length;
	[
		line.slot.to_string(),
		time::format(length.start(line.slot)),
		time::format(length.end(line.slot)),
		kwh(line.bought),
		kwh(line.sold),
		line.price.map_or_else(String::new, money::format),
		money::format(line.grid_fee),
		money::format(line.paid()),
		money::format(line.earned()),
		money::format(line.retail),
		money::format(line.feed_in),
		money::format(line.utility_charge()),
		money::format(line.utility_credit()),
		signed(Totals::of([line]).saving()),
	]
}

fn write_csv(statement: &Statement, file: &Path) -> Result<()> {
	let output = File::create_new(file).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::AlreadyExists => Error::FileExists { file: file.into() },
		_ => Error::io(file, cause),
	})?;
	let mut writer = csv::Writer::from_writer(output);
	let failed = |error: csv::Error| Error::io(file, std::io::Error::other(error));
	writer.write_record(FIELDS).map_err(failed)?;
	for line in &statement.lines {
		writer.write_record(fields(statement, line)).map_err(failed)?;
	}
	writer.flush().map_err(|cause| Error::io(file, cause))
}

fn line_json(statement: &Statement, line: &Line) -> Value {
	let mut value: serde_json::Map<String, Value> = FIELDS
		.iter()
		.zip(fields(statement, line))
		.map(|(name, text)| ((*name).to_owned(), Value::from(text)))
		.collect();
	value.insert("slot".into(), line.slot.into());
	if line.price.is_none() {
		value.insert("price".into(), Value::Null);
	}
	value.insert("block".into(), line.block.into());
	Value::Object(value)
}

fn table_of(statement: &Statement, totals: &Totals) -> Table {
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header([
		"slot from",
		"kWh bought",
		"kWh sold",
		"price",
		"grid fee",
		"paid",
		"earned",
		"utility charges",
		"utility pays",
		"saving",
	]);
	for line in &statement.lines {
		table.add_row([
			time::format(statement.length.start(line.slot)),
			kwh(line.bought),
			kwh(line.sold),
			line.price.map_or_else(|| "no trade".into(), money::format),
			money::format(line.grid_fee),
			money::format(line.paid()),
			money::format(line.earned()),
			money::format(line.utility_charge()),
			money::format(line.utility_credit()),
			signed(Totals::of([line]).saving()),
		]);
	}
	table.add_row([
		"total".into(),
		kwh(totals.bought),
		kwh(totals.sold),
		String::new(),
		money::format(totals.fees),
		money::format(totals.paid),
		money::format(totals.earned),
		money::format(totals.utility_charge),
		money::format(totals.utility_credit),
		signed(totals.saving()),
	]);
	for column in table.column_iter_mut().skip(1) {
		column.set_cell_alignment(CellAlignment::Right);
	}
	table
}

/// What a reader must know besides the table.
fn remarks(statement: &Statement) -> String {
	let mut text = String::new();
	if !statement.unsettled.is_empty() {
		text.push_str(&format!(
			"\n{} slots are not settled yet and not in it: settle them with `m2m keeper --once`, or wait",
			statement.unsettled.len()
		));
	}
	for ignored in &statement.ignored {
		text.push_str(&format!(
			"\nthe anchor {} of stream {} in block {} counted for nothing: {:?}",
			ignored.seq, ignored.stream, ignored.block, ignored.reason
		));
	}
	text
}

pub async fn run(context: &Context, bill: Bill) -> Result<()> {
	let (from, to) = period(&bill)?;
	let device = account_or_device(context, &bill.device)?;
	let chain = context.connect().await?;
	let bar = Bar::new(context.output);
	let result = bill::statement(&chain, bill.market, &device, from, to, &bar).await;
	bar.finish();
	let statement = result?;
	if let Some(file) = &bill.csv {
		write_csv(&statement, file)?;
	}
	let length = statement.length;
	let totals = statement.totals();
	let (first, end) = (
		time::format(length.start(statement.slots.start)),
		time::format(length.start(statement.slots.end)),
	);
	let read = statement.blocks.map_or_else(
		|| "no block saw its first slot end yet".into(),
		|(first, last)| format!("from blocks {first} to {last}"),
	);
	let text = format!(
		"{} in market {}, {first} to {end}, {read}\n{}\nmoney in M2M; the total under `grid fee` is part of `paid`; better off than with the utility by {} M2M{}{}",
		keys::address(&device),
		statement.market,
		table_of(&statement, &totals),
		signed(totals.saving()),
		remarks(&statement),
		bill.csv
			.as_ref()
			.map_or_else(String::new, |file| format!("\nwritten to {}", file.display())),
	);
	let value = json!({
		"market": statement.market,
		"device": keys::address(&device),
		"from": first,
		"to": end,
		"slot_seconds": length.seconds(),
		"first_block": statement.blocks.map(|blocks| blocks.0),
		"last_block": statement.blocks.map(|blocks| blocks.1),
		"lines": statement.lines.iter().map(|line| line_json(&statement, line)).collect::<Vec<_>>(),
		"totals": {
			"bought_kwh": kwh(totals.bought),
			"sold_kwh": kwh(totals.sold),
			"paid": money::format(totals.paid),
			"grid_fees": money::format(totals.fees),
			"earned": money::format(totals.earned),
			"utility_charge": money::format(totals.utility_charge),
			"utility_credit": money::format(totals.utility_credit),
			"saving": signed(totals.saving()),
		},
		"unsettled": statement.unsettled,
		"ignored": statement.ignored.iter().map(|ignored| json!({
			"stream": ignored.stream,
			"sequence": ignored.seq,
			"reason": format!("{:?}", ignored.reason),
			"block": ignored.block,
		})).collect::<Vec<_>>(),
		"csv": bill.csv,
	});
	context.output.result(text, value);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_auction::SlotLength;
	use m2m_device::DeviceId;

	fn statement() -> Statement {
		let line = Line {
			slot: 100,
			bought: 111_112,
			sold: 0,
			price: Some(money::UNIT * 15 / 100),
			grid_fee: money::UNIT * 4 / 100,
			retail: money::UNIT * 30 / 100,
			feed_in: money::UNIT * 8 / 100,
			block: 9,
		};
		Statement {
			market: 0,
			device: DeviceId::new([1; 32]),
			length: SlotLength::new(900).unwrap(),
			slots: 96..192,
			lines: vec![
				line,
				Line {
					slot: 101,
					bought: 0,
					price: None,
					..line
				},
			],
			unsettled: vec![102],
			ignored: Vec::new(),
			blocks: Some((1, 9)),
		}
	}

	#[test]
	fn the_file_has_every_line_to_the_last_unit() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("bill.csv");
		write_csv(&statement(), &file).unwrap();
		let text = std::fs::read_to_string(&file).unwrap();
		let lines: Vec<&str> = text.lines().collect();
		assert_eq!(lines.len(), 3);
		assert_eq!(lines.first().unwrap().split(',').count(), 14);
		assert_eq!(
			*lines.get(1).unwrap(),
			"100,1970-01-02T01:00:00Z,1970-01-02T01:15:00Z,0.111112,0,0.15,0.04,0.02111128,0,0.3,0.08,0.0333336,0,0.01222232"
		);
		assert!(lines.get(2).unwrap().contains(",0,0,,0.04,0,0,"));
		let error = write_csv(&statement(), &file).unwrap_err();
		assert_eq!(error.name(), "FileExists");
	}

	#[test]
	fn a_slot_without_trade_has_no_price() {
		let statement = statement();
		let value = line_json(&statement, statement.lines.last().unwrap());
		assert_eq!(value["price"], Value::Null);
		assert_eq!(value["slot"], 101);
		assert!(remarks(&statement).contains("1 slots are not settled yet"));
	}

	#[test]
	fn a_loss_would_show() {
		assert_eq!(signed(-1), "-0.000000000001");
		assert_eq!(signed(money::UNIT as i128), "1");
	}

	#[test]
	fn a_period_is_a_day_or_has_two_ends() {
		let bill = |date: Option<&str>, ends: Option<(&str, &str)>| Bill {
			device: String::new(),
			market: 0,
			date: date.map(str::to_owned),
			from: ends.map(|ends| ends.0.to_owned()),
			to: ends.map(|ends| ends.1.to_owned()),
			csv: None,
		};
		assert_eq!(
			period(&bill(Some("1970-01-02"), None)).unwrap(),
			(DAY_MS, 2 * DAY_MS)
		);
		let ends = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
		assert_eq!(period(&bill(None, Some(ends))).unwrap(), (1_000, 2_000));
		let (from, to) = period(&bill(None, None)).unwrap();
		assert_eq!(to - from, DAY_MS);
		assert_eq!(period(&bill(Some("tomorrow"), None)).unwrap_err().exit_code(), 2);
	}
}
