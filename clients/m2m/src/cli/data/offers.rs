//! `m2m data list` and `show`.

use super::{
	describe_listing, describe_seller, no_listing, parse_price, payout_text, plain, price_text, rating_text,
	since,
};
use crate::cli::{Context, device::owner_account};
use clap::Args;
use comfy_table::Table;
use m2m::{
	Error, Result,
	batch::parse_hash,
	chain::{Block, Chain},
	data::check::describe_claims,
	keys, money, time,
};
use m2m_device::Topic;
use m2m_fair_exchange::{
	ListingId,
	market::{Listing, ListingFilter},
};
use serde_json::{Value, json};
use sp_core::H256;

#[derive(Args)]
pub struct List {
	/// Hash of the schema that says what is measured, as 0x and 64 hex digits
	#[arg(long, value_name = "HASH")]
	schema: Option<String>,
	/// Area, or the beginning of its code for a larger one
	#[arg(long)]
	area: Option<String>,
	/// Not above this price for a sale, in M2M
	#[arg(long, value_name = "M2M", conflicts_with = "max_price_per_reading")]
	max_price: Option<String>,
	/// Not above this price for a reading, in M2M
	#[arg(long, value_name = "M2M")]
	max_price_per_reading: Option<String>,
	/// Devices for which somebody vouches under this topic
	#[arg(long, requires = "issuer")]
	topic: Option<String>,
	/// Who vouches: key files or addresses, at most 16
	#[arg(
		long,
		value_delimiter = ',',
		requires = "topic",
		value_name = "KEYFILE|ADDRESS,..."
	)]
	issuer: Vec<String>,
	/// Sellers that are rated so or better
	#[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
	min_rating: Option<u8>,
	/// Number of the first listing to look at
	#[arg(long, default_value_t = 0)]
	start: u32,
	/// Most listings to show
	#[arg(long, default_value_t = 50)]
	limit: usize,
}

/// Most issuers that a search takes.
const MAX_ISSUERS: usize = 16;

/// The hash that says what readings mean.
pub fn parse_schema(text: &str) -> Result<H256> {
	parse_hash(text).ok_or_else(|| Error::Usage(format!("`{text}` is not a hash: give 0x and 64 hex digits")))
}

impl List {
	fn filter(&self) -> Result<ListingFilter> {
		let topic = |text: &String| {
			Topic::from_text(text).ok_or_else(|| {
				Error::Usage(format!(
					"`{text}` is not a topic: use 1 to 16 small letters, digits and `-`, such as certified-meter"
				))
			})
		};
		if self.issuer.len() > MAX_ISSUERS {
			return Err(Error::Usage(format!("name at most {MAX_ISSUERS} issuers")));
		}
		let issuers = self
			.issuer
			.iter()
			.map(|issuer| owner_account(issuer))
			.collect::<Result<Vec<_>>>()?;
		Ok(ListingFilter {
			schema: self.schema.as_deref().map(parse_schema).transpose()?,
			area: self
				.area
				.as_ref()
				.map(|area| plain("an area", area))
				.transpose()?,
			max_price: parse_price(self.max_price.as_deref(), self.max_price_per_reading.as_deref())?,
			genuine: self
				.topic
				.as_ref()
				.map(topic)
				.transpose()?
				.map(|topic| (topic, issuers)),
			min_rating: self.min_rating,
		})
	}
}

/// Listings that were found.
pub struct Found {
	/// A row for each.
	pub table: Table,
	/// Each as JSON.
	pub values: Vec<Value>,
	/// Number of the listing with which the search goes on; `None` at the end.
	pub next: Option<ListingId>,
}

/// Looks for listings from the number `start` on that the filter and `fits` let through, until there are `limit`.
pub async fn search(
	context: &Context,
	chain: &Chain,
	block: &Block,
	filter: &ListingFilter,
	start: ListingId,
	limit: usize,
	fits: impl Fn(&Listing) -> bool,
) -> Result<Found> {
	let names = context.device_names()?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header([
		"", "device", "stream", "area", "price", "from", "until", "rating", "promises",
	]);
	let mut values = Vec::new();
	let mut next = Some(start);
	'pages: while let Some(from) = next {
		let page = block.listings(chain, filter, from).await?;
		for (number, listing) in page.listings.into_iter().filter(|(_, listing)| fits(listing)) {
			if values.len() >= limit {
				next = Some(number);
				break 'pages;
			}
			let spec = &listing.spec;
			let seller = block.seller(chain, &listing.seller).await?;
			let rating = seller.as_ref().and_then(rating_text);
			table.add_row([
				number.to_string(),
				names
					.get(&spec.device)
					.cloned()
					.unwrap_or_else(|| keys::address(&spec.device)),
				spec.stream.to_string(),
				String::from_utf8_lossy(&spec.area).into_owned(),
				price_text(&spec.price),
				since(spec.from),
				spec.until.map_or_else(|| "open".into(), time::format),
				rating.clone().unwrap_or_default(),
				describe_claims(&spec.claims).len().to_string(),
			]);
			let mut value = describe_listing(number, &listing);
			if let Some(fields) = value.as_object_mut() {
				fields.insert("rating".into(), rating.into());
			}
			values.push(value);
		}
		next = page.next;
	}
	Ok(Found { table, values, next })
}

