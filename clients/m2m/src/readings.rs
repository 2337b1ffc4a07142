//! Meter readings from CSV files.
//!
//! The columns are `slot_start` (RFC 3339, start of a quarter of an hour), `meter`, `consumed_wh` and
//! `produced_wh` (integers, Wh in that slot, before netting behind the meter).

use crate::{
	Error, Result,
	keys::check_name,
	time::{self, QUARTER_HOUR_MS},
};
use m2m_device::UnixMs;
use std::{
	collections::BTreeMap,
	fs::File,
	io::Read,
	path::{Path, PathBuf},
};

const COLUMNS: [&str; 4] = ["slot_start", "meter", "consumed_wh", "produced_wh"];

/// One quarter of an hour of one meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
	/// When it starts.
	pub start: UnixMs,
	/// Wh used behind the meter.
	pub consumed_wh: u32,
	/// Wh generated behind the meter.
	pub produced_wh: u32,
	/// Line in the file, counted from 1.
	pub line: u64,
}

impl Slot {
	/// Wh taken from the grid: what is used beyond what is generated in the same slot.
	pub fn import_wh(&self) -> i64 {
		i64::from(self.consumed_wh.saturating_sub(self.produced_wh))
	}

	/// Wh fed into the grid: what is generated beyond what is used in the same slot.
	pub fn export_wh(&self) -> i64 {
		i64::from(self.produced_wh.saturating_sub(self.consumed_wh))
	}
}

/// The slots of each meter in order of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterReadings {
	/// Where they come from, for messages.
	pub file: PathBuf,
	/// By meter name, then in order of time.
	pub meters: BTreeMap<String, Vec<Slot>>,
}

impl MeterReadings {
	/// Reads a file.
	pub fn from_file(file: &Path) -> Result<Self> {
		let reader = File::open(file).map_err(|cause| match cause.kind() {
			std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
			_ => Error::io(file, cause),
		})?;
		Self::read(file, reader)
	}

	/// Reads CSV; `file` is for messages.
	pub fn read(file: &Path, reader: impl Read) -> Result<Self> {
		let wrong = |line: u64, problem: String| Error::Csv {
			file: file.to_owned(),
			line,
			problem,
		};
		let mut csv = csv::ReaderBuilder::new()
			.has_headers(false)
			.flexible(true)
			.from_reader(reader);
		let mut meters: BTreeMap<String, Vec<Slot>> = BTreeMap::new();
		let mut record = csv::StringRecord::new();
		let mut header = true;
		loop {
			let line = csv.position().line();
			let more = csv.read_record(&mut record).map_err(|error| {
				let at = error.position().map_or(line, csv::Position::line);
				wrong(at, format!("this is not CSV in UTF-8: {}", csv_problem(&error)))
			})?;
			if !more {
				break;
			}
			let line = record.position().map_or(line, csv::Position::line);
			if header {
				if !record.iter().eq(COLUMNS) {
					return Err(wrong(
						line,
						format!("the first line must be `{}`", COLUMNS.join(",")),
					));
				}
				header = false;
				continue;
			}
			let (meter, slot) = parse_row(&record, line).map_err(|problem| wrong(line, problem))?;
			meters.entry(meter).or_default().push(slot);
		}
		if header {
			return Err(wrong(
				1,
				format!(
					"the file is empty; the first line must be `{}`",
					COLUMNS.join(",")
				),
			));
		}
		if meters.is_empty() {
			return Err(wrong(2, "there are no readings after the first line".into()));
		}
		for (meter, slots) in &mut meters {
			slots.sort_by_key(|slot| (slot.start, slot.line));
			for pair in slots.windows(2) {
				if let [first, second] = pair
					&& first.start == second.start
				{
					return Err(wrong(
						second.line,
						format!(
							"{meter} at {} stands in line {} already",
							time::format(first.start),
							first.line
						),
					));
				}
			}
		}
		Ok(Self {
			file: file.to_owned(),
			meters,
		})
	}

	/// The days, in UTC, for which there are readings.
	pub fn dates(&self) -> Vec<String> {
		let mut dates: Vec<String> = self
			.meters
			.values()
			.flatten()
			.map(|slot| time::date_of(slot.start))
			.collect();
		dates.sort();
		dates.dedup();
		dates
	}

