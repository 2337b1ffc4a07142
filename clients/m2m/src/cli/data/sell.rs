//! `m2m data sell`, `unlist`, `bond` and `earnings`.

use super::{
	account_of, connect_trader, describe_listing, describe_payout, describe_seller, moment, no_listing,
	no_pool, parse_price, parse_share, payout_text, plain, price_text, rating_text, serve::VaultFile,
};
use crate::cli::{Context, account::account_or_device, arguments::hash_or_file};
use clap::Args;
use comfy_table::Table;
use m2m::{
	Error, Result,
	chain::{Block, Chain, data},
	data::{check::describe_claims, client::SellerService},
	keys, money, time,
};
use m2m_device::{AccountId, DeviceId};
use m2m_fair_exchange::{
	Claims, ListingId,
	market::{ListingSpec, MAX_PAYEES, Payee, Payout, PoolId, Price, SaleStatus},
};
use serde_json::{Value, json};
use sp_core::H256;
use sp_runtime::Perbill;

#[derive(Args)]
pub struct Sell {
	/// Key file of the owner of the device, or the device's name in --home if it sells itself
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	seller: String,
	/// Change this listing in the place of making one
	#[arg(long, value_name = "LISTING")]
	change: Option<ListingId>,
	/// The device that measures: name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Its stream, which is private
	#[arg(long)]
	stream: u32,
	/// Most that a sale costs, however long, in M2M
	#[arg(long, value_name = "M2M", required_unless_present = "price_per_reading")]
	price: Option<String>,
	/// Most that a reading costs, in M2M
	#[arg(long, value_name = "M2M", conflicts_with = "price")]
	price_per_reading: Option<String>,
	/// Pay a part of each price to this account (key file, address, or device in --home), such as bob.json=12.5%; up
	/// to four times
	#[arg(long, value_name = "ACCOUNT=SHARE", conflicts_with = "pool")]
	payout: Vec<String>,
	/// Pay a part of each price to the members of your pool, such as 3=40%; all of it without a share
	#[arg(long, value_name = "POOL[=SHARE]")]
	pool: Option<String>,
	/// What the buyer may do with the readings: a file, or its hash
	#[arg(long, value_name = "FILE|HASH")]
	licence: String,
	/// Where buyers reach the service: an http or https address
	#[arg(long, value_name = "URL")]
	endpoint: String,
	/// Time of the earliest reading on offer; all of them if left out
	#[arg(long, value_name = "TIME")]
	from: Option<String>,
	/// Time before which the last reading on offer lies; those to come too if left out
	#[arg(long, alias = "until", value_name = "TIME")]
	to: Option<String>,
	/// Where the readings are taken: a code of at most 16 characters, such as a geohash, of which a prefix is a
	/// larger area
	#[arg(long, default_value = "")]
	area: String,
	/// A description: a file, or its hash
	#[arg(long, value_name = "FILE|HASH")]
	metadata: Option<String>,
	/// Promise that all values lie between these two, at the stream's scale
	#[arg(long, value_name = "MIN..MAX", allow_hyphen_values = true)]
	promise_range: Option<String>,
	/// Promise that no two neighbours are further apart
	#[arg(long, value_name = "SPAN")]
	promise_gap: Option<String>,
	/// Promise that from any reading on so many follow within a time, such as 60/1h
	#[arg(long, value_name = "COUNT/SPAN")]
	promise_count: Option<String>,
	#[command(flatten)]
	vault: VaultFile,
}

impl Sell {
	fn price(&self) -> Result<Price> {
		parse_price(self.price.as_deref(), self.price_per_reading.as_deref())?
			.ok_or_else(|| Error::Usage("say what it costs, with --price or --price-per-reading".into()))
	}

