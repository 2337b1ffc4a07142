//! What a replayed day came to: by slot, by hour, by household, in all; as JSON, CSV and a picture.

use super::{
	audit::{Audit, money_signed},
	rules,
};
use crate::{
	Error, Result,
	chart::{Chart, ChartSlot},
	keys, money, time,
};
use m2m_auction::{MilliWh, PricePerKwh, Pricing, Slot, SlotLength, Wh};
use m2m_device::{DeviceId, UnixMs};
use serde_json::{Value, json};
use std::{
	fs,
	path::{Path, PathBuf},
	time::Duration,
};

/// Files in the folder of a report.
const REPORT_FILE: &str = "report.json";
const SLOTS_FILE: &str = "slots.csv";
const HOUSEHOLDS_FILE: &str = "households.csv";
const PICTURE_FILE: &str = "day.svg";

/// What became of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotLine {
	/// The quarter of an hour, by its start.
	pub start: UnixMs,
	/// The slot on chain.
	pub slot: Slot,
	/// The price per kWh; `None` if nothing was traded.
	pub price: Option<PricePerKwh>,
	/// Wh traded.
	pub volume_wh: u128,
	/// Wh that all households took.
	pub import_wh: Wh,
	/// Wh that all households gave.
	pub export_wh: Wh,
	/// Reports of energy that counted.
	pub reports: usize,
	/// Reports of energy that did not, because they came late or for another reason.
	pub ignored: usize,
	/// Households whose credit did not cover what they would have bid.
	pub cut: usize,
	/// What all households together paid less than with the utility alone, in smallest units.
	pub saving: i128,
}

impl SlotLine {
	/// The line for the slot with this index.
	pub fn new(audit: &Audit, index: usize) -> Self {
		let terms = audit.terms();
		let readings = audit
			.households()
			.iter()
			.filter_map(|household| household.readings.get(index));
		let (import_wh, export_wh) = readings.fold((0u64, 0u64), |(imports, exports), (import, export)| {
			(imports.saturating_add(*import), exports.saturating_add(*export))
		});
		let record = audit.slots().get(index);
		let shares = record.map(|record| record.shares.as_slice()).unwrap_or_default();
		let (mut reports, mut ignored) = (0usize, 0usize);
		for (household, share) in audit.households().iter().zip(shares) {
			let (import, export) = household.readings.get(index).copied().unwrap_or_default();
			for (metered, counted) in [(import, share.import_counted), (export, share.export_counted)] {
				if counted {
					reports = reports.saturating_add(1);
				} else if metered > 0 {
					ignored = ignored.saturating_add(1);
				}
			}
		}
		Self {
			start: terms.quarters.get(index).copied().unwrap_or_default(),
			slot: terms.first.saturating_add(index as u64),
			price: record.and_then(|record| audit.price(record)),
			volume_wh: record.map_or(0, |record| record.volume_wh()),
			import_wh,
			export_wh,
			reports,
			ignored,
			cut: shares.iter().filter(|share| share.cut).count(),
			saving: (0..shares.len()).fold(0i128, |sum, household| {
				sum.saturating_add(saving(audit, index, household))
			}),
		}
	}
}

/// What a household paid less in a slot than with the utility alone.
fn saving(audit: &Audit, slot: usize, household: usize) -> i128 {
	let (alone, together) = audit.bills(slot, household);
	alone.saturating_sub(together)
}

/// What became of a household.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HouseholdLine {
	/// Name of its meter.
	pub name: String,
	/// Its device.
	pub device: DeviceId,
	/// Its credit was a hundredth of the others'.
	pub poor: bool,
	/// Wh taken.
	pub import_wh: Wh,
	/// Wh given.
	pub export_wh: Wh,
	/// mWh bought of its neighbours.
	pub bought: MilliWh,
	/// mWh sold to them.
	pub sold: MilliWh,
	/// Slots in which its credit cut its bid.
	pub cut: usize,
	/// What it would have paid the utility, less what it would have earned, in smallest units.
	pub alone: i128,
	/// What it paid in all, less what it earned.
	pub together: i128,
	/// Its largest saving in a slot.
	pub best: i128,
	/// Its smallest; never below zero.
	pub worst: i128,
}

impl HouseholdLine {
	/// What it paid less than with the utility alone.
	pub fn saving(&self) -> i128 {
		self.alone.saturating_sub(self.together)
	}
}

