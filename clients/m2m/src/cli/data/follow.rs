//! `m2m data follow`.

use super::{
	buy::{Trade, check_lines},
	moment, no_listing,
	subscription::no_subscription,
};
use crate::cli::{Context, keeper::is_passing, output::Bar};
use clap::Args;
use m2m::{
	Error, Result,
	chain::{Block, Chain},
	data::{
		buyer::{self, Buyer, Check, Order, Seen},
		protocol::Refusal,
		purchases::{Follow as Followed, Purchase, Purchases},
	},
	keys, money,
	replay::Progress,
	time,
};
use m2m_anchor::StreamDetails;
use m2m_fair_exchange::market::{ListingSpec, Subscription, SubscriptionId};
use serde_json::json;
use std::{
	path::{Path, PathBuf},
	time::Duration,
};

/// How often the chain is asked whether the readings of an epoch are anchored.
const POLL: Duration = Duration::from_secs(6);
/// How long a seller that has no good offer is left alone: each one keeps a part of its bond until it expires.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long at most. Each time is twice as long as the one before.
const LONGEST_PATIENCE: Duration = Duration::from_secs(900);
/// How long to wait before a node that went away is tried again.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct Follow {
	/// Number of the subscription
	subscription: SubscriptionId,
	/// Key file of the buyer, or name of a device in --home that buys: the key that subscribed
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	buyer: String,
	/// Time of the first reading of the first epoch, such as 2026-11-20T06:00:00Z, or a day; needed the first time, and
	/// later to leave out the epochs before it
	#[arg(long, value_name = "TIME")]
	from: Option<String>,
	/// Length of an epoch, such as 1h or 1d; needed the first time
	#[arg(long, value_name = "SPAN")]
	every: Option<String>,
	/// Folder for the files with readings, made if it is not there; needed the first time
	#[arg(long, value_name = "DIR")]
	out: Option<PathBuf>,
	/// From now on buy epochs although there are fewer readings than the stream's cadence promises
	#[arg(long)]
	allow_gaps: bool,
	/// Buy one epoch, then end
	#[arg(long)]
	once: bool,
	/// If something is wrong, only say so
	#[arg(long)]
	no_dispute: bool,
}

/// A folder as it is stored.
fn folder(path: &Path) -> Result<String> {
	let folder = std::path::absolute(path).map_err(|cause| Error::io(path, cause))?;
	Ok(folder.to_string_lossy().into_owned())
}

impl Follow {
	/// What is to be followed from now on.
	fn begin(&self, genesis: &[u8; 32], order: &Subscription, spec: &ListingSpec) -> Result<Followed> {
		let (Some(from), Some(every), Some(out)) = (&self.from, &self.every, &self.out) else {
			return Err(Error::Usage(
				"say what is bought and where to the first time, with --from, --every and --out".into(),
			));
		};
		let every_ms = time::parse_span(every)?;
		if every_ms == 0 {
			return Err(Error::Usage(
				"an epoch takes some time: name its length with --every".into(),
			));
		}
		let next = moment(from)?;
		std::fs::create_dir_all(out).map_err(|cause| Error::io(out, cause))?;
		Ok(Followed {
			genesis: *genesis,
			subscription: self.subscription,
			listing: order.listing,
			every_ms,
			next,
			allow_gaps: self.allow_gaps,
			claims: spec.claims,
			licence: spec.licence,
			folder: folder(out)?,
			current: None,
			left: 0,
		})
	}

	/// What is followed from now on: gaps may be allowed, and epochs that are not under way left out.
	///
	/// # Errors
	/// [`Error::Usage`] if something else is asked for than what is followed already.
	fn change(&self, followed: &Followed, is_under_way: bool) -> Result<Followed> {
		let from = self.from.as_deref().map(moment).transpose()?;
		let every = self.every.as_deref().map(time::parse_span).transpose()?;
		let out = self.out.as_deref().map(folder).transpose()?;
		let later = from.filter(|from| *from > followed.next);
		if from.is_none_or(|from| followed.next.abs_diff(from).is_multiple_of(followed.every_ms))
			&& every.is_none_or(|every| every == followed.every_ms)
			&& out.is_none_or(|out| out == followed.folder)
			&& !(later.is_some() && is_under_way)
		{
			return Ok(Followed {
				allow_gaps: followed.allow_gaps || self.allow_gaps,
				next: later.unwrap_or(followed.next),
				..followed.clone()
			});
		}
		Err(Error::Usage(format!(
			"subscription {} is followed already, every {} s into {}, and goes on at {}: leave out --from, --every and --out; to leave out epochs, name the begin of a later one with --from while none is under way",
			followed.subscription,
			followed.every_ms / 1_000,
			followed.folder,
			time::format(followed.next)
		)))
	}
}

