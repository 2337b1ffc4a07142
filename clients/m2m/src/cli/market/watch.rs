//! The live view of a market.

use super::{Context, details_of, length_of};
use crate::cli::keeper::stopped;
use clap::Args;
use crossterm::{
	cursor::{Hide, MoveTo, Show},
	queue,
	style::Print,
	terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use m2m::{
	Result,
	bill::kwh,
	chain::{Block, Chain, energy::MarketId},
	keys, money, time,
};
use m2m_auction::{MILLI_WH_PER_WH, PricePerKwh, Side, Slot, SlotLength};
use m2m_device::{DeviceId, UnixMs};
use m2m_runtime_api::{BookDetails, ClearedSlotDetails, ClearingDetails, MarketDetails, TickDetails};
use serde_json::{Value, json};
use std::{
	collections::{BTreeMap, BTreeSet},
	io::{IsTerminal, Write},
	time::Duration,
};

/// How often the node is asked for a new finalized block.
const POLL: Duration = Duration::from_millis(300);
/// Members that are looked at for who is in, in pages of 256.
const PAGES_OF_MEMBERS: usize = 4;
/// Size of the view where the terminal does not say.
const DEFAULT_SIZE: (u16, u16) = (80, 24);
/// Lines for the names of who is in.
const LINES_OF_NAMES: usize = 2;
/// Lines of the view besides the rows of the book.
const OTHER_LINES: usize = 10 + LINES_OF_NAMES;
/// Letters of a name; ids are longer.
const LONGEST_NAME: usize = 12;
/// Columns of a row of the book besides its two bars.
const OTHER_COLUMNS: usize = 46;

#[derive(Args)]
pub struct Watch {
	/// Number of the market
	market: MarketId,
	/// Show the last finalized block, and end
	#[arg(long)]
	once: bool,
}

/// The slot that is shown.
enum Shown {
	/// It can be reported, or waits to be cleared.
	Open(BookDetails),
	/// It is cleared and not settled wholly.
	Cleared(ClearedSlotDetails),
}

/// A market after one block.
struct Frame {
	details: MarketDetails,
	length: SlotLength,
	block: u32,
	now: UnixMs,
	shown: Option<(Slot, Shown)>,
	/// Who has an entry in the shown slot.
	inside: Vec<String>,
	/// True if members were left out of `inside`.
	more: bool,
}

impl Frame {
	async fn read(
		chain: &Chain,
		block: &Block,
		market: MarketId,
		names: &BTreeMap<DeviceId, String>,
	) -> Result<Self> {
		let details = details_of(chain, block, market).await?;
		let length = length_of(&details)?;
		let open = block.open_slots(chain, market).await?;
		let cleared = block.unsettled_slots(chain, market).await?;
		// The newest of those that are open, otherwise of those that are cleared.
		let shown = match (open.last(), cleared.iter().max()) {
			(Some((slot, _)), _) => {
				let book = block.book(chain, market, *slot).await?;
				book.map(|book| (*slot, Shown::Open(book)))
			}
			(None, Some(slot)) => {
				let cleared = block.clearing(chain, market, *slot).await?;
				cleared.map(|cleared| (*slot, Shown::Cleared(cleared)))
			}
			(None, None) => None,
		};
		let (mut inside, mut after) = (Vec::new(), None);
		if let Some((slot, _)) = &shown {
			for _ in 0..PAGES_OF_MEMBERS {
				let (found, next) = block
					.unsettled_after(chain, market, *slot, after.as_ref())
					.await?;
				inside.extend(found);
				after = next;
				if after.is_none() {
					break;
				}
			}
		}
		Ok(Self {
			details,
			length,
			block: block.number,
			now: block.time(chain).await?,
			shown,
			inside: inside
				.iter()
				.map(|device| {
					names
						.get(device)
						.cloned()
						.unwrap_or_else(|| keys::address(device))
				})
				.collect(),
			more: after.is_some(),
		})
	}

	fn running(&self) -> Slot {
		self.length.slot_at(self.now)
	}

	/// Milliseconds to the end of the slot that runs.
	fn running_left(&self) -> u64 {
		self.length.end(self.running()).saturating_sub(self.now)
	}

	/// Length of a slot's reporting window in milliseconds.
	fn window(&self, slot: Slot) -> u64 {
		let held = self.details.parameters.iter().rev();
		let mut held = held.filter(|version| version.first <= slot);
		held.next().map_or(0, |version| version.window_ms.into())
	}

	/// Milliseconds until the window of a slot is over by the clock.
	fn window_left(&self, slot: Slot) -> u64 {
		let over = self.length.end(slot).saturating_add(self.window(slot));
		over.saturating_sub(self.now)
	}

	fn state(&self, slot: Slot, shown: &Shown) -> &'static str {
		match shown {
			Shown::Cleared(_) => "cleared",
			Shown::Open(book) if book.due => "due",
			Shown::Open(_) if self.window_left(slot) == 0 => "closing",
			Shown::Open(_) => "reporting",
		}
	}

	fn result(shown: &Shown) -> Option<&ClearingDetails> {
		match shown {
			Shown::Open(book) => book.indicative.as_ref(),
			Shown::Cleared(cleared) => cleared.clearing.as_ref(),
		}
	}

	/// One line for a log.
	fn line(&self) -> String {
		let slot = self.shown.as_ref().map_or_else(
			|| "nothing is reported".into(),
			|(slot, shown)| {
				format!(
					"slot {slot} {}, {}, {}{} in",
					self.state(*slot, shown),
					result_line(Self::result(shown)),
					self.inside.len(),
					if self.more { " or more" } else { "" }
				)
			},
		);
		format!(
			"block {}, {}: slot {} runs for {} more; {slot}",
			self.block,
			time::format(self.now),
			self.running(),
			clock(self.running_left())
		)
	}

	fn json(&self) -> Value {
		let ticks = |ticks: &[TickDetails]| -> Vec<Value> {
			ticks
				.iter()
				.map(
					|tick| json!({ "price": money::format(tick.price), "wh": tick.wh, "orders": tick.orders }),
				)
				.collect()
		};
		let result = |result: Option<&ClearingDetails>| {
			result.map(|result| {
				json!({
					"price": money::format(result.price),
					"volume_wh": result.volume_wh.to_string(),
					"rationed": result.ration.map(|ration| side_name(ration.side)),
					"bids": result.bids,
					"asks": result.asks,
				})
			})
		};
		let slot = self.shown.as_ref().map(|(slot, shown)| {
			let (bids, asks, pot) = match shown {
				Shown::Open(book) => (ticks(&book.bids), ticks(&book.asks), book.pot),
				Shown::Cleared(cleared) => (Vec::new(), Vec::new(), cleared.pot),
			};
			json!({
				"slot": slot,
				"state": self.state(*slot, shown),
				"window_left_ms": self.window_left(*slot),
				"indicative": result(Self::result(shown)),
				"bids": bids,
				"asks": asks,
				"pot": money::format(pot),
				"in": self.inside,
				"in_complete": !self.more,
			})
		});
		json!({
			"market": self.details.market,
			"block": self.block,
			"time": time::format(self.now),
			"running": { "slot": self.running(), "left_ms": self.running_left() },
			"slot": slot,
			"last_price": self.details.last_price.map(|(slot, price)| json!({
				"slot": slot,
				"price": money::format(price),
			})),
		})
	}

	/// The view in at most `height` lines of at most `width` columns.
	fn draw(&self, width: usize, height: usize) -> Vec<String> {
		let last = self.details.last_price.map_or_else(String::new, |(slot, price)| {
			format!(", last price {} in slot {slot}", money::format(price))
		});
		let mut lines = vec![
			format!(
				"market {}, block {}, {}{last}",
				self.details.market,
				self.block,
				time::format(self.now)
			),
			format!(
				"slot {} runs       {} ends in {}",
				self.running(),
				gauge(self.running_left(), self.length.ms()),
				clock(self.running_left())
			),
		];
		let Some((slot, shown)) = &self.shown else {
			lines.push(String::new());
			lines.push("nothing is reported yet: meters report a slot after its end".into());
			return fit(lines, width, height);
		};
		let state = self.state(*slot, shown);
		let left = match state {
			"reporting" => format!(
				"{} window closes in {}",
				gauge(self.window_left(*slot), self.window(*slot)),
				clock(self.window_left(*slot))
			),
			"closing" => "its window lasts a few blocks more".into(),
			"due" => "its window is over: anybody can clear and settle it".into(),
			_ => "it is being settled".into(),
		};
		lines.push(format!("slot {slot} {state:<10} {left}"));
		lines.push(String::new());
		if let Shown::Open(book) = shown {
			lines.extend(draw_book(book, width, height.saturating_sub(OTHER_LINES)));
			lines.push(String::new());
		}
		let so_far = if state == "cleared" { "result" } else { "so far" };
		let result = Self::result(shown);
		lines.push(format!("{so_far}: {}", result_line(result)));
		lines.extend(result.and_then(ration_line));
		let pot = match shown {
			Shown::Open(book) => book.pot,
			Shown::Cleared(cleared) => cleared.pot,
		};
		lines.push(format!("pot: {} M2M", money::format(pot)));
		let count = format!(
			"in, {}{}:",
			self.inside.len(),
			if self.more { " or more" } else { "" }
		);
		lines.extend(wrap(&count, &self.inside, width));
		fit(lines, width, height)
	}
}