	/// Keeps the readings of one day and, if `meters` is not empty, of these meters. An error if nothing is left.
	pub fn select(mut self, day: UnixMs, meters: &[String]) -> Result<Self> {
		if let Some(missing) = meters.iter().find(|meter| !self.meters.contains_key(*meter)) {
			return Err(Error::bad_file(
				&self.file,
				format!(
					"there is no meter `{missing}`; the first is `{}`",
					self.meters.keys().next().map_or("", |name| name)
				),
			));
		}
		let dates = self.dates();
		let end = day.saturating_add(96 * QUARTER_HOUR_MS);
		self.meters.retain(|meter, slots| {
			slots.retain(|slot| (day..end).contains(&slot.start));
			!slots.is_empty() && (meters.is_empty() || meters.contains(meter))
		});
		if self.meters.is_empty() {
			let span = match (dates.first(), dates.last()) {
				(Some(first), Some(last)) => format!("{first} to {last}"),
				_ => "nothing".into(),
			};
			return Err(Error::bad_file(
				&self.file,
				format!(
					"there are no readings on {}; the file covers {span}",
					time::date_of(day)
				),
			));
		}
		Ok(self)
	}

	/// The slot of a meter that starts at `start`.
	pub fn slot(&self, meter: &str, start: UnixMs) -> Option<&Slot> {
		self.meters.get(meter)?.iter().find(|slot| slot.start == start)
	}
}

fn csv_problem(error: &csv::Error) -> String {
	match error.kind() {
		csv::ErrorKind::Io(cause) => cause.to_string(),
		csv::ErrorKind::Utf8 { .. } => "a byte is not UTF-8".into(),
		_ => error.to_string(),
	}
}

fn parse_row(record: &csv::StringRecord, line: u64) -> std::result::Result<(String, Slot), String> {
	let [start, meter, consumed, produced] =
		record
			.iter()
			.collect::<Vec<_>>()
			.try_into()
			.map_err(|fields: Vec<_>| {
				format!("there are {} fields instead of {}", fields.len(), COLUMNS.len())
			})?;
	let at = time::parse(start)
		.map_err(|_| format!("slot_start `{start}` is not a time such as 2016-06-13T12:00:00Z"))?;
	if at % QUARTER_HOUR_MS != 0 {
		return Err(format!(
			"slot_start `{start}` is not the start of a quarter of an hour"
		));
	}
	check_name(meter)
		.map_err(|_| format!("meter `{meter}` is not a name of letters, digits, `-`, `_` and `.`"))?;
	let energy = |column: &str, text: &str| {
		text.parse::<u32>().map_err(|_| {
			format!(
				"{column} `{text}` is not a whole number of Wh from 0 to {}",
				u32::MAX
			)
		})
	};
	let slot = Slot {
		start: at,
		consumed_wh: energy("consumed_wh", consumed)?,
		produced_wh: energy("produced_wh", produced)?,
		line,
	};
	Ok((meter.to_owned(), slot))
}

#[cfg(test)]
mod tests {
	use super::*;

	const HEADER: &str = "slot_start,meter,consumed_wh,produced_wh\n";

	fn read(text: &str) -> Result<MeterReadings> {
		MeterReadings::read(Path::new("day.csv"), text.as_bytes())
	}

	fn refused(text: &str) -> (u64, String) {
		match read(text).unwrap_err() {
			error @ Error::Csv { line, .. } => {
				assert_eq!(error.exit_code(), 6);
				(line, error.to_string())
			}
			error => panic!("{error}"),
		}
	}

	#[test]
	fn import_and_export_are_netted_within_the_slot() {
		let readings = read(&format!(
			"{HEADER}2016-06-13T00:00:00Z,m1,251,0\n2016-06-13T00:15:00Z,m1,100,340\n"
		))
		.unwrap();
		let slots = &readings.meters["m1"];
		assert_eq!((slots[0].import_wh(), slots[0].export_wh()), (251, 0));
		assert_eq!((slots[1].import_wh(), slots[1].export_wh()), (0, 240));
	}

