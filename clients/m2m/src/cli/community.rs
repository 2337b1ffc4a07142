//! `m2m community`.

use super::{Context, output::Bar};
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};
use m2m::{
	Error, Result,
	community::{
		self, Plan, Signers,
		report::{HouseholdLine, Report, SlotLine, Span, clock, kwh, money_rounded, percent},
		rules::Tariffs,
	},
	keys::{self, Key},
	money,
	readings::MeterReadings,
	replay::Progress,
	time,
};
use m2m_auction::SlotLength;
use m2m_device::UnixMs;
use std::path::PathBuf;

/// Two blocks: the chain takes no shorter slots.
const SHORTEST_SLOT: u32 = 6;

#[derive(Subcommand)]
pub enum CommunityCommand {
	/// Trade a day of meter readings in time-lapse, check every result, and draw it
	#[command(after_help = "Examples:\n  \
		m2m community replay fixtures/lv3-101_2016-06-16_1d.csv --date 2016-06-16 --slot-seconds 6 \\\n    \
		--operator operator.json --owner owner.json --gateway gateway.json --out day\n  \
		m2m community replay fixtures/lv3-101_2016-06-16_1d.csv --from 11:00 --to 13:00 --meters meter-001,meter-011,meter-002 \\\n    \
		--operator alice.json --owner alice.json --gateway alice.json\n\n\
		Each quarter of an hour becomes a delivery slot of some seconds on the chain: a day takes 96 of them, ten minutes\n\
		with 6 s. A device `community-METER` stands for each meter. The owner registers them and pays their credits, the\n\
		operator runs a new market, the gateway delivers what the devices sign when a slot is over, and settles.\n\n\
		Everything is set before the first reading is known. Limits are drawn from a meter's name: bids in the upper two\n\
		thirds of the prices, asks in the lower two. Each connection takes and gives up to 10 kWh in a slot, and its credit\n\
		is what two such slots cost at most; that of two homes is a hundredth, so that it runs out. Tariffs are assumptions.\n\n\
		At the end everybody leaves, and the owner gets back what the wallets did not have before. All results are worked\n\
		out again from the readings: prices, bills, money to the unit, energy to the rounding, and that no household is worse\n\
		off than with the utility alone, in any slot. What does not follow is an error that names slot and household\n\
		(exit code 5). The folder --out gets report.json, slots.csv, households.csv and day.svg.\n\n\
		A run that is cut off leaves its members where they are: `m2m market leave` gets their credit back. The next run\n\
		makes a market of its own.")]
	Replay(Box<Replay>),
}

#[derive(Args)]
pub struct Replay {
	/// CSV file with meter readings
	file: PathBuf,
	/// Day to replay (UTC); needed if the file covers several
	#[arg(long, value_name = "YYYY-MM-DD")]
	date: Option<String>,
	/// How long a quarter of an hour lasts on chain; divides a day, at least two blocks
	#[arg(long, default_value_t = SHORTEST_SLOT, value_name = "N")]
	slot_seconds: u32,
	/// Key file of the account that runs the market
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
	/// Key file of the owner of the devices
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
	/// Key file of the gateway that delivers and settles
	#[arg(long, value_name = "KEYFILE")]
	gateway: PathBuf,
	/// Meters that take part; all if left out
	#[arg(long, value_delimiter = ',', value_name = "NAME,...")]
	meters: Vec<String>,
	/// Start of the first quarter of an hour (UTC)
	#[arg(long, default_value = "00:00", value_name = "HH:MM")]
	from: String,
	/// End of the last one
	#[arg(long, default_value = "24:00", value_name = "HH:MM")]
	to: String,
	/// What the utility charges, M2M per kWh
	#[arg(long, default_value = "0.30", value_name = "AMOUNT")]
	retail: String,
	/// What the utility pays, M2M per kWh
	#[arg(long, default_value = "0.08", value_name = "AMOUNT")]
	feed_in: String,
	/// What a buyer pays on top of the price, M2M per kWh
	#[arg(long, default_value = "0.04", value_name = "AMOUNT")]
	grid_fee: String,
	/// Folder for report and picture [default: community-DATE]
	#[arg(long, value_name = "DIR")]
	out: Option<PathBuf>,
}

pub async fn run(context: &Context, command: CommunityCommand) -> Result<()> {
	let CommunityCommand::Replay(arguments) = command;
	replay(context, *arguments).await
}

/// Reads `HH:MM`, a quarter of an hour from 00:00 to 24:00, as milliseconds since midnight.
fn time_of_day(text: &str) -> Result<UnixMs> {
	let refuse = || {
		Error::Usage(format!(
			"`{text}` is not a quarter of an hour: write it as in 11:45, from 00:00 to 24:00"
		))
	};
	let (hours, minutes) = text.split_once(':').ok_or_else(refuse)?;
	let number = |digits: &str| {
		if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
			return Err(refuse());
		}
		digits.parse::<u64>().map_err(|_| refuse())
	};
	let (hours, minutes) = (number(hours)?, number(minutes)?);
	let in_minutes = hours.saturating_mul(60).saturating_add(minutes);
	if minutes > 45 || minutes % 15 != 0 || in_minutes > 24 * 60 {
		return Err(refuse());
	}
	Ok(in_minutes.saturating_mul(60_000))
}

