//! Benchmarks of every call, of the market's part of an anchor, and of the hooks, each at its worst: the widest grid,
//! full orders and entries, meters that the last of four issuers certifies, windows that only the blocks keep open.

use crate::{
	BenchmarkHelper, BlockTimes, Call, Capacity, ClearedSlot, ClearedSlots, Config, Entries, Entry,
	EntryStep, Feeder, Ledger, Ledgers, MAX_ISSUERS, MAX_PAGES, MAX_SETTLED, MAX_WINDOW_BLOCKS, MarketId,
	MarketTerms, Markets, Member, MemberState, Members, NextCleared, NextMarket, NoticeMs, OpenSlots,
	OrderedSlot, Pages, Pallet, Parameters, Requirement, StreamUses, Totals, WeightInfo, Window,
	timeline::Timeline,
};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	traits::{EnsureOrigin, Hooks, fungible::Mutate},
	weights::WeightMeter,
};
use frame_system::RawOrigin;
use m2m_anchor::{
	Anchor, AnchorFlags, AnchoredReadings, OnAnchored, StreamId, StreamKind, StreamSpec, Summary,
};
use m2m_auction::{
	Clearing, PriceOrder, PriceStep, PriceSteps, Pricing, Ration, Side, Slot, Step, TickGrid, TickPage,
};
use m2m_device::{AccountId, DeviceId, Topic, UnixMs};
use m2m_merkle::Aggregate;
use sp_core::H256;

/// The clock when members join.
const START: UnixMs = 1_781_308_800_000;
const SLOT_SECONDS: u32 = 900;
const SLOT_MS: UnixMs = 900_000;
/// The slot that is reported.
const SLOT: Slot = START / SLOT_MS + 1;
/// A price that every sum can bear.
const CENT: u128 = 10_000_000_000;
const RICH: u128 = 1_000_000_000_000_000_000;
const POINT: H256 = H256::repeat_byte(9);
const CAPACITY: Capacity = Capacity {
	import: u32::MAX,
	export: u32::MAX,
};

fn parameters() -> Parameters {
	let grid = TickGrid {
		bottom: 10 * CENT,
		tick_size: CENT / 20,
		ticks: 256,
	};
	Parameters {
		pricing: Pricing {
			retail: 30 * CENT,
			feed_in: 8 * CENT,
			margin: CENT,
			grid_fee: 4 * CENT,
			grid,
		},
		window: Window {
			ms: 600_000,
			blocks: MAX_WINDOW_BLOCKS,
		},
	}
}

fn rich<T: Config>(name: &'static str) -> AccountId {
	let who: AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, RICH);
	who
}

fn topic() -> Topic {
	Topic::from_text("certified-meter").expect("a topic")
}

fn issuers() -> Vec<AccountId> {
	(0..MAX_ISSUERS)
		.map(|number| account("issuer", number, 0))
		.collect()
}

/// A market that asks for certified meters, and its operator.
fn market<T: Config>() -> (AccountId, MarketId) {
	T::BenchmarkHelper::set_unix_ms(START);
	frame_system::Pallet::<T>::set_block_number(1_000u32.into());
	let operator = rich::<T>("operator");
	let market = NextMarket::<T>::get();
	let meters = Requirement {
		topic: topic(),
		issuers: BoundedVec::truncate_from(issuers()),
	};
	Pallet::<T>::do_create_market(operator.clone(), SLOT_SECONDS, parameters(), Some(meters))
		.expect("the operator is rich");
	(operator, market)
}

fn spec() -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Interval,
		private: false,
		schema: H256::zero(),
		unit: BoundedVec::truncate_from(b"Wh".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: i64::MAX,
		cadence_ms: SLOT_MS as u32,
		period_ms: Some(SLOT_MS as u32),
		not_before: 0,
		retention: 8,
	}
}

