//! Registering what stands in a manifest, however many devices that are.
//!
//! The manifest is read line by line: to check every line before anything is sent, to ask what the devices that the
//! chain does not have would cost, and to register them. In memory is, for each device, a part of its id with its line
//! and the end of its proof, and while the lines are checked a part of the hash of its name: about 100 bytes, a quarter
//! of what its line takes on disk. Everything else is bounded.
//!
//! The result file is CSV with one line a device, written as devices become final:
//!
//! | column | content |
//! |---|---|
//! | `name` | the device's name in the manifest |
//! | `device` | its id, which is also its wallet, as an SS58 address |
//! | `did` | its decentralized identifier |
//! | `status` | `registered`, `existing` (the chain had it before) or `refused` |
//! | `block` | number of the block in which it was registered, if that is known |
//! | `error` | why it was refused |
//!
//! After a crash at any point the same import goes on: what the chain has is not sent again, lines of the result file
//! stay if the chain has their devices, and what was refused is tried again.

use crate::{
	Error, Result,
	chain::{
		self, Chain, Included, Pipeline,
		identity::{self, REGISTRATIONS_PER_CALL, Registration},
	},
	keys::{self, Key},
	manifest::{Entry, Fault, Faults, Lines, Manifest},
	replay::Progress,
	selection::{Devices, Pages},
};
use codec::Encode;
use csv::StringRecord;
use m2m_device::{AccountId, DeviceId, DeviceStatus, UnixMs};
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::{
	collections::HashMap,
	fs::{self, File, OpenOptions},
	path::{Path, PathBuf},
};

/// Registration calls that may be under way at once: enough to fill the blocks that are made while one becomes final.
const CALLS_IN_FLIGHT: usize = 64;
/// Columns of the result file.
const RESULT_COLUMNS: [&str; 6] = ["name", "device", "did", "status", "block", "error"];
const REGISTERED: &str = "registered";
const EXISTING: &str = "existing";
const REFUSED: &str = "refused";
const OWNER_CANNOT_PAY: &str = "DeviceIdentity::OwnerCannotPay";
const KEY_ALREADY_USED: &str = "DeviceIdentity::KeyAlreadyUsed";

/// The first half of a 32-byte hash. Two of a manifest's devices have the same one only if somebody searched for it.
type Tag = [u8; 16];

fn tag(bytes: &[u8]) -> Tag {
	bytes.first_chunk().copied().unwrap_or_default()
}

/// Where a device of the manifest stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
	/// The chain does not have it as the owner's.
	Missing,
	/// The chain has it, and the result file does not say so.
	OnChain,
	/// The chain has it, and the result file says so.
	Noted,
}

#[derive(Debug)]
struct Known {
	line: u32,
	state: State,
	expires: UnixMs,
}

/// What is known of every device of a manifest.
#[derive(Debug)]
pub struct Plan {
	owner: AccountId,
	genesis: [u8; 32],
	devices: HashMap<Tag, Known>,
	/// How many the chain has as the owner's.
	existing: usize,
}

impl Plan {
	/// Reads a manifest and checks every line that can be checked without a node: its form, that names and keys are
	/// unique, and that each key agreed to `owner` and to one chain.
	pub fn read(manifest: &mut Manifest, owner: &AccountId, progress: &dyn Progress) -> Result<Self> {
		progress.stage("checking the manifest", manifest.size()?);
		let plan = Self::read_lines(manifest, owner, progress);
		progress.finish();
		plan
	}