fn side_name(side: Side) -> &'static str {
	match side {
		Side::Bid => "buyers",
		Side::Ask => "sellers",
	}
}

fn result_line(result: Option<&ClearingDetails>) -> String {
	let Some(result) = result else {
		return "nothing trades".into();
	};
	format!(
		"{} kWh at {} M2M per kWh",
		kwh(result.volume_wh.saturating_mul(MILLI_WH_PER_WH)),
		money::format(result.price)
	)
}

/// Who does not get all, if anybody.
fn ration_line(result: &ClearingDetails) -> Option<String> {
	let ration = result.ration.as_ref()?;
	Some(format!(
		"{} at this price get {} of {} kWh",
		side_name(ration.side),
		wh_as_kwh(ration.filled),
		wh_as_kwh(ration.offered)
	))
}

/// Names after a title in [`LINES_OF_NAMES`] lines, and how many had no room.
fn wrap(title: &str, names: &[String], width: usize) -> Vec<String> {
	let mut lines = Vec::new();
	let mut line = title.to_owned();
	let mut names = names.iter();
	while let Some(name) = names.next() {
		let name: String = if name.chars().count() > LONGEST_NAME {
			name.chars().take(LONGEST_NAME).chain(['…']).collect()
		} else {
			name.clone()
		};
		// Room for "and 1000 more".
		let is_last_line = lines.len().saturating_add(1) >= LINES_OF_NAMES;
		let kept = if is_last_line { 15 } else { 0 };
		let full = line.chars().count() + 1 + name.chars().count() + kept > width;
		if full && is_last_line {
			line.push_str(&format!(" and {} more", names.len().saturating_add(1)));
			break;
		}
		if full {
			lines.push(std::mem::replace(&mut line, String::from("   ")));
		}
		line.push(' ');
		line.push_str(&name);
	}
	lines.push(line);
	lines
}

