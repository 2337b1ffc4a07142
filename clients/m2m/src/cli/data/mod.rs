//! `m2m data`: the market for readings.

mod buy;
mod follow;
mod offers;
mod pool;
mod record;
mod request;
mod sell;
mod serve;
mod subscription;

use super::{Context, account::account_or_device, device::owner_account};
use clap::Subcommand;
use m2m::{
	Error, Result,
	chain::{Chain, data::Ending},
	keys::{self, Key},
	money, time,
};
use m2m_device::{AccountId, UnixMs};
use m2m_fair_exchange::market::{Listing, Payout, PoolId, Price, Seller};
use serde_json::{Value, json};
use sp_core::ConstU32;
use sp_runtime::{BoundedVec, Perbill};

/// The chain counts shares in billionths. One is 0.0000001 per cent, and this is what [`money::parse`] makes of that.
const BILLIONTH: u128 = money::UNIT / 10_000_000;

#[derive(Subcommand)]
pub enum DataCommand {
	/// List what can be bought
	#[command(after_help = "Examples:\n  \
		m2m data list\n  \
		m2m data list --area u281 --max-price-per-reading 0.001 --min-rating 4\n  \
		m2m data list --topic certified-meter --issuer 5F...\n\n\
		Only listings under which something can be bought now are shown. A rating is from 1 to 5 and weighs what the sale\n\
		cost in protocol fees; sellers without a rating reach none.")]
	List(offers::List),
	/// Show a listing, what it promises, and its seller's record
	#[command(after_help = "Example:\n  m2m data show 0")]
	Show {
		/// Number of the listing
		listing: u32,
	},
	/// Ask a seller for an offer and check its terms; buys nothing
	#[command(after_help = "Example:\n  \
		m2m data quote --listing 0 --from 2026-11-20 --to 2026-11-21 --buyer bob.json")]
	Quote(buy::Quote),
	/// Buy readings: download, check everything, pay, open
	#[command(after_help = "Examples:\n  \
		m2m data buy --listing 0 --from 2026-11-20 --to 2026-11-21 --buyer bob.json --out readings.csv\n  \
		m2m data buy --listing 0 --from 2026-11-20T06:00:00Z --to 2026-11-20T18:00:00Z --buyer bob.json --out day.csv \\\n    \
		--max-price 2.5 --rating 5\n  \
		m2m data buy --resume 0x3f52 --buyer bob.json\n\n\
		The readings come sealed and are checked before anything is paid: each is anchored on the finalized chain, they are\n\
		exactly the ones that were asked for, and the seller has signed that each opens to what the device measured. Then\n\
		the price is held on chain until the seller reveals the key. If it does not, the money comes back; if a reading is\n\
		not the anchored one, or breaks a promise of the listing, the evidence is shown to the chain at once and price and\n\
		compensation come back. With --rating the seller is paid at once, otherwise after the time for evidence.\n\
		A purchase that was stopped goes on with --resume; `m2m data purchases` lists those under way.\n\n\
		The columns of the file are time, value (at the stream's scale), anchor, index, and the salt with which a reading\n\
		can be shown to others.")]
	Buy(Box<buy::Buy>),
	/// List purchases that are under way in --home
	#[command(after_help = "Example:\n  m2m data purchases")]
	Purchases,
	/// Check again what was delivered, and with the revealed key what it opens to; changes nothing
	#[command(after_help = "Example:\n  m2m data verify 0x3f52 --buyer bob.json")]
	Verify(buy::Purchased),
	/// Show the chain that a seller did not deliver what it signed for, and get the money back
	#[command(after_help = "Example:\n  m2m data dispute 0x3f52 --buyer bob.json\n\n\
		The evidence is checked here before anything is sent. It makes public what was sold.")]
	Dispute(buy::Purchased),
	/// Get the money back after the seller did not reveal the key in time
	#[command(after_help = "Example:\n  m2m data refund 0x3f52 --buyer bob.json\n\n\
		Anybody may ask for it; the money goes to the buyer. Without the purchase in --home, give the whole id of the sale.")]
	Refund(buy::Purchased),
	/// Pay the seller before the time for evidence is over, and rate the sale
	#[command(after_help = "Example:\n  m2m data accept 0x3f52 --buyer bob.json --rating 5")]
	Accept {
		#[command(flatten)]
		purchased: buy::Purchased,
		/// From 1, the worst, to 5
		#[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
		rating: u8,
	},
	/// Set money aside for readings that are bought one epoch after the other
	#[command(after_help = "Example:\n  \
		m2m data subscribe --buyer bob.json --listing 0 --cap 0.1 --amount 72 --ends-in 30d\n\n\
		An epoch is a time of readings, as long as you say in `m2m data follow`, which buys one after the other: it checks\n\
		each as `buy` does, and countersigns it instead of paying. The seller then delivers the key at once, and is paid\n\
		from what was set aside. No epoch costs more than --cap, and nothing is paid that was not countersigned. The key\n\
		of the buyer signs to the end, even if it is replaced elsewhere. What is left comes back with\n\
		`m2m data subscription close`, when the subscription is over.")]
	Subscribe(subscription::Subscribe),
	/// Show subscriptions, end and close them
	#[command(subcommand)]
	Subscription(subscription::SubscriptionCommand),
	/// Buy epoch after epoch of a subscription
	#[command(after_help = "Examples:\n  \
		m2m data follow 0 --buyer bob.json --from 2026-11-20 --every 1h --out readings\n  \
		m2m data follow 0 --buyer bob.json\n  \
		m2m data follow 0 --buyer bob.json --once\n\n\
		Each epoch is bought when its readings are anchored, and goes into a file that is named by its first moment. Run\n\
		the same command again after anything that stopped it: it goes on where it was. An epoch that the seller does not\n\
		deliver costs nothing, and is asked for again; no other one is signed for before that is certain.\n\
		The time for evidence begins with the delivery: let it run, or come back before it is over. If a reading is not the\n\
		anchored one, the evidence is shown to the chain for a fee, the money comes back, and this ends with exit code 5. It\n\
		does so, too, if readings lie outside the time of the epoch, or if the listing has other promises or another licence.\n\
		Follow a subscription with one --home only: another one would buy the same again.")]
	Follow(follow::Follow),
	/// Offer readings of a private stream
	#[command(after_help = "Examples:\n  \
		m2m data sell --seller alice.json --device meter-001 --stream 2 --price-per-reading 0.001 --licence licence.txt \\\n    \
		--area u281 --endpoint https://readings.example --passphrase-file vault.pass\n  \
		m2m data sell --change 0 --seller alice.json --device meter-001 --stream 2 --price 1.5 --licence licence.txt \\\n    \
		--endpoint https://readings.example --promise-range 0..25000 --promise-gap 5m --passphrase-file vault.pass\n  \
		m2m data sell --seller alice.json --device meter-001 --stream 2 --price 1.5 --licence licence.txt \\\n    \
		--endpoint https://readings.example --payout bob.json=12.5% --payout 5F...=5% --passphrase-file vault.pass\n\n\
		The seller is the owner of the device, or the device itself if its key signs. The keys to which buyers seal and with\n\
		which terms are signed are those of the vault that `m2m data serve` uses; it is made if it is not there. A listing\n\
		alone sells nothing: put up a bond with `m2m data bond` and run `m2m data serve`.\n\
		Promises are about the readings themselves. Whoever buys one that does not keep them gets the money back.\n\
		Others may get a part of each price: at most four accounts, or any number as members of a pool. Shares are per cent\n\
		of the price less the protocol's fee, with at most seven digits after the point; parts are rounded down and the rest\n\
		is the seller's, as is what somebody cannot receive. What holds for a sale is what the listing says when it is bought.\n\
		With --change the listing has another version: offers under the old one cannot be bought any more. It pays whom it\n\
		paid before unless --payout or --pool say otherwise; name yourself with 100% to share no more.")]
	Sell(Box<sell::Sell>),
	Serve(serve::Serve),
	Record(record::Record),
	/// Withdraw a listing; its deposit comes back, and sales that were bought go on
	#[command(after_help = "Example:\n  m2m data unlist 0 --seller alice.json")]
	Unlist {
		/// Number of the listing
		listing: u32,
		/// Key file of the seller, or name of a device in --home that sells
		#[arg(long, value_name = "KEYFILE|DEVICE")]
		seller: String,
	},
	/// Put up a bond that covers sales, or take it out
	#[command(after_help = "Examples:\n  \
		m2m data bond --seller alice.json --add 10\n  \
		m2m data bond --seller alice.json --release 4\n  \
		m2m data bond --seller alice.json --withdraw\n\n\
		Each open sale locks its price and a fixed cover of the bond, which the buyer gets if the seller fails. What is\n\
		released covers no new sale, and can be withdrawn when no sale that it might have covered can be open any more.")]
	Bond(sell::Bond),
	/// Share what is sold among any number of members
	#[command(subcommand)]
	Pool(pool::PoolCommand),
	/// Say what readings one looks for, and find what fits
	#[command(subcommand)]
	Request(request::RequestCommand),
	/// Show what a seller earned, what its bond does, and its listings
	#[command(after_help = "Examples:\n  m2m data earnings alice.json\n  \
		m2m data earnings alice.json --passphrase-file vault.pass\n\n\
		With the passphrase of the vault, sales that are open are listed too.")]
	Earnings(sell::Earnings),
}

pub async fn run(context: &Context, command: DataCommand) -> Result<()> {
	match command {
		DataCommand::List(arguments) => offers::list(context, arguments).await,
		DataCommand::Show { listing } => offers::show(context, listing).await,
		DataCommand::Quote(arguments) => buy::quote(context, arguments).await,
		DataCommand::Buy(arguments) => buy::buy(context, *arguments).await,
		DataCommand::Purchases => buy::purchases(context),
		DataCommand::Verify(arguments) => buy::verify(context, arguments).await,
		DataCommand::Dispute(arguments) => buy::dispute(context, arguments).await,
		DataCommand::Refund(arguments) => buy::refund(context, arguments).await,
		DataCommand::Accept { purchased, rating } => buy::accept(context, purchased, rating).await,
		DataCommand::Subscribe(arguments) => subscription::subscribe(context, arguments).await,
		DataCommand::Subscription(command) => subscription::run(context, command).await,
		DataCommand::Follow(arguments) => follow::run(context, arguments).await,
		DataCommand::Sell(arguments) => sell::sell(context, *arguments).await,
		DataCommand::Serve(arguments) => serve::run(context, arguments).await,
		DataCommand::Record(arguments) => record::run(context, arguments).await,
		DataCommand::Unlist { listing, seller } => sell::unlist(context, listing, &seller).await,
		DataCommand::Bond(arguments) => sell::bond(context, arguments).await,
		DataCommand::Pool(command) => pool::run(context, command).await,
		DataCommand::Request(command) => request::run(context, command).await,
		DataCommand::Earnings(arguments) => sell::earnings(context, arguments).await,
	}
}

/// Connects with a key file, or with the key of a device in the home folder. The account is the one that trades: the
/// device's wallet if the key is a device's, else the key's own.
async fn connect_trader(context: &Context, signer: &str) -> Result<(Chain, Key, AccountId)> {
	let (chain, key) = context.connect_as_any(signer).await?;
	let block = chain.finalized().await?;
	let device = block.device_of_key(&chain, &key.account()).await?;
	let account = device.unwrap_or_else(|| key.account());
	Ok((chain, key, account))
}

/// An address, the wallet of a device in the home folder, or the account of a key file.
fn account_of(context: &Context, text: &str) -> Result<AccountId> {
	account_or_device(context, text).or_else(|_| owner_account(text))
}

/// Text as the chain takes it: printable ASCII without spaces, at most so many characters.
fn plain<const LONGEST: u32>(what: &str, text: &str) -> Result<BoundedVec<u8, ConstU32<LONGEST>>> {
	if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
		return Err(Error::Usage(format!(
			"{what} has neither spaces nor characters beyond ASCII"
		)));
	}
	text.as_bytes()
		.to_vec()
		.try_into()
		.map_err(|_| Error::Usage(format!("{what} has at most {LONGEST} characters")))
}

