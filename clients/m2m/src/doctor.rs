//! Is everything there that the client needs? Looks at the node, its chain, this machine's clock and files, and at the
//! balances of accounts, and changes nothing.

use crate::{
	Error, Result,
	chain::{Block, Chain},
	keys::{self, Device, Key},
	money, replay,
	store::Store,
	time,
};
use m2m_device::AccountId;
use std::{
	fs,
	os::unix::fs::PermissionsExt,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

/// How long the chain may take to make a block and to finalize one: ten slots.
const MOVEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the node is asked for a new block.
const POLL: Duration = Duration::from_millis(500);
/// How far this machine's clock may be from that of a block that was just made. The chain takes readings from at most
/// 60 seconds ahead.
const MAX_CLOCK_OFFSET_MS: u64 = 10_000;
/// Device files that are named if they cannot be read; the others are counted.
const FILES_NAMED: usize = 10;

/// The calls that the client sends, by pallet.
const CALLS: [(&str, &[&str]); 5] = [
	(
		"DeviceIdentity",
		&[
			"register_devices",
			"add_key",
			"rotate_key",
			"remove_key",
			"prune_keys",
			"confirm_key",
			"grant",
			"revoke",
			"offer_transfer",
			"accept_transfer",
			"cancel_transfer",
			"set_profile",
			"set_service",
			"remove_service",
			"attest",
			"revoke_attestation",
			"create_batch",
			"prove_production",
			"revoke_batch",
			"suspend",
			"resume",
			"report_lost",
			"retire",
			"withdraw",
		],
	),
	(
		"Telemetry",
		&[
			"create_stream",
			"close_stream",
			"anchor",
			"anchor_many",
			"report_false_anchor",
		],
	),
	(
		"FeeSponsorship",
		&[
			"offer",
			"attach",
			"detach",
			"top_up",
			"close",
			"prune_buckets",
			"set_budget",
			"clear_budget",
		],
	),
	("Balances", &["transfer_keep_alive"]),
	("Utility", &["batch_all", "force_batch"]),
];

/// The runtime APIs that the client reads, with their methods.
const APIS: [(&str, &[&str]); 6] = [
	(
		"DeviceApi",
		&[
			"device",
			"devices_of",
			"device_of_key",
			"deposit_for",
			"attestations",
			"production",
			"batch",
		],
	),
	("DidApi", &["did_document"]),
	("TelemetryApi", &["streams", "stream", "anchor", "verify_reading"]),
	("SponsorshipApi", &["remaining", "sponsorship", "sponsorships_of"]),
	("AccountNonceApi", &["account_nonce"]),
	("TransactionPaymentApi", &["query_info"]),
];

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
	/// Address of the node.
	pub url: &'a str,
	/// The home folder.
	pub home: &'a Path,
	/// Key files.
	pub keys: &'a [PathBuf],
	/// Accounts beside those of the key files.
	pub accounts: &'a [AccountId],
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
	/// What was looked at.
	pub subject: String,
	/// What was found.
	pub result: String,
	/// What is not in order, if something is not.
	pub problem: Option<Problem>,
}

/// Something that is not in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
	/// What to do.
	pub advice: String,
	/// Exit code of commands that fail by this.
	pub code: u8,
}

struct Failure {
	result: String,
	problem: Problem,
}

impl Failure {
	fn new(result: impl Into<String>, advice: impl Into<String>, code: u8) -> Self {
		Self {
			result: result.into(),
			problem: Problem {
				advice: advice.into(),
				code,
			},
		}
	}
}

impl From<Error> for Failure {
	fn from(error: Error) -> Self {
		Self::new(error.name(), error.to_string(), error.exit_code())
	}
}

type Finding = std::result::Result<String, Failure>;

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
	fn add(&mut self, subject: impl Into<String>, finding: Finding) {
		let (result, problem) = match finding {
			Ok(result) => (result, None),
			Err(failure) => (failure.result, Some(failure.problem)),
		};
		self.0.push(Check {
			subject: subject.into(),
			result,
			problem,
		});
	}
}

/// Fails if a check failed, with the exit code of the first.
pub fn verdict(checks: &[Check]) -> Result<()> {
	let problems: Vec<&Problem> = checks.iter().filter_map(|check| check.problem.as_ref()).collect();
	match problems.first() {
		None => Ok(()),
		Some(first) => Err(Error::Unhealthy {
			failed: problems.len(),
			total: checks.len(),
			code: first.code,
		}),
	}
}