pub async fn list(context: &Context, arguments: List) -> Result<()> {
	let filter = arguments.filter()?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let Found { table, values, next } = search(
		context,
		&chain,
		&block,
		&filter,
		arguments.start,
		arguments.limit,
		|_| true,
	)
	.await?;
	let mut text = format!("{table}\n{} listings", values.len());
	if let Some(next) = next {
		text.push_str(&format!("; more with --start {next}"));
	}
	context
		.output
		.result(text, json!({ "listings": values, "next": next }));
	Ok(())
}

pub async fn show(context: &Context, number: u32) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let listing = block
		.listing(&chain, number)
		.await?
		.ok_or_else(|| no_listing(number))?;
	let seller = block.seller(&chain, &listing.seller).await?;
	let conditions = block.data_conditions(&chain).await?;
	let spec = &listing.spec;
	let mut text = format!(
		"listing    {number}, version {}\nseller     {}\ndevice     {}\nstream     {}\ntime       {} to {}\nprice      at most {}\npayout     {}\narea       {}\nschema     {:?}\nlicence    {:?}\nmetadata   {:?}\nendpoint   {}\n",
		listing.version,
		keys::address(&listing.seller),
		keys::did(chain.genesis(), &spec.device),
		spec.stream,
		since(spec.from),
		spec.until
			.map_or_else(|| "whatever is to come".into(), time::format),
		price_text(&spec.price),
		payout_text(&spec.payout),
		String::from_utf8_lossy(&spec.area),
		spec.schema,
		spec.licence,
		spec.metadata,
		String::from_utf8_lossy(&spec.endpoint),
	);
	for promise in describe_claims(&spec.claims) {
		text.push_str(&format!("promise    {promise}\n"));
	}
	match &seller {
		Some(seller) => text.push_str(&format!(
			"rating     {}\nsales      {} paid, {} given back, {} convicted; {} M2M in all\nbond       {} M2M, of which {} M2M can cover another sale\n",
			rating_text(seller).as_deref().unwrap_or("none"),
			seller.settled,
			seller.refunded,
			seller.convicted,
			money::format(seller.volume),
			money::format(seller.bond),
			money::format(seller.available())
		)),
		None => text.push_str("bond       none: nothing can be bought\n"),
	}
	text.push_str(&format!(
		"cover      {} M2M for the buyer, besides the price, if a sale fails",
		money::format(conditions.fixed_cover)
	));
	let mut value = describe_listing(number, &listing);
	if let Some(fields) = value.as_object_mut() {
		fields.insert(
			"record".into(),
			seller.as_ref().map_or(Value::Null, describe_seller),
		);
		fields.insert("fixed_cover".into(), money::format(conditions.fixed_cover).into());
	}
	context.output.result(text, value);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_fair_exchange::market::Price;

	fn list() -> List {
		List {
			schema: None,
			area: None,
			max_price: None,
			max_price_per_reading: None,
			topic: None,
			issuer: Vec::new(),
			min_rating: None,
			start: 0,
			limit: 1,
		}
	}

	#[test]
	fn a_search_says_what_it_looks_for() {
		assert_eq!(list().filter().unwrap(), ListingFilter::default());
		let filter = List {
			schema: Some(format!("0x{}", "ab".repeat(32))),
			area: Some("u281".into()),
			max_price_per_reading: Some("0.001".into()),
			topic: Some("certified-meter".into()),
			issuer: vec!["5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".into()],
			min_rating: Some(4),
			..list()
		}
		.filter()
		.unwrap();
		assert_eq!(filter.max_price, Some(Price::PerReading(money::UNIT / 1000)));
		assert_eq!(filter.area.unwrap().as_slice(), b"u281");
		assert_eq!(filter.genuine.unwrap().1.len(), 1);
	}

	#[test]
	fn what_cannot_be_searched_for_is_refused() {
		let wrong = [
			List {
				schema: Some("0x12".into()),
				..list()
			},
			List {
				area: Some("u".repeat(17)),
				..list()
			},
			List {
				max_price: Some("cheap".into()),
				..list()
			},
			List {
				topic: Some("Certified".into()),
				..list()
			},
			List {
				issuer: vec!["5G".into(); 17],
				..list()
			},
		];
		for arguments in wrong {
			assert!(matches!(arguments.filter(), Err(Error::Usage(_))));
		}
	}
}
