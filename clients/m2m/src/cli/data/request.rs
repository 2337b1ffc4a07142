//! `m2m data request`.

use super::{
	connect_trader, moment,
	offers::{self, Found, parse_schema},
	parse_price, plain, price_text, since,
};
use crate::cli::{Context, arguments::hash_or_file, telemetry::QuantityName};
use clap::{Args, Subcommand};
use comfy_table::Table;
use m2m::{
	Error, Result,
	chain::{data, telemetry::Quantity},
	keys, money, time,
};
use m2m_fair_exchange::market::{Listing, ListingFilter, Price, Request, RequestId, RequestSpec};
use serde_json::{Value, json};
use sp_core::H256;

/// Most listings that are shown with a request.
const MAX_SHOWN: usize = 50;

#[derive(Subcommand)]
pub enum RequestCommand {
	/// Say what readings one looks for, and what one pays
	#[command(after_help = "Examples:\n  \
		m2m data request post --buyer bob.json --quantity import-by-minute --area u281 --price-per-reading 0.001 \\\n    \
		--from 2026-11-20 --to 2026-12-20 --expires-in 7d --endpoint mailto:bob@grid.example\n  \
		m2m data request post --buyer bob.json --schema 0x... --price 2.5 --expires-in 2d --endpoint https://grid.example/offers\n\n\
		A request binds nobody and holds nothing but its deposit, which comes back with `m2m data request remove`. A seller\n\
		answers with a listing that fits, and may say so at the endpoint. `m2m data request show` finds the listings that\n\
		fit: buy under them as under any other.")]
	Post(Box<Post>),
	/// List the requests that have not expired
	#[command(after_help = "Example:\n  m2m data request list")]
	List {
		/// Number of the first request to look at
		#[arg(long, default_value_t = 0)]
		start: RequestId,
		/// Most requests to show
		#[arg(long, default_value_t = 50)]
		limit: usize,
	},
	/// Show a request, and the listings that fit it
	#[command(after_help = "Example:\n  m2m data request show 0\n\n\
		A listing fits if something can be bought under it now, it offers some of the time that is asked for, its schema is\n\
		the same, its area is the same or within, and its price is named in the same way and is not higher.\n\
		A seller answers with a listing that fits: see `m2m data sell`.")]
	Show {
		/// Number of the request
		request: RequestId,
	},
	/// Remove a request; its deposit comes back
	#[command(after_help = "Example:\n  m2m data request remove 0 --buyer bob.json")]
	Remove {
		/// Number of the request
		request: RequestId,
		/// Key file of the buyer, or name of a device in --home that buys; anybody's once it has expired
		#[arg(long, alias = "signer", value_name = "KEYFILE|DEVICE")]
		buyer: String,
	},
}

#[derive(Args)]
pub struct Post {
	/// Key file of the buyer, or name of a device in --home that buys
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	buyer: String,
	/// What is measured at a grid connection
	#[arg(
		long,
		value_enum,
		required_unless_present = "schema",
		conflicts_with = "schema"
	)]
	quantity: Option<QuantityName>,
	/// Hash of the schema that says what is measured, as 0x and 64 hex digits
	#[arg(long, value_name = "HASH")]
	schema: Option<String>,
	/// Where the readings are to be taken: a code of at most 16 characters, or the beginning of one for a larger area;
	/// anywhere if left out
	#[arg(long, default_value = "")]
	area: String,
	/// Time of the earliest reading that is wanted; all of them if left out
	#[arg(long, value_name = "TIME")]
	from: Option<String>,
	/// Time before which the last one lies; those to come too if left out
	#[arg(long, alias = "until", value_name = "TIME")]
	to: Option<String>,
	/// Most that a sale may cost, in M2M
	#[arg(long, value_name = "M2M", required_unless_present = "price_per_reading")]
	price: Option<String>,
	/// Most that a reading may cost, in M2M
	#[arg(long, value_name = "M2M", conflicts_with = "price")]
	price_per_reading: Option<String>,
	/// A description: a file, or its hash
	#[arg(long, value_name = "FILE|HASH")]
	metadata: Option<String>,
	/// Where sellers reach you: a URI of at most 128 characters, such as mailto:bob@grid.example
	#[arg(long, value_name = "URI")]
	endpoint: String,
	/// How long it holds, such as 12h or 7d
	#[arg(long, value_name = "SPAN")]
	expires_in: String,
}