	fn read_lines(manifest: &mut Manifest, owner: &AccountId, progress: &dyn Progress) -> Result<Self> {
		let path = manifest.path().to_owned();
		let mut faults = Faults::default();
		let mut names: HashMap<Tag, u32> = HashMap::new();
		let mut devices: HashMap<Tag, Known> = HashMap::new();
		let mut genesis = None;
		let mut lines = manifest.lines()?;
		let mut shown = 0;
		while let Some(line) = lines.next_line()? {
			let read = lines.read_so_far();
			progress.advance(read.saturating_sub(shown));
			shown = read;
			let entry = match line.entry {
				Ok(entry) => entry,
				Err(fault) => {
					faults.add(line.number, fault);
					continue;
				}
			};
			let number = u32::try_from(line.number).unwrap_or(u32::MAX);
			let name = tag(BlakeTwo256::hash(entry.name.as_bytes()).as_bytes());
			if let Some(first) = names.insert(name, number) {
				names.insert(name, first);
				faults.add(
					line.number,
					Fault::DuplicateName {
						name: entry.name.clone(),
						first: first.into(),
					},
				);
			}
			if entry.owner != *owner {
				faults.add(
					line.number,
					Fault::WrongOwner {
						found: keys::address(&entry.owner),
						owner: keys::address(owner),
					},
				);
			}
			if *genesis.get_or_insert(entry.genesis) != entry.genesis {
				faults.add(
					line.number,
					Fault::OtherChain {
						found: format!("0x{}", hex::encode(entry.genesis)),
					},
				);
			}
			if !entry.is_signed() {
				faults.add(line.number, Fault::BadProof);
			}
			let device = tag(entry.device().as_ref());
			match devices.get(&device) {
				Some(first) => faults.add(
					line.number,
					Fault::DuplicateKey {
						first: first.line.into(),
					},
				),
				None => {
					let known = Known {
						line: number,
						state: State::Missing,
						expires: entry.proof.expires,
					};
					devices.insert(device, known);
				}
			}
		}
		faults.check(&path)?;
		let genesis = genesis.ok_or_else(|| Error::Csv {
			file: path,
			line: 2,
			problem: "there are no devices after the first line".into(),
		})?;
		Ok(Self {
			owner: owner.clone(),
			genesis,
			devices,
			existing: 0,
		})
	}

	/// Compares the manifest with the chain: that it is the right one, which devices it has, and that the proofs of
	/// the others are valid by its clock. Waits until nothing of the owner is under way.
	pub async fn compare(&mut self, chain: &Chain, manifest: &Manifest) -> Result<()> {
		chain.expect_genesis(
			&format!("the manifest {}", manifest.path().display()),
			&self.genesis,
		)?;
		chain.settle(&self.owner).await?;
		let mut pages = Pages::new(Devices::AllOf(self.owner.clone()));
		while let Some((_, page)) = pages.next(chain).await? {
			self.note_existing(&page);
		}
		let now = chain.finalized().await?.time(chain).await?;
		self.untimely(now).check(manifest.path())
	}

	fn note_existing(&mut self, devices: &[DeviceId]) {
		for device in devices {
			if let Some(known) = self.devices.get_mut(&tag(device.as_ref()))
				&& known.state == State::Missing
			{
				known.state = State::OnChain;
				self.existing = self.existing.saturating_add(1);
			}
		}
	}

	/// The devices that are to be registered and whose proofs are not valid at `now`, in order of lines.
	fn untimely(&self, now: UnixMs) -> Faults {
		let mut found: Vec<(u32, Fault)> = self
			.devices
			.values()
			.filter(|known| known.state == State::Missing)
			.filter_map(|known| Some((known.line, Entry::untimely(known.expires, now)?)))
			.collect();
		found.sort_by_key(|(line, _)| *line);
		let mut faults = Faults::default();
		for (line, fault) in found {
			faults.add(line.into(), fault);
		}
		faults
	}

	/// Devices in the manifest.
	pub fn total(&self) -> usize {
		self.devices.len()
	}

	/// How many of them the chain has as the owner's.
	pub fn existing(&self) -> usize {
		self.existing
	}

	/// How many are to be registered.
	pub fn missing(&self) -> usize {
		self.devices.len().saturating_sub(self.existing)
	}

	fn state(&self, device: &DeviceId) -> Option<State> {
		self.devices.get(&tag(device.as_ref())).map(|known| known.state)
	}

	/// The next devices to register; empty after the last. `existing` is told of those before them that the chain has
	/// and the result file does not.
	fn next_batch(
		&self,
		lines: &mut Lines<'_>,
		mut existing: impl FnMut(&Entry) -> Result<()>,
	) -> Result<Vec<Entry>> {
		let mut batch = Vec::with_capacity(REGISTRATIONS_PER_CALL);
		while batch.len() < REGISTRATIONS_PER_CALL {
			let Some(line) = lines.next_line()? else { break };
			let known = line
				.entry
				.ok()
				.and_then(|entry| Some((self.state(&entry.device())?, entry)));
			match known {
				Some((State::Missing, entry)) => batch.push(entry),
				Some((State::OnChain, entry)) => existing(&entry)?,
				Some((State::Noted, _)) => {}
				None => {
					return Err(Error::Usage(format!(
						"the manifest was changed at line {} while it was read: run the same command again",
						line.number
					)));
				}
			}
		}
		Ok(batch)
	}
}