/// The price that is named, for a sale or for a reading.
fn parse_price(per_sale: Option<&str>, per_reading: Option<&str>) -> Result<Option<Price>> {
	Ok(match (per_sale, per_reading) {
		(Some(price), _) => Some(Price::PerSale(money::parse(price)?)),
		(None, Some(price)) => Some(Price::PerReading(money::parse(price)?)),
		(None, None) => None,
	})
}

/// Reads a share above zero in per cent, such as `12.5%`. Nothing is rounded.
fn parse_share(text: &str) -> Result<Perbill> {
	text.strip_suffix('%')
		.and_then(|number| money::parse(number).ok())
		.filter(|amount| amount.is_multiple_of(BILLIONTH))
		.and_then(|amount| u32::try_from(amount / BILLIONTH).ok())
		.filter(|parts| (1..=Perbill::one().deconstruct()).contains(parts))
		.map(Perbill::from_parts)
		.ok_or_else(|| {
			Error::Usage(format!(
				"`{text}` is not a share: write it in per cent as in 12.5%, above 0 and at most 100, with at most seven digits after the point"
			))
		})
}

/// A share in per cent, without the sign.
fn percent(share: Perbill) -> String {
	money::format(u128::from(share.deconstruct()).saturating_mul(BILLIONTH))
}

