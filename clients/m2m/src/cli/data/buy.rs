//! `m2m data quote`, `buy` and what can be done with a purchase.

use super::{connect_trader, describe_ending, moment};
use crate::cli::{Context, account::account_or_device, output::Bar};
use clap::Args;
use comfy_table::Table;
use m2m::{
	Error, Result,
	batch::parse_hash,
	chain::{Chain, data, data::Ending, hint},
	data::{
		buyer::{self, Buyer, Check, Ended, Fault, Opening, Order, Seen},
		check,
		purchases::{Purchase, Purchases},
	},
	keys::{self, Key},
	money,
	replay::Progress,
	time,
};
use m2m_device::AccountId;
use m2m_fair_exchange::{ListingId, SaleId, market::Price};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The error of evidence that comes when the seller is paid, or may be.
const DISPUTE_TOO_LATE: &str = "DataMarketplace::DisputeTooLate";

/// Which readings are asked for.
#[derive(Args)]
pub struct Wanted {
	/// Number of the listing
	#[arg(long)]
	listing: Option<ListingId>,
	/// Refuse unless the listing is of this device: name in --home, or SS58 id
	#[arg(long)]
	device: Option<String>,
	/// Time of the first reading, such as 2026-11-20T06:00:00Z, or a day
	#[arg(long, value_name = "TIME")]
	from: Option<String>,
	/// Time before which the last reading lies
	#[arg(
		long,
		alias = "until",
		value_name = "TIME",
		required_unless_present = "resume"
	)]
	to: Option<String>,
	/// Refuse to pay more, in M2M; needed to buy where readings are sold by the piece
	#[arg(long, value_name = "M2M")]
	max_price: Option<String>,
	/// Buy although there are fewer readings than the stream's cadence promises
	#[arg(long)]
	allow_gaps: bool,
}

#[derive(Args)]
pub struct Quote {
	#[command(flatten)]
	wanted: Wanted,
	/// Key file of the buyer, or name of a device in --home that buys
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	buyer: String,
}

#[derive(Args)]
pub struct Buy {
	#[command(flatten)]
	wanted: Wanted,
	/// Key file of the buyer, or name of a device in --home that buys
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	buyer: String,
	/// CSV file to write
	#[arg(long, value_name = "FILE", required_unless_present = "resume")]
	out: Option<PathBuf>,
	/// Pay the seller at once if all is well, with this rating from 1 to 5
	#[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
	rating: Option<u8>,
	/// If something is wrong, only say so
	#[arg(long)]
	no_dispute: bool,
	/// Go on with a purchase: the beginning of its id
	#[arg(
		long,
		value_name = "ID",
		conflicts_with_all = ["listing", "from", "to", "device", "max_price", "allow_gaps"]
	)]
	resume: Option<String>,
}

#[derive(Args)]
pub struct Purchased {
	/// Id of the sale, or its beginning, as `m2m data purchases` shows it
	id: String,
	/// Key file of the buyer, or name of a device in --home that buys
	#[arg(long, alias = "signer", value_name = "KEYFILE|DEVICE")]
	buyer: String,
}

impl Wanted {
	fn order(&self, out: Option<String>) -> Result<Order> {
		let (Some(listing), Some(from), Some(to)) = (self.listing, &self.from, &self.to) else {
			return Err(Error::Usage(
				"say what to buy, with --listing, --from and --to".into(),
			));
		};
		Ok(Order {
			listing,
			from: moment(from)?,
			until: moment(to)?,
			max_price: self.max_price.as_deref().map(money::parse).transpose()?,
			allow_gaps: self.allow_gaps,
			out,
		})
	}

	/// Fails unless the listing is of the device that was named, if one was.
	async fn check_device(&self, context: &Context, chain: &Chain, order: &Order) -> Result<()> {
		let Some(text) = &self.device else {
			return Ok(());
		};
		let device = account_or_device(context, text)?;
		let block = chain.finalized().await?;
		let listing = block
			.listing(chain, order.listing)
			.await?
			.ok_or_else(|| super::no_listing(order.listing))?;
		if listing.spec.device != device {
			return Err(Error::Usage(format!(
				"listing {} is of {}, not of {text}",
				order.listing,
				keys::address(&listing.spec.device)
			)));
		}
		Ok(())
	}
}

