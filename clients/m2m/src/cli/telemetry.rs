//! `m2m telemetry`.

use super::{Context, account::account_or_device};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table};
use m2m::{
	Error, Result,
	chain::telemetry::{self, Quantity},
	evidence::{self, Accusation},
	keys::{self, Device, Key},
	money,
	proof::{self, Proof},
	readings::MeterReadings,
	replay::{self, Carrier, MAX_ENVELOPES_PER_CALL, Mapping, Plan, Report},
	store::{AnchorName, Store},
	time,
};
use m2m_anchor::{StreamId, StreamKind, StreamSpec};
use m2m_device::AccountId;
use serde_json::{Value, json};
use sp_core::H256;
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
};

/// Quantities on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QuantityName {
	/// Energy taken from the grid
	Import,
	/// Energy fed into the grid
	Export,
	/// Energy taken from the grid, minute by minute
	ImportByMinute,
}

impl From<QuantityName> for Quantity {
	fn from(name: QuantityName) -> Self {
		match name {
			QuantityName::Import => Self::Import,
			QuantityName::Export => Self::Export,
			QuantityName::ImportByMinute => Self::ImportByMinute,
		}
	}
}

/// Kinds on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
	/// Amount over one cadence from the time stamp on
	Interval,
	/// Running total
	Register,
	/// Value at the time stamp
	Gauge,
}

/// Where a replayed day is put.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapTo {
	/// The day's last slot ends at the last full quarter of an hour
	Now,
	/// Where it is
	Keep,
}

impl From<MapTo> for Mapping {
	fn from(map: MapTo) -> Self {
		match map {
			MapTo::Now => Self::Now,
			MapTo::Keep => Self::Keep,
		}
	}
}

#[derive(Subcommand)]
pub enum TelemetryCommand {
	/// Streams of a device
	#[command(subcommand)]
	Stream(StreamCommand),
	/// Anchor a day of meter readings, through a gateway or by the devices themselves
	#[command(after_help = "Examples:\n  \
		m2m telemetry replay fixtures/lv1-101_2016-06-13_7d.csv --date 2016-06-13 --owner alice.json --gateway gateway.json\n  \
		m2m telemetry replay fixtures/lv1-101_2016-06-13_7d.csv --date 2016-06-13 --owner alice.json --direct\n\n\
		Registers a device for each meter and opens its import and export streams where they are missing, signs one\n\
		anchor a slot and stream with the device's key, and delivers them. With --gateway that account sends and pays\n\
		for envelopes of up to eight anchors. With --direct each device sends its own anchors with its own key, which\n\
		needs no balance: its sponsorship pays (`m2m sponsor create`), or its wallet within its budget (`m2m device\n\
		budget set`). A device sends no more than they can pay now. It can be stopped at any point: running it again,\n\
		either way, sends only what the chain does not have.\n\
		The file's columns are slot_start, meter, consumed_wh and produced_wh.")]
	Replay(Replay),
	/// Prove that a reading was recorded
	#[command(after_help = "Example:\n  \
		m2m telemetry prove --meter meter-003 --time 2016-06-13T12:00:00Z --out proof.json\n\n\
		The time is that of the reading as anchored, or as in the file that was replayed.")]
	Prove {
		/// Name of the meter
		#[arg(long, value_name = "NAME")]
		meter: String,
		/// A time within the reading's interval, such as 2016-06-13T12:00:00Z
		#[arg(long)]
		time: String,
		/// Which stream
		#[arg(long, value_enum, default_value = "import")]
		stream: QuantityName,
		/// File to write; standard output if left out
		#[arg(long, value_name = "FILE")]
		out: Option<PathBuf>,
	},
	/// Check a proof against the last finalized block
	#[command(after_help = "Examples:\n  m2m telemetry verify proof.json\n  \
		m2m telemetry verify proof.json --csv readings.csv\n\n\
		With --csv, the reading that the file holds now is checked in the place of the one in the proof: if a single\n\
		Wh was changed, the proof fails, and the anchor that convicts the file is named. Exit code 5.")]
	Verify {
		/// The proof
		proof: PathBuf,
		/// Meter readings that claim to be the recorded ones
		#[arg(long, alias = "reading-from", value_name = "FILE")]
		csv: Option<PathBuf>,
	},
	/// Convict an anchor whose total contradicts its own readings
	#[command(
		after_help = "Example:\n  m2m telemetry report-false-anchor evidence.json --signer bob.json\n\n\
		Evidence is made by somebody who was shown all readings of an anchor with their salts, with\n\
		`m2m_merkle::Batch::evidence`; the m2m library's `evidence` module has the format of the file. It is checked\n\
		here before anything is sent. The anchor is marked as disputed on chain, for everybody who relies on it, and the\n\
		key that signed it is named. Only anchors that are still in state can be convicted."
	)]
	ReportFalseAnchor {
		/// The evidence
		evidence: PathBuf,
		/// Key file of the account that pays the fee
		#[arg(long, value_name = "KEYFILE")]
		signer: PathBuf,
	},
}