fn registrations(batch: Vec<Entry>) -> Vec<Registration> {
	batch.into_iter().map(Entry::registration).collect()
}

/// What registering the missing devices takes, in smallest units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
	/// Transactions.
	pub transactions: usize,
	/// Deposit for the storage of one device; it comes back when the device is retired, except for what is burnt for
	/// its tombstones.
	pub deposit: u128,
	/// Existential deposit of one wallet, which stays the owner's as well.
	pub existential_deposit: u128,
	/// All fees, at the present price of weight.
	pub fees: u128,
	/// All together.
	pub needed: u128,
	/// What the owner can spend.
	pub available: u128,
}

impl Estimate {
	fn new(devices: usize, transactions: usize, prices: &Prices, fees: u128) -> Self {
		let each = prices.deposit.saturating_add(prices.existential_deposit);
		Self {
			transactions,
			deposit: prices.deposit,
			existential_deposit: prices.existential_deposit,
			fees,
			needed: each.saturating_mul(devices as u128).saturating_add(fees),
			available: prices.available,
		}
	}

	/// The fees of so many of the calls, rounded up.
	fn fees_of(&self, calls: usize) -> u128 {
		let all = self.transactions.max(1) as u128;
		self.fees.saturating_mul(calls as u128).div_ceil(all)
	}

	/// Fails if the owner cannot pay all of it.
	pub fn check(&self, owner: &AccountId, devices: usize) -> Result<()> {
		if self.available >= self.needed {
			return Ok(());
		}
		Err(Error::CannotPay {
			account: keys::address(owner),
			what: format!("registering {devices} devices"),
			needed: self.needed,
			available: self.available,
		})
	}
}

/// What a registration costs besides the fee, and what the owner has for it.
struct Prices {
	deposit: u128,
	existential_deposit: u128,
	available: u128,
}

impl Prices {
	async fn read(chain: &Chain, owner: &AccountId) -> Result<Self> {
		let block = chain.finalized().await?;
		let existential_deposit = block.existential_deposit()?;
		let balance = block.balance(chain, owner).await?;
		// Holds count towards what is frozen, and the account must stay alive.
		let kept = balance
			.frozen
			.saturating_sub(balance.reserved)
			.max(existential_deposit);
		Ok(Self {
			deposit: block.deposit_for(chain, 1).await?,
			existential_deposit,
			available: balance.free.saturating_sub(kept),
		})
	}
}

/// Asks the node what the calls would cost that register the missing devices: each of them, but only once for those of
/// the same size, which cost the same. Sends nothing.
pub async fn estimate(
	chain: &Chain,
	owner: &Key,
	plan: &Plan,
	manifest: &mut Manifest,
	progress: &dyn Progress,
) -> Result<Estimate> {
	progress.stage("asking for fees", plan.missing() as u64);
	let mut lines = manifest.lines()?;
	let (mut transactions, mut fees) = (0usize, 0u128);
	let mut known = HashMap::new();
	loop {
		let batch = registrations(plan.next_batch(&mut lines, |_| Ok(()))?);
		if batch.is_empty() {
			break;
		}
		let size = (batch.len(), batch.encoded_size());
		let fee = match known.get(&size) {
			Some(fee) => *fee,
			None => {
				let call = identity::register_devices(&batch);
				let fee = chain.estimate_fee(owner, &call).await?;
				known.insert(size, fee);
				fee
			}
		};
		fees = fees.saturating_add(fee);
		transactions = transactions.saturating_add(1);
		progress.advance(batch.len() as u64);
	}
	progress.finish();
	let prices = Prices::read(chain, &plan.owner).await?;
	Ok(Estimate::new(plan.missing(), transactions, &prices, fees))
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
	/// Devices that were registered just now.
	pub registered: usize,
	/// Devices that the chain had before.
	pub existing: usize,
	/// Devices that the chain refused.
	pub refused: usize,
	/// Name of the first device that was refused, and the error.
	pub first_refusal: Option<(String, String)>,
	/// Transactions.
	pub transactions: usize,
	/// Fees, in smallest units.
	pub fees: u128,
	/// First and last block with registrations, if there are any.
	pub blocks: Option<(u32, u32)>,
}