pub async fn run(context: &Context, arguments: Follow) -> Result<()> {
	let (mut chain, key) = context.connect_as_any(&arguments.buyer).await?;
	let genesis = *chain.genesis();
	let purchases = Purchases::new(&context.home);
	let number = arguments.subscription;
	let block = chain.finalized().await?;
	let order = block.subscription(&chain, number).await?;
	if let Some(order) = &order
		&& order.signer != key.account()
	{
		return Err(Error::Usage(format!(
			"epochs of subscription {number} are countersigned by {}, not by {}: name that key with --buyer",
			keys::address(&order.signer),
			keys::address(&key.account())
		)));
	}
	// Until the end.
	let _lock = purchases.lock(&genesis, number)?;
	match purchases.follow(&genesis, number)? {
		Some(followed) => {
			let under_way = match &followed.current {
				Some(sale) => purchases.get(sale)?,
				None => None,
			};
			let changed = arguments.change(&followed, under_way.is_some())?;
			if changed.next != followed.next {
				context.output.note(format!(
					"the epochs from {} to {} are left out",
					time::format(followed.next),
					time::format(changed.next)
				));
			}
			if changed != followed {
				purchases.change_follow(&followed, &changed)?;
			}
		}
		None => {
			let order = order.ok_or_else(|| no_subscription(number))?;
			let listing = block
				.listing(&chain, order.listing)
				.await?
				.ok_or_else(|| no_listing(order.listing))?;
			purchases.begin_follow(&arguments.begin(&genesis, &order, &listing.spec)?)?;
		}
	}
	buyer::sweep(&purchases, &genesis, block.number)?;
	let bar = Bar::new(context.output);
	let mut checks = Vec::new();
	let mut said = String::new();
	loop {
		let follower = Follower {
			trade: Trade {
				context,
				buyer: Buyer {
					chain: &chain,
					key: &key,
					purchases: &purchases,
					progress: &bar,
				},
				bar: &bar,
				strict: true,
			},
			number,
			no_dispute: arguments.no_dispute,
		};
		let result = follower.run(arguments.once, &mut checks).await;
		bar.finish();
		let Err(error) = result else {
			return Ok(());
		};
		let stake = follower.at_stake();
		if !is_passing(&error) {
			if let Some(stake) = stake {
				context
					.output
					.warn(format!("{stake}: run the same command again before that"));
			}
			return Err(error);
		}
		// An epoch that is signed is not left alone because a node went away.
		let news = match stake {
			Some(stake) => format!("{error}; {stake}; trying again"),
			None => format!("{error}; trying again"),
		};
		if news != said {
			context.output.warn(&news);
			said = news;
		}
		chain = reconnect(context, &genesis).await?;
	}
}

/// Connects anew, as soon as there is a node.
async fn reconnect(context: &Context, genesis: &[u8; 32]) -> Result<Chain> {
	loop {
		tokio::time::sleep(RETRY).await;
		match context.connect().await {
			Ok(chain) => {
				chain.expect_genesis("the subscription", genesis)?;
				return Ok(chain);
			}
			Err(error) if is_passing(&error) => {}
			Err(error) => return Err(error),
		}
	}
}

/// The next pause. The one after it is twice as long, up to a bound.
fn longer(patience: &mut Duration) -> Duration {
	let pause = *patience;
	*patience = patience.saturating_mul(2).min(LONGEST_PATIENCE);
	pause
}

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
	/// An offer for an epoch is stored, or an old one is forgotten.
	GoOn,
	/// The readings of an epoch are written.
	Bought,
	/// An epoch was not delivered in time.
	Lapsed,
	/// The readings of the next epoch are not all anchored.
	NotYet,
	/// The subscription is over.
	Over,
}