/// A registered device with two streams, its owner and its key.
fn device<T: Config>(number: u32) -> (AccountId, DeviceId, AccountId, [StreamId; 2]) {
	let (owner, device, key) = T::BenchmarkHelper::device(number);
	T::Currency::set_balance(&owner, RICH);
	let streams = [0, 1].map(|_| T::BenchmarkHelper::open_stream(&owner, &device, spec()));
	(owner, device, key, streams)
}

/// A device that joined, with a rich wallet and a certified meter.
fn joined<T: Config>(market: MarketId) -> (AccountId, DeviceId, AccountId) {
	let (owner, device, key, [import, export]) = device::<T>(0);
	Pallet::<T>::do_join(&owner, market, device.clone(), import, export).expect("the owner is rich");
	T::Currency::set_balance(&device, RICH);
	let last = issuers().pop().expect("there are issuers");
	T::BenchmarkHelper::attest(&last, &device, topic(), POINT);
	(owner, device, key)
}

fn admitted<T: Config>() -> (MarketId, AccountId, DeviceId, AccountId) {
	let (operator, market) = market::<T>();
	let (owner, device, key) = joined::<T>(market);
	Pallet::<T>::do_admit(&operator, market, device.clone(), POINT, CAPACITY).expect("it is certified");
	(market, owner, device, key)
}

/// Four ticks that lie on so many pages, rising.
fn ticks(pages: u32) -> Vec<u8> {
	(0..4u32)
		.map(|step| (step.min(pages - 1) * 16 + step) as u8)
		.collect()
}

/// An order of four steps a side, on so many pages each.
fn full_order(pages: u32) -> PriceOrder {
	let grid = parameters().pricing.grid;
	let side = |ticks: Vec<u8>| -> PriceSteps {
		let steps = ticks.into_iter().map(|tick| PriceStep {
			limit: grid.price(tick),
			wh: 1_000,
		});
		BoundedVec::truncate_from(steps.collect())
	};
	let rising = ticks(pages);
	let mut falling = rising.clone();
	falling.reverse();
	PriceOrder {
		bids: side(falling),
		asks: side(rising),
	}
}

fn full_entry(pages: u32) -> Entry {
	let steps = |ticks: Vec<u8>| {
		let steps = ticks.into_iter().map(|limit| EntryStep { limit, wh: 1_000 });
		BoundedVec::truncate_from(steps.collect())
	};
	Entry {
		bids: steps(ticks(pages)),
		asks: steps(ticks(pages)),
	}
}

/// Three versions of a full order.
fn full_orders(pages: u32) -> Timeline<PriceOrder> {
	let mut orders = Timeline::default();
	for first in [0, 1, 2] {
		orders.set(first, full_order(pages), 0).expect("three fit");
	}
	orders
}

/// A member as large as can be.
fn full_member(state: MemberState, pages: u32) -> Member {
	Member {
		import: 0,
		export: 1,
		state,
		orders: full_orders(pages),
		credit: RICH,
		entry: Some((SLOT + 1, full_entry(4))),
		apart: 0,
		deposit: 0,
	}
}

/// The clock after the window's time, at which only the blocks keep the slot open.
fn late<T: Config>() {
	let end = (SLOT + 1) * SLOT_MS;
	T::BenchmarkHelper::set_unix_ms(end + 700_000);
	for place in 0..crate::window::RING {
		BlockTimes::<T>::insert(place, end - 1);
	}
}

/// The clock when the slot can be cleared.
fn over<T: Config>() {
	late::<T>();
	for place in 0..crate::window::RING {
		BlockTimes::<T>::insert(place, (SLOT + 1) * SLOT_MS);
	}
}

fn page_of(number: u8) -> TickPage {
	let mut page = TickPage::default();
	for tick in 0..16 {
		let step = Step {
			limit: number * 16 + tick,
			wh: 1_000,
		};
		page.add(&step).expect("there is room");
	}
	page
}