impl Report {
	/// Fails unless something became of every one of `total` devices.
	fn check_complete(&self, total: usize) -> Result<()> {
		let done = self
			.registered
			.saturating_add(self.existing)
			.saturating_add(self.refused);
		match total.saturating_sub(done) {
			0 => Ok(()),
			unsent => Err(Error::ImportIncomplete { unsent, total }),
		}
	}
}

/// Registers the missing devices and writes the result file. Devices that the chain refuses are in the report and in
/// the result file; if the owner runs out of money, nothing more is sent and [`Error::CannotPay`] says how much is
/// missing for the rest. Fails at once if nothing was sent; after that, the report comes with what went wrong.
pub async fn run(
	chain: &Chain,
	owner: &Key,
	mut plan: Plan,
	manifest: &mut Manifest,
	results: &Path,
	progress: &dyn Progress,
) -> Result<(Report, Result<()>)> {
	let results = ResultFile::resume(results, &mut plan)?;
	let estimate = estimate(chain, owner, &plan, manifest, progress).await?;
	estimate.check(&plan.owner, plan.missing())?;
	progress.stage("registering", plan.missing() as u64);
	let mut import = Import {
		chain,
		plan: &plan,
		results,
		pipeline: Pipeline::new(chain, owner),
		report: Report {
			existing: plan.existing(),
			..Default::default()
		},
		estimate,
		unpaid: false,
		progress,
	};
	let outcome = import.all(manifest).await;
	// What is known is written down, whatever went wrong.
	let written = import.results.finish();
	progress.finish();
	let complete = import.report.check_complete(plan.total());
	Ok((import.report, outcome.and(written).and(complete)))
}

struct Import<'a> {
	chain: &'a Chain,
	plan: &'a Plan,
	results: ResultFile,
	pipeline: Pipeline<'a, Vec<(String, DeviceId)>>,
	report: Report,
	/// What registering all missing devices was to take.
	estimate: Estimate,
	/// True once the owner could not pay.
	unpaid: bool,
	progress: &'a dyn Progress,
}

impl Import<'_> {
	async fn all(&mut self, manifest: &mut Manifest) -> Result<()> {
		let mut lines = manifest.lines()?;
		let plan = self.plan;
		while !self.unpaid {
			let results = &mut self.results;
			let batch = plan.next_batch(&mut lines, |entry| {
				results.write(&entry.name, &entry.device(), Outcome::Existing)
			})?;
			if batch.is_empty() {
				break;
			}
			let names = batch
				.iter()
				.map(|entry| (entry.name.clone(), entry.device()))
				.collect();
			let call = identity::register_devices(&registrations(batch));
			while self.pipeline.under_way() >= CALLS_IN_FLIGHT {
				self.collect().await?;
			}
			match self.pipeline.send(names, &call).await {
				Err(Error::NotAccepted { reason, .. }) if chain::is_unpaid(&reason) => self.unpaid = true,
				result => result?,
			}
		}
		while self.pipeline.under_way() > 0 {
			self.collect().await?;
		}
		if self.unpaid {
			self.check_money().await?;
		}
		Ok(())
	}

	/// Fails if the owner cannot pay for the devices that are not registered.
	async fn check_money(&self) -> Result<()> {
		let rest = self.plan.missing().saturating_sub(self.report.registered);
		let calls = rest.div_ceil(REGISTRATIONS_PER_CALL);
		let fees = self.estimate.fees_of(calls);
		let prices = Prices::read(self.chain, &self.plan.owner).await?;
		Estimate::new(rest, calls, &prices, fees).check(&self.plan.owner, rest)
	}

	/// Waits for the next block with registrations and writes down what became of them.
	async fn collect(&mut self) -> Result<()> {
		for (devices, included) in self.pipeline.collect().await? {
			self.note(devices, &included).await?;
		}
		self.results.flush()
	}

	async fn note(&mut self, devices: Vec<(String, DeviceId)>, included: &Included) -> Result<()> {
		let results = identity::registrations(&included.block, &included.events)?;
		if results.len() != devices.len() {
			return Err(Error::IncompatibleChain(format!(
				"it reports on {} of {} registrations that were sent together",
				results.len(),
				devices.len()
			)));
		}
		let number = included.block.number;
		let report = &mut self.report;
		report.transactions = report.transactions.saturating_add(1);
		report.fees = report.fees.saturating_add(included.fee);
		let first = report.blocks.map_or(number, |(first, _)| first);
		report.blocks = Some((first, number));
		self.progress.advance(devices.len() as u64);
		for ((name, device), refusal) in devices.into_iter().zip(results) {
			match refusal {
				None => {
					self.report.registered = self.report.registered.saturating_add(1);
					self.results
						.write(&name, &device, Outcome::Registered { block: number })?;
				}
				// A call that an earlier import left behind came first.
				Some(reason) if reason == KEY_ALREADY_USED && self.is_owned(included, &device).await? => {
					self.report.existing = self.report.existing.saturating_add(1);
					self.results.write(&name, &device, Outcome::Existing)?;
				}
				Some(reason) => {
					self.unpaid |= reason == OWNER_CANNOT_PAY;
					self.report.refused = self.report.refused.saturating_add(1);
					self.results
						.write(&name, &device, Outcome::Refused { reason: &reason })?;
					self.report.first_refusal.get_or_insert((name, reason));
				}
			}
		}
		Ok(())
	}

	async fn is_owned(&self, included: &Included, device: &DeviceId) -> Result<bool> {
		let details = included.block.device(self.chain, device).await?;
		Ok(details.is_some_and(|details| {
			details.owner == self.plan.owner && details.status != DeviceStatus::Retired
		}))
	}
}

