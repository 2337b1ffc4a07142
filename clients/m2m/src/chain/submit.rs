//! Transactions: sign, send, wait until they are final.

use super::{Block, Call, Chain, RawEvent, ReadBlock};
use crate::{Error, Result, keys::Key};
use m2m_device::AccountId;
use std::time::{Duration, Instant};
use subxt::{
	SubstrateConfig,
	client::OnlineClientAtBlockImpl,
	config::substrate::SubstrateExtrinsicParamsBuilder,
	rpcs::client::rpc_params,
	transactions::{SubmittableTransaction, TransactionProgress, TransactionStatus},
	utils::H256,
};

/// A transaction may get into one of this many blocks after it was signed, or never.
const MORTALITY_BLOCKS: u64 = 64;
/// How long to wait for finality: longer than a transaction lives at 3 s a block.
pub(super) const FINALITY_TIMEOUT: Duration = Duration::from_secs(240);

/// A transaction that is signed and not sent.
type Signed = SubmittableTransaction<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>;

/// A transaction that the node has taken.
pub struct Pending {
	call: String,
	progress: TransactionProgress<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>,
}

/// A transaction in a finalized block.
pub struct Included {
	/// The block.
	pub block: Block,
	/// The transaction's own events.
	pub events: Vec<RawEvent>,
	/// Fee that was paid, in smallest units.
	pub fee: u128,
	/// Who paid it: the signer, or for a device key a sponsorship's pot or the device's wallet. `None` for a
	/// transaction without a fee.
	pub payer: Option<AccountId>,
}

impl Chain {
	/// Signs and sends a call. With `nonce`, several can be under way at once.
	pub async fn send(&self, key: &Key, call: &Call, nonce: u64) -> Result<Pending> {
		let transaction = self.sign(key, call, nonce).await?;
		self.watch(call, &transaction).await
	}

	async fn sign(&self, key: &Key, call: &Call, nonce: u64) -> Result<Signed> {
		let block = self.finalized().await?;
		call.check(block.at.metadata_ref())?;
		let params = SubstrateExtrinsicParamsBuilder::new()
			.nonce(nonce)
			.mortal(MORTALITY_BLOCKS)
			.build();
		let mut transactions = block.at.transactions();
		match transactions.create_signed(call, key, params).await {
			Ok(transaction) => Ok(transaction),
			Err(error) => Err(self.explain(error).await),
		}
	}

	async fn watch(&self, call: &Call, transaction: &Signed) -> Result<Pending> {
		match transaction.submit_and_watch().await {
			Ok(progress) => Ok(Pending {
				call: call.title(),
				progress,
			}),
			Err(error) => match self.explain(error).await {
				Error::Node(reason) => Err(not_accepted(call.title(), reason)),
				error => Err(error),
			},
		}
	}

	/// Signs a call and gives it to the node, which says whether it takes it, and no more. Returns the hash by which
	/// the transaction is found in its block.
	pub(super) async fn post(&self, key: &Key, call: &Call, nonce: u64) -> Result<H256> {
		let transaction = self.sign(key, call, nonce).await?;
		let encoded = format!("0x{}", hex::encode(transaction.encoded()));
		match self
			.rpc
			.request::<H256>("author_submitExtrinsic", rpc_params![encoded])
			.await
		{
			Ok(_) => Ok(transaction.hash()),
			Err(error) => match self.explain(error).await {
				Error::Node(reason) => Err(not_accepted(call.title(), reason)),
				error => Err(error),
			},
		}
	}