/// An hour of the day, or all of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Span {
	/// Lowest, mean and highest price per kWh of what was traded; the mean is weighted by volume and rounded down.
	pub prices: Option<(PricePerKwh, PricePerKwh, PricePerKwh)>,
	/// Slots in which something was traded.
	pub traded: usize,
	/// Slots.
	pub slots: usize,
	/// Wh traded.
	pub volume_wh: u128,
	/// Wh taken.
	pub import_wh: u128,
	/// Wh given.
	pub export_wh: u128,
	/// What was saved.
	pub saving: i128,
}

impl Span {
	/// Over some slots.
	pub fn over<'a>(lines: impl IntoIterator<Item = &'a SlotLine>) -> Self {
		let mut span = Self::default();
		let (mut turnover, mut lowest, mut highest) = (0u128, u128::MAX, 0u128);
		for line in lines {
			span.slots = span.slots.saturating_add(1);
			span.import_wh = span.import_wh.saturating_add(line.import_wh.into());
			span.export_wh = span.export_wh.saturating_add(line.export_wh.into());
			span.saving = span.saving.saturating_add(line.saving);
			let Some(price) = line.price else { continue };
			span.traded = span.traded.saturating_add(1);
			span.volume_wh = span.volume_wh.saturating_add(line.volume_wh);
			turnover = turnover.saturating_add(price.saturating_mul(line.volume_wh));
			lowest = lowest.min(price);
			highest = highest.max(price);
		}
		span.prices = turnover
			.checked_div(span.volume_wh)
			.map(|mean| (lowest, mean, highest));
		span
	}

	/// Thousandths of what was taken that came from neighbours, rounded down; `None` if nothing was taken.
	pub fn self_sufficiency(&self) -> Option<u128> {
		self.volume_wh.saturating_mul(1_000).checked_div(self.import_wh)
	}

	/// Thousandths of what was given that went to neighbours, rounded down; `None` if nothing was given.
	pub fn self_consumption(&self) -> Option<u128> {
		self.volume_wh.saturating_mul(1_000).checked_div(self.export_wh)
	}
}

/// What a replayed day came to. It exists only if everything was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
	/// The market.
	pub market: u32,
	/// Length of its slots.
	pub slot: SlotLength,
	/// The first and the last block of the run.
	pub blocks: (u32, u32),
	/// Tariffs, prices and grid fee.
	pub pricing: Pricing,
	/// By slot, in order of time.
	pub slots: Vec<SlotLine>,
	/// By household, in order of names.
	pub households: Vec<HouseholdLine>,
	/// Put into credits, paid out of them, and grid fees and rounding remainders that the operator got.
	pub turnover: (u128, u128, u128),
	/// Transaction fees of owner, operator and gateway.
	pub fees: [u128; 3],
	/// How long the set-up and how long everything took.
	pub took: (Duration, Duration),
}

impl Report {
	/// What finished books say.
	pub fn new(
		audit: &Audit,
		slot: SlotLength,
		blocks: (u32, u32),
		fees: [u128; 3],
		took: (Duration, Duration),
	) -> Self {
		let poor = rules::poor(audit.households().iter().map(|household| household.name.as_str()));
		let households = audit
			.households()
			.iter()
			.enumerate()
			.map(|(index, household)| {
				let mut line = HouseholdLine {
					name: household.name.clone(),
					device: household.device.clone(),
					poor: poor.contains(&household.name),
					import_wh: 0,
					export_wh: 0,
					bought: 0,
					sold: 0,
					cut: 0,
					alone: 0,
					together: 0,
					best: i128::MIN,
					worst: i128::MAX,
				};
				for (at, (record, (import, export))) in
					audit.slots().iter().zip(&household.readings).enumerate()
				{
					let (alone, together) = audit.bills(at, index);
					line.import_wh = line.import_wh.saturating_add(*import);
					line.export_wh = line.export_wh.saturating_add(*export);
					line.alone = line.alone.saturating_add(alone);
					line.together = line.together.saturating_add(together);
					line.best = line.best.max(saving(audit, at, index));
					line.worst = line.worst.min(saving(audit, at, index));
					if let Some(share) = record.shares.get(index) {
						line.bought = line.bought.saturating_add(share.bought);
						line.sold = line.sold.saturating_add(share.sold);
						line.cut = line.cut.saturating_add(usize::from(share.cut));
					}
				}
				line
			})
			.collect();
		let terms = audit.terms();
		Self {
			market: terms.market,
			slot,
			blocks,
			pricing: terms.pricing,
			slots: (0..terms.quarters.len())
				.map(|index| SlotLine::new(audit, index))
				.collect(),
			households,
			turnover: audit.turnover(),
			fees,
			took,
		}
	}

	/// The day that was replayed.
	pub fn date(&self) -> String {
		time::date_of(self.slots.first().map_or(0, |line| line.start))
	}