/// What became of a device.
enum Outcome<'a> {
	Registered { block: u32 },
	Existing,
	Refused { reason: &'a str },
}

/// The result file.
struct ResultFile {
	path: PathBuf,
	genesis: [u8; 32],
	csv: csv::Writer<File>,
}

impl ResultFile {
	/// Opens the result file to go on with it, or makes it. Lines of devices that the chain does not have are dropped,
	/// and so is one that a crash cut off. The old file stays until the new one is whole.
	fn resume(path: &Path, plan: &mut Plan) -> Result<Self> {
		let name = path
			.file_name()
			.ok_or_else(|| Error::bad_file(path, "this is not the name of a file"))?;
		let temporary =
			path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
		let results = Self::copy(path, &temporary, plan).and_then(|results| {
			let folder = match path.parent() {
				Some(folder) if !folder.as_os_str().is_empty() => folder,
				_ => Path::new("."),
			};
			fs::rename(&temporary, path)
				.and_then(|()| File::open(folder)?.sync_all())
				.map_err(|cause| Error::io(path, cause))?;
			Ok(results)
		});
		if results.is_err() && temporary.exists() {
			fs::remove_file(&temporary).map_err(|cause| Error::io(&temporary, cause))?;
		}
		results
	}

	/// Writes a new result file with what can be kept of the old one.
	fn copy(path: &Path, temporary: &Path, plan: &mut Plan) -> Result<Self> {
		let file = OpenOptions::new()
			.write(true)
			.create(true)
			.truncate(true)
			.open(temporary)
			.map_err(|cause| Error::io(temporary, cause))?;
		let mut results = Self {
			path: path.to_owned(),
			genesis: plan.genesis,
			csv: csv::Writer::from_writer(file),
		};
		results.put(RESULT_COLUMNS)?;
		match File::open(path) {
			Ok(old) => results.keep(path, old, plan)?,
			Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
			Err(cause) => return Err(Error::io(path, cause)),
		}
		results.finish()?;
		Ok(results)
	}

	/// Copies the lines of an old result file whose devices the chain has.
	fn keep(&mut self, path: &Path, old: File, plan: &mut Plan) -> Result<()> {
		let foreign = || {
			Error::bad_file(
				path,
				"this is not the result file of an import: choose another name with --result",
			)
		};
		let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(old);
		let headers = csv.headers().map_err(|_| foreign())?;
		if headers.iter().ne(RESULT_COLUMNS) {
			return Err(foreign());
		}
		let mut record = StringRecord::new();
		while csv.read_record(&mut record).map_err(|_| foreign())? {
			let fields: Vec<&str> = record.iter().collect();
			let [_, device, _, REGISTERED | EXISTING, _, _] = fields.as_slice() else {
				continue;
			};
			let known = keys::parse_address(device)
				.ok()
				.and_then(|device| plan.devices.get_mut(&tag(device.as_ref())))
				.ok_or_else(|| {
					let line = record.position().map_or(0, csv::Position::line);
					Error::Csv {
						file: path.to_owned(),
						line,
						problem: format!(
							"the manifest has no device {device}: choose another name for the result file with --result"
						),
					}
				})?;
			if known.state == State::OnChain {
				known.state = State::Noted;
				self.put(&record)?;
			}
		}
		Ok(())
	}