/// Where the price of a sale goes, less the protocol's fee.
fn payout_text(payout: &Payout) -> String {
	let parts = match payout {
		Payout::Seller => return "all to the seller".into(),
		Payout::Split(payees) => payees
			.iter()
			.map(|payee| format!("{}% to {}", percent(payee.share), keys::address(&payee.account)))
			.collect::<Vec<_>>()
			.join(", "),
		Payout::Pool { pool, share } => format!("{}% to the members of pool {pool}", percent(*share)),
	};
	format!("{parts}, the rest to the seller")
}

/// Where the price of a sale goes, as JSON.
fn describe_payout(payout: &Payout) -> Value {
	match payout {
		Payout::Seller => json!({ "kind": "seller" }),
		Payout::Split(payees) => json!({
			"kind": "split",
			"payees": payees
				.iter()
				.map(|payee| json!({
					"account": keys::address(&payee.account),
					"share_percent": percent(payee.share),
				}))
				.collect::<Value>(),
		}),
		Payout::Pool { pool, share } => json!({
			"kind": "pool",
			"pool": pool,
			"share_percent": percent(*share),
		}),
	}
}

/// A moment, or the first one of a day.
fn moment(text: &str) -> Result<UnixMs> {
	time::parse_date(text).or_else(|_| time::parse(text))
}