/// Fails if the seller alone would say how much is paid: under a price for each reading, by how many it offers.
async fn check_limit(chain: &Chain, order: &Order, purchase: &Purchase) -> Result<()> {
	if order.max_price.is_some() {
		return Ok(());
	}
	let terms = purchase.terms();
	// If it changes after this, the terms are of an old version and are not bought.
	let listing = chain
		.finalized()
		.await?
		.listing(chain, terms.listing)
		.await?
		.ok_or_else(|| super::no_listing(terms.listing))?;
	match listing.spec.price {
		Price::PerSale(_) => Ok(()),
		Price::PerReading(_) => Err(Error::Usage(format!(
			"the listing has a price for each reading, and {} of them, for {} M2M, are offered for that time: say with --max-price what you pay at most",
			terms.leaves,
			money::format(terms.price)
		))),
	}
}

pub(super) fn check_lines(checks: &[Check]) -> String {
	checks
		.iter()
		.map(|(what, found)| format!("  ok  {what:<12} {found}"))
		.collect::<Vec<_>>()
		.join("\n")
}

fn check_values(checks: &[Check]) -> Value {
	checks
		.iter()
		.map(|(what, found)| json!({ "check": what, "found": found }))
		.collect()
}

/// What is bought, as JSON.
fn describe(purchase: &Purchase) -> Value {
	let terms = purchase.terms();
	json!({
		"sale": format!("{:?}", purchase.sale()),
		"listing": terms.listing,
		"version": terms.version,
		"device": keys::address(&terms.device),
		"stream": terms.range.stream,
		"seller": keys::address(&terms.seller),
		"buyer": keys::address(&terms.buyer),
		"price": money::format(terms.price),
		"readings": terms.leaves,
		"from": time::format(purchase.from),
		"to": time::format(purchase.until),
		"unit": purchase.unit,
		"scale": purchase.scale,
		"expires": terms.expires,
		"bought_in": purchase.bought_in,
		"evidence_until": purchase.revealed.map(|(_, deadline)| deadline),
		"out": purchase.out,
		"state": purchase.state(),
	})
}

fn insert(value: &mut Value, name: &str, field: Value) {
	if let Some(fields) = value.as_object_mut() {
		fields.insert(name.into(), field);
	}
}

pub async fn quote(context: &Context, arguments: Quote) -> Result<()> {
	let order = arguments.wanted.order(None)?;
	let (chain, _, account) = connect_trader(context, &arguments.buyer).await?;
	arguments.wanted.check_device(context, &chain, &order).await?;
	let (purchase, checks) = buyer::quote(&chain, &account, &order).await?;
	let terms = purchase.terms();
	let mut value = describe(&purchase);
	insert(&mut value, "checks", check_values(&checks));
	context.output.result(
		format!(
			"{} M2M for {} readings of {}\n{}\nbuy with `m2m data buy`, which asks anew and checks the readings themselves",
			money::format(terms.price),
			terms.leaves,
			keys::address(&terms.device),
			check_lines(&checks)
		),
		value,
	);
	Ok(())
}

pub async fn buy(context: &Context, arguments: Buy) -> Result<()> {
	if let Some(out) = &arguments.out {
		buyer::check_out(out)?;
	}
	let (chain, key, account) = connect_trader(context, &arguments.buyer).await?;
	let purchases = Purchases::new(&context.home);
	let bar = Bar::new(context.output);
	let trade = Trade {
		context,
		buyer: Buyer {
			chain: &chain,
			key: &key,
			purchases: &purchases,
			progress: &bar,
		},
		bar: &bar,
		strict: false,
	};
	buyer::sweep(&purchases, chain.genesis(), chain.finalized().await?.number)?;
	let result = trade.run(&arguments, &account).await;
	bar.finish();
	result
}

/// One purchase on the command line, or one after the other.
pub(super) struct Trade<'a> {
	pub(super) context: &'a Context,
	pub(super) buyer: Buyer<'a>,
	pub(super) bar: &'a Bar,
	/// Fail if readings lie outside the time that was asked for; otherwise only say so.
	pub(super) strict: bool,
}