	fn put(&mut self, record: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<()> {
		self.csv
			.write_record(record)
			.map_err(|error| match error.into_kind() {
				csv::ErrorKind::Io(cause) => Error::io(&self.path, cause),
				_ => Error::bad_file(&self.path, "a line cannot be written"),
			})
	}

	fn write(&mut self, name: &str, device: &DeviceId, outcome: Outcome<'_>) -> Result<()> {
		let (status, block, error) = match outcome {
			Outcome::Registered { block } => (REGISTERED, block.to_string(), ""),
			Outcome::Existing => (EXISTING, String::new(), ""),
			Outcome::Refused { reason } => (REFUSED, String::new(), reason),
		};
		let (address, did) = (keys::address(device), keys::did(&self.genesis, device));
		self.put([name, &address, &did, status, &block, error])
	}

	/// Hands everything to the operating system.
	fn flush(&mut self) -> Result<()> {
		self.csv.flush().map_err(|cause| Error::io(&self.path, cause))
	}

	/// Sees to it that everything is on the disk.
	fn finish(&mut self) -> Result<()> {
		self.flush()?;
		self.csv
			.get_ref()
			.sync_all()
			.map_err(|cause| Error::io(&self.path, cause))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::manifest::{
		Terms,
		tests::{entry, manifest, terms, text_of},
	};
	use m2m_device::Roles;

	fn read(folder: &Path, text: &str) -> Result<Plan> {
		Plan::read(&mut manifest(folder, text), &terms().owner, &())
	}

	/// The faults of a manifest, each as its line, its name and its words.
	fn faults(text: &str) -> (Vec<(u64, &'static str, String)>, usize) {
		let folder = tempfile::tempdir().unwrap();
		match read(folder.path(), text).unwrap_err() {
			Error::Manifest { faults, more, .. } => (
				faults
					.into_iter()
					.map(|(line, fault)| (line, fault.name(), fault.to_string()))
					.collect(),
				more,
			),
			error => panic!("{error}"),
		}
	}

	#[test]
	fn every_fault_is_named_with_its_line() {
		let terms = terms();
		let entries: Vec<Entry> = (0..3)
			.map(|number| entry(&format!("m{number}"), &terms))
			.collect();
		let mut same_key = entries[1].clone();
		same_key.name = "m3".into();
		let mut changed = entry("m4", &terms);
		changed.roles = Roles::ALL;
		let other_owner = Terms {
			owner: AccountId::new([9; 32]),
			..terms.clone()
		};
		let other_chain = Terms {
			genesis: [8; 32],
			..terms.clone()
		};
		let wrong = [
			same_key,
			entry("m0", &terms),
			changed,
			entry("m5", &other_owner),
			entry("m6", &other_chain),
		];
		let text = text_of(&[&entries[..], &wrong[..]].concat());
		let (found, more) = faults(&format!("{text}m7,rsa\n"));
		assert_eq!(more, 0);
		let expected = [
			(5, "DuplicateKey", "line 3"),
			(6, "DuplicateName", "`m0` stands in line 2"),
			(7, "BadProof", "not the key's"),
			(8, "WrongOwner", "agreed to the owner"),
			(9, "OtherChain", "0x0808"),
			(10, "Malformed", "2 columns"),
		];
		assert_eq!(found.len(), expected.len(), "{found:?}");
		for ((line, name, words), (at, fault, part)) in found.iter().zip(expected) {
			assert_eq!((*line, *name), (at, fault), "{words}");
			assert!(words.contains(part), "{words}");
		}
	}

	#[test]
	fn of_many_faults_the_first_are_shown_and_the_others_counted() {
		let text = text_of(&[]) + &"x\n".repeat(25);
		let (found, more) = faults(&text);
		assert_eq!((found.len(), more), (10, 15));
		let folder = tempfile::tempdir().unwrap();
		let error = read(folder.path(), &text).unwrap_err();
		assert_eq!(error.exit_code(), 6);
		assert!(error.to_string().ends_with("and 15 more"), "{error}");
		assert!(
			error
				.to_string()
				.contains("fleet.csv:2: Malformed: it has 1 columns"),
			"{error}"
		);
	}

	#[test]
	fn a_manifest_without_devices_is_refused() {
		let folder = tempfile::tempdir().unwrap();
		let error = read(folder.path(), &text_of(&[])).unwrap_err();
		assert!(matches!(error, Error::Csv { line: 2, .. }), "{error}");
	}

	#[test]
	fn only_devices_that_are_to_be_registered_need_a_timely_proof() {
		let folder = tempfile::tempdir().unwrap();
		let at = |expires| Terms { expires, ..terms() };
		let now = 1_000_000;
		let entries = [
			entry("m0", &at(now)),
			entry("m1", &at(now - 1)),
			entry("m2", &at(now - 1)),
			entry("m3", &at(now + m2m_device::MAX_PROOF_VALIDITY_MS + 1)),
		];
		let mut plan = read(folder.path(), &text_of(&entries)).unwrap();
		let names = |plan: &Plan| match plan.untimely(now).check(Path::new("fleet.csv")) {
			Ok(()) => Vec::new(),
			Err(Error::Manifest { faults, .. }) => {
				faults.iter().map(|(line, fault)| (*line, fault.name())).collect()
			}
			Err(error) => panic!("{error}"),
		};
		assert_eq!(
			names(&plan),
			[(3, "ProofExpired"), (4, "ProofExpired"), (5, "ProofTooLong")]
		);
		plan.note_existing(&[entries[1].device(), entries[3].device()]);
		assert_eq!(names(&plan), [(4, "ProofExpired")]);
		plan.note_existing(&[entries[2].device()]);
		assert!(names(&plan).is_empty());
		assert_eq!((plan.total(), plan.existing(), plan.missing()), (4, 3, 1));
	}

	#[test]
	fn batches_have_what_is_missing_in_the_order_of_the_manifest() {
		let folder = tempfile::tempdir().unwrap();
		let entries: Vec<Entry> = (0..70)
			.map(|number| entry(&format!("m{number}"), &terms()))
			.collect();
		let mut manifest = manifest(folder.path(), &text_of(&entries));
		let mut plan = Plan::read(&mut manifest, &terms().owner, &()).unwrap();
		let existing: Vec<DeviceId> = [0, 33, 69].map(|index: usize| entries[index].device()).into();
		plan.note_existing(&existing);
		// Others of the owner, and one that is told of twice, change nothing.
		plan.note_existing(&[entry("other", &terms()).device(), existing[0].clone()]);
		assert_eq!((plan.existing(), plan.missing()), (3, 67));
		let mut lines = manifest.lines().unwrap();
		let (mut sizes, mut sent, mut noted) = (Vec::new(), Vec::new(), Vec::new());
		loop {
			let batch = plan
				.next_batch(&mut lines, |entry| {
					noted.push(entry.device());
					Ok(())
				})
				.unwrap();
			if batch.is_empty() {
				break;
			}
			sizes.push(batch.len());
			sent.extend(batch);
		}
		assert_eq!(sizes, [32, 32, 3]);
		assert_eq!(noted, existing);
		let expected: Vec<&Entry> = entries
			.iter()
			.filter(|entry| !existing.contains(&entry.device()))
			.collect();
		assert_eq!(sent.iter().collect::<Vec<_>>(), expected);
	}

	#[test]
	fn a_manifest_that_changes_while_it_is_read_is_noticed() {
		let folder = tempfile::tempdir().unwrap();
		let mut manifest = manifest(folder.path(), &text_of(&[entry("m0", &terms())]));
		let plan = Plan::read(&mut manifest, &terms().owner, &()).unwrap();
		fs::write(manifest.path(), text_of(&[entry("m1", &terms())])).unwrap();
		let error = plan
			.next_batch(&mut manifest.lines().unwrap(), |_| Ok(()))
			.unwrap_err();
		assert!(error.to_string().contains("changed at line 2"), "{error}");
	}

	#[test]
	fn an_import_goes_on_with_the_result_file_of_one_that_was_cut_off() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("fleet.result.csv");
		let entries: Vec<Entry> = (0..5)
			.map(|number| entry(&format!("m{number}"), &terms()))
			.collect();
		let text = text_of(&entries);
		let ids: Vec<DeviceId> = entries.iter().map(Entry::device).collect();

		let mut plan = read(folder.path(), &text).unwrap();
		let mut first = ResultFile::resume(&path, &mut plan).unwrap();
		first
			.write("m0", &ids[0], Outcome::Registered { block: 7 })
			.unwrap();
		first.write("m1", &ids[1], Outcome::Existing).unwrap();
		first
			.write("m2", &ids[2], Outcome::Refused { reason: "a, reason" })
			.unwrap();
		first
			.write("m3", &ids[3], Outcome::Registered { block: 8 })
			.unwrap();
		first.finish().unwrap();
		let whole = fs::read_to_string(&path).unwrap();
		let lines: Vec<&str> = whole.lines().collect();
		assert_eq!(lines[0], RESULT_COLUMNS.join(","));
		let did = keys::did(&plan.genesis, &ids[0]);
		assert_eq!(
			lines[1],
			format!("m0,{},{did},registered,7,", keys::address(&ids[0]))
		);
		assert!(lines[3].ends_with(",refused,,\"a, reason\""), "{}", lines[3]);
		// A crash in the middle of a line.
		let cut = format!("{whole}m4,{},did:m2m", keys::address(&ids[4]));
		fs::write(&path, cut).unwrap();

		// The chain lost block 8, as one that was started afresh.
		let mut plan = read(folder.path(), &text).unwrap();
		plan.note_existing(&ids[..2]);
		let mut second = ResultFile::resume(&path, &mut plan).unwrap();
		assert_eq!(
			fs::read_to_string(&path).unwrap().lines().collect::<Vec<_>>(),
			lines[..3]
		);
		assert_eq!(plan.state(&ids[0]), Some(State::Noted));
		assert_eq!(plan.state(&ids[2]), Some(State::Missing));
		second
			.write("m2", &ids[2], Outcome::Registered { block: 9 })
			.unwrap();
		second.finish().unwrap();
		let text = fs::read_to_string(&path).unwrap();
		assert_eq!(text.lines().count(), 4);
		assert!(text.ends_with(",registered,9,\n"), "{text}");
		assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
	}

	#[test]
	fn a_file_that_is_no_result_of_this_manifest_is_left_alone() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("fleet.result.csv");
		let text = text_of(&[entry("m0", &terms())]);
		let mut plan = read(folder.path(), &text).unwrap();
		let stranger = entry("m1", &terms()).device();
		let header = RESULT_COLUMNS.join(",");
		for (content, words) in [
			("name,device\n".to_owned(), "not the result file"),
			(String::new(), "not the result file"),
			(
				format!("{header}\nm1,{},did,existing,,\n", keys::address(&stranger)),
				"has no device",
			),
		] {
			fs::write(&path, &content).unwrap();
			let error = ResultFile::resume(&path, &mut plan).map(|_| ()).unwrap_err();
			assert!(error.to_string().contains(words), "{error}");
			assert_eq!(error.exit_code(), 6);
			assert_eq!(fs::read_to_string(&path).unwrap(), content);
		}
	}

	#[test]
	fn an_import_that_left_devices_out_is_no_success() {
		let report = Report {
			registered: 5,
			existing: 3,
			refused: 2,
			..Default::default()
		};
		report.check_complete(10).unwrap();
		let error = report.check_complete(12).unwrap_err();
		assert_eq!((error.name(), error.exit_code()), ("ImportIncomplete", 4));
		assert!(error.to_string().starts_with("2 of 12 devices were not sent"));
	}

	#[test]
	fn the_fees_of_the_rest_are_a_share_of_all_fees() {
		let prices = Prices {
			deposit: 1,
			existential_deposit: 1,
			available: 0,
		};
		let estimate = Estimate::new(70, 3, &prices, 100);
		assert_eq!(estimate.fees_of(0), 0);
		assert_eq!(estimate.fees_of(1), 34);
		assert_eq!(estimate.fees_of(3), 100);
		assert_eq!(Estimate::new(0, 0, &prices, 0).fees_of(1), 0);
	}

	#[test]
	fn an_owner_who_cannot_pay_is_told_how_much_is_missing() {
		let prices = Prices {
			deposit: 3_000_000_000_000,
			existential_deposit: 1_000_000_000,
			available: 40_000_000_000_000,
		};
		let owner = AccountId::new([1; 32]);
		let enough = Estimate::new(13, 1, &prices, 500_000_000_000);
		assert_eq!(enough.needed, 39_513_000_000_000);
		enough.check(&owner, 13).unwrap();
		let error = Estimate::new(14, 1, &prices, 500_000_000_000)
			.check(&owner, 14)
			.unwrap_err();
		assert_eq!(error.exit_code(), 4);
		let words = error.to_string();
		for part in [
			"can spend 40 M2M",
			"registering 14 devices takes 42.514 M2M",
			"2.514 M2M are missing",
		] {
			assert!(words.contains(part), "{words}");
		}
	}
}