	/// Each hour with a slot, by its start.
	pub fn hours(&self) -> Vec<(UnixMs, Span)> {
		const HOUR_MS: u64 = 3_600_000;
		self.slots
			.chunk_by(|one, next| one.start / HOUR_MS == next.start / HOUR_MS)
			.filter_map(|lines| {
				let first = lines.first()?.start;
				Some((first - first % HOUR_MS, Span::over(lines)))
			})
			.collect()
	}

	/// All of it.
	pub fn total(&self) -> Span {
		Span::over(&self.slots)
	}

	/// The household that saved least, the one in the middle (the lower of two), and the one that saved most; `None`
	/// without households.
	pub fn extremes(&self) -> Option<[&HouseholdLine; 3]> {
		let mut sorted: Vec<&HouseholdLine> = self.households.iter().collect();
		sorted.sort_by_key(|line| line.saving());
		let middle = sorted.len().saturating_sub(1) / 2;
		Some([*sorted.first()?, *sorted.get(middle)?, *sorted.last()?])
	}

	/// Households that saved something.
	pub fn savers(&self) -> usize {
		self.households.iter().filter(|line| line.saving() > 0).count()
	}

	/// For machines. Money is decimal text in M2M, energy whole Wh or mWh.
	pub fn to_value(&self) -> Value {
		let total = self.total();
		let [owner, operator, gateway] = self.fees.map(money::format);
		let (put_in, paid_out, reserve) = self.turnover;
		json!({
			"date": self.date(),
			"market": self.market,
			"slot_seconds": self.slot.seconds(),
			"first_slot": self.slots.first().map(|line| line.slot),
			"blocks": [self.blocks.0, self.blocks.1],
			"seconds": { "set_up": self.took.0.as_secs(), "all": self.took.1.as_secs() },
			"tariffs": {
				"retail": money::format(self.pricing.retail),
				"feed_in": money::format(self.pricing.feed_in),
				"grid_fee": money::format(self.pricing.grid_fee),
				"assumed": true,
			},
			"total": span_value(&total),
			"saving": {
				"households": self.savers(),
				"least": self.extremes().map(|[least, _, _]| household_saving(least)),
				"median": self.extremes().map(|[_, median, _]| household_saving(median)),
				"most": self.extremes().map(|[_, _, most]| household_saving(most)),
			},
			"money": {
				"topped_up": money::format(put_in),
				"paid_out": money::format(paid_out),
				"grid_fees_and_remainders": money::format(reserve),
			},
			"fees": { "owner": owner, "operator": operator, "gateway": gateway },
			"hours": self.hours().iter().map(|(start, span)| {
				let mut value = span_value(span);
				if let Some(fields) = value.as_object_mut() {
					fields.insert("hour".into(), clock(*start).into());
				}
				value
			}).collect::<Vec<_>>(),
			"slots": self.slots.iter().map(|line| json!({
				"start": time::format(line.start),
				"slot": line.slot,
				"price": line.price.map(money::format),
				"volume_wh": whole(line.volume_wh),
				"import_wh": line.import_wh,
				"export_wh": line.export_wh,
				"reports": line.reports,
				"ignored": line.ignored,
				"cut_by_credit": line.cut,
				"saving": money_signed(line.saving),
			})).collect::<Vec<_>>(),
			"households": self.households.iter().map(|line| json!({
				"meter": line.name,
				"device": keys::address(&line.device),
				"small_credit": line.poor,
				"import_wh": line.import_wh,
				"export_wh": line.export_wh,
				"bought_mwh": whole(line.bought),
				"sold_mwh": whole(line.sold),
				"cut_by_credit": line.cut,
				"utility_alone": money_signed(line.alone),
				"with_market": money_signed(line.together),
				"saving": money_signed(line.saving()),
				"least_in_a_slot": money_signed(line.worst),
				"most_in_a_slot": money_signed(line.best),
			})).collect::<Vec<_>>(),
		})
	}

	/// A line a slot. Prices and money in M2M.
	pub fn slots_csv(&self) -> String {
		let mut text =
			"slot_start,slot,price,volume_wh,import_wh,export_wh,reports,ignored,cut_by_credit,saving\n"
				.to_owned();
		for line in &self.slots {
			text.push_str(&format!(
				"{},{},{},{},{},{},{},{},{},{}\n",
				time::format(line.start),
				line.slot,
				line.price.map(money::format).unwrap_or_default(),
				line.volume_wh,
				line.import_wh,
				line.export_wh,
				line.reports,
				line.ignored,
				line.cut,
				money_signed(line.saving),
			));
		}
		text
	}