#[derive(Subcommand)]
pub enum StreamCommand {
	/// Open a stream; the deposit is held on the device's wallet
	#[command(after_help = "Example:\n  \
		m2m telemetry stream create --device heat-pump --owner alice.json --kind gauge --unit Cel --scale=-1 \\\n    \
		--min=-400 --max 1200 --cadence 1m")]
	Create(Box<StreamCreate>),
	/// List a device's open streams
	#[command(after_help = "Example:\n  m2m telemetry stream list --device meter-001")]
	List {
		/// Name in --home, or SS58 id
		#[arg(long)]
		device: String,
	},
	/// Close a stream; its anchors stay provable
	#[command(
		after_help = "Example:\n  m2m telemetry stream close --device meter-001 --stream 1 --owner alice.json"
	)]
	Close {
		/// Name in --home, or SS58 id
		#[arg(long)]
		device: String,
		/// Number of the stream
		#[arg(long)]
		stream: StreamId,
		/// Key file of the owner
		#[arg(long, value_name = "KEYFILE")]
		owner: PathBuf,
	},
}

#[derive(Args)]
pub struct StreamCreate {
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
	/// How a reading relates to time
	#[arg(long, value_enum, default_value = "interval")]
	kind: Kind,
	/// Unit at scale 0, from the SenML units registry: Wh, W, Cel, V, ...
	#[arg(long, default_value = "Wh")]
	unit: String,
	/// A stored value v stands for v * 10^scale units
	#[arg(long, default_value_t = 0, allow_hyphen_values = true)]
	scale: i8,
	/// Energy import or export of a grid connection, named by its schema
	#[arg(long, value_enum, conflicts_with = "schema")]
	quantity: Option<QuantityName>,
	/// Hash of the schema that says what is measured, as 0x and 64 hex digits
	#[arg(long)]
	schema: Option<String>,
	/// Smallest plausible value
	#[arg(long, default_value_t = 0, allow_hyphen_values = true)]
	min: i64,
	/// Largest plausible value
	#[arg(long, default_value_t = 25_000, allow_hyphen_values = true)]
	max: i64,
	/// Usual time between two readings
	#[arg(long, default_value = "15m")]
	cadence: String,
	/// No anchor may cross a multiple of this
	#[arg(long)]
	period: Option<String>,
	/// Newest anchors that stay in state
	#[arg(long, default_value_t = 8)]
	retention: u16,
	/// Keep sums and extremes inside the commitments
	#[arg(long)]
	private: bool,
}

#[derive(Args)]
pub struct Replay {
	/// CSV file with meter readings
	file: PathBuf,
	/// Key file of the owner of the devices
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
	/// Key file of the gateway that delivers and pays
	#[arg(long, value_name = "KEYFILE", required_unless_present = "direct")]
	gateway: Option<PathBuf>,
	/// Each device sends its own anchors with its own key
	#[arg(long, conflicts_with_all = ["gateway", "batch"])]
	direct: bool,
	/// Day to replay (UTC); needed if the file covers several
	#[arg(long, value_name = "YYYY-MM-DD")]
	date: Option<String>,
	/// Meters to replay; all if left out
	#[arg(long, value_delimiter = ',', value_name = "NAME,...")]
	meters: Vec<String>,
	/// Where to put the day in time
	#[arg(long, value_enum, default_value = "now")]
	map_to: MapTo,
	/// Envelopes in one delivery call, 1 to 64
	#[arg(long, default_value_t = MAX_ENVELOPES_PER_CALL as u8, value_parser = clap::value_parser!(u8).range(1..=64))]
	batch: u8,
}