impl Trade<'_> {
	/// A remark between two progress bars.
	pub(super) fn note(&self, text: impl AsRef<str>) {
		self.bar.finish();
		self.context.output.note(text);
	}

	/// Fails if the same was bought before and is not delivered yet: to ask anew would be to pay twice.
	fn check_not_begun(&self, order: &Order, account: &AccountId) -> Result<()> {
		let begun = self.buyer.purchases.all()?.into_iter().find(|purchase| {
			purchase.genesis == *self.buyer.chain.genesis()
				&& purchase.terms().buyer == *account
				&& purchase.listing() == order.listing
				&& (purchase.from, purchase.until) == (order.from, order.until)
				&& purchase.checked
				&& !purchase.written
		});
		match begun {
			None => Ok(()),
			Some(purchase) => Err(Error::Usage(format!(
				"you are buying these readings already ({}): go on with `m2m data buy --resume {:?}`",
				purchase.state(),
				purchase.sale()
			))),
		}
	}

	async fn run(&self, arguments: &Buy, account: &AccountId) -> Result<()> {
		let chain = self.buyer.chain;
		let out = arguments
			.out
			.as_ref()
			.map(|out| std::path::absolute(out).map_err(|cause| Error::io(out, cause)))
			.transpose()?
			.map(|out| out.to_string_lossy().into_owned());
		let mut checks = Vec::new();
		let mut fees = 0;
		// An epoch is gone on with by one process at a time, and is read again below.
		let _held = match &arguments.resume {
			Some(id) => {
				let purchases = self.buyer.purchases;
				purchases.lock_epoch(&purchases.find(id)?.sale())?
			}
			None => None,
		};
		let mut purchase = match &arguments.resume {
			Some(id) => {
				let mut purchase = stored(chain, self.buyer.purchases, account, id)?;
				if out.is_some() {
					purchase.out = out;
				}
				purchase
			}
			None => {
				let order = arguments.wanted.order(out)?;
				self.check_not_begun(&order, account)?;
				arguments.wanted.check_device(self.context, chain, &order).await?;
				let (purchase, found) = buyer::quote(chain, account, &order).await?;
				check_limit(chain, &order, &purchase).await?;
				self.note(check_lines(&found));
				checks.extend(found);
				purchase
			}
		};
		let id = format!("{:?}", purchase.sale());
		if purchase.bought_in.is_none() {
			if !purchase.checked {
				let found = self.buyer.download_and_check(&mut purchase).await?;
				self.note(check_lines(&found));
				checks.extend(found);
			}
			fees = self.buyer.pay(&mut purchase).await?.unwrap_or_default();
			self.note(format!(
				"bought: {} M2M are held on chain; fee {} M2M. If this is cut off, go on with `m2m data buy --resume {id}`",
				money::format(purchase.terms().price),
				money::format(fees)
			));
		}
		let seen = self.buyer.wait_for_key(&mut purchase).await?;
		self.conclude(
			purchase,
			checks,
			seen,
			arguments.no_dispute,
			arguments.rating,
			fees,
		)
		.await
	}

	/// What follows when the key is there, or does not come: readings in a file, or the money back.
	pub(super) async fn conclude(
		&self,
		mut purchase: Purchase,
		checks: Vec<Check>,
		seen: Seen,
		no_dispute: bool,
		rating: Option<u8>,
		fees: u128,
	) -> Result<()> {
		match seen {
			Seen::Revealed => self.bar.finish(),
			Seen::Overdue => {
				let ended = self.buyer.refund(&mut purchase).await?;
				return self.failed(
					&purchase,
					checks,
					"the seller did not reveal the key in time",
					ended,
				);
			}
			Seen::Over | Seen::Hidden { .. } | Seen::NotBought { .. } => {
				return self.over(&purchase, checks);
			}
		}
		let opening = self.buyer.open(&purchase)?;
		if let Some(fault) = opening.fault {
			return self.faulty(purchase, checks, &opening, &fault, no_dispute).await;
		}
		self.deliver(purchase, checks, &opening, rating, fees).await
	}

	/// All is well: the readings go into their file.
	async fn deliver(
		&self,
		mut purchase: Purchase,
		checks: Vec<Check>,
		opening: &Opening,
		rating: Option<u8>,
		mut fees: u128,
	) -> Result<()> {
		let sale = purchase.sale();
		if !purchase.written {
			let out = purchase
				.out
				.clone()
				.ok_or_else(|| Error::Usage("say where the readings are to be written, with --out".into()))?;
			buyer::write_csv(Path::new(&out), &opening.readings)?;
			purchase.written = true;
			self.buyer.purchases.conclude(&purchase)?;
		}
		let readings: Vec<_> = opening.readings.iter().map(|opened| opened.reading).collect();
		let strangers = check::outside(&readings, purchase.from, purchase.until);
		let outside = strangers.as_ref().map(|(count, first)| {
			format!("{count} of the readings lie outside the time that was asked for, the first at {first}")
		});
		if let Some(outside) = &outside
			&& !self.strict
		{
			self.context.output.warn(outside);
		}
		if let (Some(rating), None) = (rating, &purchase.ending) {
			let ended = self.buyer.accept(&mut purchase, rating).await?;
			fees = fees.saturating_add(ended.fee);
		}
		let terms = purchase.terms();
		let mut text = format!(
			"{} readings in {}: each is the one that the device anchored, and the promises of the listing are kept\n",
			readings.len(),
			purchase.out.as_deref().unwrap_or_default()
		);
		let mut value = describe(&purchase);
		insert(&mut value, "checks", check_values(&checks));
		insert(
			&mut value,
			"outside",
			strangers.map_or(0, |(count, _)| count).into(),
		);
		match (&purchase.ending, purchase.revealed) {
			(Some(ending), _) => {
				let (words, ending) = describe_ending(ending);
				text.push_str(&words);
				insert(&mut value, "ending", ending);
				self.buyer.purchases.remove(&sale)?;
			}
			(None, revealed) => {
				text.push_str(&format!(
					"the seller gets {} M2M after block {}, or at once with `m2m data accept {sale:?} --rating 5`",
					money::format(terms.price),
					revealed.map_or(0, |(_, deadline)| deadline)
				));
				insert(&mut value, "ending", Value::Null);
			}
		}
		insert(&mut value, "fees", money::format(fees).into());
		self.context.output.result(text, value);
		match outside {
			Some(outside) if self.strict => Err(Error::NoRemedy(format!(
				"{outside}: no evidence is heard about that, and the seller keeps the price"
			))),
			_ => Ok(()),
		}
	}

	/// Something is wrong with what was bought.
	async fn faulty(
		&self,
		mut purchase: Purchase,
		checks: Vec<Check>,
		opening: &Opening,
		fault: &Fault,
		no_dispute: bool,
	) -> Result<()> {
		let why = buyer::describe_fault(&purchase, opening, fault);
		let deadline = purchase.revealed.map_or(0, |(_, deadline)| deadline);
		if no_dispute && self.buyer.chain.finalized().await?.number <= deadline {
			return Err(bad_delivery(&purchase, why));
		}
		let in_time = if no_dispute {
			Err(too_late(&purchase, &why))
		} else {
			self.note(format!("{why}: showing the evidence to the chain"));
			match self.buyer.dispute(&mut purchase, fault).await {
				Err(Error::Refused { reason, .. }) if reason == DISPUTE_TOO_LATE => {
					Err(too_late(&purchase, &why))
				}
				ended => {
					let ended = ended?;
					check_in_time(&purchase, &why, &ended).map(|()| ended)
				}
			}
		};
		match in_time {
			Ok(ended) => self.failed(&purchase, checks, &why, ended),
			Err(late) => {
				self.buyer.purchases.conclude(&purchase)?;
				Err(late)
			}
		}
	}

	/// The sale failed, and the money came back.
	fn failed(&self, purchase: &Purchase, checks: Vec<Check>, why: &str, ended: Ended) -> Result<()> {
		let (words, ending) = describe_ending(&ended.ending);
		let mut value = describe(purchase);
		insert(&mut value, "checks", check_values(&checks));
		insert(&mut value, "why", why.into());
		insert(&mut value, "ending", ending);
		insert(&mut value, "fee", money::format(ended.fee).into());
		self.context.output.result(
			format!("{why}\n{words}; fee {} M2M", money::format(ended.fee)),
			value,
		);
		self.buyer.purchases.remove(&purchase.sale())?;
		Err(sale_failed(why, &ended.ending))
	}

	/// The sale is over, and this purchase did not see how.
	fn over(&self, purchase: &Purchase, checks: Vec<Check>) -> Result<()> {
		match &purchase.ending {
			Some(ending) => {
				let ended = Ended {
					ending: ending.clone(),
					fee: 0,
				};
				self.failed(purchase, checks, "the sale ended without a key", ended)
			}
			None => Err(Error::Unknown(format!(
				"the chain does not know the sale {:?}: nothing of it is held any more",
				purchase.sale()
			))),
		}
	}
}