	/// A line a household. Names of meters need no quotes: they are letters, digits, `-`, `_` and `.`.
	pub fn households_csv(&self) -> String {
		let mut text = "meter,device,small_credit,import_wh,export_wh,bought_mwh,sold_mwh,cut_by_credit,utility_alone,with_market,saving,least_in_a_slot,most_in_a_slot\n".to_owned();
		for line in &self.households {
			text.push_str(&format!(
				"{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
				line.name,
				keys::address(&line.device),
				line.poor,
				line.import_wh,
				line.export_wh,
				line.bought,
				line.sold,
				line.cut,
				money_signed(line.alone),
				money_signed(line.together),
				money_signed(line.saving()),
				money_signed(line.worst),
				money_signed(line.best),
			));
		}
		text
	}

	/// The picture of the day.
	pub fn chart(&self) -> Chart {
		let total = self.total();
		Chart {
			title: format!(
				"A neighbourhood of {} homes on {}",
				self.households.len(),
				self.date()
			),
			subtitle: format!(
				"{} kWh traded of {} taken and {} given; {} M2M saved against the utility alone",
				kwh(total.volume_wh),
				kwh(total.import_wh),
				kwh(total.export_wh),
				money_rounded(total.saving),
			),
			retail: self.pricing.retail,
			feed_in: self.pricing.feed_in,
			slots: self
				.slots
				.iter()
				.map(|line| ChartSlot {
					label: clock(line.start),
					price: line.price,
					volume_wh: line.volume_wh,
				})
				.collect(),
		}
	}

	/// Writes all files into a folder, which is made if need be. Files of an earlier report are replaced. Returns the
	/// picture's path.
	///
	/// # Errors
	/// [`Error::Io`].
	pub fn save(&self, folder: &Path) -> Result<PathBuf> {
		fs::create_dir_all(folder).map_err(|cause| Error::io(folder, cause))?;
		let json = format!("{:#}\n", self.to_value());
		for (name, content) in [
			(REPORT_FILE, json),
			(SLOTS_FILE, self.slots_csv()),
			(HOUSEHOLDS_FILE, self.households_csv()),
			(PICTURE_FILE, self.chart().to_svg()),
		] {
			let file = folder.join(name);
			fs::write(&file, content).map_err(|cause| Error::io(&file, cause))?;
		}
		Ok(folder.join(PICTURE_FILE))
	}
}

fn span_value(span: &Span) -> Value {
	let price = |pick: fn((u128, u128, u128)) -> u128| span.prices.map(|prices| money::format(pick(prices)));
	json!({
		"slots": span.slots,
		"traded_slots": span.traded,
		"price_min": price(|(lowest, _, _)| lowest),
		"price_mean": price(|(_, mean, _)| mean),
		"price_max": price(|(_, _, highest)| highest),
		"volume_wh": whole(span.volume_wh),
		"import_wh": whole(span.import_wh),
		"export_wh": whole(span.export_wh),
		"self_sufficiency_permille": span.self_sufficiency().map(whole),
		"self_consumption_permille": span.self_consumption().map(whole),
		"saving": money_signed(span.saving),
	})
}

fn household_saving(line: &HouseholdLine) -> Value {
	json!({ "meter": line.name, "saving": money_signed(line.saving()) })
}

/// A number as JSON has it. Sums of a day's energy are far below 2^64.
fn whole(number: u128) -> u64 {
	u64::try_from(number).unwrap_or(u64::MAX)
}

/// Hour and minute of a time.
pub fn clock(moment: UnixMs) -> String {
	time::format(moment).chars().skip(11).take(5).collect()
}

/// Wh as kWh with all three digits.
pub fn kwh(wh: u128) -> String {
	format!("{}.{:03}", wh / 1_000, wh % 1_000)
}