pub async fn run(context: &Context, command: TelemetryCommand) -> Result<()> {
	match command {
		TelemetryCommand::Stream(StreamCommand::Create(create)) => create_stream(context, *create).await,
		TelemetryCommand::Stream(StreamCommand::List { device }) => list_streams(context, &device).await,
		TelemetryCommand::Stream(StreamCommand::Close {
			device,
			stream,
			owner,
		}) => {
			let id = account_or_device(context, &device)?;
			let (chain, key) = context.connect_as(&owner).await?;
			let included = chain.submit(&key, &telemetry::close_stream(&id, stream)).await?;
			context.output.result(
				format!(
					"{device}: stream {stream} closed; fee {} M2M",
					money::format(included.fee)
				),
				json!({ "device": keys::address(&id), "stream": stream, "fee": money::format(included.fee) }),
			);
			Ok(())
		}
		TelemetryCommand::Replay(arguments) => run_replay(context, arguments, &Quantity::SETTLED).await,
		TelemetryCommand::Prove {
			meter,
			time,
			stream,
			out,
		} => prove(context, &meter, &time, stream.into(), out).await,
		TelemetryCommand::Verify { proof, csv } => verify(context, proof, csv).await,
		TelemetryCommand::ReportFalseAnchor { evidence, signer } => {
			report_false_anchor(context, &evidence, &signer).await
		}
	}
}

async fn create_stream(context: &Context, create: StreamCreate) -> Result<()> {
	let span = |text: &str| {
		u32::try_from(time::parse_span(text)?)
			.map_err(|_| Error::Usage(format!("`{text}` is longer than 49 days")))
	};
	let schema = match (create.quantity, create.schema) {
		(Some(quantity), _) => Quantity::from(quantity).schema(),
		(None, Some(text)) => {
			let mut bytes = [0; 32];
			hex::decode_to_slice(text.trim_start_matches("0x"), &mut bytes)
				.map_err(|_| Error::Usage(format!("`{text}` is not a hash: give 0x and 64 hex digits")))?;
			H256(bytes)
		}
		(None, None) => H256::zero(),
	};
	let unit = create.unit.into_bytes();
	let spec = StreamSpec {
		kind: match create.kind {
			Kind::Interval => StreamKind::Interval,
			Kind::Register => StreamKind::Register,
			Kind::Gauge => StreamKind::Gauge,
		},
		private: create.private,
		schema,
		unit: unit
			.try_into()
			.map_err(|_| Error::Usage("a unit has at most 8 characters".into()))?,
		scale: create.scale,
		plausible_min: create.min,
		plausible_max: create.max,
		cadence_ms: span(&create.cadence)?,
		period_ms: create.period.as_deref().map(span).transpose()?,
		not_before: 0,
		retention: create.retention,
	};
	let id = account_or_device(context, &create.device)?;
	let (chain, key) = context.connect_as(&create.owner).await?;
	let included = chain.submit(&key, &telemetry::create_stream(&id, &spec)).await?;
	let stream = telemetry::created_stream(&included.events)?;
	context.output.result(
		format!(
			"{}: stream {stream} opened; fee {} M2M",
			create.device,
			money::format(included.fee)
		),
		json!({ "device": keys::address(&id), "stream": stream, "fee": money::format(included.fee) }),
	);
	Ok(())
}

