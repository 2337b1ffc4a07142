//! Golden vectors for clients and auditors in other languages: `vectors/auction.json`.
//!
//! `UPDATE_VECTORS=1 cargo test -p m2m-auction --test golden` writes the file anew. Otherwise every number
//! and every encoding in it is compared. Energy, prices and money are decimal strings, because they may
//! exceed 53 bits.

use codec::{Decode, Encode, MaxEncodedLen};
use m2m_auction::{
	Book, Clearing, Covered, Pricing, Ration, Settlement, Side, SlotLength, StandingOrder, Step, Steps,
	TickGrid, TickPage, clear, settle, spread,
};
use serde_json::{Value, json};
use std::{fmt::Debug, fs, path::PathBuf};

fn file() -> PathBuf {
	PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/auction.json")
}

fn text(number: impl ToString) -> Value {
	Value::String(number.to_string())
}

/// The encoding of a value as hex digits, having checked that it decodes to the same.
fn encoded<T: Encode + Decode + MaxEncodedLen + PartialEq + Debug>(value: &T) -> Value {
	let bytes = value.encode();
	assert_eq!(T::decode(&mut &bytes[..]).as_ref(), Ok(value));
	assert!(bytes.len() <= T::max_encoded_len());
	Value::String(format!("0x{}", hex::encode(bytes)))
}

fn side_name(side: Side) -> &'static str {
	match side {
		Side::Bid => "bid",
		Side::Ask => "ask",
	}
}

fn steps_shown(steps: &[Step]) -> Value {
	steps
		.iter()
		.map(|step| json!({ "limit": step.limit, "wh": text(step.wh) }))
		.collect()
}

fn pricing_shown(pricing: &Pricing) -> Value {
	assert_eq!(pricing.check(), Ok(()));
	json!({
		"retail": text(pricing.retail),
		"feed_in": text(pricing.feed_in),
		"margin": text(pricing.margin),
		"grid_fee": text(pricing.grid_fee),
		"grid": {
			"bottom": text(pricing.grid.bottom),
			"tick_size": text(pricing.grid.tick_size),
			"ticks": pricing.grid.ticks,
		},
		"encoded": encoded(pricing),
	})
}

fn ration_shown(ration: &Ration) -> Value {
	json!({
		"side": side_name(ration.side),
		"filled": text(ration.filled),
		"offered": text(ration.offered),
		"orders": ration.orders,
	})
}

fn clearing_shown(clearing: &Option<Clearing>) -> Value {
	clearing.as_ref().map_or(Value::Null, |clearing| {
		json!({
			"tick": clearing.tick,
			"volume_wh": text(clearing.volume_wh),
			"ration": clearing.ration.as_ref().map(ration_shown),
			"bids": clearing.bids,
			"asks": clearing.asks,
			"encoded": encoded(clearing),
		})
	})
}

/// A book of single orders: price, volume, fills.
fn book_vector(name: &str, orders: &[(Side, u8, u64)]) -> Value {
	let orders: Vec<(Side, Step)> = orders
		.iter()
		.map(|(side, limit, wh)| {
			(
				*side,
				Step {
					limit: *limit,
					wh: *wh,
				},
			)
		})
		.collect();
	let mut book = Book::default();
	for (side, order) in &orders {
		book.add(*side, order).unwrap();
	}
	let clearing = clear(&book);
	let pages = |side: &[TickPage]| -> Value {
		side.iter()
			.enumerate()
			.filter(|(_, page)| !page.is_empty())
			.map(|(number, page)| json!({ "number": number, "encoded": encoded(page) }))
			.collect()
	};
	let fills: Vec<Value> = orders
		.iter()
		.map(|(side, order)| {
			text(
				clearing
					.as_ref()
					.map_or(0, |clearing| clearing.fill(*side, order)),
			)
		})
		.collect();
	json!({
		"name": name,
		"orders": orders
			.iter()
			.map(|(side, order)| {
				json!({ "side": side_name(*side), "limit": order.limit, "wh": text(order.wh) })
			})
			.collect::<Value>(),
		"bid_pages": pages(&book.bids),
		"ask_pages": pages(&book.asks),
		"clearing": clearing_shown(&clearing),
		"fills_mwh": fills,
	})
}