/// Makes every check. What cannot be looked at because the node does not answer is left out.
pub async fn examine(subject: Subject<'_>) -> Vec<Check> {
	let mut checks = Checks::default();
	let chain = match Chain::connect(subject.url).await {
		Ok(chain) => Some(chain),
		Err(error) => {
			checks.add("node", Err(error.into()));
			None
		}
	};
	if let Some(chain) = &chain {
		checks.add("node", node(chain).await);
		checks.add("runtime", runtime(chain).await);
		movement(chain, &mut checks).await;
	}
	checks.add("home folder", home_folder(subject.home));
	device_keys(subject.home, &mut checks);
	checks.add("store", store(subject.home, chain.as_ref()).await);
	let mut accounts = Vec::new();
	for file in subject.keys {
		let title = format!("key file {}", file.display());
		match key_file(file, chain.as_ref()).await {
			Ok((account, found)) => {
				accounts.push(account);
				checks.add(title, Ok(found));
			}
			Err(failure) => checks.add(title, Err(failure)),
		}
	}
	accounts.extend(subject.accounts.iter().cloned());
	if let Some(chain) = &chain {
		for account in accounts {
			checks.add(
				format!("account {}", keys::address(&account)),
				balance(chain, &account).await,
			);
		}
	}
	checks.0
}

async fn node(chain: &Chain) -> Finding {
	let status = chain.node_status().await?;
	let spec = chain.spec().await?;
	let found = format!(
		"{} {} at {}, chain {}, runtime {} {}, genesis 0x{}, {} peers",
		status.name,
		status.version,
		chain.url(),
		status.chain,
		spec.name,
		spec.version,
		hex::encode(chain.genesis()),
		status.peers
	);
	if status.is_syncing {
		return Err(Failure::new(
			found,
			"it is catching up with the chain: wait, or use another node with --url",
			3,
		));
	}
	if status.should_have_peers && status.peers == 0 {
		return Err(Failure::new(
			found,
			"it is connected to no other node: check its network, or use another one with --url",
			3,
		));
	}
	Ok(found)
}

async fn runtime(chain: &Chain) -> Finding {
	let block = chain.finalized().await?;
	let named = |groups: &[(&str, &[&str])], has: &dyn Fn(&str, &str) -> bool| -> (usize, Vec<String>) {
		let pairs: Vec<(&str, &str)> = groups
			.iter()
			.flat_map(|(group, names)| names.iter().map(|name| (*group, *name)))
			.collect();
		let missing = pairs
			.iter()
			.filter(|(group, name)| !has(group, name))
			.map(|(group, name)| format!("{group}.{name}"))
			.collect();
		(pairs.len(), missing)
	};
	let (calls, mut missing) = named(&CALLS, &|pallet, call| block.has_call(pallet, call));
	let (apis, missing_apis) = named(&APIS, &|api, method| block.has_api(api, method));
	missing.extend(missing_apis);
	if missing.is_empty() {
		return Ok(format!("has the {calls} calls and {apis} reads that are needed"));
	}
	Err(Failure::new(
		format!("lacks {}", missing.join(", ")),
		"use the m2m version that was built with this chain's runtime",
		3,
	))
}

/// Waits until a block is made and one is finalized, and compares the clocks when the block is new.
async fn movement(chain: &Chain, checks: &mut Checks) {
	match watch(chain).await {
		Ok(seen) => {
			let stalled = |what: &str, number: u32| {
				Failure::new(
					format!("no new one in {} s after {number}", MOVEMENT_TIMEOUT.as_secs()),
					format!("the chain {what}: check its validators, or use another node with --url"),
					3,
				)
			};
			let (first, last) = seen.best;
			checks.add(
				"blocks",
				if last > first {
					Ok(format!("made, newest {last}"))
				} else {
					Err(stalled("makes no blocks", first))
				},
			);
			let (first, last) = seen.finalized;
			checks.add(
				"finality",
				if last > first {
					Ok(format!("moves, newest final {last}"))
				} else {
					Err(stalled("finalizes nothing", first))
				},
			);
			if let Some(offset) = seen.clock_offset_ms {
				checks.add("clock", clock(offset));
			}
		}
		Err(error) => checks.add("blocks", Err(error.into())),
	}
}

/// What happened while the chain was watched.
struct Seen {
	/// Number of the best block, first and last.
	best: (u32, u32),
	/// Number of the finalized block, first and last.
	finalized: (u32, u32),
	/// This machine's clock less that of the first new block.
	clock_offset_ms: Option<i64>,
}