async fn list_streams(context: &Context, device: &str) -> Result<()> {
	let id = account_or_device(context, device)?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["stream", "kind", "quantity", "unit", "anchors", "last reading"]);
	let mut values = Vec::new();
	for stream in block.streams(&chain, &id).await? {
		let Some(details) = block.stream(&chain, &id, stream).await? else {
			continue;
		};
		let Some(spec) = details.spec else { continue };
		let quantity = Quantity::of(&spec).map(Quantity::name);
		let unit = String::from_utf8_lossy(&spec.unit).into_owned();
		let last = details.last_reading.map(time::format);
		table.add_row([
			stream.to_string(),
			format!("{:?}{}", spec.kind, if spec.private { ", private" } else { "" }),
			quantity.unwrap_or("").into(),
			format!(
				"{unit}{}",
				if spec.scale == 0 {
					String::new()
				} else {
					format!(" * 10^{}", spec.scale)
				}
			),
			details.anchors.to_string(),
			last.clone().unwrap_or_default(),
		]);
		values.push(json!({
			"stream": stream,
			"kind": format!("{:?}", spec.kind),
			"private": spec.private,
			"quantity": quantity,
			"unit": unit,
			"scale": spec.scale,
			"cadence_ms": spec.cadence_ms,
			"period_ms": spec.period_ms,
			"retention": spec.retention,
			"next_seq": details.next_seq,
			"anchors": details.anchors,
			"range_root": details.range_root.map(|root| format!("{root:?}")),
			"last_reading": last,
		}));
	}
	context.output.result(
		format!("{table}\n{} open streams", values.len()),
		Value::Array(values),
	);
	Ok(())
}

/// Anchors a day of meter readings, each quantity in a stream of its own.
pub async fn run_replay(context: &Context, arguments: Replay, quantities: &'static [Quantity]) -> Result<()> {
	let readings = MeterReadings::from_file(&arguments.file)?;
	let date = match (arguments.date, readings.dates().as_slice()) {
		(Some(date), _) => date,
		(None, [only]) => only.clone(),
		(None, dates) => {
			return Err(Error::Usage(format!(
				"{} covers {} days, {} to {}: choose one with --date",
				arguments.file.display(),
				dates.len(),
				dates.first().map_or("", String::as_str),
				dates.last().map_or("", String::as_str)
			)));
		}
	};
	let day = time::parse_date(&date)?;
	let plan = Plan {
		readings: readings.select(day, &arguments.meters)?,
		day,
		mapping: arguments.map_to.into(),
		quantities,
		envelopes_per_call: arguments.batch.into(),
	};
	let owner = Key::load(&arguments.owner)?;
	let gateway = match &arguments.gateway {
		Some(file) => Some((Key::load(file)?, file)),
		None => None,
	};
	let store = Store::open(&context.home)?;
	let chain = context.connect().await?;
	chain.check_signer(&owner, &arguments.owner).await?;
	let carrier = match &gateway {
		Some((key, file)) => {
			chain.check_signer(key, file).await?;
			Carrier::Gateway(key)
		}
		None => Carrier::Devices,
	};

	let bar = super::output::Bar::new(context.output);
	let result = replay::run(&chain, &store, &context.home, &owner, &carrier, &plan, &bar).await;
	m2m::replay::Progress::finish(&bar);
	let report = result?;
	print_report(context, &date, &report, &carrier);
	match report.refused.first() {
		None => Ok(()),
		Some((_, first)) => Err(Error::AnchorsRefused {
			count: report.refused.len(),
			first: first.clone(),
		}),
	}
}

/// Who paid how much, in one line.
fn paid_by(fees: &BTreeMap<AccountId, u128>) -> String {
	if fees.is_empty() {
		return "nothing for delivery".into();
	}
	fees.iter()
		.map(|(payer, fee)| format!("{} {} M2M", keys::address(payer), money::format(*fee)))
		.collect::<Vec<_>>()
		.join(", ")
}

/// Wh as kWh with all three digits.
fn kwh(wh: i64) -> String {
	format!("{}.{:03}", wh / 1000, (wh % 1000).abs())
}