/// A book with so many pages, both sides in turn.
fn book<T: Config>(market: MarketId, pages: u32) {
	for at in 0..pages {
		let side = if at % 2 == 0 { Side::Bid } else { Side::Ask };
		let number = (at / 2) as u8;
		Pages::<T>::insert((market, SLOT, (side, number)), page_of(number));
	}
	let totals = Totals {
		imported: 0,
		exported: 1_000,
		feeder: Some(1),
	};
	OpenSlots::<T>::insert(market, OrderedSlot::from(SLOT), totals);
}

fn feeder(device: &DeviceId, stream: StreamId) -> Feeder {
	Feeder {
		device: device.clone(),
		stream,
		tolerance: 1,
	}
}

/// Reports 4 kWh of one side for the slot.
fn anchored<T: Config>(device: &DeviceId, stream: StreamId) -> frame_support::weights::Weight {
	metered::<T>(device, stream, 4_000)
}

/// Reports so many Wh of one side for the slot.
fn metered<T: Config>(device: &DeviceId, stream: StreamId, wh: i64) -> frame_support::weights::Weight {
	let anchor = Anchor {
		data_root: H256::zero(),
		summary: Summary::Open {
			top_hash: H256::zero(),
			aggregate: Aggregate {
				count: 1,
				min: wh,
				max: wh,
				sum: wh.into(),
				t_first: SLOT * SLOT_MS,
				t_last: SLOT * SLOT_MS,
				max_gap: 0,
			},
		},
	};
	Pallet::<T>::on_anchored(&AnchoredReadings {
		device,
		stream,
		spec: &spec(),
		seq: 0,
		anchor: &anchor,
		flags: AnchorFlags::default(),
		previous_last: None,
	})
}

/// A member of a market that takes any meter, ready to report into pages that others have opened.
fn reporter<T: Config>(pages: u32) -> (MarketId, DeviceId) {
	let (market, _, device, _) = admitted::<T>();
	MarketTerms::<T>::mutate(market, |terms| {
		terms.as_mut().expect("it was created").meters = None;
	});
	Members::<T>::mutate(market, &device, |member| {
		let member = member.as_mut().expect("it was admitted");
		member.orders = full_orders(pages);
		member.credit = RICH;
	});
	book::<T>(market, MAX_PAGES);
	late::<T>();
	(market, device)
}

