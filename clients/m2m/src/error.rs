//! Everything that can go wrong, each with a sentence that names the cause and the next step.

use crate::{data::protocol::Refusal, manifest::Fault, money};
use m2m_device::AccountId;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something failed. [`Error::exit_code`] maps it to the exit code of the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
	/// The command line asks for something that makes no sense.
	#[error("{0}")]
	Usage(String),
	/// Nobody answers at the node's address.
	#[error(
		"no node answers at {url} ({cause}): start one with `m2m-node --dev`, or give the right address with --url or M2M_URL"
	)]
	NodeUnreachable {
		/// Address that was tried.
		url: String,
		/// What the connection reported.
		cause: String,
	},
	/// The node went away in the middle of something.
	#[error(
		"the node at {url} went away ({cause}): nothing is lost; run the same command again when the node is back"
	)]
	ConnectionLost {
		/// Address of the node.
		url: String,
		/// What the connection reported.
		cause: String,
	},
	/// The node answered with an error, or with something that cannot be read.
	#[error("the node failed to answer a request: {0}")]
	Node(String),
	/// The node runs another chain than the file or the local store belongs to.
	#[error(
		"wrong chain: {what} belongs to the chain with genesis {expected}, but the node at {url} runs {found}: connect to the right node with --url, or use another --home"
	)]
	WrongChain {
		/// What belongs to another chain.
		what: String,
		/// Genesis hash that was expected.
		expected: String,
		/// Genesis hash of the connected chain.
		found: String,
		/// Address of the node.
		url: String,
	},
	/// Same genesis, other history: a development chain that was started afresh.
	#[error(
		"the chain at {url} was started afresh: it does not contain block {block} of which {store} holds receipts; move that file away or use another --home"
	)]
	ChainReset {
		/// Address of the node.
		url: String,
		/// Block that is missing.
		block: u32,
		/// The local store.
		store: PathBuf,
	},
	/// The chain has no such call, event or runtime API, or another shape of it.
	#[error("incompatible chain: {0}; use the m2m version that was built with this chain's runtime")]
	IncompatibleChain(String),
	/// The node does not keep the state of a block any more.
	#[error(
		"the node at {url} has discarded block {block} and those before it: connect to a node that keeps them all (`m2m-node --state-pruning archive`), or name a later period"
	)]
	StateDiscarded {
		/// Address of the node.
		url: String,
		/// The block.
		block: u32,
	},
	/// A well-known key would sign on a chain that is not for development.
	#[error(
		"{file} holds a development key that everybody knows, and {url} is a live chain: use a key made with `m2m key generate`"
	)]
	DevelopmentKey {
		/// The key file.
		file: PathBuf,
		/// Address of the node.
		url: String,
	},
	/// The chain executed the call and refused it.
	#[error("the chain refused {call}: {reason}{hint}")]
	Refused {
		/// Pallet and call.
		call: String,
		/// The named error.
		reason: String,
		/// What to do, or nothing.
		hint: &'static str,
		/// Who paid which fee for it, in smallest units, if anybody did.
		paid: Option<Box<(AccountId, u128)>>,
	},
	/// The transaction did not get into a block.
	#[error("the transaction {call} was not accepted: {reason}{hint}")]
	NotAccepted {
		/// Pallet and call.
		call: String,
		/// What the node said.
		reason: String,
		/// What to do, or nothing.
		hint: &'static str,
	},
	/// A transaction was sent but not finalized in time.
	#[error(
		"{what} was not finalized within {seconds} s: check that the chain makes and finalizes blocks, then run the same command again"
	)]
	NotFinalized {
		/// What was waited for.
		what: String,
		/// How long.
		seconds: u64,
	},
	/// A transaction that would do its work twice was given to the node, which did not say what became of it.
	#[error(
		"{call} was sent as {hash}, and it is not known what became of it: look whether it took effect before you run this again"
	)]
	Undecided {
		/// Pallet and call.
		call: String,
		/// Hash of the transaction, as 0x and hex digits.
		hash: String,
	},
	/// Some anchors were refused; the others are recorded.
	#[error(
		"{count} anchors were refused, the first with {first}: mend the cause and run the same command again, which sends only what is missing"
	)]
	AnchorsRefused {
		/// How many.
		count: usize,
		/// Error of the first.
		first: String,
	},
	/// Some of many calls were refused; the others took effect.
	#[error("{count} of {total} {what} were refused, the first with {first}{hint}")]
	SomeRefused {
		/// What the calls were for.
		what: &'static str,
		/// How many were refused.
		count: usize,
		/// How many were sent.
		total: usize,
		/// Whose call was refused first, and the error.
		first: String,
		/// What to do, or nothing.
		hint: &'static str,
	},
	/// An import stopped before every device was sent.
	#[error("{unsent} of {total} devices were not sent: run the same command again")]
	ImportIncomplete {
		/// Devices that were not sent.
		unsent: usize,
		/// Devices in the manifest.
		total: usize,
	},
	/// A proof is false.
	#[error("the proof does not hold: {0}")]
	ProofDoesNotHold(String),
	/// A proof leads to an older state of the range than the finalized one.
	#[error(
		"the proof is stale: it leads to the first {proof} anchors of the stream, which has {chain} now, and the local store cannot extend it; make it again with `m2m telemetry prove`"
	)]
	ProofStale {
		/// Leaves that the proof leads to.
		proof: u64,
		/// Leaves on chain.
		chain: u64,
	},
	/// What the chain recorded of a market does not follow from the meter readings.
	#[error(
		"the market's records do not follow from the readings: {household}, {slot}: {problem}; the readings or the chain are wrong, and the records of the blocks say which"
	)]
	Contradiction {
		/// The slot, by its time in the readings.
		slot: String,
		/// The household.
		household: String,
		/// What is wrong.
		problem: String,
	},
	/// Nobody answers at a seller's endpoint.
	#[error(
		"the seller at {endpoint} does not answer ({cause}): nothing is lost; try again later, or choose another listing with `m2m data list`"
	)]
	SellerUnreachable {
		/// Where the seller should answer.
		endpoint: String,
		/// What the connection reported.
		cause: String,
	},
	/// A seller refuses a request.
	#[error("the seller refused ({refusal:?}): {message}")]
	SellerRefused {
		/// The named reason.
		refusal: Refusal,
		/// The seller's own words.
		message: String,
	},
	/// What a seller offers or delivers is not what was asked for. Nothing was paid.
	#[error("the offer is refused ({fault}): {why}; nothing was paid")]
	OfferRefused {
		/// Name of what is wrong.
		fault: String,
		/// What is wrong.
		why: String,
	},
	/// A seller did not keep what it had signed, and the chain gave the money back.
	#[error(
		"{why}: the price of {} M2M came back, with {} M2M besides",
		money::format(*price),
		money::format(*compensation)
	)]
	SaleFailed {
		/// What the seller did.
		why: String,
		/// The price.
		price: u128,
		/// What the buyer got besides.
		compensation: u128,
	},
	/// What was bought is not what the seller signed for, and the chain does not know it yet.
	#[error("{why}: take the money back with `m2m data dispute {sale}` until block {deadline}")]
	BadDelivery {
		/// What is wrong.
		why: String,
		/// Id of the sale.
		sale: String,
		/// Last block in which evidence is heard.
		deadline: u32,
	},
	/// What was bought is not what was wanted, and the seller keeps the price: it is too late for evidence, or none is
	/// heard about it.
	#[error("{0}")]
	NoRemedy(String),
	/// A line of a CSV file is wrong.
	#[error("{}:{line}: {problem}", file.display())]
	Csv {
		/// The file.
		file: PathBuf,
		/// Line, counted from 1.
		line: u64,
		/// What is wrong.
		problem: String,
	},
	/// Lines of a manifest are wrong. Nothing was sent.
	#[error("{}", list_faults(file, faults, *more))]
	Manifest {
		/// The file.
		file: PathBuf,
		/// Lines, counted from 1, and what is wrong with them.
		faults: Vec<(u64, Fault)>,
		/// How many more faults there are.
		more: usize,
	},
	/// An account cannot pay for all that is about to be done.
	#[error(
		"{account} can spend {} M2M, but {what} takes {} M2M: {} M2M are missing; send them with `m2m account fund --to {account}`, then run the same command again",
		money::format(*available),
		money::format(*needed),
		money::format(needed.saturating_sub(*available))
	)]
	CannotPay {
		/// Address of the account.
		account: String,
		/// What is to be paid.
		what: String,
		/// What it takes, in smallest units.
		needed: u128,
		/// What the account can spend, in smallest units.
		available: u128,
	},
	/// Something that the client needs is not in order.
	#[error("{failed} of {total} checks failed")]
	Unhealthy {
		/// Checks that failed.
		failed: usize,
		/// Checks that were made.
		total: usize,
		/// Exit code of the first that failed.
		code: u8,
	},
	/// A file does not hold what it should.
	#[error("{}: {problem}", file.display())]
	BadFile {
		/// The file.
		file: PathBuf,
		/// What is wrong.
		problem: String,
	},
	/// Others may read a file that holds a secret.
	#[error(
		"{} holds a secret but its mode {mode:o} lets others read it: run `chmod 600 {}`",
		file.display(),
		file.display()
	)]
	KeyFilePermissions {
		/// The file.
		file: PathBuf,
		/// Permission bits.
		mode: u32,
	},
	/// A vault does not open with this passphrase.
	#[error(
		"{}: the passphrase is wrong: give the one with which this vault was made; without it nothing in it can be read",
		file.display()
	)]
	WrongPassphrase {
		/// The vault.
		file: PathBuf,
	},
	/// A value in a vault was changed or moved by somebody without the passphrase, or the disk damaged it.
	#[error(
		"{}: the value `{what}` was changed from outside: restore the file from a backup, and find out who can write to it",
		file.display()
	)]
	VaultTampered {
		/// The vault.
		file: PathBuf,
		/// Name of the value.
		what: String,
	},
	/// A file that would be written exists already.
	#[error("{} exists already and is not overwritten: choose another name", file.display())]
	FileExists {
		/// The file.
		file: PathBuf,
	},
	/// An anchored reading differs from the one in the file.
	#[error(
		"{meter} at {time}: {file_wh} Wh in the file, but {anchored_wh} Wh are anchored (stream {stream}, sequence {seq}) and an anchored reading cannot be changed; restore the file, or replay into another --home{hint}"
	)]
	ReadingChanged {
		/// The meter.
		meter: String,
		/// Time of the reading, as anchored.
		time: String,
		/// Value in the file.
		file_wh: i64,
		/// Value that is anchored.
		anchored_wh: i64,
		/// Stream.
		stream: u32,
		/// Sequence number of the anchor.
		seq: u64,
		/// What to do, or nothing.
		hint: &'static str,
	},
	/// A name or id that neither the local store nor the chain knows.
	#[error("{0}")]
	Unknown(String),
	/// Another process has the store open.
	#[error("{} is in use by another m2m process: wait for it to end, or use another --home", .0.display())]
	StoreBusy(PathBuf),
	/// The store cannot be read or written.
	#[error("the local store failed: {0}")]
	Store(String),
	/// The operating system refused something.
	#[error("{}: {cause}", file.display())]
	Io {
		/// File or folder.
		file: PathBuf,
		/// What the system said.
		cause: std::io::Error,
	},
}