fn sale_failed(why: &str, ending: &Ending) -> Error {
	match ending {
		Ending::Refunded { price, compensation }
		| Ending::Convicted {
			price, compensation, ..
		} => Error::SaleFailed {
			why: why.into(),
			price: *price,
			compensation: *compensation,
		},
		Ending::Settled { .. } | Ending::Not { .. } => Error::Unknown(describe_ending(ending).0),
	}
}

fn not_bought() -> Error {
	Error::Unknown(
		"that sale is not bought yet: go on with `m2m data buy --resume`, or with `m2m data follow` if it is of a subscription"
			.into(),
	)
}

fn bad_delivery(purchase: &Purchase, why: String) -> Error {
	Error::BadDelivery {
		why,
		sale: format!("{:?}", purchase.sale()),
		deadline: purchase.revealed.map_or(0, |(_, deadline)| deadline),
	}
}

/// The seller keeps the price although something is wrong.
fn too_late(purchase: &Purchase, why: &str) -> Error {
	Error::NoRemedy(format!(
		"{why}; but the seller is paid, because the time for evidence ended with block {}",
		purchase.revealed.map_or(0, |(_, deadline)| deadline)
	))
}

/// Fails if the seller was paid before the evidence was shown. The purchase stays, with what of it does open.
fn check_in_time(purchase: &Purchase, why: &str, ended: &Ended) -> Result<()> {
	match ended.ending {
		Ending::Settled { .. } => Err(too_late(purchase, why)),
		_ => Ok(()),
	}
}