	/// Where the price goes, if that is said. `account` finds accounts by what stands before a share.
	fn payout(&self, account: impl Fn(&str) -> Result<AccountId>) -> Result<Option<Payout>> {
		let payout = match &self.pool {
			Some(text) => parse_pool(text)?,
			None if self.payout.is_empty() => return Ok(None),
			None => {
				let payees = self
					.payout
					.iter()
					.map(|text| parse_payee(text, &account))
					.collect::<Result<Vec<_>>>()?;
				Payout::Split(payees.try_into().map_err(|_| {
					Error::Usage(format!(
						"a price is paid to at most {MAX_PAYEES} accounts: let more than these share a pool, see `m2m data pool create --help`"
					))
				})?)
			}
		};
		if !payout.is_sound() {
			return Err(Error::Usage(
				"the shares are more than 100% together: the seller gets what they leave".into(),
			));
		}
		Ok(Some(payout))
	}

	fn claims(&self) -> Result<Claims> {
		Ok(Claims {
			range: self.promise_range.as_deref().map(parse_range).transpose()?,
			count: self.promise_count.as_deref().map(parse_count).transpose()?,
			gap_ms: self.promise_gap.as_deref().map(time::parse_span).transpose()?,
		})
	}

	/// What is offered, but for what the chain and the vault know.
	fn spec(&self, device: DeviceId) -> Result<ListingSpec> {
		let endpoint = plain("an endpoint", &self.endpoint)?;
		// Whoever cannot be reached sells nothing.
		SellerService::at(&self.endpoint)
			.map_err(|_| Error::Usage(format!("`{}` is no http or https address", self.endpoint)))?;
		Ok(ListingSpec {
			device,
			stream: self.stream,
			from: self.from.as_deref().map(moment).transpose()?.unwrap_or_default(),
			until: self.to.as_deref().map(moment).transpose()?,
			price: self.price()?,
			licence: hash_or_file(&self.licence)?,
			schema: H256::zero(),
			area: plain("an area", &self.area)?,
			metadata: match &self.metadata {
				Some(text) => hash_or_file(text)?,
				None => H256::zero(),
			},
			payout: Payout::Seller,
			claims: self.claims()?,
			endpoint,
			sealing_key: [0; 32],
			terms_key: None,
		})
	}
}

/// Reads `ACCOUNT=SHARE`.
fn parse_payee(text: &str, account: impl Fn(&str) -> Result<AccountId>) -> Result<Payee> {
	// The name of a file may have this sign in it.
	let (payee, share) = text.rsplit_once('=').ok_or_else(|| {
		Error::Usage(format!(
			"`{text}` names no account and its share: write them as in bob.json=12.5%"
		))
	})?;
	Ok(Payee {
		share: parse_share(share)?,
		account: account(payee)?,
	})
}

/// Reads `POOL`, or `POOL=SHARE`.
fn parse_pool(text: &str) -> Result<Payout> {
	let (pool, share) = match text.split_once('=') {
		Some((pool, share)) => (pool, parse_share(share)?),
		None => (text, Perbill::one()),
	};
	let pool: PoolId = pool.parse().map_err(|_| {
		Error::Usage(format!(
			"`{text}` names no pool: write its number, and its share as in 3=40%"
		))
	})?;
	Ok(Payout::Pool { pool, share })
}

/// Reads `MIN..MAX`, both included.
fn parse_range(text: &str) -> Result<(i64, i64)> {
	text.split_once("..")
		.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)))
		.filter(|(min, max)| min <= max)
		.ok_or_else(|| {
			Error::Usage(format!(
				"`{text}` is not a range of values: write it as in -400..1200, the smaller first"
			))
		})
}

/// Reads `COUNT/SPAN`.
fn parse_count(text: &str) -> Result<(u32, u64)> {
	text.split_once('/')
		.and_then(|(count, span)| Some((count.parse().ok()?, time::parse_span(span).ok()?)))
		.filter(|(count, _)| *count > 0)
		.ok_or_else(|| {
			Error::Usage(format!(
				"`{text}` is not a number of readings in a time: write it as in 60/1h"
			))
		})
}