fn wh_as_kwh(wh: u64) -> String {
	kwh(MILLI_WH_PER_WH.saturating_mul(wh.into()))
}

/// A span as minutes and seconds, rounded up to a second so that 0:00 is over.
fn clock(ms: u64) -> String {
	let seconds = ms.div_ceil(1000);
	format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A bar that empties as time runs out.
fn gauge(left: u64, whole: u64) -> String {
	const WIDTH: u64 = 20;
	let full = left
		.saturating_mul(WIDTH)
		.checked_div(whole)
		.unwrap_or(0)
		.min(WIDTH);
	let rest = WIDTH.saturating_sub(full);
	format!("[{}{}]", repeat('#', full), repeat('.', rest))
}

fn repeat(sign: char, times: u64) -> String {
	(0..times).map(|_| sign).collect()
}

/// A row for each tick with orders, highest price first, bids to the left and asks to the right; the price so far is
/// between angle brackets. Of too many rows those are drawn that are nearest to that price.
fn draw_book(book: &BookDetails, width: usize, height: usize) -> Vec<String> {
	let price = book.indicative.as_ref().map(|result| result.price);
	let volumes = |ticks: &[TickDetails]| -> BTreeMap<PricePerKwh, u64> {
		ticks.iter().map(|tick| (tick.price, tick.wh)).collect()
	};
	let (bids, asks) = (volumes(&book.bids), volumes(&book.asks));
	let prices: BTreeSet<PricePerKwh> = bids.keys().chain(asks.keys()).copied().chain(price).collect();
	let mut rows: Vec<PricePerKwh> = prices.into_iter().collect();
	let all = rows.len();
	// The highest bids and the lowest asks meet around the price; without one, any rows are as good.
	let center = price.or(rows.get(all / 2).copied()).unwrap_or_default();
	rows.sort_by_key(|row| row.abs_diff(center));
	rows.truncate(height.max(1));
	rows.sort_unstable_by(|a, b| b.cmp(a));

	let most = bids.values().chain(asks.values()).max().copied().unwrap_or(0);
	let bar_width = width.saturating_sub(OTHER_COLUMNS) / 2;
	let bar = |wh: u64| {
		let full = u128::from(wh)
			.saturating_mul(bar_width as u128)
			.div_ceil(u128::from(most).max(1));
		repeat('#', u64::try_from(full).unwrap_or(0))
	};
	let amount = |wh: u64| if wh == 0 { String::new() } else { wh_as_kwh(wh) };
	let mut lines = vec![format!(
		"{:>bar_width$} {:>12} {:^18} {:<12}",
		"", "kWh bid", "price", "kWh asked"
	)];
	for row in &rows {
		let bid = bids.get(row).copied().unwrap_or(0);
		let ask = asks.get(row).copied().unwrap_or(0);
		let shown = money::format(*row);
		let shown = if Some(*row) == price {
			format!("> {shown} <")
		} else {
			shown
		};
		let line = format!(
			"{:>bar_width$} {:>12} {shown:^18} {:<12} {}",
			bar(bid),
			amount(bid),
			amount(ask),
			bar(ask)
		);
		lines.push(line.trim_end().to_owned());
	}
	if rows.len() < all {
		lines.push(format!("and {} prices more", all.saturating_sub(rows.len())));
	}
	lines
}

/// Cuts what does not fit.
fn fit(lines: Vec<String>, width: usize, height: usize) -> Vec<String> {
	lines
		.into_iter()
		.take(height)
		.map(|line| line.chars().take(width).collect())
		.collect()
}

/// The terminal while the view is on it. What was there comes back in the end.
struct Screen;

impl Screen {
	fn open() -> std::io::Result<Self> {
		let mut out = std::io::stdout();
		queue!(out, EnterAlternateScreen, Hide)?;
		out.flush()?;
		Ok(Self)
	}

	fn draw(&self, frame: &Frame) -> std::io::Result<()> {
		let (width, height) = terminal::size().unwrap_or(DEFAULT_SIZE);
		let mut out = std::io::stdout();
		for (row, line) in (0..height).zip(frame.draw(width.into(), height.into())) {
			queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine), Print(line))?;
		}
		queue!(out, Clear(ClearType::FromCursorDown))?;
		out.flush()
	}
}