impl Post {
	/// What is wanted, but for its last block.
	fn spec(&self) -> Result<RequestSpec> {
		let schema = match (self.quantity, &self.schema) {
			(Some(quantity), _) => Quantity::from(quantity).schema(),
			(None, Some(hash)) => parse_schema(hash)?,
			(None, None) => {
				return Err(Error::Usage(
					"say what is measured, with --quantity or --schema".into(),
				));
			}
		};
		let price = parse_price(self.price.as_deref(), self.price_per_reading.as_deref())?;
		let from = self.from.as_deref().map(moment).transpose()?.unwrap_or_default();
		let until = self.to.as_deref().map(moment).transpose()?;
		if until.is_some_and(|until| until <= from) {
			return Err(Error::Usage(
				"the time that is asked for ends before it begins".into(),
			));
		}
		if !self.endpoint.contains(':') {
			return Err(Error::Usage(format!(
				"`{}` is no URI: write it as in https://grid.example/offers or mailto:bob@grid.example",
				self.endpoint
			)));
		}
		Ok(RequestSpec {
			schema,
			area: plain("an area", &self.area)?,
			from,
			until,
			price: price.ok_or_else(|| {
				Error::Usage("say what you pay, with --price or --price-per-reading".into())
			})?,
			metadata: match &self.metadata {
				Some(text) => hash_or_file(text)?,
				None => H256::zero(),
			},
			endpoint: plain("an endpoint", &self.endpoint)?,
			expires: 0,
		})
	}
}

/// What to look for among listings.
fn filter(spec: &RequestSpec) -> ListingFilter {
	ListingFilter {
		schema: Some(spec.schema),
		area: Some(spec.area.clone()),
		max_price: Some(spec.price),
		..ListingFilter::default()
	}
}

/// True if some of the time that is asked for is on offer, by somebody else than the one who asks.
fn fits(request: &Request, listing: &Listing) -> bool {
	let (wanted, offered) = (&request.spec, &listing.spec);
	offered.until.is_none_or(|until| wanted.from < until)
		&& wanted.until.is_none_or(|until| offered.from < until)
		&& listing.seller != request.buyer
}

/// What is measured: the quantity's name, or the hash.
fn what(spec: &RequestSpec) -> String {
	match Quantity::from_schema(spec.schema) {
		Some(quantity) => quantity.name().into(),
		None => format!("{:?}", spec.schema),
	}
}

/// A request as JSON.
fn describe(number: RequestId, request: &Request) -> Value {
	let spec = &request.spec;
	let (per_sale, per_reading) = match &spec.price {
		Price::PerSale(price) => (Some(money::format(*price)), None),
		Price::PerReading(price) => (None, Some(money::format(*price))),
	};
	json!({
		"request": number,
		"buyer": keys::address(&request.buyer),
		"schema": format!("{:?}", spec.schema),
		"quantity": Quantity::from_schema(spec.schema).map(Quantity::name),
		"area": String::from_utf8_lossy(&spec.area),
		"from": time::format(spec.from),
		"until": spec.until.map(time::format),
		"price": per_sale,
		"price_per_reading": per_reading,
		"metadata": format!("{:?}", spec.metadata),
		"endpoint": String::from_utf8_lossy(&spec.endpoint),
		"expires": spec.expires,
		"deposit": money::format(request.deposit),
	})
}

pub async fn run(context: &Context, command: RequestCommand) -> Result<()> {
	match command {
		RequestCommand::Post(post) => run_post(context, &post).await,
		RequestCommand::List { start, limit } => list(context, start, limit).await,
		RequestCommand::Show { request } => show(context, request).await,
		RequestCommand::Remove { request, buyer } => remove(context, request, &buyer).await,
	}
}