async fn watch(chain: &Chain) -> Result<Seen> {
	let best = chain.best().await?.number;
	let finalized = chain.finalized().await?.number;
	let mut seen = Seen {
		best: (best, best),
		finalized: (finalized, finalized),
		clock_offset_ms: None,
	};
	let deadline = Instant::now() + MOVEMENT_TIMEOUT;
	while Instant::now() < deadline && (seen.best.1 <= best || seen.finalized.1 <= finalized) {
		tokio::time::sleep(POLL).await;
		if seen.best.1 <= best {
			let newest = chain.best().await?;
			if newest.number > best {
				seen.best.1 = newest.number;
				seen.clock_offset_ms = Some(offset_from(chain, &newest).await?);
			}
		}
		seen.finalized.1 = chain.finalized().await?.number;
	}
	Ok(seen)
}

async fn offset_from(chain: &Chain, block: &Block) -> Result<i64> {
	let here = time::now();
	let there = block.time(chain).await?;
	let distance = i64::try_from(here.abs_diff(there)).unwrap_or(i64::MAX);
	Ok(if here < there {
		distance.saturating_neg()
	} else {
		distance
	})
}

fn clock(offset_ms: i64) -> Finding {
	let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
	let distance = offset_ms.unsigned_abs();
	let found = format!(
		"{} {} the newest block's",
		seconds(distance),
		if offset_ms < 0 { "before" } else { "after" }
	);
	if distance <= MAX_CLOCK_OFFSET_MS {
		return Ok(found);
	}
	Err(Failure::new(
		found,
		"set this machine's clock, for instance with NTP; if it is right, that of the chain's validators is not",
		1,
	))
}

fn home_folder(home: &Path) -> Finding {
	let metadata = match fs::metadata(home) {
		Ok(metadata) => metadata,
		Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
			return Ok(format!("{} is not there yet", home.display()));
		}
		Err(cause) => return Err(Error::io(home, cause).into()),
	};
	let mode = metadata.permissions().mode() & 0o777;
	let found = format!("{}, mode {mode:o}", home.display());
	if !metadata.is_dir() {
		return Err(Failure::new(
			found,
			"this is not a folder: name another with --home",
			2,
		));
	}
	if mode & 0o077 != 0 {
		let advice = format!("others can look into it: run `chmod 700 {}`", home.display());
		return Err(Failure::new(found, advice, 6));
	}
	Ok(found)
}

/// Reads every device file; those that cannot be read are checks of their own.
fn device_keys(home: &Path, checks: &mut Checks) {
	let names = match Device::names(home) {
		Ok(names) => names,
		Err(error) => return checks.add("device keys", Err(error.into())),
	};
	let (mut readable, mut broken) = (0usize, 0usize);
	for name in names {
		match Device::find(home, &name) {
			Ok(_) => readable = readable.saturating_add(1),
			Err(error) => {
				broken = broken.saturating_add(1);
				if broken <= FILES_NAMED {
					checks.add(format!("device key {name}"), Err(error.into()));
				}
			}
		}
	}
	let found = format!("{readable} can be read");
	let finding = if broken == 0 {
		Ok(found)
	} else {
		Err(Failure::new(
			format!("{found}, {broken} cannot"),
			"see the device keys above",
			6,
		))
	};
	checks.add("device keys", finding);
	for file in Device::leftovers(home)
		.unwrap_or_default()
		.iter()
		.take(FILES_NAMED)
	{
		let left = Failure::new(
			format!("{} was left by a crash and holds a seed", file.display()),
			"if the device of that name can be read, delete it",
			6,
		);
		checks.add("device keys", Err(left));
	}
}

async fn store(home: &Path, chain: Option<&Chain>) -> Finding {
	if !Store::exists(home) {
		return Ok("not there yet".into());
	}
	let store = Store::open(home)?;
	let waiting = store.outbox()?.len();
	if let Some(chain) = chain
		&& store.genesis()?.is_some()
	{
		replay::check_store(chain, &store).await?;
	}
	Ok(format!("{waiting} envelopes wait to be delivered"))
}

async fn key_file(file: &Path, chain: Option<&Chain>) -> std::result::Result<(AccountId, String), Failure> {
	let key = Key::load(file)?;
	if let Some(chain) = chain {
		chain.check_signer(&key, file).await?;
	}
	let account = key.account();
	let found = format!("{:?} key of {}", key.scheme(), keys::address(&account));
	Ok((account, found))
}