/// Members of a cleared slot with full entries of which the last is rationed.
fn cleared<T: Config>(market: MarketId, members: u32, apart: bool) -> Vec<DeviceId> {
	let devices: Vec<DeviceId> = (0..members).map(|number| account("member", number, 0)).collect();
	let state = MemberState::Admitted {
		since: 0,
		point: POINT,
		capacity: CAPACITY,
	};
	for device in &devices {
		let mut member = full_member(state, 4);
		if apart {
			member.apart = 1;
			Entries::<T>::insert((market, SLOT, device), full_entry(4));
		} else {
			member.entry = Some((SLOT, full_entry(4)));
		}
		Members::<T>::insert(market, device, member);
	}
	let ration = Ration {
		side: Side::Bid,
		filled: 1,
		offered: 3,
		orders: members,
	};
	let slot = ClearedSlot {
		pricing: parameters().pricing,
		clearing: Some(Clearing {
			tick: 17,
			volume_wh: 1,
			ration: Some(ration),
			bids: 1,
			asks: 1,
		}),
		pot: RICH,
		orders: u64::from(members) * 8,
	};
	ClearedSlots::<T>::insert(market, SLOT, slot);
	devices
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn create_market() {
		T::BenchmarkHelper::set_unix_ms(START);
		let operator = rich::<T>("operator");
		let meters = Requirement {
			topic: topic(),
			issuers: BoundedVec::truncate_from(issuers()),
		};
		#[extrinsic_call]
		_(
			RawOrigin::Signed(operator),
			SLOT_SECONDS,
			parameters(),
			Some(meters),
		);
		assert_eq!(NextMarket::<T>::get(), 1);
	}

	#[benchmark]
	fn set_parameters() {
		let (operator, market) = market::<T>();
		NoticeMs::<T>::put(0);
		late::<T>();
		OpenSlots::<T>::insert(market, OrderedSlot::from(SLOT), Totals::default());
		#[extrinsic_call]
		_(RawOrigin::Signed(operator), market, SLOT + 9, parameters());
		let terms = MarketTerms::<T>::get(market).expect("it was created");
		assert_eq!(terms.parameters.last_first(), Some(SLOT + 9));
	}

	#[benchmark]
	fn set_feeder() {
		let (operator, market) = market::<T>();
		let (_, device, _, [old, new]) = device::<T>(0);
		Pallet::<T>::do_set_feeder(&operator, market, Some(feeder(&device, old))).expect("it is suitable");
		#[extrinsic_call]
		_(RawOrigin::Signed(operator), market, Some(feeder(&device, new)));
		assert!(StreamUses::<T>::contains_key(&device, new));
	}

	#[benchmark]
	fn hand_over() -> Result<(), BenchmarkError> {
		let (_, market) = market::<T>();
		let to: AccountId = account("to", 0, 0);
		let origin = T::CouncilOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, market, to.clone());
		assert_eq!(Markets::<T>::get(market).map(|market| market.operator), Some(to));
		Ok(())
	}

	#[benchmark]
	fn join() {
		let (_, market) = market::<T>();
		let (owner, device, _, [import, export]) = device::<T>(0);
		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			market,
			Some(device.clone()),
			import,
			export,
		);
		assert!(Members::<T>::contains_key(market, &device));
	}

	#[benchmark]
	fn admit() {
		let (operator, market) = market::<T>();
		let (_, device, _) = joined::<T>(market);
		#[extrinsic_call]
		_(
			RawOrigin::Signed(operator),
			market,
			device.clone(),
			POINT,
			CAPACITY,
		);
		assert!(crate::MeteringPoints::<T>::contains_key(POINT));
	}

	#[benchmark]
	fn set_order() {
		let (market, owner, device, _) = admitted::<T>();
		let old = full_member(MemberState::Applied, 4).orders;
		Members::<T>::mutate(market, &device, |member| {
			member.as_mut().expect("it was admitted").orders = old;
		});
		over::<T>();
		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			market,
			Some(device.clone()),
			full_order(4),
		);
		let member = Members::<T>::get(market, &device).expect("it was admitted");
		assert!(member.orders.last_first() > Some(2));
	}

	#[benchmark]
	fn top_up() {
		let (market, owner, device, key) = admitted::<T>();
		T::BenchmarkHelper::unlimited_budget(&owner, &device);
		#[extrinsic_call]
		_(RawOrigin::Signed(key), market, None, CENT);
		assert_eq!(
			Members::<T>::get(market, &device).map(|member| member.credit),
			Some(CENT)
		);
	}

	#[benchmark]
	fn withdraw_credit() {
		let (market, owner, device, _) = admitted::<T>();
		Pallet::<T>::do_top_up(&owner, market, device.clone(), CENT).expect("the wallet is rich");
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), market, Some(device.clone()), None);
		assert_eq!(
			Members::<T>::get(market, &device).map(|member| member.credit),
			Some(0)
		);
	}

	#[benchmark]
	fn leave() {
		let (market, owner, device, _) = admitted::<T>();
		Pallet::<T>::do_top_up(&owner, market, device.clone(), CENT).expect("the wallet is rich");
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), market, Some(device.clone()));
		assert!(!Members::<T>::contains_key(market, &device));
	}

	#[benchmark]
	fn remove_member() {
		let (market, owner, device, _) = admitted::<T>();
		Pallet::<T>::do_top_up(&owner, market, device.clone(), CENT).expect("the wallet is rich");
		let operator: AccountId = account("operator", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(operator), market, device.clone());
		assert!(!Members::<T>::contains_key(market, &device));
	}

	#[benchmark]
	fn withdraw_reserve() {
		let (operator, market) = market::<T>();
		T::Currency::set_balance(&Pallet::<T>::market_account(market), RICH);
		let ledger = Ledger {
			reserve: CENT,
			last: None,
		};
		Ledgers::<T>::insert(market, ledger);
		#[extrinsic_call]
		_(RawOrigin::Signed(operator), market, None);
		assert_eq!(Ledgers::<T>::get(market).reserve, 0);
	}

	#[benchmark]
	fn clear(p: Linear<1, MAX_PAGES>) {
		let (_, market) = market::<T>();
		let (_, device, _, [stream, _]) = device::<T>(0);
		MarketTerms::<T>::mutate(market, |terms| {
			terms.as_mut().expect("it was created").feeder = Some(feeder(&device, stream));
		});
		book::<T>(market, p);
		over::<T>();
		let caller: AccountId = whitelisted_caller();
		#[extrinsic_call]
		_(RawOrigin::Signed(caller), market, SLOT);
		assert!(ClearedSlots::<T>::contains_key(market, SLOT));
	}

	/// The same pages with `e` entries behind them, in a market of 100,000 members: clearing does not look at entries, so
	/// the cost is the same. The state is as large whatever `e` is, because a larger one is slower for everything.
	#[benchmark(extra)]
	fn clear_entries(e: Linear<100, 100_000>) {
		let (_, market) = market::<T>();
		let devices = cleared::<T>(market, e, false);
		for number in e..100_000 {
			let device: DeviceId = account("silent", number, 0);
			Members::<T>::insert(market, device, full_member(MemberState::Leaving, 4));
		}
		ClearedSlots::<T>::remove(market, SLOT);
		book::<T>(market, MAX_PAGES);
		over::<T>();
		#[block]
		{
			Pallet::<T>::do_clear(market, SLOT).expect("it is due");
		}
		assert_eq!(devices.len(), e as usize);
		assert!(ClearedSlots::<T>::contains_key(market, SLOT));
	}

	#[benchmark]
	fn settle(n: Linear<1, MAX_SETTLED>) {
		let (_, market) = market::<T>();
		let devices = cleared::<T>(market, n, false);
		let caller: AccountId = whitelisted_caller();
		#[extrinsic_call]
		_(
			RawOrigin::Signed(caller),
			market,
			SLOT,
			BoundedVec::truncate_from(devices),
		);
		assert!(!ClearedSlots::<T>::contains_key(market, SLOT));
	}

	#[benchmark]
	fn settle_apart(n: Linear<1, MAX_SETTLED>) {
		let (_, market) = market::<T>();
		let devices = cleared::<T>(market, n, true);
		let caller: AccountId = whitelisted_caller();
		#[extrinsic_call]
		settle(
			RawOrigin::Signed(caller),
			market,
			SLOT,
			BoundedVec::truncate_from(devices),
		);
		assert!(!ClearedSlots::<T>::contains_key(market, SLOT));
	}

	#[benchmark]
	fn foreign_anchor() {
		let (_, device) = reporter::<T>(4);
		let weight;
		#[block]
		{
			weight = anchored::<T>(&device, 99);
		}
		assert_eq!(weight, T::WeightInfo::foreign_anchor());
	}

	#[benchmark]
	fn nothing_metered() {
		let (market, device) = reporter::<T>(4);
		let import = Members::<T>::get(market, &device)
			.expect("it was admitted")
			.import;
		let weight;
		#[block]
		{
			weight = metered::<T>(&device, import, 0);
		}
		assert_eq!(weight, T::WeightInfo::nothing_metered());
	}

	#[benchmark]
	fn ignored_anchor() {
		let (market, device) = reporter::<T>(4);
		let member = Members::<T>::get(market, &device).expect("it was admitted");
		let mut large = full_member(member.state, 4);
		large.entry = Some((SLOT, full_entry(4)));
		Members::<T>::insert(market, &device, large);
		let weight;
		#[block]
		{
			weight = anchored::<T>(&device, member.import);
		}
		let expected = T::WeightInfo::ignored_anchor().saturating_add(T::WeightInfo::check_meter());
		assert_eq!(weight, expected);
	}

	#[benchmark]
	fn report_import(p: Linear<1, 4>) {
		let (market, device) = reporter::<T>(p);
		let import = Members::<T>::get(market, &device)
			.expect("it was admitted")
			.import;
		let weight;
		#[block]
		{
			weight = anchored::<T>(&device, import);
		}
		assert_eq!(weight, T::WeightInfo::report_import(p));
		let member = Members::<T>::get(market, &device).expect("it was admitted");
		assert_eq!(member.entry.map(|(_, entry)| entry.bids.len()), Some(4));
	}

	#[benchmark]
	fn report_export(p: Linear<1, 4>) {
		let (market, device) = reporter::<T>(p);
		let export = Members::<T>::get(market, &device)
			.expect("it was admitted")
			.export;
		let weight;
		#[block]
		{
			weight = anchored::<T>(&device, export);
		}
		assert_eq!(weight, T::WeightInfo::report_export(p));
		let member = Members::<T>::get(market, &device).expect("it was admitted");
		assert_eq!(member.entry.map(|(_, entry)| entry.asks.len()), Some(4));
	}

	#[benchmark]
	fn open_slot() {
		let (_, market) = market::<T>();
		let (_, device, _, [stream, _]) = device::<T>(0);
		let mut terms = MarketTerms::<T>::get(market).expect("it was created");
		terms.feeder = Some(feeder(&device, stream));
		#[block]
		{
			Pallet::<T>::open_slot(market, SLOT, &terms, Side::Bid, 1);
		}
		assert!(OpenSlots::<T>::contains_key(market, OrderedSlot::from(SLOT)));
	}

	#[benchmark]
	fn keep_apart() {
		let (_, market) = market::<T>();
		let device: DeviceId = account("member", 0, 0);
		let mut member = full_member(MemberState::Applied, 4);
		member.apart = 1;
		Entries::<T>::insert((market, SLOT, &device), full_entry(4));
		let apart;
		#[block]
		{
			let former = Pallet::<T>::entry_of(&member, market, SLOT, &device);
			let entry = full_entry(4);
			apart = Pallet::<T>::keep_entry(&mut member, market, SLOT, &device, entry, former.is_some());
		}
		assert!(apart);
	}

	#[benchmark]
	fn check_meter() {
		let (market, _, device, _) = admitted::<T>();
		let terms = MarketTerms::<T>::get(market).expect("it was created");
		let certified;
		#[block]
		{
			certified = Pallet::<T>::is_certified(&terms, &device);
		}
		assert!(certified);
	}

	#[benchmark]
	fn note_time() {
		T::BenchmarkHelper::set_unix_ms(START);
		#[block]
		{
			Pallet::<T>::on_initialize(1u32.into());
		}
		assert_eq!(BlockTimes::<T>::get(0), Some(START));
	}

	#[benchmark]
	fn seek_markets() {
		NextMarket::<T>::put(9);
		let one = T::WeightInfo::seek_slot().saturating_add(T::WeightInfo::clear(MAX_PAGES));
		let mut meter = WeightMeter::with_limit(T::WeightInfo::seek_markets().saturating_add(one));
		#[block]
		{
			Pallet::<T>::clear_due_slots(&mut meter);
		}
		assert_eq!(NextCleared::<T>::get(), 1);
	}

	#[benchmark]
	fn seek_slot() {
		let (_, market) = market::<T>();
		book::<T>(market, MAX_PAGES);
		late::<T>();
		let cleared;
		#[block]
		{
			cleared = Pallet::<T>::oldest_open_slot(market).map(|slot| Pallet::<T>::do_clear(market, slot));
		}
		assert!(matches!(cleared, Some(Err(crate::Error::WindowOpen))));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