	/// What a call would cost its payer in the last finalized block, before anything is given back.
	pub async fn estimate_fee(&self, key: &Key, call: &Call) -> Result<u128> {
		let block = self.finalized().await?;
		call.check(block.at.metadata_ref())?;
		let params = SubstrateExtrinsicParamsBuilder::new()
			.mortal(MORTALITY_BLOCKS)
			.build();
		let mut transactions = block.at.transactions();
		let fee = match transactions.create_signed(call, key, params).await {
			Ok(transaction) => transaction.partial_fee_estimate().await,
			Err(error) => Err(error),
		};
		match fee {
			Ok(fee) => Ok(fee),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// Waits until a transaction is final. Fails with [`Error::Refused`] if the chain executed and refused it.
	pub async fn finality(&self, mut pending: Pending) -> Result<Included> {
		let deadline = Instant::now() + FINALITY_TIMEOUT;
		let hash = pending.progress.extrinsic_hash();
		loop {
			let left = deadline.saturating_duration_since(Instant::now());
			let Ok(status) = tokio::time::timeout(left, pending.progress.next()).await else {
				return Err(Error::NotFinalized {
					what: pending.call,
					seconds: FINALITY_TIMEOUT.as_secs(),
				});
			};
			match status {
				Some(Ok(TransactionStatus::InFinalizedBlock(found))) => {
					let read = self.read_block(found.block_hash()).await?;
					let position = read.extrinsics.iter().position(|found| *found == hash);
					let Some(index) = position.and_then(|index| u32::try_from(index).ok()) else {
						return Err(Error::Node("the finalized block lacks the transaction".into()));
					};
					let events: Vec<RawEvent> = read
						.events
						.iter()
						.filter(|event| event.extrinsic == Some(index))
						.cloned()
						.collect();
					return self.outcome(pending.call, read.block, events);
				}
				Some(Ok(TransactionStatus::Error { message })) => {
					return Err(not_accepted(pending.call, message));
				}
				Some(Ok(TransactionStatus::Invalid { message } | TransactionStatus::Dropped { message })) => {
					return Err(not_accepted(pending.call, message));
				}
				Some(Ok(_)) => {}
				Some(Err(error)) => return Err(self.explain(error).await),
				None => return Err(self.explain("the node stopped reporting on a transaction").await),
			}
		}
	}

	/// Sends a call and waits until it is final. If that cannot be learnt any more, fails with [`Error::Undecided`]:
	/// the call may take effect, and would again if it were sent again.
	pub async fn submit(&self, key: &Key, call: &Call) -> Result<Included> {
		let nonce = self.next_nonce(&key.account()).await?;
		let transaction = self.sign(key, call, nonce).await?;
		let hash = transaction.hash();
		// The connection may have lost no more than the node's answer.
		let pending = match self.watch(call, &transaction).await {
			Ok(pending) => pending,
			Err(error) => return Err(undecided(error, call, hash)),
		};
		match self.finality(pending).await {
			Ok(included) => Ok(included),
			Err(error) => Err(undecided(error, call, hash)),
		}
	}

	/// As [`Self::submit`], for what looks at the chain before it sends, so that running it again does nothing twice:
	/// errors of the connection stay what they are.
	pub(crate) async fn submit_repeatable(&self, key: &Key, call: &Call) -> Result<Included> {
		let nonce = self.next_nonce(&key.account()).await?;
		let pending = self.send(key, call, nonce).await?;
		self.finality(pending).await
	}

	/// Waits until nothing that an account sent is waiting in the node's pool or in blocks that are not final.
	pub async fn settle(&self, account: &AccountId) -> Result<()> {
		let deadline = Instant::now() + FINALITY_TIMEOUT;
		loop {
			let next = self.next_nonce(account).await?;
			let block = self.finalized().await?;
			let settled: u32 = block
				.read(
					self,
					"AccountNonceApi",
					"account_nonce",
					&[("account", codec::Encode::encode(account))],
				)
				.await?;
			if u64::from(settled) >= next {
				return Ok(());
			}
			if Instant::now() >= deadline {
				return Err(Error::NotFinalized {
					what: "an earlier transaction".into(),
					seconds: FINALITY_TIMEOUT.as_secs(),
				});
			}
			tokio::time::sleep(Duration::from_millis(500)).await;
		}
	}

	/// The block with this hash, its extrinsics and its events.
	async fn read_block(&self, hash: H256) -> Result<ReadBlock> {
		let mut last = self.read.lock().await;
		if let Some(read) = last.as_ref().filter(|read| read.block.hash == hash.0) {
			return Ok(read.clone());
		}
		let block = self.block_of(hash).await?;
		let read = ReadBlock {
			extrinsics: self.extrinsics_of(&block).await?.into(),
			events: block.events(self).await?.into(),
			block,
		};
		*last = Some(read.clone());
		Ok(read)
	}

	/// Hashes of a block's extrinsics, in order.
	pub(super) async fn extrinsics_of(&self, block: &Block) -> Result<Vec<H256>> {
		let extrinsics = match block.at.extrinsics().fetch().await {
			Ok(extrinsics) => extrinsics,
			Err(error) => return Err(self.explain(error).await),
		};
		extrinsics
			.iter()
			.map(|extrinsic| {
				let extrinsic = extrinsic.map_err(|error| Error::IncompatibleChain(error.to_string()))?;
				Ok(extrinsic.hash())
			})
			.collect()
	}

	pub(super) fn outcome(&self, call: String, block: Block, events: Vec<RawEvent>) -> Result<Included> {
		let (mut fee, mut payer, mut failed) = (0, None, None);
		for event in &events {
			if event.is("TransactionPayment", "TransactionFeePaid") {
				let (who, actual, _): (AccountId, u128, u128) = event.decode()?;
				(fee, payer) = (actual, Some(who));
			}
			if event.is("System", "ExtrinsicFailed") {
				failed = Some(block.name_error(&event.fields));
			}
		}
		if let Some(reason) = failed {
			return Err(Error::Refused {
				call,
				hint: hint(&reason),
				reason,
				paid: payer.map(|payer| Box::new((payer, fee))),
			});
		}
		Ok(Included {
			block,
			events,
			fee,
			payer,
		})
	}
}

/// True if the node did not take a transaction because nobody can pay its fee. The words are those of
/// `InvalidTransaction::Payment`; what stands before them depends on how it was sent.
pub(crate) fn is_unpaid(reason: &str) -> bool {
	reason.contains("Inability to pay some fees")
}

/// True if the node did not take a transaction because it has another one of the account with the same nonce.
fn is_crossed(reason: &str) -> bool {
	["1013", "1014", "outdated", "Stale", "usurped"]
		.iter()
		.any(|sign| reason.contains(sign))
}

/// What an error means once a call may be with the node and must not be sent twice.
fn undecided(error: Error, call: &Call, hash: H256) -> Error {
	match error {
		Error::ConnectionLost { .. } | Error::NotFinalized { .. } | Error::Node(_) => Error::Undecided {
			call: call.title(),
			hash: format!("{hash:?}"),
		},
		error => error,
	}
}

fn not_accepted(call: String, reason: String) -> Error {
	let hint = if is_crossed(&reason) {
		"; another process sends with this account: wait for it, then run again"
	} else if is_unpaid(&reason) {
		"; fund the account that signs with `m2m account fund`, or for a device key see who pays with `m2m device show`"
	} else {
		""
	};
	Error::NotAccepted { call, reason, hint }
}

/// The next step after a refusal, where there is one.
pub fn hint(reason: &str) -> &'static str {
	if let Some(error) = reason.strip_prefix("EnergyTrading::") {
		let hint = super::energy::hint(error);
		if !hint.is_empty() {
			return hint;
		}
	}
	match reason.rsplit("::").next().unwrap_or(reason) {
		"OwnerCannotPay" | "NewOwnerCannotPay" => "; fund the owner with `m2m account fund`",
		"IssuerCannotPay" | "CannotPay" => "; fund the account that signs with `m2m account fund`",
		"WalletCannotPay" => "; send money to the device's wallet with `m2m account fund --to DEVICE`",
		"OpenPositions" => "; its wallet holds money for something other than streams: close that first",
		"NotOwner" => "; sign with the owner's key file",
		"KeyAlreadyUsed" => "; a device key is used once in the life of a chain: make a new one",
		"DeviceSuspended" => "; let it work again with `m2m device resume`",
		"DeviceLost" => "; if it was found, let it work again with `m2m device resume`",
		"ProofExpired" | "ProofTooLong" => "; check the clock of this machine, or enrol the device again",
		"OverlapTooLong" => "; the overlap is at most 7d",
		"InvalidTransition" => "; let the device work again with `m2m device resume` first",
		"KeyRotated" => "; sign with the key that took its place",
		"KeyRemoved" => "; give the device a new key with `m2m device add-key`",
		"RoleMissing" => "; sign with the owner's key file, or with a key of the device that has the role",
		"TooManyOperators" => "; end a grant with `m2m device revoke`",
		"TooManyServices" => "; withdraw a service with `m2m device service remove`",
		"OwnerIsDeviceKey" => "; an owner must be an account that is no device's key",
		"KeyUnconfirmed" => "; its new owner lets the key go on with `m2m device confirm-key`",
		"TooManyKeys" => "; drop rotated keys with `m2m device prune-keys`",
		"NoGrant" | "GrantExpired" | "ActionNotGranted" => "; the owner gives leave with `m2m device grant`",
		"NoOffer" | "NotOffered" | "OfferExpired" => "; its owner offers it with `m2m device transfer`",
		"PriceMismatch" => "; the price that is asked is shown by `m2m device show`",
		"GenerationMismatch" | "AuthVersionMismatch" => {
			"; its keys or its owner changed meanwhile: look at it with `m2m device show`, then run the same command again"
		}
		"AlreadyProven" => "; it was proven to be from another batch, and only its owner changes that",
		"IssuerIsDeviceKey" => "; sign with an account that is no device's key",
		"AttestationExpired" | "AlreadyExpired" => "; choose a later end, or check the clock of this machine",
		"NotSponsor" => "; sign with the sponsor's key file",
		"SponsorshipEnded" | "SponsorshipExpired" => "; offer a new one with `m2m sponsor create`",
		"BucketNotFull" => "; wait until it is full again, or close the sponsorship",
		"NoBudget" => "; the owner sets one with `m2m device budget set`",
		"BudgetExceeded" => {
			"; wait for the next period, or let the owner raise it with `m2m device budget set`"
		}
		"StaleVersion" | "TermsExpired" => "; ask for another offer with `m2m data buy`",
		"BondTooSmall" => "; a seller puts up more with `m2m data bond --add`",
		"StreamNotPrivate" => "; only private streams are sold: `m2m telemetry stream create --private`",
		"NotSellersDevice" => "; sign with the key of the device's owner",
		"TooEarly" => "; run the same command again when its time has come",
		"DisputeTooLate" => "; the seller is paid: next time, check before the time for evidence is over",
		"NotRevealed" => "; wait for the key, or after its time take the money back with `m2m data refund`",
		"AlreadyRevealed" => "; the key is there: go on with `m2m data buy --resume`",
		"UnknownSale" => "; it ended: see what came back with `m2m account balance`",
		"UnknownPool" => "; if a listing names it, its seller changes that with `m2m data sell --change`",
		"NotPoolManager" => "; sign with the manager's key: `m2m data pool show` names the account",
		"PoolInUse" => "; wait until no sale that pays into it is open: `m2m data pool show` counts them",
		"PoolNotEmpty" => "; set the shares of its members to 0 first, with `m2m data pool set-shares`",
		"NothingOwed" => "; `m2m data pool show --member` says what a member has and is owed",
		"CannotReceive" => "; the account does not exist, and that is too little to make it: fund it first",
		"UnknownSubscription" => "; it is closed, or was never made: make one with `m2m data subscribe`",
		"NotSubscriber" => "; sign with the subscriber's key: `m2m data subscription show` names the account",
		"SubscriptionOver" => {
			"; free what is left of it with `m2m data subscription close`, and make another with `m2m data subscribe`"
		}
		"EndsSooner" => "; it ends as soon already: `m2m data subscription show` says when",
		"AboveCap" | "SubscriptionSpent" => {
			"; end it with `m2m data subscription end`, and make another with `m2m data subscribe`"
		}
		"UnknownRequest" => "; `m2m data request list` shows those that there are",
		"NotRequester" => "; sign with the buyer's key, or wait until it has expired",
		_ => "",
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn another_sender_of_the_account_is_told_from_an_empty_one() {
		let hint_of = |reason: &str| match not_accepted("Telemetry.anchor".into(), reason.into()) {
			Error::NotAccepted { hint, .. } => hint,
			error => panic!("{error}"),
		};
		for reason in [
			"Priority is too low: (12 vs 12) (1014)",
			"Transaction Already Imported (1013)",
			"Invalid Transaction (1010): Transaction is outdated",
		] {
			assert!(hint_of(reason).contains("another process"), "{reason}");
		}
		for unpaid in [
			"Invalid Transaction (1010): Inability to pay some fees (e.g. account balance too low)",
			"Invalid transaction: Inability to pay some fees (e.g. account balance too low)",
		] {
			assert!(hint_of(unpaid).contains("m2m account fund"), "{unpaid}");
		}
		assert_eq!(hint_of("Immediately Dropped (1016)"), "");
	}

	#[test]
	fn errors_of_markets_say_what_to_do() {
		assert!(hint("EnergyTrading::SettlementPending").contains("m2m keeper"));
		// The same state of a wallet has the same way out everywhere.
		assert_eq!(
			hint("EnergyTrading::WalletCannotPay"),
			hint("Telemetry::WalletCannotPay")
		);
		assert!(hint("DataMarketplace::PoolInUse").contains("m2m data pool show"));
		for reason in ["SubscriptionOver", "SubscriptionSpent", "EndsSooner"] {
			let hint = hint(&format!("DataMarketplace::{reason}"));
			assert!(hint.contains("m2m data subscription"), "{reason}");
		}
		assert_eq!(hint("Elsewhere::NotMember"), "");
	}

	#[test]
	fn a_call_that_may_have_been_taken_is_not_called_lost() {
		let call = Call::new("Balances", "transfer_keep_alive");
		let hash = H256([7; 32]);
		let errors = [
			Error::ConnectionLost {
				url: "ws://127.0.0.1:9944".into(),
				cause: "closed".into(),
			},
			Error::NotFinalized {
				what: call.title(),
				seconds: 240,
			},
			Error::Node("it does not have the block".into()),
		];
		for error in errors {
			let error = undecided(error, &call, hash);
			assert_eq!((error.name(), error.exit_code()), ("Undecided", 3));
			let message = error.to_string();
			assert!(
				message.contains("Balances.transfer_keep_alive was sent as 0x0707")
					&& message.contains("before you run this again"),
				"{message}"
			);
		}
		let refused = undecided(not_accepted(call.title(), "1002".into()), &call, hash);
		assert_eq!(refused.name(), "NotAccepted");
	}
}