fn print_report(context: &Context, date: &str, report: &Report, carrier: &Carrier<'_>) {
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header([
		"meter", "readings", "kWh in", "kWh out", "anchored", "last seq", "block",
	]);
	let number = |value: Option<u64>| value.map_or_else(|| "-".into(), |value| value.to_string());
	let (mut readings, mut import, mut export, mut anchored) = (0usize, 0i64, 0i64, 0usize);
	for meter in &report.meters {
		table.add_row([
			meter.meter.clone(),
			meter.readings.to_string(),
			kwh(meter.import_wh),
			kwh(meter.export_wh),
			meter.anchored.to_string(),
			number(meter.last_seq),
			number(meter.last_block.map(u64::from)),
		]);
		readings = readings.saturating_add(meter.readings);
		import = import.saturating_add(meter.import_wh);
		export = export.saturating_add(meter.export_wh);
		anchored = anchored.saturating_add(meter.anchored);
	}
	let total = [
		"total".to_owned(),
		readings.to_string(),
		kwh(import),
		kwh(export),
		anchored.to_string(),
		String::new(),
		String::new(),
	];
	table.add_row(total);
	for column in table.column_iter_mut().skip(1) {
		column.set_cell_alignment(CellAlignment::Right);
	}
	let millis = u64::try_from(report.delivery.as_millis())
		.unwrap_or(u64::MAX)
		.max(1);
	let rate = (report.delivered as u64).saturating_mul(1000) / millis;
	let delivery = if report.calls == 0 {
		"nothing was left to deliver".to_owned()
	} else {
		format!(
			"{} anchors in {} calls, final after {}.{} s ({rate} anchors/s)",
			report.delivered,
			report.calls,
			millis / 1000,
			millis % 1000 / 100
		)
	};
	let delivery_fees = report
		.delivery_fees
		.values()
		.fold(0u128, |sum, fee| sum.saturating_add(*fee));
	let text = format!(
		"{table}\n{date} anchored as {} to {}\n{} devices registered, {} streams opened; {delivery}\nfees: owner {} M2M, {}",
		time::format(report.from),
		time::format(report.to),
		report.registered,
		report.opened,
		money::format(report.owner_fees),
		match carrier {
			Carrier::Gateway(_) => format!("gateway {} M2M", money::format(delivery_fees)),
			Carrier::Devices => paid_by(&report.delivery_fees),
		},
	);
	let value = json!({
		"date": date,
		"shift_ms": report.shift,
		"from": time::format(report.from),
		"to": time::format(report.to),
		"registered": report.registered,
		"streams_opened": report.opened,
		"delivered": report.delivered,
		"calls": report.calls,
		"delivery_ms": millis,
		"owner_fees": money::format(report.owner_fees),
		"gateway_fees": money::format(match carrier {
			Carrier::Gateway(_) => delivery_fees,
			Carrier::Devices => 0,
		}),
		"delivery_fees": report.delivery_fees.iter().map(|(payer, fee)| json!({
			"payer": keys::address(payer),
			"fee": money::format(*fee),
		})).collect::<Vec<_>>(),
		"readings": readings,
		"import_wh": import,
		"export_wh": export,
		"anchored": anchored,
		"refused": report.refused.iter().map(|(name, reason)| json!({
			"device": keys::address(&name.device),
			"stream": name.stream,
			"seq": name.seq,
			"reason": reason,
		})).collect::<Vec<_>>(),
		"meters": report.meters.iter().map(|meter| json!({
			"meter": meter.meter,
			"device": keys::address(&meter.device),
			"readings": meter.readings,
			"import_wh": meter.import_wh,
			"export_wh": meter.export_wh,
			"anchored": meter.anchored,
			"last_seq": meter.last_seq,
			"last_block": meter.last_block,
		})).collect::<Vec<_>>(),
	});
	context.output.result(text, value);
}