struct Member<'a> {
	bids: &'a [(u8, u64)],
	asks: &'a [(u8, u64)],
	imported: u64,
	exported: u64,
	credit: u128,
}

/// A member by what it buys and imports, sells and exports, and its credit.
fn member<'a>(buys: (&'a [(u8, u64)], u64), sells: (&'a [(u8, u64)], u64), credit: u128) -> Member<'a> {
	Member {
		bids: buys.0,
		asks: sells.0,
		imported: buys.1,
		exported: sells.1,
		credit,
	}
}

fn steps(steps: &[(u8, u64)]) -> Steps {
	let steps = steps.iter().map(|(limit, wh)| Step {
		limit: *limit,
		wh: *wh,
	});
	steps.collect::<Vec<_>>().try_into().unwrap()
}

/// A whole slot: standing orders, meters and credits to bills and the remainder.
fn market_vector(name: &str, pricing: &Pricing, members: &[Member]) -> Value {
	let mut book = Book::default();
	let entries: Vec<(StandingOrder, Covered, Steps)> = members
		.iter()
		.map(|member| {
			let order = StandingOrder {
				bids: steps(member.bids),
				asks: steps(member.asks),
			};
			assert_eq!(order.check(&pricing.grid), Ok(()));
			let covered = pricing.cover(spread(&order.bids, member.imported), member.credit);
			let asks = spread(&order.asks, member.exported);
			for bid in &covered.bids {
				book.add(Side::Bid, bid).unwrap();
			}
			for ask in &asks {
				book.add(Side::Ask, ask).unwrap();
			}
			(order, covered, asks)
		})
		.collect();
	let clearing = clear(&book);
	let mut remainder = 0;
	let members: Value = members
		.iter()
		.zip(&entries)
		.map(|(member, (order, covered, asks))| {
			let bill: Settlement = settle(pricing, clearing.as_ref(), &covered.bids, asks);
			remainder += covered.set_aside;
			remainder -= bill.returned;
			json!({
				"order": {
					"bids": steps_shown(&order.bids),
					"asks": steps_shown(&order.asks),
					"encoded": encoded(order),
				},
				"imported_wh": text(member.imported),
				"exported_wh": text(member.exported),
				"credit": text(member.credit),
				"counted_bids": steps_shown(&covered.bids),
				"counted_asks": steps_shown(asks),
				"set_aside": text(covered.set_aside),
				"bill": {
					"bought_mwh": text(bill.bought),
					"sold_mwh": text(bill.sold),
					"paid": text(bill.paid),
					"returned": text(bill.returned),
					"earned": text(bill.earned),
					"encoded": encoded(&bill),
				},
			})
		})
		.collect();
	let earned: u128 = entries
		.iter()
		.map(|(_, covered, asks)| settle(pricing, clearing.as_ref(), &covered.bids, asks).earned)
		.sum();
	json!({
		"name": name,
		"pricing": pricing_shown(pricing),
		"members": members,
		"clearing": clearing_shown(&clearing),
		"remainder": text(remainder - earned),
	})
}

fn slot_vector(seconds: u32, unix_ms: u64) -> Value {
	let length = SlotLength::new(seconds).unwrap();
	let slot = length.slot_at(unix_ms);
	json!({
		"seconds": seconds,
		"unix_ms": text(unix_ms),
		"slot": text(slot),
		"start_ms": text(length.start(slot)),
		"end_ms": text(length.end(slot)),
		"encoded": encoded(&length),
	})
}

fn vectors() -> Value {
	use Side::{Ask, Bid};
	let cent = 10_000_000_000;
	let grid = TickGrid {
		bottom: 10 * cent,
		tick_size: cent,
		ticks: 16,
	};
	let pricing = Pricing {
		retail: 30 * cent,
		feed_in: 8 * cent,
		margin: cent,
		grid_fee: 4 * cent,
		grid,
	};
	// One unit per mWh is the smallest step of a price.
	let fine = Pricing {
		retail: 400_000_000,
		feed_in: 100_000_000,
		margin: 1_000_000,
		grid_fee: 0,
		grid: TickGrid {
			bottom: 101_000_000,
			tick_size: 1_000_000,
			ticks: 256,
		},
	};
	let most = u64::MAX;
	json!({
		"books": [
			book_vector("empty", &[]),
			book_vector("one-sided", &[(Bid, 3, 1_000), (Bid, 200, 1)]),
			book_vector("limits do not meet", &[(Bid, 3, 1_000), (Ask, 4, 1_000)]),
			book_vector("equal sides: middle price, rounded down", &[(Bid, 20, 500), (Ask, 15, 500)]),
			book_vector(
				"too much demand: highest price, bids share",
				&[(Bid, 10, 1_000), (Bid, 5, 500), (Bid, 5, 400), (Ask, 2, 1_200), (Ask, 8, 600)],
			),
			book_vector(
				"too much supply: lowest price, asks share",
				&[(Ask, 5, 1_000), (Ask, 10, 500), (Ask, 10, 400), (Bid, 13, 1_200), (Bid, 7, 600)],
			),
			book_vector(
				"equal excess on both sides: too much demand wins, nothing left at the price",
				&[(Bid, 3, 5), (Bid, 5, 10), (Ask, 2, 10), (Ask, 4, 5)],
			),
			book_vector("shares below a mWh", &[(Bid, 1, 1), (Bid, 1, 2_000_000), (Ask, 1, 1)]),
			book_vector(
				"largest volumes",
				&[(Bid, 255, most), (Bid, 7, most), (Ask, 0, most), (Ask, 6, most - 1)],
			),
		],
		"markets": [
			market_vector(
				"a rationed evening, one member short of credit",
				&pricing,
				&[
					member((&[(10, 1_000)], 1_300), (&[], 0), 50 * cent),
					member((&[(5, 500)], 500), (&[], 0), 20 * cent),
					member((&[(5, 300), (0, 300)], 460), (&[(1, 100)], 20), 8 * cent),
					member((&[(9, 900)], 70), (&[(12, 50)], 45), 1_000_000_000),
					member((&[], 12), (&[(2, 700), (4, 700)], 1_111), 0),
					member((&[], 0), (&[(8, 600)], 600), 7),
				],
			),
			market_vector(
				"a sunny noon, sellers share",
				&pricing,
				&[
					member((&[(15, 1_000)], 613), (&[], 0), 50 * cent),
					member((&[], 0), (&[(0, 2_000)], 1_999), 0),
					member((&[], 0), (&[(0, 300)], 1_000), 3),
				],
			),
			market_vector(
				"nothing trades",
				&pricing,
				&[
					member((&[(4, 1_000)], 250), (&[], 0), 50 * cent),
					member((&[], 0), (&[(5, 1_000)], 250), 0),
				],
			),
			market_vector(
				"largest meters on the finest grid",
				&fine,
				&[
					member((&[(255, most)], most), (&[], 0), u128::MAX / 2),
					member((&[], 0), (&[(0, 1), (255, most)], most), 0),
				],
			),
		],
		"slots": [
			slot_vector(900, 1_781_308_800_000),
			slot_vector(900, 1_781_309_699_999),
			slot_vector(86_400, 1_781_309_699_999),
			slot_vector(1, 1_999),
		],
	})
}

#[test]
fn prices_fills_bills_and_encodings_are_those_of_the_golden_vectors() {
	let made = vectors();
	if std::env::var_os("UPDATE_VECTORS").is_some() {
		let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
		fs::write(file(), text).unwrap();
	}
	let golden: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
	for part in ["books", "markets", "slots"] {
		let (made, golden) = (made[part].as_array().unwrap(), golden[part].as_array().unwrap());
		assert_eq!(made.len(), golden.len(), "{part}");
		for (made, golden) in made.iter().zip(golden) {
			assert_eq!(made, golden, "{part}");
		}
	}
}

#[test]
fn stored_sizes_are_those_of_the_format() {
	assert_eq!(TickPage::max_encoded_len(), 16 * 12);
	assert_eq!(Book::default().encode().len(), 32 * 16 * 12);
	assert_eq!(Clearing::max_encoded_len(), 1 + 16 + 1 + (1 + 8 + 8 + 4) + 8 + 8);
	assert_eq!(Pricing::max_encoded_len(), 6 * 16 + 2);
	assert_eq!(StandingOrder::max_encoded_len(), 2 * (1 + 4 * 9));
	assert_eq!(SlotLength::max_encoded_len(), 4);
}