fn price_text(price: &Price) -> String {
	match price {
		Price::PerSale(price) => format!("{} M2M", money::format(*price)),
		Price::PerReading(price) => format!("{} M2M a reading", money::format(*price)),
	}
}

/// The beginning of what a listing offers.
fn since(from: UnixMs) -> String {
	match from {
		0 => "the beginning".into(),
		from => time::format(from),
	}
}

/// Average rating in tenths, rounded down; `None` without one.
fn rating_tenths(seller: &Seller) -> Option<u128> {
	seller
		.rating_points
		.checked_mul(10)?
		.checked_div(seller.rated_fees)
}

fn rating_text(seller: &Seller) -> Option<String> {
	rating_tenths(seller).map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))
}

/// What a listing offers, as JSON.
fn describe_listing(number: u32, listing: &Listing) -> Value {
	let spec = &listing.spec;
	let (per_sale, per_reading) = match &spec.price {
		Price::PerSale(price) => (Some(money::format(*price)), None),
		Price::PerReading(price) => (None, Some(money::format(*price))),
	};
	json!({
		"listing": number,
		"version": listing.version,
		"seller": keys::address(&listing.seller),
		"device": keys::address(&spec.device),
		"generation": listing.generation,
		"stream": spec.stream,
		"from": time::format(spec.from),
		"until": spec.until.map(time::format),
		"price": per_sale,
		"price_per_reading": per_reading,
		"payout": describe_payout(&spec.payout),
		"area": String::from_utf8_lossy(&spec.area),
		"schema": format!("{:?}", spec.schema),
		"licence": format!("{:?}", spec.licence),
		"metadata": format!("{:?}", spec.metadata),
		"promises": m2m::data::check::describe_claims(&spec.claims),
		"endpoint": String::from_utf8_lossy(&spec.endpoint),
		"sealing_key": format!("0x{}", hex::encode(spec.sealing_key)),
		"terms_key": spec.terms_key.as_ref().map(keys::address),
		"deposit": money::format(listing.deposit),
	})
}

/// Bond and record of a seller, as JSON.
fn describe_seller(seller: &Seller) -> Value {
	json!({
		"bond": money::format(seller.bond),
		"locked": money::format(seller.locked),
		"unbonding": money::format(seller.unbonding),
		"unbonds_at": (seller.unbonding > 0).then_some(seller.unbonds_at),
		"available": money::format(seller.available()),
		"settled": seller.settled,
		"refunded": seller.refunded,
		"convicted": seller.convicted,
		"volume": money::format(seller.volume),
		"rating": rating_text(seller),
	})
}