async fn balance(chain: &Chain, account: &AccountId) -> Finding {
	let block = chain.finalized().await?;
	let balance = block.balance(chain, account).await?;
	let found = format!(
		"{} M2M free, {} M2M on hold",
		money::format(balance.free),
		money::format(balance.reserved)
	);
	if balance.free > block.existential_deposit()? {
		return Ok(found);
	}
	Err(Failure::new(
		found,
		format!(
			"it cannot pay any fee: run `m2m account fund --to {}`, or let a sponsor pay",
			keys::address(account)
		),
		4,
	))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::Scheme;

	fn only(finding: Finding) -> Check {
		let mut checks = Checks::default();
		checks.add("it", finding);
		checks.0.remove(0)
	}

	#[test]
	fn every_call_that_the_client_makes_is_looked_for() {
		let sources = [
			("DeviceIdentity", include_str!("chain/identity.rs")),
			("Telemetry", include_str!("chain/telemetry.rs")),
			("FeeSponsorship", include_str!("chain/sponsorship.rs")),
		];
		for (pallet, source) in sources {
			let (_, listed) = CALLS.iter().find(|(name, _)| *name == pallet).unwrap();
			let mut made = 0;
			for part in source.split("Call::new(PALLET, \"").skip(1) {
				let call = part.split('"').next().unwrap();
				assert!(listed.contains(&call), "{pallet}.{call}");
				made += 1;
			}
			assert!(made > 0, "{pallet}");
		}
	}

	#[test]
	fn the_first_problem_gives_the_exit_code() {
		let fine = only(Ok("fine".into()));
		let bad = |code| only(Err(Failure::new("bad", "mend it", code)));
		verdict(std::slice::from_ref(&fine)).unwrap();
		let error = verdict(&[fine, bad(6), bad(3)]).unwrap_err();
		assert_eq!(error.exit_code(), 6);
		assert_eq!(error.to_string(), "2 of 3 checks failed");
	}

	#[test]
	fn a_clock_may_be_ten_seconds_off() {
		assert!(clock(10_000).is_ok());
		assert!(clock(-10_000).is_ok());
		assert_eq!(only(clock(1_250)).result, "1.2 s after the newest block's");
		for offset in [10_001, -10_001, i64::MIN] {
			let check = only(clock(offset));
			assert!(check.problem.unwrap().advice.contains("NTP"), "{offset}");
		}
		assert_eq!(only(clock(-61_000)).result, "61.0 s before the newest block's");
	}

	#[test]
	fn a_home_folder_is_private_and_its_device_keys_are_whole() {
		let folder = tempfile::tempdir().unwrap();
		let home = folder.path().join("home");
		assert!(only(home_folder(&home)).problem.is_none());
		for name in ["m1", "m2", "m3"] {
			Device::generate(name, Scheme::Sr25519)
				.unwrap()
				.save_new(&home)
				.unwrap();
		}
		assert!(only(home_folder(&home)).problem.is_none());
		let keys = || {
			let mut checks = Checks::default();
			device_keys(&home, &mut checks);
			checks.0
		};
		assert_eq!(keys().len(), 1);
		assert_eq!(keys()[0].result, "3 can be read");
		let left = home.join("devices").join(".m1.json.00ff.new");
		fs::write(&left, "{}").unwrap();
		assert!(keys()[1].result.contains(".m1.json.00ff.new was left by a crash"));
		fs::remove_file(&left).unwrap();

		let file = |name: &str| home.join("devices").join(format!("{name}.json"));
		fs::set_permissions(file("m1"), fs::Permissions::from_mode(0o644)).unwrap();
		fs::write(file("m2"), "{}").unwrap();
		let checks = keys();
		assert_eq!(checks.len(), 3, "{checks:?}");
		assert_eq!(
			(checks[0].subject.as_str(), checks[0].result.as_str()),
			("device key m1", "KeyFilePermissions")
		);
		assert!(checks[0].problem.as_ref().unwrap().advice.contains("chmod 600"));
		assert_eq!(
			(checks[1].subject.as_str(), checks[1].result.as_str()),
			("device key m2", "BadFile")
		);
		assert_eq!(checks[2].result, "1 can be read, 2 cannot");

		fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
		let check = only(home_folder(&home));
		assert!(check.problem.unwrap().advice.contains("chmod 700"));
		let check = only(home_folder(&file("m3")));
		assert!(check.problem.unwrap().advice.contains("not a folder"));
	}
}