/// A purchase of this buyer on this chain.
fn stored(chain: &Chain, purchases: &Purchases, account: &AccountId, id: &str) -> Result<Purchase> {
	let purchase = purchases.find(id)?;
	chain.expect_genesis("the purchase", &purchase.genesis)?;
	if purchase.terms().buyer != *account {
		return Err(Error::Usage(format!(
			"that purchase is by {}, not by {}: name the buyer's key with --buyer",
			keys::address(&purchase.terms().buyer),
			keys::address(account)
		)));
	}
	Ok(purchase)
}

pub fn purchases(context: &Context) -> Result<()> {
	let all = Purchases::new(&context.home).all()?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["sale", "listing", "readings", "price", "state", "file"]);
	for purchase in &all {
		let terms = purchase.terms();
		table.add_row([
			format!("{:?}", purchase.sale()),
			terms.listing.to_string(),
			terms.leaves.to_string(),
			format!("{} M2M", money::format(terms.price)),
			purchase.state().to_owned(),
			purchase.out.clone().unwrap_or_default(),
		]);
	}
	context.output.result(
		format!("{table}\n{} purchases", all.len()),
		all.iter().map(describe).collect(),
	);
	Ok(())
}

/// What is needed to do something with a purchase.
struct Held {
	chain: Chain,
	key: Key,
	purchases: Purchases,
	purchase: Purchase,
}

impl Held {
	async fn find(context: &Context, arguments: &Purchased) -> Result<Self> {
		let (chain, key, account) = connect_trader(context, &arguments.buyer).await?;
		let purchases = Purchases::new(&context.home);
		let purchase = stored(&chain, &purchases, &account, &arguments.id)?;
		Ok(Self {
			chain,
			key,
			purchases,
			purchase,
		})
	}

	fn buyer<'a>(&'a self, bar: &'a Bar) -> Buyer<'a> {
		Buyer {
			chain: &self.chain,
			key: &self.key,
			purchases: &self.purchases,
			progress: bar,
		}
	}
}

/// Prints how a sale ended and forgets it.
fn finish(context: &Context, held: &Held, purchase: &Purchase, ended: &Ended) -> Result<()> {
	let (words, ending) = describe_ending(&ended.ending);
	let mut value = describe(purchase);
	insert(&mut value, "ending", ending);
	insert(&mut value, "fee", money::format(ended.fee).into());
	held.purchases.remove(&purchase.sale())?;
	context
		.output
		.result(format!("{words}; fee {} M2M", money::format(ended.fee)), value);
	Ok(())
}