/// An amount with three digits after the point, rounded towards zero: for tables that people read.
pub fn money_rounded(amount: i128) -> String {
	const THOUSANDTH: u128 = money::UNIT / 1_000;
	let thousandths = amount.unsigned_abs() / THOUSANDTH;
	let sign = if amount < 0 && thousandths > 0 { "-" } else { "" };
	format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// Thousandths as a percentage.
pub fn percent(permille: Option<u128>) -> String {
	permille.map_or_else(
		|| "-".into(),
		|permille| format!("{}.{} %", permille / 10, permille % 10),
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn line(start: &str, price: Option<u128>, volume_wh: u128) -> SlotLine {
		SlotLine {
			start: time::parse(start).unwrap(),
			slot: 7,
			price,
			volume_wh,
			import_wh: 1_000,
			export_wh: 500,
			reports: 4,
			ignored: 0,
			cut: 0,
			saving: 5,
		}
	}

	fn household(name: &str, saving: i128) -> HouseholdLine {
		HouseholdLine {
			name: name.into(),
			device: DeviceId::new([1; 32]),
			poor: false,
			import_wh: 1,
			export_wh: 2,
			bought: 3,
			sold: 4,
			cut: 0,
			alone: saving,
			together: 0,
			best: saving,
			worst: 0,
		}
	}

	fn report(slots: Vec<SlotLine>, households: Vec<HouseholdLine>) -> Report {
		Report {
			market: 2,
			slot: SlotLength::new(6).unwrap(),
			blocks: (3, 90),
			pricing: rules::Tariffs::default().pricing().unwrap(),
			slots,
			households,
			turnover: (10, 9, 1),
			fees: [1, 2, 3],
			took: (Duration::from_secs(20), Duration::from_secs(90)),
		}
	}

	#[test]
	fn hours_have_the_mean_price_of_what_was_traded() {
		let report = report(
			vec![
				line("2016-06-16T11:45:00Z", None, 0),
				line("2016-06-16T12:00:00Z", Some(10), 300),
				line("2016-06-16T12:15:00Z", Some(20), 100),
				line("2016-06-16T12:30:00Z", None, 0),
			],
			Vec::new(),
		);
		let hours = report.hours();
		let starts: Vec<String> = hours.iter().map(|(start, _)| clock(*start)).collect();
		assert_eq!(starts, ["11:00", "12:00"]);
		assert_eq!(hours[0].1.prices, None);
		assert_eq!(hours[0].1.self_sufficiency(), Some(0));
		// (10 x 300 + 20 x 100) / 400, rounded down.
		assert_eq!(hours[1].1.prices, Some((10, 12, 20)));
		assert_eq!((hours[1].1.traded, hours[1].1.slots), (2, 3));
		assert_eq!(hours[1].1.self_sufficiency(), Some(133));
		assert_eq!(hours[1].1.self_consumption(), Some(266));
		assert_eq!(report.total().saving, 20);
		assert_eq!(Span::default().self_sufficiency(), None);
	}

	#[test]
	fn the_household_in_the_middle_is_the_lower_of_two() {
		let of = |savings: &[i128]| {
			let households = savings
				.iter()
				.map(|saving| household(&saving.to_string(), *saving))
				.collect();
			report(Vec::new(), households)
		};
		let names = |report: &Report| report.extremes().map(|lines| lines.map(|line| line.name.clone()));
		assert_eq!(names(&of(&[])), None);
		assert_eq!(names(&of(&[4])), Some(["4", "4", "4"].map(str::to_owned)));
		assert_eq!(
			names(&of(&[9, 0, 3, 5])),
			Some(["0", "3", "9"].map(str::to_owned))
		);
		assert_eq!(of(&[9, 0, 3, 5]).savers(), 3);
	}

	#[test]
	fn files_are_written_and_replaced() {
		let folder = tempfile::tempdir().unwrap();
		let folder = folder.path().join("out");
		for volume in [1, 250] {
			let report = report(
				vec![line("2016-06-16T12:00:00Z", Some(150_000_000_000), volume)],
				vec![household("m1", money::UNIT as i128)],
			);
			let picture = report.save(&folder).unwrap();
			assert!(fs::read_to_string(picture).unwrap().starts_with("<svg"));
		}
		let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
		let slots = read("slots.csv");
		assert_eq!(
			slots.lines().nth(1).unwrap(),
			"2016-06-16T12:00:00Z,7,0.15,250,1000,500,4,0,0,0.000000000005"
		);
		assert!(read("households.csv").lines().nth(1).unwrap().starts_with("m1,5"));
		let json: Value = serde_json::from_str(&read("report.json")).unwrap();
		assert_eq!(json["total"]["volume_wh"], 250);
		assert_eq!(json["households"][0]["saving"], "1");
		assert_eq!(json["slots"][0]["price"], "0.15");
	}

	#[test]
	fn amounts_for_people_are_rounded_towards_zero() {
		for (amount, text) in [
			(0, "0.000"),
			(1, "0.000"),
			(-1, "0.000"),
			(1_999_999_999, "0.001"),
			(-2_500_000_000_000, "-2.500"),
		] {
			assert_eq!(money_rounded(amount), text);
		}
		assert_eq!(percent(Some(7)), "0.7 %");
		assert_eq!(percent(None), "-");
		assert_eq!(kwh(1_050), "1.050");
	}
}