impl Error {
	/// An I/O error with the file it happened to.
	pub fn io(file: &Path, cause: std::io::Error) -> Self {
		Self::Io {
			file: file.to_owned(),
			cause,
		}
	}

	/// A file with wrong content.
	pub fn bad_file(file: &Path, problem: impl Into<String>) -> Self {
		Self::BadFile {
			file: file.to_owned(),
			problem: problem.into(),
		}
	}

	/// Exit code of the command line: 1 other, 2 usage, 3 node or seller away, 4 refused by the chain or a seller or
	/// not paid for, 5 proof, offer or delivery false, 6 bad input file, 7 local store, 8 stale proof.
	pub fn exit_code(&self) -> u8 {
		match self {
			Self::Io { .. } => 1,
			Self::Usage(_) | Self::Unknown(_) | Self::FileExists { .. } => 2,
			Self::NodeUnreachable { .. }
			| Self::ConnectionLost { .. }
			| Self::Node(_)
			| Self::WrongChain { .. }
			| Self::ChainReset { .. }
			| Self::IncompatibleChain(_)
			| Self::StateDiscarded { .. }
			| Self::DevelopmentKey { .. }
			| Self::NotFinalized { .. }
			| Self::Undecided { .. }
			| Self::SellerUnreachable { .. } => 3,
			Self::Refused { .. }
			| Self::NotAccepted { .. }
			| Self::AnchorsRefused { .. }
			| Self::SomeRefused { .. }
			| Self::ImportIncomplete { .. }
			| Self::CannotPay { .. }
			| Self::SellerRefused { .. } => 4,
			Self::ProofDoesNotHold(_)
			| Self::Contradiction { .. }
			| Self::OfferRefused { .. }
			| Self::SaleFailed { .. }
			| Self::BadDelivery { .. }
			| Self::NoRemedy(_) => 5,
			Self::Csv { .. }
			| Self::Manifest { .. }
			| Self::BadFile { .. }
			| Self::KeyFilePermissions { .. }
			| Self::WrongPassphrase { .. }
			| Self::ReadingChanged { .. } => 6,
			Self::StoreBusy(_) | Self::Store(_) | Self::VaultTampered { .. } => 7,
			Self::ProofStale { .. } => 8,
			Self::Unhealthy { code, .. } => *code,
		}
	}