/// True for what passes by itself: the seller is away or busy, its bond is taken, or it does not have all readings yet.
fn passes(error: &Error) -> bool {
	match error {
		Error::SellerUnreachable { .. } => true,
		Error::SellerRefused { refusal, .. } => matches!(
			refusal,
			Refusal::RangeNotAvailable
				| Refusal::PriceTooLow
				| Refusal::BondTooSmall
				| Refusal::StaleVersion
				| Refusal::UnknownDelivery
				| Refusal::SellerFault
				| Refusal::TooManyRequests
				| Refusal::TooSlow
				| Refusal::Busy
		),
		Error::OfferRefused { fault, .. } => matches!(
			fault.as_str(),
			"TooFew" | "BondTooSmall" | "Version" | "Expired" | "NotFinalized"
		),
		_ => false,
	}
}

/// A subscription on the command line. One epoch is under way at a time, so that no time is paid for twice.
struct Follower<'a> {
	trade: Trade<'a>,
	number: SubscriptionId,
	no_dispute: bool,
}

impl Follower<'_> {
	fn chain(&self) -> &Chain {
		self.trade.buyer.chain
	}

	fn purchases(&self) -> &Purchases {
		self.trade.buyer.purchases
	}

	/// What is lost if this ends now, in words.
	fn at_stake(&self) -> Option<String> {
		let purchases = self.purchases();
		let followed = purchases.follow(self.chain().genesis(), self.number).ok()??;
		purchases.get(&followed.current?).ok()??.at_stake()
	}

	async fn run(&self, once: bool, checks: &mut Vec<Check>) -> Result<()> {
		let mut said = String::new();
		let mut patience = PATIENCE;
		loop {
			let genesis = self.chain().genesis();
			let followed = self.purchases().follow(genesis, self.number)?.ok_or_else(|| {
				Error::Usage(format!(
					"another process has seen the end of subscription {}: nothing is left to do",
					self.number
				))
			})?;
			let under_way = match &followed.current {
				Some(sale) => self.purchases().get(sale)?,
				None => None,
			};
			let step = match under_way {
				Some(purchase) => self.go_on(&followed, purchase, checks).await,
				None => self.begin(&followed, checks).await,
			};
			let (news, pause) = match step {
				Ok(Step::GoOn) => continue,
				Ok(Step::Bought) if !once => {
					said.clear();
					patience = PATIENCE;
					let finalized = self.chain().finalized().await?.number;
					buyer::sweep(self.purchases(), genesis, finalized)?;
					continue;
				}
				Ok(Step::Bought | Step::Over) => return Ok(()),
				Ok(Step::Lapsed) => (
					format!(
						"the epoch from {} was not delivered in time, and cost nothing: it is asked for again",
						time::format(followed.next)
					),
					longer(&mut patience),
				),
				Ok(Step::NotYet) => (
					format!(
						"waiting until the readings before {} are anchored",
						time::format(followed.until())
					),
					POLL,
				),
				Err(error) if passes(&error) => (format!("{error}; trying again"), longer(&mut patience)),
				Err(error) => return Err(error),
			};
			if news != said {
				self.trade.note(&news);
				said = news;
			}
			tokio::time::sleep(pause).await;
		}
	}

	/// Asks for the next epoch.
	async fn begin(&self, followed: &Followed, checks: &mut Vec<Check>) -> Result<Step> {
		let chain = self.chain();
		let block = chain.finalized().await?;
		let order = block.subscription(chain, self.number).await?;
		let Some(order) = order.filter(|order| block.number <= order.ends) else {
			self.purchases().unfollow(chain.genesis(), self.number)?;
			self.trade.bar.finish();
			self.trade.context.output.result(
				format!(
					"subscription {} is over; if it is not closed, `m2m data subscription close {}` frees what is left of it",
					self.number, self.number
				),
				json!({ "subscription": self.number, "over": true }),
			);
			return Ok(Step::Over);
		};
		let listing = block
			.listing(chain, followed.listing)
			.await?
			.ok_or_else(|| no_listing(followed.listing))?;
		followed.check_unchanged(&listing.spec)?;
		if !self.is_anchored(&block, followed, &listing.spec).await? {
			return Ok(Step::NotYet);
		}
		let file = followed.file();
		buyer::check_out(&file)?;
		let wanted = Order {
			listing: followed.listing,
			from: followed.next,
			until: followed.until(),
			max_price: Some(order.cap.min(order.left)),
			allow_gaps: followed.allow_gaps,
			out: Some(file.to_string_lossy().into_owned()),
		};
		let quoted = buyer::quote(chain, &order.subscriber, &wanted).await;
		let (purchase, found) = quoted.map_err(|error| match error {
			Error::OfferRefused { fault, .. } if fault == "PriceAboveLimit" => Error::OfferRefused {
				fault,
				why: format!(
					"the epoch costs more than the {} M2M that the subscription allows, or than the {} M2M that are left of it: end it with `m2m data subscription end {}`, and make another",
					money::format(order.cap),
					money::format(order.left),
					self.number
				),
			},
			error => error,
		})?;
		if purchase.terms().version != listing.version {
			// It changed meanwhile, and is looked at again.
			return Ok(Step::GoOn);
		}
		self.purchases().begin_epoch(followed, &purchase, order.left)?;
		self.trade.note(check_lines(&found));
		*checks = found;
		Ok(Step::GoOn)
	}

	/// True once the meter has anchored readings up to the end of the epoch.
	async fn is_anchored(&self, block: &Block, followed: &Followed, spec: &ListingSpec) -> Result<bool> {
		let details = block.stream(self.chain(), &spec.device, spec.stream).await?;
		let Some(StreamDetails {
			spec: Some(spec),
			last_reading,
			..
		}) = details
		else {
			// To ask says what is wrong.
			return Ok(true);
		};
		Ok(last_reading.is_some_and(|last| last.saturating_add(spec.cadence_ms.into()) >= followed.until()))
	}

	/// Goes on with the epoch that is under way.
	async fn go_on(
		&self,
		followed: &Followed,
		mut purchase: Purchase,
		checks: &mut Vec<Check>,
	) -> Result<Step> {
		let buyer = &self.trade.buyer;
		let (sale, expires) = (purchase.sale(), purchase.terms().expires);
		if !purchase.checked {
			// Nothing was signed.
			if self.chain().finalized().await?.number > expires {
				self.purchases().discard(&sale)?;
				return Ok(Step::GoOn);
			}
			let found = buyer.download_and_check(&mut purchase).await?;
			self.trade.note(check_lines(&found));
			checks.extend(found);
		}
		if self.has_lapsed(followed, &purchase).await? {
			self.purchases().remove(&sale)?;
			return Ok(Step::Lapsed);
		}
		let mut seen = buyer.look(&mut purchase).await?;
		if let Seen::NotBought { .. } = seen {
			match buyer.countersign(&purchase, self.number).await {
				Ok(()) => self.trade.note(format!(
					"countersigned: the seller delivers until block {expires}, or it costs nothing"
				)),
				// It may have arrived all the same, now or before this process began.
				Err(
					error @ (Error::SellerUnreachable { .. }
					| Error::SellerRefused { .. }
					| Error::OfferRefused { .. }
					// The listing is withdrawn, or its stream is closed.
					| Error::Unknown(_)),
				) => self.trade.note(format!(
					"{error}; nothing else is signed for this epoch until block {expires} has shown that it is not delivered"
				)),
				Err(error) => return Err(error),
			}
			seen = buyer.wait_for_delivery(&mut purchase).await?;
		}
		if seen == Seen::Over && purchase.bought_in.is_none() && purchase.ending.is_none() {
			self.purchases().remove(&sale)?;
			return Ok(Step::Lapsed);
		}
		let checks = std::mem::take(checks);
		let concluded = self
			.trade
			.conclude(purchase, checks, seen, self.no_dispute, None, 0)
			.await;
		if let Err(Error::SaleFailed { .. } | Error::BadDelivery { .. } | Error::NoRemedy(_)) = &concluded {
			self.trade.context.output.warn(format!(
				"nothing more is bought: `m2m data subscription end {}` ends the subscription, and to follow it again asks the same seller again",
				self.number
			));
		}
		concluded.map(|()| Step::Bought)
	}

	/// True if an epoch cannot be delivered any more and was not: the subscription has paid nothing since it was asked
	/// for, and nobody tried to buy it by hand, which the subscription does not pay. Past blocks would say so, too, but
	/// a node need not have them.
	async fn has_lapsed(&self, followed: &Followed, purchase: &Purchase) -> Result<bool> {
		let (chain, expires) = (self.chain(), purchase.terms().expires);
		if purchase.bought_in.is_some()
			|| purchase.revealed.is_some()
			|| self.purchases().is_paying(&purchase.sale())?
		{
			return Ok(false);
		}
		let block = chain.finalized().await?;
		if block.number <= expires || block.sale(chain, &purchase.sale(), expires).await?.is_some() {
			return Ok(false);
		}
		let order = block.subscription(chain, self.number).await?;
		Ok(order.is_some_and(|order| order.left == followed.left))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn followed() -> Followed {
		Followed {
			genesis: [1; 32],
			subscription: 3,
			listing: 0,
			every_ms: 3_600_000,
			next: time::parse("2016-06-13T05:00:00Z").unwrap(),
			allow_gaps: false,
			claims: Default::default(),
			licence: Default::default(),
			folder: "/readings".into(),
			current: None,
			left: 0,
		}
	}

	fn arguments(from: Option<&str>, every: Option<&str>, out: Option<&str>) -> Follow {
		Follow {
			subscription: 3,
			buyer: "bob.json".into(),
			from: from.map(Into::into),
			every: every.map(Into::into),
			out: out.map(Into::into),
			allow_gaps: false,
			once: false,
			no_dispute: false,
		}
	}

	#[test]
	fn the_same_command_goes_on_and_another_one_is_refused() {
		for (from, every, out) in [
			(None, None, None),
			(Some("2016-06-13"), Some("1h"), Some("/readings")),
			(Some("2016-06-13T05:00:00Z"), None, None),
		] {
			for is_under_way in [false, true] {
				let same = arguments(from, every, out).change(&followed(), is_under_way);
				assert_eq!(same.unwrap(), followed());
			}
		}
		for (from, every, out) in [
			(Some("2016-06-14T00:30:00Z"), None, None),
			(Some("2016-06-13T00:30:00Z"), None, None),
			(None, Some("2h"), None),
			(None, None, Some("/elsewhere")),
		] {
			let other = arguments(from, every, out).change(&followed(), false);
			let error = other.unwrap_err();
			assert!(error.to_string().contains("followed already"), "{error}");
			assert_eq!(error.exit_code(), 2);
		}
	}

	#[test]
	fn gaps_can_be_allowed_and_epochs_left_out_later_but_not_the_one_under_way() {
		let gaps = Follow {
			allow_gaps: true,
			..arguments(None, None, None)
		};
		let changed = gaps.change(&followed(), true).unwrap();
		assert_eq!((changed.allow_gaps, changed.next), (true, followed().next));
		let same = arguments(None, None, None).change(&changed, true).unwrap();
		assert!(same.allow_gaps, "once allowed, they stay so");
		let later = arguments(Some("2016-06-14"), None, None);
		let changed = later.change(&followed(), false).unwrap();
		assert_eq!(changed.next, time::parse("2016-06-14T00:00:00Z").unwrap());
		assert!(later.change(&followed(), true).is_err());
	}

	#[test]
	fn who_has_no_good_offer_is_asked_less_and_less_often() {
		let mut patience = PATIENCE;
		let pauses: Vec<_> = (0..6).map(|_| longer(&mut patience).as_secs()).collect();
		assert_eq!(pauses, [60, 120, 240, 480, 900, 900]);
	}

	#[test]
	fn only_what_passes_is_waited_for() {
		let refused = |refusal| Error::SellerRefused {
			refusal,
			message: "no".into(),
		};
		let offer = |fault: &str| Error::OfferRefused {
			fault: fault.into(),
			why: "why".into(),
		};
		for error in [
			refused(Refusal::RangeNotAvailable),
			refused(Refusal::BondTooSmall),
			offer("TooFew"),
		] {
			assert!(passes(&error), "{error}");
		}
		for error in [
			refused(Refusal::UnknownListing),
			refused(Refusal::WrongChain),
			offer("PriceAboveLimit"),
			offer("SaleRoot"),
			Error::Unknown("gone".into()),
		] {
			assert!(!passes(&error), "{error}");
		}
	}
}
