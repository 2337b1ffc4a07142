//! A neighbourhood's day in time-lapse: each quarter of an hour of the meter readings becomes a delivery slot of some
//! seconds, in which devices report, the market clears and everybody is settled, on a running chain.
//!
//! [`rules`] says how members are set up, [`audit`] works out again from the readings what the chain did and refuses to
//! believe anything else, [`report`] shows it. [`run`] does it all: it registers a device for each meter, opens streams
//! and a market, lets the devices join, delivers what they sign when a slot is over by the chain's clock, settles, and
//! takes everything down again, so that it can be run once more.

mod accounts;
pub mod audit;
mod delivery;
pub mod report;
pub mod rules;
mod setup;

use crate::{
	Error, Result,
	chain::{Chain, energy::EnergyEvent},
	keys::Key,
	readings::MeterReadings,
	replay::Progress,
	time::{self, QUARTER_HOUR_MS},
};
use accounts::Journal;
use audit::{Audit, Terms};
use m2m_auction::{Pricing, SlotLength, Wh, Window};
use m2m_device::UnixMs;
use report::{Report, SlotLine};
use std::{collections::BTreeMap, path::Path, time::Instant};

pub use audit::Household;
pub use setup::needs;

/// Blocks for which a slot can be reported after its end, besides one slot length: enough for a delivery that misses its
/// block twice.
const WINDOW_BLOCKS: u8 = 4;
/// Before a meter's name in the name of its device. A device of its own keeps the streams of the time-lapse, whose slots
/// are not quarters of an hour, apart from the meter's real ones.
const PREFIX: &str = "community-";

/// Name of the device that stands for a meter.
pub fn device_name(meter: &str) -> String {
	format!("{PREFIX}{meter}")
}

/// What to replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
	/// Readings of one day.
	pub readings: MeterReadings,
	/// Starts of the quarters of an hour to replay; at least one. Each meter has a reading in each.
	pub quarters: Vec<UnixMs>,
	/// How long a quarter of an hour lasts on chain.
	pub slot: SlotLength,
	/// Tariffs, prices and grid fee.
	pub pricing: Pricing,
}

impl Plan {
	/// A plan for the quarters of an hour from `from` to `to`, its end.
	///
	/// # Errors
	/// [`Error::Usage`] if that is nothing, [`Error::BadFile`] if a meter lacks a reading.
	pub fn new(
		readings: MeterReadings,
		from: UnixMs,
		to: UnixMs,
		slot: SlotLength,
		pricing: Pricing,
	) -> Result<Self> {
		let step = usize::try_from(QUARTER_HOUR_MS).unwrap_or(usize::MAX);
		let quarters: Vec<UnixMs> = (from..to).step_by(step).collect();
		if quarters.is_empty() {
			return Err(Error::Usage("--to must be later than --from".into()));
		}
		for (meter, slots) in &readings.meters {
			let known: BTreeMap<UnixMs, ()> = slots.iter().map(|slot| (slot.start, ())).collect();
			if let Some(missing) = quarters.iter().find(|start| !known.contains_key(start)) {
				return Err(Error::bad_file(
					&readings.file,
					format!(
						"{meter} has no reading at {}: leave the meter out with --meters, or replay a part of the day with --from and --to",
						time::format(*missing)
					),
				));
			}
		}
		Ok(Self {
			readings,
			quarters,
			slot,
			pricing,
		})
	}

	/// Wh that a meter took and gave in each quarter.
	fn readings_of(&self, meter: &str) -> Vec<(Wh, Wh)> {
		let slots = self
			.readings
			.meters
			.get(meter)
			.map(Vec::as_slice)
			.unwrap_or_default();
		let by_start: BTreeMap<UnixMs, (Wh, Wh)> = slots
			.iter()
			.map(|slot| {
				(
					slot.start,
					(slot.import_wh().unsigned_abs(), slot.export_wh().unsigned_abs()),
				)
			})
			.collect();
		self.quarters
			.iter()
			.map(|start| by_start.get(start).copied().unwrap_or_default())
			.collect()
	}

	fn window(&self) -> Window {
		Window {
			ms: u32::try_from(self.slot.ms()).unwrap_or(u32::MAX),
			blocks: WINDOW_BLOCKS,
		}
	}
}

/// Who pays and signs.
#[derive(Clone, Copy)]
pub struct Signers<'a> {
	/// Runs the market: creates it, admits, and gets the grid fees.
	pub operator: &'a Key,
	/// Owns the devices: pays their deposits and credits, and gets back what is left.
	pub owner: &'a Key,
	/// Delivers what the devices sign, and settles.
	pub gateway: &'a Key,
}