pub async fn sell(context: &Context, arguments: Sell) -> Result<()> {
	let device = account_or_device(context, &arguments.device)?;
	let mut spec = arguments.spec(device.clone())?;
	let payout = arguments.payout(|text| account_of(context, text))?;
	{
		let vault = arguments.vault.open(context)?;
		spec.sealing_key = vault.sealing_key();
		spec.terms_key = Some(vault.terms_account());
	}
	let (chain, key, seller) = connect_trader(context, &arguments.seller).await?;
	let block = chain.finalized().await?;
	check_stream(&chain, &block, &arguments, &device, &mut spec).await?;
	let conditions = block.data_conditions(&chain).await?;
	if let Price::PerSale(price) = &spec.price
		&& *price < conditions.min_price
	{
		return Err(Error::Usage(format!(
			"no sale can cost less than {} M2M, what its two transactions cost in fees",
			money::format(conditions.min_price)
		)));
	}
	// A device that sells itself is the seller whoever signs for it, and `None` stands for that.
	let (call, number) = match arguments.change {
		Some(number) => {
			let listing = block
				.listing(&chain, number)
				.await?
				.ok_or_else(|| no_listing(number))?;
			spec.payout = payout.unwrap_or(listing.spec.payout);
			(data::update_listing(None, number, &spec), Some(number))
		}
		None => {
			spec.payout = payout.unwrap_or_default();
			(data::create_listing(None, &spec), None)
		}
	};
	let pool = match spec.payout.pool() {
		Some(pool) => Some((
			pool,
			block.pool(&chain, pool).await?.ok_or_else(|| no_pool(pool))?,
		)),
		None => None,
	};
	let included = chain.submit(&key, &call).await?;
	let (number, version) = match number {
		Some(number) => (number, data::updated_listing(&included.events)?),
		None => (data::created_listing(&included.events)?, 0),
	};
	let bond = included.block.seller(&chain, &seller).await?.unwrap_or_default();
	let mut text = format!(
		"listing {number}, version {version}: stream {} of {} for {}; fee {} M2M",
		spec.stream,
		arguments.device,
		price_text(&spec.price),
		money::format(included.fee)
	);
	if spec.payout != Payout::Seller {
		text.push_str(&format!("\npaid: {}", payout_text(&spec.payout)));
	}
	for promise in describe_claims(&spec.claims) {
		text.push_str(&format!("\npromised: {promise}"));
	}
	if let Some((pool, record)) = pool
		&& record.shares == 0
	{
		text.push_str(&format!(
			"\nnext: nobody has a share of pool {pool} yet, so all goes to you: issue some with `m2m data pool set-shares {pool}`"
		));
	}
	if bond.available() < conditions.fixed_cover {
		text.push_str(&format!(
			"\nnext: put up a bond of at least {} M2M and the price of a sale with `m2m data bond --add`",
			money::format(conditions.fixed_cover)
		));
	}
	text.push_str("\nnext: answer buyers with `m2m data serve`");
	context.output.result(
		text,
		json!({
			"listing": number,
			"version": version,
			"seller": keys::address(&seller),
			"device": keys::address(&device),
			"stream": spec.stream,
			"payout": describe_payout(&spec.payout),
			"endpoint": arguments.endpoint,
			"sealing_key": format!("0x{}", hex::encode(spec.sealing_key)),
			"terms_key": spec.terms_key.as_ref().map(keys::address),
			"promises": describe_claims(&spec.claims),
			"bond_available": money::format(bond.available()),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

/// Takes the schema from the stream, which must be open and private.
async fn check_stream(
	chain: &Chain,
	block: &Block,
	arguments: &Sell,
	device: &DeviceId,
	spec: &mut ListingSpec,
) -> Result<()> {
	let details = block.stream(chain, device, arguments.stream).await?;
	let stream = details.and_then(|details| details.spec).ok_or_else(|| {
		Error::Unknown(format!(
			"{} has no open stream {}: `m2m telemetry stream list` shows them",
			arguments.device, arguments.stream
		))
	})?;
	if !stream.private {
		return Err(Error::Usage(format!(
			"stream {} of {} is open: its totals are on chain for everybody, so it cannot be sold; make one with `m2m telemetry stream create --private`",
			arguments.stream, arguments.device
		)));
	}
	spec.schema = stream.schema;
	Ok(())
}

pub async fn unlist(context: &Context, number: ListingId, seller: &str) -> Result<()> {
	let (chain, key, _) = connect_trader(context, seller).await?;
	let included = chain.submit(&key, &data::close_listing(None, number)).await?;
	context.output.result(
		format!(
			"listing {number} is withdrawn; fee {} M2M",
			money::format(included.fee)
		),
		json!({ "listing": number, "fee": money::format(included.fee) }),
	);
	Ok(())
}

#[derive(Args)]
pub struct Bond {
	/// Key file of the seller, or name of a device in --home that sells
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	seller: String,
	#[command(flatten)]
	change: BondChange,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct BondChange {
	/// Put up so much more, in M2M
	#[arg(long, value_name = "M2M")]
	add: Option<String>,
	/// Send so much on its way out, in M2M
	#[arg(long, value_name = "M2M")]
	release: Option<String>,
	/// Take what is out
	#[arg(long)]
	withdraw: bool,
}

pub async fn bond(context: &Context, arguments: Bond) -> Result<()> {
	let add = arguments.change.add.as_deref().map(money::parse).transpose()?;
	let release = arguments
		.change
		.release
		.as_deref()
		.map(money::parse)
		.transpose()?;
	let (chain, key, seller) = connect_trader(context, &arguments.seller).await?;
	let (call, done) = match (add, release, arguments.change.withdraw) {
		(Some(amount), ..) => (
			data::add_bond(None, amount),
			format!("{} M2M more", money::format(amount)),
		),
		(None, Some(amount), _) => (
			data::start_unbonding(None, amount),
			format!("{} M2M on their way out", money::format(amount)),
		),
		(None, None, _) => (data::withdraw_bond(&seller), "what was out is free".to_owned()),
	};
	let included = chain.submit(&key, &call).await?;
	let record = included.block.seller(&chain, &seller).await?.unwrap_or_default();
	let mut text = format!(
		"{done}: the bond is {} M2M, of which {} M2M can cover sales; fee {} M2M",
		money::format(record.bond),
		money::format(record.available()),
		money::format(included.fee)
	);
	if record.unbonding > 0 {
		text.push_str(&format!(
			"\n{} M2M can be taken from block {} on with `m2m data bond --withdraw`",
			money::format(record.unbonding),
			record.unbonds_at
		));
	}
	let mut value = describe_seller(&record);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("seller".into(), keys::address(&seller).into());
		fields.insert("fee".into(), money::format(included.fee).into());
	}
	context.output.result(text, value);
	Ok(())
}

#[derive(Args)]
pub struct Earnings {
	/// Key file or address of the seller, or name of a device in --home
	#[arg(value_name = "KEYFILE|ADDRESS|DEVICE")]
	seller: String,
	#[command(flatten)]
	vault: VaultFile,
}

pub async fn earnings(context: &Context, arguments: Earnings) -> Result<()> {
	let seller = account_of(context, &arguments.seller)?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let record = block.seller(&chain, &seller).await?.unwrap_or_default();
	let mut text = format!(
		"seller     {}\nearned     {} M2M in {} sales, protocol fees and shares included\nfailed     {} given back, {} convicted\nrating     {}\nbond       {} M2M: {} M2M locked for open sales, {} M2M on their way out, {} M2M free\n",
		keys::address(&seller),
		money::format(record.volume),
		record.settled,
		record.refunded,
		record.convicted,
		rating_text(&record).as_deref().unwrap_or("none"),
		money::format(record.bond),
		money::format(record.locked),
		money::format(record.unbonding),
		money::format(record.available()),
	);
	let mut listings = Vec::new();
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["listing", "version", "device", "stream", "price", "endpoint"]);
	for number in block.listings_of(&chain, &seller).await? {
		let Some(listing) = block.listing(&chain, number).await? else {
			continue;
		};
		table.add_row([
			number.to_string(),
			listing.version.to_string(),
			keys::address(&listing.spec.device),
			listing.spec.stream.to_string(),
			price_text(&listing.spec.price),
			String::from_utf8_lossy(&listing.spec.endpoint).into_owned(),
		]);
		listings.push(describe_listing(number, &listing));
	}
	text.push_str(&format!("{table}\n{} listings", listings.len()));
	let open = open_sales(context, &chain, &block, &arguments.vault, &seller).await?;
	if let Some(open) = &open {
		text.push_str(&open.0);
	}
	let mut value = describe_seller(&record);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("seller".into(), keys::address(&seller).into());
		fields.insert("listings".into(), Value::Array(listings));
		fields.insert("open_sales".into(), open.map_or(Value::Null, |open| open.1));
	}
	context.output.result(text, value);
	Ok(())
}

/// The open sales of a seller that its vault knows; `None` without a vault, or while the service has it open.
async fn open_sales(
	context: &Context,
	chain: &Chain,
	block: &Block,
	arguments: &VaultFile,
	seller: &AccountId,
) -> Result<Option<(String, Value)>> {
	if !arguments.path(context).exists() {
		return Ok(None);
	}
	let vault = match arguments.open(context) {
		Ok(vault) => vault,
		Err(Error::StoreBusy(file)) => {
			context.output.note(format!(
				"{} is in use, so sales that are open are not listed",
				file.display()
			));
			return Ok(None);
		}
		Err(Error::Usage(_)) => return Ok(None),
		Err(error) => return Err(error),
	};
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["sale", "listing", "buyer", "price", "key", "until block"]);
	let mut values = Vec::new();
	for (id, record) in vault.sales()? {
		let terms = &record.offer.terms;
		if terms.seller != *seller {
			continue;
		}
		let Some(SaleStatus::Open(sale)) = block.sale(chain, &id, terms.expires).await? else {
			continue;
		};
		let key = if sale.key.is_some() { "revealed" } else { "hidden" };
		table.add_row([
			format!("{id:?}"),
			terms.listing.to_string(),
			keys::address(&terms.buyer),
			format!("{} M2M", money::format(terms.price)),
			key.into(),
			sale.deadline.to_string(),
		]);
		values.push(json!({
			"sale": format!("{id:?}"),
			"listing": terms.listing,
			"buyer": keys::address(&terms.buyer),
			"price": money::format(terms.price),
			"revealed": sale.key.is_some(),
			"deadline": sale.deadline,
		}));
	}
	Ok(Some((
		format!("\n{table}\n{} open sales", values.len()),
		Value::Array(values),
	)))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn arguments() -> Sell {
		Sell {
			seller: "alice.json".into(),
			change: None,
			device: "m1".into(),
			stream: 2,
			price: None,
			price_per_reading: Some("0.001".into()),
			payout: Vec::new(),
			pool: None,
			licence: format!("0x{}", "ab".repeat(32)),
			endpoint: "https://readings.example".into(),
			from: None,
			to: None,
			area: "u281".into(),
			metadata: None,
			promise_range: None,
			promise_gap: None,
			promise_count: None,
			vault: VaultFile::default(),
		}
	}

	#[test]
	fn an_offer_is_read_from_its_arguments() {
		let spec = Sell {
			from: Some("2026-11-20".into()),
			to: Some("2026-11-21T06:00:00Z".into()),
			promise_range: Some("-400..1200".into()),
			promise_gap: Some("5m".into()),
			promise_count: Some("60/1h".into()),
			..arguments()
		}
		.spec(DeviceId::new([1; 32]))
		.unwrap();
		assert_eq!(spec.price, Price::PerReading(money::UNIT / 1000));
		assert_eq!(spec.licence, H256([0xab; 32]));
		assert_eq!(spec.until.unwrap() - spec.from, 30 * 3_600_000);
		let claims = Claims {
			range: Some((-400, 1_200)),
			count: Some((60, 3_600_000)),
			gap_ms: Some(300_000),
		};
		assert_eq!(spec.claims, claims);
		assert!(spec.claims.are_sound());
	}

	/// Accounts by name, without a home folder.
	fn account(name: &str) -> Result<AccountId> {
		match name {
			"bob" => Ok(AccountId::new([2; 32])),
			"carol=1" => Ok(AccountId::new([3; 32])),
			_ => Err(Error::Usage(format!("`{name}` is not an address"))),
		}
	}

	fn payout(payees: &[&str], pool: Option<&str>) -> Result<Option<Payout>> {
		let sell = Sell {
			payout: payees.iter().map(|text| (*text).to_owned()).collect(),
			pool: pool.map(str::to_owned),
			..arguments()
		};
		sell.payout(account)
	}

	#[test]
	fn a_payout_is_read_from_its_arguments() {
		assert_eq!(payout(&[], None).unwrap(), None);
		let Some(Payout::Split(payees)) = payout(&["bob=12.5%", "carol=1=87.5%"], None).unwrap() else {
			panic!("a payout of another kind")
		};
		let found: Vec<_> = payees
			.iter()
			.map(|payee| (payee.account.clone(), payee.share.deconstruct()))
			.collect();
		assert_eq!(
			found,
			[
				(AccountId::new([2; 32]), 125_000_000),
				(AccountId::new([3; 32]), 875_000_000)
			]
		);
		let pool = |share| Some(Payout::Pool { pool: 3, share });
		assert_eq!(
			payout(&[], Some("3=40%")).unwrap(),
			pool(Perbill::from_percent(40))
		);
		assert_eq!(payout(&[], Some("3")).unwrap(), pool(Perbill::one()));
	}

	#[test]
	fn what_cannot_be_paid_out_is_refused() {
		let five = ["bob=1%"; 5];
		let cases: [(&[&str], Option<&str>, &str); 8] = [
			(&["bob"], None, "bob.json=12.5%"),
			(&["bob=0%"], None, "not a share"),
			(&["bob=12.5"], None, "not a share"),
			(&["dave=1%"], None, "not an address"),
			(&["bob=60%", "bob=40.0000001%"], None, "more than 100%"),
			(&five, None, "at most 4"),
			(&[], Some("mine"), "names no pool"),
			(&[], Some("3=101%"), "not a share"),
		];
		for (payees, pool, words) in cases {
			let error = payout(payees, pool).unwrap_err();
			assert_eq!(error.exit_code(), 2, "{error}");
			assert!(error.to_string().contains(words), "{error}");
		}
	}

	#[test]
	fn what_cannot_be_offered_is_refused() {
		type Change = fn(&mut Sell);
		let cases: [(Change, &str); 11] = [
			(|sell| sell.endpoint = "readings.example".into(), "no http"),
			(|sell| sell.endpoint = "ftp://readings.example".into(), "no http"),
			(|sell| sell.endpoint = "https://readings example".into(), "spaces"),
			(|sell| sell.area = "Zürich".into(), "ASCII"),
			(|sell| sell.area = "u".repeat(17), "16 characters"),
			(|sell| sell.price_per_reading = None, "--price"),
			(|sell| sell.price_per_reading = Some("free".into()), "amount"),
			(|sell| sell.from = Some("yesterday".into()), "not a time"),
			(|sell| sell.promise_range = Some("5..1".into()), "smaller first"),
			(|sell| sell.promise_count = Some("0/1h".into()), "60/1h"),
			(|sell| sell.promise_gap = Some("short".into()), "span of time"),
		];
		for (change, words) in cases {
			let mut sell = arguments();
			change(&mut sell);
			let error = sell.spec(DeviceId::new([1; 32])).unwrap_err();
			assert_eq!(error.exit_code(), 2, "{error}");
			assert!(error.to_string().contains(words), "{error}");
		}
	}
}