	/// Name for machines, as it stands in `--json` errors.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Usage(_) => "Usage",
			Self::NodeUnreachable { .. } => "NodeUnreachable",
			Self::ConnectionLost { .. } => "ConnectionLost",
			Self::Node(_) => "Node",
			Self::WrongChain { .. } => "WrongChain",
			Self::ChainReset { .. } => "ChainReset",
			Self::IncompatibleChain(_) => "IncompatibleChain",
			Self::StateDiscarded { .. } => "StateDiscarded",
			Self::DevelopmentKey { .. } => "DevelopmentKey",
			Self::Refused { .. } => "Refused",
			Self::NotAccepted { .. } => "NotAccepted",
			Self::NotFinalized { .. } => "NotFinalized",
			Self::Undecided { .. } => "Undecided",
			Self::AnchorsRefused { .. } => "AnchorsRefused",
			Self::SomeRefused { .. } => "SomeRefused",
			Self::ImportIncomplete { .. } => "ImportIncomplete",
			Self::ProofDoesNotHold(_) => "ProofDoesNotHold",
			Self::ProofStale { .. } => "ProofStale",
			Self::Contradiction { .. } => "Contradiction",
			Self::SellerUnreachable { .. } => "SellerUnreachable",
			Self::SellerRefused { .. } => "SellerRefused",
			Self::OfferRefused { .. } => "OfferRefused",
			Self::SaleFailed { .. } => "SaleFailed",
			Self::BadDelivery { .. } => "BadDelivery",
			Self::NoRemedy(_) => "NoRemedy",
			Self::Csv { .. } => "Csv",
			Self::Manifest { .. } => "Manifest",
			Self::CannotPay { .. } => "CannotPay",
			Self::Unhealthy { .. } => "Unhealthy",
			Self::BadFile { .. } => "BadFile",
			Self::KeyFilePermissions { .. } => "KeyFilePermissions",
			Self::WrongPassphrase { .. } => "WrongPassphrase",
			Self::VaultTampered { .. } => "VaultTampered",
			Self::FileExists { .. } => "FileExists",
			Self::ReadingChanged { .. } => "ReadingChanged",
			Self::Unknown(_) => "Unknown",
			Self::StoreBusy(_) => "StoreBusy",
			Self::Store(_) => "Store",
			Self::Io { .. } => "Io",
		}
	}
}

/// One line a fault: file, line, name and what is wrong.
fn list_faults(file: &Path, faults: &[(u64, Fault)], more: usize) -> String {
	let mut lines: Vec<String> = faults
		.iter()
		.map(|(line, fault)| format!("{}:{line}: {}: {fault}", file.display(), fault.name()))
		.collect();
	if more > 0 {
		lines.push(format!("and {more} more"));
	}
	lines.join("\n")
}