/// Replays, checks and takes down. `line` is shown each slot when it is settled.
///
/// # Errors
/// [`Error::CannotPay`] before anything is done; [`Error::Contradiction`] if what the chain did does not follow from the
/// readings; those of the chain.
pub async fn run(
	chain: &Chain,
	home: &Path,
	signers: Signers<'_>,
	plan: &Plan,
	progress: &dyn Progress,
	line: &(dyn Fn(&SlotLine) + Sync),
) -> Result<Report> {
	let began = Instant::now();
	let before = chain.finalized().await?;
	setup::check_funds(chain, &before, signers, plan).await?;
	for key in [signers.operator, signers.owner, signers.gateway] {
		chain.settle(&key.account()).await?;
	}
	let mut journal = Journal::new(chain, before.number);
	let community = setup::set_up(chain, home, signers, plan, &mut journal, progress).await?;
	let set_up = began.elapsed();

	let mut audit = community.audit;
	for event in journal.take_events() {
		audit.observe(&event)?;
	}
	delivery::trade(
		chain,
		signers.gateway,
		&community.devices,
		plan,
		&mut audit,
		&mut journal,
		progress,
		line,
	)
	.await?;

	let outcome = setup::take_down(
		chain,
		signers,
		&community.devices,
		&community.account,
		&mut audit,
		&mut journal,
		&before,
		progress,
	)
	.await?;
	progress.finish();
	Ok(Report::new(
		&audit,
		plan.slot,
		(before.number.saturating_add(1), outcome.block),
		outcome.fees,
		(set_up, began.elapsed()),
	))
}

/// Shows the books every energy event of the blocks from `first` to `last`, and looks at everything together.
///
/// # Errors
/// [`Error::Contradiction`] if the chain's records do not follow from the readings in the books; [`Error::Node`] if the
/// node does not have the state of these blocks any more.
pub async fn check(chain: &Chain, audit: &mut Audit, first: u32, last: u32) -> Result<()> {
	for number in first..=last {
		let block = chain.block(number).await?;
		for event in EnergyEvent::all(&block, &block.events(chain).await?)? {
			audit.observe(&event)?;
		}
	}
	audit.finish()
}

/// The books for a market that a plan was traded in.
///
/// # Errors
/// [`Error::Unknown`] if a meter has no device in `home`.
pub fn books(home: &Path, plan: &Plan, terms: Terms) -> Result<Audit> {
	let mut households = Vec::with_capacity(plan.readings.meters.len());
	for meter in plan.readings.meters.keys() {
		let name = device_name(meter);
		let device = crate::keys::Device::id_of(home, &name)?
			.ok_or_else(|| Error::Unknown(format!("there is no device `{name}` in {}", home.display())))?;
		households.push(Household {
			name: meter.clone(),
			device,
			order: rules::order(meter, &plan.pricing.grid),
			readings: plan.readings_of(meter),
		});
	}
	Audit::new(terms, households)
}

#[cfg(test)]
mod tests {
	use super::*;

	const DAY: &str = "slot_start,meter,consumed_wh,produced_wh\n\
		2016-06-13T00:00:00Z,m1,251,0\n2016-06-13T00:15:00Z,m1,100,340\n2016-06-13T00:15:00Z,m2,7,0\n";

	fn plan(from: &str, to: &str, meters: &[String]) -> Result<Plan> {
		let readings = MeterReadings::read(Path::new("day.csv"), DAY.as_bytes()).unwrap();
		let day = time::parse_date("2016-06-13").unwrap();
		Plan::new(
			readings.select(day, meters).unwrap(),
			time::parse(from).unwrap(),
			time::parse(to).unwrap(),
			SlotLength::new(6).unwrap(),
			rules::Tariffs::default().pricing().unwrap(),
		)
	}

	#[test]
	fn readings_are_netted_and_put_in_the_order_of_the_quarters() {
		let plan = plan("2016-06-13T00:00:00Z", "2016-06-13T00:30:00Z", &["m1".into()]).unwrap();
		assert_eq!(plan.quarters.len(), 2);
		assert_eq!(plan.readings_of("m1"), [(251, 0), (0, 240)]);
	}

	#[test]
	fn a_missing_reading_is_named() {
		let error = plan("2016-06-13T00:00:00Z", "2016-06-13T00:30:00Z", &[]).unwrap_err();
		assert_eq!(error.exit_code(), 6);
		for part in ["m2", "2016-06-13T00:00:00Z", "--meters"] {
			assert!(error.to_string().contains(part), "{error}");
		}
		assert!(plan("2016-06-13T00:15:00Z", "2016-06-13T00:30:00Z", &[]).is_ok());
	}

	#[test]
	fn an_empty_span_is_refused() {
		let noon = "2016-06-13T12:00:00Z";
		assert_eq!(plan(noon, noon, &[]).unwrap_err().exit_code(), 2);
	}
}