/// The plan that the command line asks for, and its day.
fn plan(arguments: &Replay) -> Result<(String, Plan)> {
	let slot = SlotLength::new(arguments.slot_seconds)
		.filter(|slot| slot.seconds() >= SHORTEST_SLOT)
		.ok_or_else(|| {
			Error::Usage(format!(
				"a slot cannot last {} s: choose at least {SHORTEST_SLOT} s and a number that divides a day, such as 6, 10, 12, 30 or 60",
				arguments.slot_seconds
			))
		})?;
	let pricing = Tariffs {
		retail: money::parse(&arguments.retail)?,
		feed_in: money::parse(&arguments.feed_in)?,
		grid_fee: money::parse(&arguments.grid_fee)?,
	}
	.pricing()?;
	let readings = MeterReadings::from_file(&arguments.file)?;
	let date = match (&arguments.date, readings.dates().as_slice()) {
		(Some(date), _) => date.clone(),
		(None, [only]) => only.clone(),
		(None, dates) => {
			return Err(Error::Usage(format!(
				"{} covers {} days: choose one with --date",
				arguments.file.display(),
				dates.len()
			)));
		}
	};
	let day = time::parse_date(&date)?;
	let (from, to) = (time_of_day(&arguments.from)?, time_of_day(&arguments.to)?);
	let plan = Plan::new(
		readings.select(day, &arguments.meters)?,
		day.saturating_add(from),
		day.saturating_add(to),
		slot,
		pricing,
	)?;
	Ok((date, plan))
}

async fn replay(context: &Context, arguments: Replay) -> Result<()> {
	let (date, plan) = plan(&arguments)?;
	let folder = arguments
		.out
		.unwrap_or_else(|| PathBuf::from(format!("community-{date}")));
	let chain = context.connect().await?;
	let mut loaded = Vec::with_capacity(3);
	for file in [&arguments.operator, &arguments.owner, &arguments.gateway] {
		let key = Key::load(file)?;
		chain.check_signer(&key, file).await?;
		loaded.push(key);
	}
	let [operator, owner, gateway] = loaded.as_slice() else {
		return Err(Error::Usage("three key files are needed".into()));
	};
	let seconds = plan.slot.seconds();
	let slots = plan.quarters.len() as u64;
	context.output.note(format!(
		"{} homes, {slots} slots of {seconds} s: about {}, and a minute for setting up and taking down",
		plan.readings.meters.len(),
		duration(slots.saturating_mul(seconds.into())),
	));
	let signers = Signers {
		operator,
		owner,
		gateway,
	};
	for (account, amount, what) in community::needs(signers, &plan) {
		context.output.note(format!(
			"{what} takes {} M2M of {}",
			money::format(amount),
			keys::address(&account)
		));
	}
	let bar = Bar::new(context.output);
	let result = community::run(&chain, &context.home, signers, &plan, &bar, &|line| {
		bar.line(slot_line(line))
	})
	.await;
	bar.finish();
	let report = result?;
	let picture = report.save(&folder)?;
	let mut value = report.to_value();
	if let Some(fields) = value.as_object_mut() {
		fields.insert("picture".into(), picture.display().to_string().into());
	}
	context.output.result(
		format!(
			"{}\npicture and figures: {}",
			describe(&report),
			picture.display()
		),
		value,
	);
	Ok(())
}

fn duration(seconds: u64) -> String {
	match (seconds / 60, seconds % 60) {
		(0, seconds) => format!("{seconds} s"),
		(minutes, 0) => format!("{minutes} min"),
		(minutes, seconds) => format!("{minutes} min {seconds} s"),
	}
}

/// One slot, while it goes on.
fn slot_line(line: &SlotLine) -> String {
	let mut text = match line.price {
		Some(price) => format!(
			"{}  {} kWh at {} M2M/kWh, of {} kWh taken and {} given; {} M2M saved",
			clock(line.start),
			kwh(line.volume_wh),
			money::format(price),
			kwh(line.import_wh.into()),
			kwh(line.export_wh.into()),
			money_rounded(line.saving),
		),
		None => format!(
			"{}  nothing traded, of {} kWh taken and {} given",
			clock(line.start),
			kwh(line.import_wh.into()),
			kwh(line.export_wh.into()),
		),
	};
	if line.ignored > 0 {
		text.push_str(&format!("; {} reports did not count", line.ignored));
	}
	if line.cut > 0 {
		text.push_str(&format!("; {} bids cut by credit", line.cut));
	}
	text
}