async fn prove(
	context: &Context,
	meter: &str,
	at: &str,
	quantity: Quantity,
	out: Option<PathBuf>,
) -> Result<()> {
	let at = time::parse(at)?;
	let device = Device::find(&context.home, meter)?.ok_or_else(|| {
		Error::Unknown(format!(
			"there is no device `{meter}` in {}",
			context.home.display()
		))
	})?;
	let store = Store::open(&context.home)?;
	let chain = context.connect().await?;
	let proof = proof::make(&chain, &store, &device, quantity, at).await?;
	let text = proof.to_json()?;
	match out {
		None => context.output.result(text.trim_end(), proof.to_value()?),
		Some(file) => {
			std::fs::write(&file, &text).map_err(|cause| Error::io(&file, cause))?;
			let summary = format!("{}\nwritten to {}", proof.describe(), file.display());
			let value = json!({ "file": file, "proof": proof.to_value()? });
			context.output.result(summary, value);
		}
	}
	Ok(())
}

async fn verify(context: &Context, file: PathBuf, csv: Option<PathBuf>) -> Result<()> {
	let mut proof = Proof::from_file(&file)?;
	let claim = match &csv {
		Some(csv) => Some((csv, proof.value_in(&MeterReadings::from_file(csv)?)?)),
		None => None,
	};
	let chain = context.connect().await?;
	// The store is only needed to extend a stale proof, and an auditor has none.
	let store = if context.home.join("gateway.redb").exists() {
		match Store::open(&context.home) {
			Ok(store) => Some(store),
			Err(Error::StoreBusy(_)) => None,
			Err(error) => return Err(error),
		}
	} else {
		None
	};
	let checked = proof::verify(&chain, store.as_ref(), &mut proof).await?;
	let mut text = format!(
		"{}\nholds in finalized block {} (0x{}): the chain says so, and so does this computer\n  reading -> data root    {} steps\n  anchor  -> range root   {} steps, {} anchors in the stream{}",
		proof.describe(),
		checked.block,
		hex::encode(checked.hash),
		proof.reading_steps(),
		proof.range_steps(),
		proof.leaves(),
		if checked.extended {
			"\nthe stream had grown; the proof was extended from the local store"
		} else {
			""
		},
	);
	let mut value = json!({
		"holds": true,
		"block": checked.block,
		"block_hash": format!("0x{}", hex::encode(checked.hash)),
		"extended": checked.extended,
		"proof": proof.to_value()?,
	});
	if let Some((csv, claimed)) = claim {
		proof::check_claim(&chain, &proof, csv, claimed, &checked).await?;
		text.push_str(&format!("\n{} holds the same reading", csv.display()));
		if let Some(fields) = value.as_object_mut() {
			fields.insert("csv_agrees".into(), true.into());
		}
	}
	context.output.result(text, value);
	Ok(())
}

async fn report_false_anchor(context: &Context, file: &Path, signer: &Path) -> Result<()> {
	let accusation = Accusation::from_file(file)?;
	let (chain, signer) = context.connect_as(signer).await?;
	chain.expect_genesis(&format!("the evidence {}", file.display()), &accusation.genesis)?;
	let (record, lie) = evidence::examine(&chain, &accusation).await?;
	let call = telemetry::report_false_anchor(&accusation.anchor, &accusation.evidence);
	let included = chain.submit(&signer, &call).await?;
	let AnchorName { device, stream, seq } = &accusation.anchor;
	context.output.result(
		format!(
			"anchor {seq} of stream {stream} of {} is convicted: {}\nsigned by the key {}; fee {} M2M",
			keys::address(device),
			evidence::describe(lie),
			keys::address(&record.key),
			money::format(included.fee)
		),
		json!({
			"device": keys::address(device),
			"stream": stream,
			"sequence": seq,
			"lie": format!("{lie:?}"),
			"key": keys::address(&record.key),
			"block": included.block.number,
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn who_paid_for_delivery_is_said_by_account() {
		assert_eq!(paid_by(&BTreeMap::new()), "nothing for delivery");
		let payer = AccountId::new([1; 32]);
		let fees = BTreeMap::from([(payer.clone(), money::UNIT / 2)]);
		assert_eq!(paid_by(&fees), format!("{} 0.5 M2M", keys::address(&payer)));
	}

	#[test]
	fn energy_is_shown_to_the_last_watt_hour() {
		assert_eq!(kwh(0), "0.000");
		assert_eq!(kwh(251), "0.251");
		assert_eq!(kwh(12_345_678), "12345.678");
	}
}