pub async fn verify(context: &Context, arguments: Purchased) -> Result<()> {
	let held = Held::find(context, &arguments).await?;
	let bar = Bar::new(context.output);
	let buyer = held.buyer(&bar);
	let mut purchase = held.purchase.clone();
	if !purchase.checked {
		return Err(Error::Unknown(
			"not all of it is downloaded: go on with `m2m data buy --resume`".into(),
		));
	}
	buyer.check_delivery(&purchase).map_err(|error| match error {
		// It was whole when it came.
		Error::OfferRefused { why, .. } => Error::Store(format!("the stored purchase is damaged: {why}")),
		error => error,
	})?;
	let mut text = format!(
		"  ok  delivery     the {} sealed readings are those under {} anchors that the seller signed for\n",
		purchase.terms().leaves,
		purchase.anchors.len()
	);
	let seen = buyer.look(&mut purchase).await;
	bar.finish();
	let mut value = describe(&purchase);
	match seen? {
		Seen::Revealed => {}
		Seen::NotBought { .. } => return Err(not_bought()),
		Seen::Hidden { deadline, .. } => {
			text.push_str(&format!(
				"the key is not revealed yet; its time ends with block {deadline}"
			));
			context.output.result(text, value);
			return Ok(());
		}
		Seen::Overdue => {
			text.push_str("the key did not come in time: take the money back with `m2m data refund`");
			context.output.result(text, value);
			return Ok(());
		}
		Seen::Over => {
			text.push_str("the sale ended without a key");
			context.output.result(text, value);
			return Ok(());
		}
	}
	let opening = buyer.open(&purchase)?;
	if let Some(fault) = &opening.fault {
		let why = buyer::describe_fault(&purchase, &opening, fault);
		return Err(bad_delivery(&purchase, why));
	}
	text.push_str(&format!(
		"  ok  opening      {} readings open to what the device anchored\n  ok  promises     {} of the listing are kept",
		opening.readings.len(),
		check::describe_claims(&purchase.claims).len()
	));
	insert(&mut value, "opened", opening.readings.len().into());
	context.output.result(text, value);
	Ok(())
}

pub async fn dispute(context: &Context, arguments: Purchased) -> Result<()> {
	let held = Held::find(context, &arguments).await?;
	let bar = Bar::new(context.output);
	let buyer = held.buyer(&bar);
	let mut purchase = held.purchase.clone();
	let seen = buyer.look(&mut purchase).await;
	bar.finish();
	if let Seen::NotBought { .. } = seen? {
		return Err(not_bought());
	}
	let opening = buyer.open(&purchase)?;
	let Some(fault) = &opening.fault else {
		return Err(Error::ProofDoesNotHold(
			"every reading opens to what the device anchored, and the listing's promises are kept: there is nothing to show"
				.into(),
		));
	};
	let why = buyer::describe_fault(&purchase, &opening, fault);
	context.output.note(&why);
	let ended = buyer.dispute(&mut purchase, fault).await;
	bar.finish();
	let ended = ended?;
	check_in_time(&purchase, &why, &ended)?;
	finish(context, &held, &purchase, &ended)
}

pub async fn accept(context: &Context, arguments: Purchased, rating: u8) -> Result<()> {
	let held = Held::find(context, &arguments).await?;
	let bar = Bar::new(context.output);
	let mut purchase = held.purchase.clone();
	if !purchase.written {
		return Err(Error::Usage(
			"its readings are not written yet: go on with `m2m data buy --resume` before you pay for them"
				.into(),
		));
	}
	let ended = held.buyer(&bar).accept(&mut purchase, rating).await;
	bar.finish();
	finish(context, &held, &purchase, &ended?)
}

pub async fn refund(context: &Context, arguments: Purchased) -> Result<()> {
	let found = Purchases::new(&context.home).find(&arguments.id);
	let (Err(Error::Unknown(_)), Some(sale)) = (&found, parse_hash(&arguments.id)) else {
		found?;
		let held = Held::find(context, &arguments).await?;
		let bar = Bar::new(context.output);
		let mut purchase = held.purchase.clone();
		let ended = held.buyer(&bar).refund(&mut purchase).await;
		bar.finish();
		return finish(context, &held, &purchase, &ended?);
	};
	// Somebody else's purchase, or one whose home folder is lost.
	refund_for(context, &arguments.buyer, sale).await
}

async fn refund_for(context: &Context, signer: &str, sale: SaleId) -> Result<()> {
	let (chain, key) = context.connect_as_any(signer).await?;
	let call = data::refund(&[sale]);
	let included = chain.submit(&key, &call).await?;
	let endings = data::endings(&included.block, &included.events)?;
	let Some((_, ending)) = endings.into_iter().find(|(id, _)| *id == sale) else {
		return Err(Error::IncompatibleChain("it reports no refund".into()));
	};
	if let Ending::Not { reason } = ending {
		return Err(Error::Refused {
			call: call.title(),
			hint: hint(&reason),
			reason,
			paid: included.payer.map(|payer| Box::new((payer, included.fee))),
		});
	}
	let (words, ending) = describe_ending(&ending);
	context.output.result(
		format!("{words}; fee {} M2M", money::format(included.fee)),
		json!({
			"sale": format!("{sale:?}"),
			"ending": ending,
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}