async fn run_post(context: &Context, post: &Post) -> Result<()> {
	let mut spec = post.spec()?;
	let span = time::parse_span(&post.expires_in)?;
	let (chain, key, buyer) = connect_trader(context, &post.buyer).await?;
	let block = chain.finalized().await?;
	spec.expires = block.number_after(&chain, span).await?;
	let included = chain.submit(&key, &data::post_request(None, &spec)).await?;
	let request = data::posted_request(&included.events)?;
	context.output.result(
		format!(
			"request {request} holds until block {}; fee {} M2M\nnext: see what fits with `m2m data request show {request}`",
			spec.expires,
			money::format(included.fee)
		),
		json!({
			"request": request,
			"buyer": keys::address(&buyer),
			"expires": spec.expires,
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn list(context: &Context, start: RequestId, limit: usize) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header([
		"",
		"what",
		"area",
		"from",
		"until",
		"price",
		"until block",
		"endpoint",
	]);
	let mut values = Vec::new();
	let mut next = Some(start);
	'pages: while let Some(from) = next {
		let (page, following) = block.requests(&chain, from).await?;
		for (number, request) in page {
			if values.len() >= limit {
				next = Some(number);
				break 'pages;
			}
			let spec = &request.spec;
			table.add_row([
				number.to_string(),
				what(spec),
				String::from_utf8_lossy(&spec.area).into_owned(),
				since(spec.from),
				spec.until.map_or_else(|| "open".into(), time::format),
				price_text(&spec.price),
				spec.expires.to_string(),
				String::from_utf8_lossy(&spec.endpoint).into_owned(),
			]);
			values.push(describe(number, &request));
		}
		next = following;
	}
	let mut text = format!("{table}\n{} requests", values.len());
	if let Some(next) = next {
		text.push_str(&format!("; more with --start {next}"));
	}
	context
		.output
		.result(text, json!({ "requests": values, "next": next }));
	Ok(())
}

async fn show(context: &Context, number: RequestId) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let request = block.request(&chain, number).await?.ok_or_else(|| {
		Error::Unknown(format!(
			"the chain has no request {number}: `m2m data request list` shows those that there are"
		))
	})?;
	let spec = &request.spec;
	let area = String::from_utf8_lossy(&spec.area);
	let expired = spec.expires < block.number;
	let mut text = format!(
		"request    {number}{}\nbuyer      {}\nwhat       {}\narea       {}\ntime       {} to {}\nprice      at most {}\nmetadata   {:?}\nendpoint   {}\nuntil      block {}\ndeposit    {} M2M\n",
		if expired { ", expired" } else { "" },
		keys::address(&request.buyer),
		what(spec),
		if area.is_empty() { "any" } else { &*area },
		since(spec.from),
		spec.until
			.map_or_else(|| "whatever is to come".into(), time::format),
		price_text(&spec.price),
		spec.metadata,
		String::from_utf8_lossy(&spec.endpoint),
		spec.expires,
		money::format(request.deposit),
	);
	let Found { table, values, next } =
		offers::search(context, &chain, &block, &filter(spec), 0, MAX_SHOWN, |listing| {
			fits(&request, listing)
		})
		.await?;
	if values.is_empty() {
		text.push_str("no listing fits; a seller answers with one, by `m2m data sell`");
	} else {
		text.push_str(&format!(
			"{table}\n{}{} listings fit; buy with `m2m data buy --listing`",
			if next.is_some() { "more than " } else { "" },
			values.len()
		));
	}
	let mut value = describe(number, &request);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("expired".into(), expired.into());
		fields.insert("listings".into(), values.into());
		fields.insert("next".into(), next.into());
	}
	context.output.result(text, value);
	Ok(())
}