	#[test]
	fn rows_may_stand_in_any_order() {
		let readings = read(&format!(
			"{HEADER}2016-06-13T00:15:00Z,m1,2,0\n2016-06-13T00:00:00Z,m1,1,0\n"
		))
		.unwrap();
		assert_eq!(
			readings.meters["m1"]
				.iter()
				.map(|slot| slot.consumed_wh)
				.collect::<Vec<_>>(),
			[1, 2]
		);
		assert_eq!(readings.dates(), ["2016-06-13"]);
	}

	#[test]
	fn a_malformed_line_is_named() {
		let good = "2016-06-13T00:00:00Z,m1,1,0\n";
		for (row, words) in [
			("2016-06-13T00:15:00Z,m1,1\n", "3 fields instead of 4"),
			("2016-06-13T00:15:00Z,m1,1,0,9\n", "5 fields instead of 4"),
			(
				"2016-06-13 noon,m1,1,0\n",
				"slot_start `2016-06-13 noon` is not a time",
			),
			("2016-06-13T00:10:00Z,m1,1,0\n", "not the start of a quarter"),
			("2016-06-13T00:15:00Z,,1,0\n", "meter `` is not a name"),
			("2016-06-13T00:15:00Z,../m1,1,0\n", "meter `../m1` is not a name"),
			(
				"2016-06-13T00:15:00Z,m1,1.5,0\n",
				"consumed_wh `1.5` is not a whole number",
			),
			(
				"2016-06-13T00:15:00Z,m1,-1,0\n",
				"consumed_wh `-1` is not a whole number",
			),
			(
				"2016-06-13T00:15:00Z,m1,1,4294967296\n",
				"produced_wh `4294967296` is not a whole number",
			),
			("2016-06-13T00:00:00Z,m1,1,0\n", "stands in line 2 already"),
		] {
			let (line, message) = refused(&format!("{HEADER}{good}{row}{good}"));
			assert_eq!(line, 3, "{message}");
			assert!(message.starts_with("day.csv:3: "), "{message}");
			assert!(message.contains(words), "{message}");
		}
	}

	#[test]
	fn a_file_without_the_columns_or_without_readings_is_refused() {
		assert_eq!(refused("").0, 1);
		assert!(
			refused("time,meter,in,out\n")
				.1
				.contains("the first line must be")
		);
		assert_eq!(refused(HEADER).0, 2);
		let mut bytes = HEADER.as_bytes().to_vec();
		bytes.extend_from_slice(b"2016-06-13T00:00:00Z,m\xff,1,0\n");
		let error = MeterReadings::read(Path::new("day.csv"), bytes.as_slice()).unwrap_err();
		assert!(matches!(error, Error::Csv { line: 2, .. }), "{error}");
	}

	#[test]
	fn a_day_and_meters_are_selected() {
		let text = format!(
			"{HEADER}2016-06-13T23:45:00Z,m1,1,0\n2016-06-14T00:00:00Z,m1,2,0\n2016-06-14T00:00:00Z,m2,3,0\n"
		);
		let day = time::parse_date("2016-06-14").unwrap();
		let readings = read(&text).unwrap().select(day, &["m1".into()]).unwrap();
		assert_eq!(readings.meters.len(), 1);
		assert_eq!(readings.meters["m1"][0].consumed_wh, 2);
		assert_eq!(readings.slot("m1", day).unwrap().line, 3);
		assert!(readings.slot("m1", day + 1).is_none());
		let error = read(&text).unwrap().select(day, &["m9".into()]).unwrap_err();
		assert!(error.to_string().contains("there is no meter `m9`"), "{error}");
		let error = read(&text)
			.unwrap()
			.select(time::parse_date("2017-01-01").unwrap(), &[])
			.unwrap_err();
		assert!(error.to_string().contains("2016-06-13 to 2016-06-14"), "{error}");
	}

	#[test]
	fn the_fixture_is_a_week_of_thirteen_meters() {
		let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lv1-101_2016-06-13_7d.csv");
		let readings = MeterReadings::from_file(&file).unwrap();
		assert_eq!(readings.dates().len(), 7);
		assert_eq!(readings.meters.len(), 13);
		assert!(readings.meters.values().all(|slots| slots.len() == 7 * 96));
	}
}