fn describe(report: &Report) -> String {
	let mut hours = Table::new();
	hours.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	hours.set_header([
		"hour",
		"lowest",
		"mean",
		"highest",
		"kWh traded",
		"kWh taken",
		"kWh given",
		"of taken",
		"of given",
		"M2M saved",
	]);
	for (start, span) in report.hours() {
		hours.add_row(span_row(clock(start), &span));
	}
	let total = report.total();
	hours.add_row(span_row("all".into(), &total));

	let mut homes = Table::new();
	homes.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	homes.set_header([
		"home",
		"meter",
		"kWh bought",
		"kWh sold",
		"utility alone",
		"with market",
		"saved",
		"least in a slot",
	]);
	if let Some([least, median, most]) = report.extremes() {
		for (title, line) in [("saved least", least), ("median", median), ("saved most", most)] {
			homes.add_row(household_row(title, line));
		}
	}
	for line in report.households.iter().filter(|line| line.poor) {
		homes.add_row(household_row(
			&format!("small credit, cut {} times", line.cut),
			line,
		));
	}
	for table in [&mut hours, &mut homes] {
		for column in table.column_iter_mut().skip(1) {
			column.set_cell_alignment(CellAlignment::Right);
		}
	}
	let ignored = report
		.slots
		.iter()
		.fold(0usize, |sum, line| sum.saturating_add(line.ignored));
	let [owner, operator, gateway] = report.fees.map(money::format);
	let (put_in, paid_out, reserve) = report.turnover;
	format!(
		"{hours}\nPrices in M2M per kWh; the mean is weighted by energy.\n{homes}\n\
		{} of {} homes saved, none paid more than with the utility alone in any slot; {} M2M saved in all on {} (assumed tariffs, M2M per kWh: retail {}, feed-in {}, grid fee {})\n\
		money: {} M2M into credits = {} paid out + {} of grid fees and remainders; nothing left in the market\n\
		fees: owner {owner} M2M, operator {operator}, gateway {gateway}\n\
		market {}, blocks {} to {}; {} s to set up, {} s in all{}",
		report.savers(),
		report.households.len(),
		money_rounded(total.saving),
		report.date(),
		money::format(report.pricing.retail),
		money::format(report.pricing.feed_in),
		money::format(report.pricing.grid_fee),
		money::format(put_in),
		money::format(paid_out),
		money::format(reserve),
		report.market,
		report.blocks.0,
		report.blocks.1,
		report.took.0.as_secs(),
		report.took.1.as_secs(),
		match ignored {
			0 => String::new(),
			ignored => format!("; {ignored} reports came too late to count"),
		},
	)
}

fn span_row(title: String, span: &Span) -> [String; 10] {
	let price = |pick: fn((u128, u128, u128)) -> u128| match span.prices {
		Some(prices) => money_rounded(i128::try_from(pick(prices)).unwrap_or(i128::MAX)),
		None => "-".into(),
	};
	[
		title,
		price(|(lowest, _, _)| lowest),
		price(|(_, mean, _)| mean),
		price(|(_, _, highest)| highest),
		kwh(span.volume_wh),
		kwh(span.import_wh),
		kwh(span.export_wh),
		percent(span.self_sufficiency()),
		percent(span.self_consumption()),
		money_rounded(span.saving),
	]
}

fn household_row(title: &str, line: &HouseholdLine) -> [String; 8] {
	[
		title.to_owned(),
		line.name.clone(),
		m2m::bill::kwh(line.bought),
		m2m::bill::kwh(line.sold),
		money_rounded(line.alone),
		money_rounded(line.together),
		money_rounded(line.saving()),
		money_rounded(line.worst),
	]
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m::time::QUARTER_HOUR_MS;

	#[test]
	fn quarters_of_an_hour_are_read_from_midnight_to_midnight() {
		assert_eq!(time_of_day("00:00").unwrap(), 0);
		assert_eq!(time_of_day("00:15").unwrap(), QUARTER_HOUR_MS);
		assert_eq!(time_of_day("24:00").unwrap(), 96 * QUARTER_HOUR_MS);
		for text in [
			"", "1:00", "11:10", "11:60", "24:15", "25:00", "+1:00", "aa:bb", "11.45", "11:045",
		] {
			assert_eq!(time_of_day(text).unwrap_err().exit_code(), 2, "{text}");
		}
	}

	#[test]
	fn lengths_of_time_are_said_in_minutes_and_seconds() {
		assert_eq!(duration(59), "59 s");
		assert_eq!(duration(576), "9 min 36 s");
		assert_eq!(duration(600), "10 min");
	}

	#[test]
	fn a_slot_says_what_was_ignored_and_cut() {
		let line = SlotLine {
			start: 12 * 60 * 60 * 1_000,
			slot: 1,
			price: None,
			volume_wh: 0,
			import_wh: 1_500,
			export_wh: 0,
			reports: 3,
			ignored: 1,
			cut: 2,
			saving: 0,
		};
		assert_eq!(
			slot_line(&line),
			"12:00  nothing traded, of 1.500 kWh taken and 0.000 given; 1 reports did not count; 2 bids cut by credit"
		);
	}
}