impl Drop for Screen {
	fn drop(&mut self) {
		let mut out = std::io::stdout();
		// A terminal that is gone needs no cursor.
		let _ = queue!(out, Show, LeaveAlternateScreen);
		let _ = out.flush();
	}
}

async fn follow(
	context: &Context,
	chain: &Chain,
	market: MarketId,
	names: &BTreeMap<DeviceId, String>,
	screen: Option<&Screen>,
) -> Result<()> {
	let mut seen = None;
	loop {
		let block = chain.finalized().await?;
		if seen != Some(block.number) {
			seen = Some(block.number);
			let frame = Frame::read(chain, &block, market, names).await?;
			match screen {
				Some(screen) => screen
					.draw(&frame)
					.map_err(|cause| m2m::Error::io("the terminal".as_ref(), cause))?,
				None => context.output.result(frame.line(), frame.json()),
			}
		}
		tokio::time::sleep(POLL).await;
	}
}

pub async fn run(context: &Context, watch: Watch) -> Result<()> {
	let names = context.device_names()?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let first = Frame::read(&chain, &block, watch.market, &names).await?;
	if watch.once {
		let (width, height) = DEFAULT_SIZE;
		let lines = first.draw(width.into(), height.into());
		context.output.result(lines.join("\n"), first.json());
		return Ok(());
	}
	let screen = if !context.output.json && std::io::stdout().is_terminal() {
		Some(Screen::open().map_err(|cause| m2m::Error::io("the terminal".as_ref(), cause))?)
	} else {
		None
	};
	tokio::select! {
		() = stopped() => Ok(()),
		result = follow(context, &chain, watch.market, &names, screen.as_ref()) => result,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m::money::UNIT;
	use m2m_auction::{Pricing, Ration, TickGrid};
	use m2m_device::AccountId;
	use m2m_runtime_api::MarketParameters;

	const CENT: u128 = UNIT / 100;

	fn tick(cents: u8, wh: u64) -> TickDetails {
		TickDetails {
			tick: cents,
			price: u128::from(cents) * CENT,
			wh,
			orders: 1,
		}
	}

	fn frame(book: Option<BookDetails>) -> Frame {
		let account = AccountId::new([1; 32]);
		let pricing = Pricing {
			retail: 30 * CENT,
			feed_in: 8 * CENT,
			margin: CENT,
			grid_fee: 0,
			grid: TickGrid {
				bottom: 0,
				tick_size: CENT,
				ticks: 30,
			},
		};
		Frame {
			details: MarketDetails {
				market: 5,
				operator: account.clone(),
				account,
				slot_seconds: 900,
				parameters: vec![MarketParameters {
					first: 0,
					pricing,
					window_ms: 300_000,
					window_blocks: 3,
				}],
				meters: None,
				feeder: None,
				reserve: 0,
				last_price: Some((8, 13 * CENT)),
			},
			length: SlotLength::new(900).unwrap(),
			block: 77,
			now: 10 * 900_000 + 60_000,
			shown: book.map(|book| (9, Shown::Open(book))),
			inside: vec!["anna".into(), "ben".into()],
			more: false,
		}
	}

	fn book() -> BookDetails {
		BookDetails {
			bids: vec![tick(15, 900), tick(20, 1000)],
			asks: vec![tick(12, 1200), tick(18, 600)],
			indicative: Some(ClearingDetails {
				price: 15 * CENT,
				volume_wh: 1200,
				ration: Some(Ration {
					side: Side::Bid,
					filled: 200,
					offered: 900,
					orders: 2,
				}),
				bids: 3,
				asks: 1,
			}),
			pot: UNIT,
			due: false,
		}
	}

	#[test]
	fn the_view_has_the_book_the_price_the_countdown_and_who_is_in() {
		let lines = frame(Some(book())).draw(80, 24);
		let text = lines.join("\n");
		for part in [
			"market 5, block 77",
			"last price 0.13 in slot 8",
			"slot 10 runs",
			"ends in 14:00",
			"slot 9 reporting",
			"window closes in 4:00",
			"so far: 1.2 kWh at 0.15 M2M per kWh",
			"buyers at this price get 0.2 of 0.9 kWh",
			"in, 2: anna ben",
		] {
			assert!(text.contains(part), "{part} is missing in\n{text}");
		}
		let row = |price: &str| {
			let named = |line: &String| line.split_whitespace().any(|word| word == price);
			lines.iter().position(named).unwrap()
		};
		assert!(["0.2", "0.18", "0.15", "0.12"].map(row).is_sorted());
		assert!(lines.get(row("0.15")).unwrap().contains("> 0.15 <"));
		let bars = |price: &str| lines.get(row(price)).unwrap().matches('#').count();
		// 34 columns for two bars; 1200 Wh are the most.
		assert_eq!((bars("0.12"), bars("0.2")), (17, 15));
		assert!(lines.iter().all(|line| line.chars().count() <= 80));
	}

	#[test]
	fn a_small_terminal_shows_what_is_near_the_price() {
		let mut book = book();
		book.bids.extend((21..30).map(|cents| tick(cents, 1)));
		let lines = draw_book(&book, 80, 3);
		let text = lines.join("\n");
		assert!(
			text.contains("> 0.15 <") && text.contains("and 10 prices more"),
			"{text}"
		);
		assert!(!text.contains("0.29"), "{text}");
		for (width, height) in [(0, 0), (1, 1), (10, 3)] {
			let lines = frame(Some(book.clone())).draw(width, height);
			assert!(lines.len() <= height && lines.iter().all(|line| line.chars().count() <= width));
		}
	}

	#[test]
	fn the_state_of_a_slot_follows_the_clock_and_the_chain() {
		let mut frame = frame(Some(book()));
		let state = |frame: &Frame| {
			let (slot, shown) = frame.shown.as_ref().unwrap();
			frame.state(*slot, shown)
		};
		assert_eq!(state(&frame), "reporting");
		frame.now = 10 * 900_000 + 300_000;
		assert_eq!(state(&frame), "closing");
		let mut due = book();
		due.due = true;
		frame.shown = Some((9, Shown::Open(due)));
		assert_eq!(state(&frame), "due");
		assert_eq!(frame.json()["slot"]["indicative"]["price"], "0.15");
		assert_eq!(frame.json()["slot"]["in"], json!(["anna", "ben"]));
		frame.shown = None;
		assert_eq!(frame.json()["slot"], Value::Null);
		assert!(frame.line().ends_with("nothing is reported"));
		assert!(frame.draw(80, 24).join("\n").contains("nothing is reported yet"));
	}

	#[test]
	fn names_without_room_are_counted() {
		let names: Vec<String> = (0..118)
			.map(|number| format!("meter-{number:03}-of-a-long-street"))
			.collect();
		let lines = wrap("in, 118:", &names, 80);
		assert_eq!(lines.len(), 2);
		assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
		assert!(
			lines
				.first()
				.unwrap()
				.starts_with("in, 118: meter-000-of… meter-001-of…")
		);
		let shown = lines.join(" ").matches("meter-").count();
		assert!(
			lines
				.last()
				.unwrap()
				.ends_with(&format!("and {} more", 118 - shown))
		);
		assert_eq!(wrap("in, 0:", &[], 80), ["in, 0:"]);
	}

	#[test]
	fn a_countdown_is_over_at_zero() {
		assert_eq!(
			(clock(0), clock(1), clock(61_000)),
			("0:00".into(), "0:01".into(), "1:01".into())
		);
		assert_eq!(gauge(0, 900), "[....................]");
		assert_eq!(gauge(900, 900), "[####################]");
		assert_eq!(gauge(5, 0), "[....................]");
	}
}