/// How a sale ended, in words and as JSON.
fn describe_ending(ending: &Ending) -> (String, Value) {
	match ending {
		Ending::Settled {
			received,
			shared,
			fee,
			rating,
		} => (
			format!(
				"the seller was paid {} M2M{}; {} M2M were burnt as the protocol's fee",
				money::format(*received),
				match shared {
					0 => String::new(),
					shared => format!(", others {} M2M", money::format(*shared)),
				},
				money::format(*fee)
			),
			json!({
				"outcome": "settled",
				"received": money::format(*received),
				"shared": money::format(*shared),
				"protocol_fee": money::format(*fee),
				"rating": rating,
			}),
		),
		Ending::Refunded { price, compensation } => (
			format!(
				"the price of {} M2M came back, with {} M2M besides",
				money::format(*price),
				money::format(*compensation)
			),
			json!({
				"outcome": "refunded",
				"price": money::format(*price),
				"compensation": money::format(*compensation),
			}),
		),
		Ending::Convicted {
			price,
			compensation,
			burnt,
		} => (
			format!(
				"the seller was convicted: the price of {} M2M came back, with {} M2M besides, and {} M2M of the seller's bond were burnt",
				money::format(*price),
				money::format(*compensation),
				money::format(*burnt)
			),
			json!({
				"outcome": "convicted",
				"price": money::format(*price),
				"compensation": money::format(*compensation),
				"burnt": money::format(*burnt),
			}),
		),
		Ending::Not { reason } => (
			format!("the sale goes on: {reason}"),
			json!({ "outcome": "not ended", "reason": reason }),
		),
	}
}

fn no_listing(listing: u32) -> Error {
	Error::Unknown(format!(
		"the chain has no listing {listing}: `m2m data list` shows those that can be bought"
	))
}

fn no_pool(pool: PoolId) -> Error {
	Error::Unknown(format!(
		"the chain has no pool {pool}: make one with `m2m data pool create`"
	))
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_fair_exchange::market::Payee;

	#[test]
	fn a_share_is_read_to_the_last_billionth_and_written_as_it_was() {
		for (text, parts) in [
			("100%", 1_000_000_000),
			("12.5%", 125_000_000),
			("0.0000001%", 1),
			("33.3333333%", 333_333_333),
		] {
			let share = parse_share(text).unwrap();
			assert_eq!(share.deconstruct(), parts, "{text}");
			assert_eq!(format!("{}%", percent(share)), text);
		}
		for text in [
			"",
			"%",
			"12.5",
			"0%",
			"0.00000001%",
			"12.12345678%",
			"100.0000001%",
			"-1%",
			"1e1%",
			"half%",
		] {
			let error = parse_share(text).unwrap_err();
			assert!(error.to_string().contains("12.5%"), "{text}: {error}");
			assert_eq!(error.exit_code(), 2);
		}
	}

	#[test]
	fn a_payout_says_who_gets_what() {
		let payee = |byte, parts| Payee {
			account: AccountId::new([byte; 32]),
			share: Perbill::from_parts(parts),
		};
		let split = Payout::Split(
			vec![payee(1, 125_000_000), payee(2, 50_000_000)]
				.try_into()
				.unwrap(),
		);
		let first = keys::address(&AccountId::new([1; 32]));
		let text = payout_text(&split);
		assert!(text.starts_with(&format!("12.5% to {first}, 5% to ")), "{text}");
		assert!(text.ends_with(", the rest to the seller"), "{text}");
		let value = describe_payout(&split);
		assert_eq!(value["payees"][0]["account"], first);
		assert_eq!(value["payees"][1]["share_percent"], "5");
		let pool = Payout::Pool {
			pool: 3,
			share: Perbill::from_percent(40),
		};
		assert_eq!(
			payout_text(&pool),
			"40% to the members of pool 3, the rest to the seller"
		);
		assert_eq!(describe_payout(&pool)["pool"], 3);
		assert_eq!(payout_text(&Payout::Seller), "all to the seller");
	}

	#[test]
	fn an_average_rating_is_rounded_down_to_a_tenth() {
		let seller = |rated_fees, rating_points| Seller {
			rated_fees,
			rating_points,
			..Seller::default()
		};
		assert_eq!(rating_text(&seller(0, 0)), None);
		assert_eq!(rating_text(&seller(100, 500)).as_deref(), Some("5.0"));
		assert_eq!(rating_text(&seller(300, 1_399)).as_deref(), Some("4.6"));
	}

	#[test]
	fn a_moment_is_a_time_or_a_day() {
		assert_eq!(
			moment("2016-06-13").unwrap(),
			moment("2016-06-13T00:00:00Z").unwrap()
		);
		let error = moment("noon").unwrap_err();
		assert_eq!(error.exit_code(), 2);
	}
}