async fn remove(context: &Context, request: RequestId, buyer: &str) -> Result<()> {
	let (chain, key, _) = connect_trader(context, buyer).await?;
	let included = chain.submit(&key, &data::remove_request(None, request)).await?;
	context.output.result(
		format!(
			"request {request} is removed, and its deposit is back; fee {} M2M",
			money::format(included.fee)
		),
		json!({ "request": request, "fee": money::format(included.fee) }),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_device::AccountId;
	use m2m_fair_exchange::{
		Claims,
		market::{ListingSpec, Payout},
	};

	fn post() -> Post {
		Post {
			buyer: "bob.json".into(),
			quantity: Some(QuantityName::ImportByMinute),
			schema: None,
			area: "u281".into(),
			from: Some("2026-11-20".into()),
			to: Some("2026-11-22".into()),
			price: None,
			price_per_reading: Some("0.001".into()),
			metadata: None,
			endpoint: "mailto:bob@grid.example".into(),
			expires_in: "7d".into(),
		}
	}

	#[test]
	fn a_request_is_read_from_its_arguments() {
		let spec = post().spec().unwrap();
		assert_eq!(spec.schema, Quantity::ImportByMinute.schema());
		assert_eq!(spec.area.as_slice(), b"u281");
		assert_eq!(spec.until.unwrap() - spec.from, 2 * 86_400_000);
		assert_eq!(spec.price, Price::PerReading(money::UNIT / 1000));
		assert_eq!(what(&spec), "import-by-minute");
		let spec = Post {
			quantity: None,
			schema: Some(format!("0x{}", "ab".repeat(32))),
			from: None,
			to: None,
			..post()
		}
		.spec()
		.unwrap();
		assert_eq!(what(&spec), format!("0x{}", "ab".repeat(32)));
		assert_eq!((spec.from, spec.until), (0, None));
	}

	#[test]
	fn what_cannot_be_asked_for_is_refused() {
		type Change = fn(&mut Post);
		let cases: [(Change, &str); 8] = [
			(|post| post.quantity = None, "--quantity or --schema"),
			(
				|post| (post.quantity, post.schema) = (None, Some("0x12".into())),
				"not a hash",
			),
			(|post| post.area = "u".repeat(17), "16 characters"),
			(|post| post.price_per_reading = None, "--price"),
			(
				|post| post.to = Some("2026-11-20".into()),
				"ends before it begins",
			),
			(|post| post.endpoint = "bob".into(), "no URI"),
			(|post| post.endpoint = "mailto: bob".into(), "spaces"),
			(
				|post| post.endpoint = format!("mailto:{}", "b".repeat(122)),
				"128 characters",
			),
		];
		for (change, words) in cases {
			let mut post = post();
			change(&mut post);
			let error = post.spec().unwrap_err();
			assert_eq!(error.exit_code(), 2, "{error}");
			assert!(error.to_string().contains(words), "{error}");
		}
	}

	#[test]
	fn a_listing_fits_if_it_offers_some_of_the_time_and_is_another_s() {
		let mut request = Request {
			buyer: AccountId::new([2; 32]),
			deposit: 0,
			spec: post().spec().unwrap(),
		};
		let (from, until) = (request.spec.from, request.spec.until.unwrap());
		let listing = |from, until| Listing {
			seller: AccountId::new([1; 32]),
			version: 0,
			generation: 0,
			deposit: 0,
			spec: ListingSpec {
				device: AccountId::new([1; 32]),
				stream: 0,
				from,
				until,
				price: Price::PerSale(1),
				licence: H256::zero(),
				schema: H256::zero(),
				area: Default::default(),
				metadata: H256::zero(),
				payout: Payout::Seller,
				claims: Claims::default(),
				endpoint: Default::default(),
				sealing_key: [0; 32],
				terms_key: None,
			},
		};
		for (begins, ends, expected) in [
			(0, None, true),
			(from, Some(until), true),
			(until - 1, None, true),
			(until, None, false),
			(0, Some(from + 1), true),
			(0, Some(from), false),
		] {
			assert_eq!(
				fits(&request, &listing(begins, ends)),
				expected,
				"{begins} {ends:?}"
			);
		}
		request.spec.until = None;
		assert!(
			fits(&request, &listing(until, None)),
			"readings to come are wanted"
		);
		request.buyer = AccountId::new([1; 32]);
		assert!(!fits(&request, &listing(0, None)));
	}

	#[test]
	fn listings_are_searched_for_by_what_is_asked() {
		let spec = post().spec().unwrap();
		let filter = filter(&spec);
		assert_eq!(filter.schema, Some(spec.schema));
		assert_eq!(filter.area, Some(spec.area));
		assert_eq!(filter.max_price, Some(spec.price));
		assert_eq!((filter.genuine, filter.min_rating), (None, None));
	}
}
