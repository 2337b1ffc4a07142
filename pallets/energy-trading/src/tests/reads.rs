//! What clients read.

use crate::{MAX_PAGE, mock::*};
use frame_support::assert_ok;
use m2m_auction::Side;
use m2m_device::DeviceId;

#[test]
fn the_book_of_an_open_slot_shows_volumes_and_the_price_as_it_would_be_now() {
	trade(|| {
		let (taker, giver) = (buyer(1, &[(20, 1_000)]), seller(2, &[(12, 600)]));
		run_to_end(FIRST);
		assert!(EnergyTrading::open_book(MARKET, FIRST).is_none());
		taker.take(FIRST, 1_000);
		let open = EnergyTrading::open_book(MARKET, FIRST).expect("it was reported");
		assert_eq!(open.indicative, None);
		giver.give(FIRST, 600);
		let open = EnergyTrading::open_book(MARKET, FIRST).expect("it was reported");
		let clearing = open.indicative.expect("both sides are there");
		assert_eq!((clearing.tick, clearing.volume_wh, open.due), (10, 600, false));
		let volumes = |side| {
			let ticks = open.book.ticks(side).enumerate();
			ticks
				.filter(|(_, volume)| volume.orders > 0)
				.map(|(tick, volume)| (tick, volume.wh, volume.orders))
				.collect::<Vec<_>>()
		};
		assert_eq!(volumes(Side::Bid), [(10, 1_000, 1)]);
		assert_eq!(volumes(Side::Ask), [(2, 600, 1)]);
		assert_eq!(open.pot, 24 * CENT);
		run_past_window(FIRST);
		assert!(EnergyTrading::open_book(MARKET, FIRST).is_some_and(|open| open.due));
		assert_ok!(clear(FIRST));
		assert!(EnergyTrading::open_book(MARKET, FIRST).is_none());
		assert_eq!(
			EnergyTrading::cleared_slot(MARKET, FIRST).and_then(|cleared| cleared.clearing),
			Some(clearing)
		);
		assert_eq!(EnergyTrading::unsettled_slots(MARKET, 9), [FIRST]);
	});
}

#[test]
fn markets_and_members_are_listed_page_by_page() {
	test(|| {
		for _ in 0..5 {
			open_market(parameters(), None);
		}
		assert_eq!(EnergyTrading::markets(None, 2), [0, 1]);
		assert_eq!(EnergyTrading::markets(Some(1), 9), [2, 3, 4]);
		assert_eq!(EnergyTrading::markets(Some(u32::MAX), 9), Vec::<u32>::new());
		let mut ids: Vec<DeviceId> = (0..7).map(|number| buyer(number, &[]).id).collect();
		let mut seen = Vec::new();
		while let page = EnergyTrading::members(MARKET, seen.last(), 3)
			&& !page.is_empty()
		{
			assert!(page.len() <= 3);
			seen.extend(page);
		}
		ids.sort();
		seen.sort();
		assert_eq!(seen, ids);
		assert_eq!(EnergyTrading::members(MARKET, None, u32::MAX).len(), 7);
		assert!(EnergyTrading::market(4).is_some());
		assert!(EnergyTrading::market(5).is_none());
	});
}

#[test]
fn keepers_find_who_is_not_settled() {
	trade(|| {
		let (taker, giver) = (buyer(1, &[(20, 1_000)]), seller(2, &[(12, 600)]));
		let _idle = buyer(3, &[]);
		run_to_end(FIRST);
		taker.take(FIRST, 1_000);
		giver.give(FIRST, 600);
		let find = || {
			let (mut found, next) = EnergyTrading::unsettled(MARKET, FIRST, None);
			assert_eq!(next, None);
			found.sort();
			found
		};
		let mut both = vec![taker.id.clone(), giver.id.clone()];
		both.sort();
		assert_eq!(find(), both);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&taker]));
		assert_eq!(find(), std::slice::from_ref(&giver.id));
		assert_ok!(settle(FIRST, &[&giver]));
		assert_eq!(find(), Vec::<DeviceId>::new());
		assert_eq!(EnergyTrading::last_price(MARKET), Some((FIRST, 20 * CENT)));
	});
}

#[test]
fn a_page_of_unsettled_members_says_where_to_go_on() {
	externalities().execute_with(|| {
		market();
		let template = buyer(1, &[]).record();
		for number in 0..MAX_PAGE + 10 {
			let mut id = [0xdd; 32];
			id[..4].copy_from_slice(&number.to_le_bytes());
			crate::Members::<Test>::insert(MARKET, DeviceId::new(id), template.clone());
		}
		let (found, next) = EnergyTrading::unsettled(MARKET, FIRST, None);
		assert_eq!(found, []);
		let next = next.expect("there are more");
		assert_eq!(
			EnergyTrading::unsettled(MARKET, FIRST, Some(&next)),
			(vec![], None)
		);
	});
}
