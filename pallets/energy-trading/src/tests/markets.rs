//! What operators do.

use crate::{Error, Event, Feeder, HoldReason, Markets, Parameters, Requirement, Window, mock::*};
use frame_support::{
	BoundedVec, assert_noop, assert_ok,
	traits::fungible::{InspectHold, Mutate},
};
use m2m_auction::{Pricing, TickGrid};
use m2m_device::{AccountId, Topic};
use sp_runtime::traits::BadOrigin;

fn create(parameters: Parameters) -> Result<(), sp_runtime::DispatchError> {
	EnergyTrading::create_market(signed(&OPERATOR), 900, parameters, None)
}

fn with(change: impl FnOnce(&mut Pricing)) -> Parameters {
	let mut parameters = parameters();
	change(&mut parameters.pricing);
	parameters
}

#[test]
fn a_market_costs_a_deposit_and_has_an_account_of_its_own() {
	test(|| {
		let before = free(&OPERATOR);
		assert_ok!(create(parameters()));
		let deposit = EnergyTrading::market_deposit();
		assert!(deposit > 0);
		assert_eq!(free(&OPERATOR), before - deposit - ED);
		let reason = HoldReason::MarketDeposit.into();
		assert_eq!(Balances::balance_on_hold(&reason, &OPERATOR), deposit);
		assert_eq!(free(&market_account()), ED);
		assert_eq!(
			events(),
			[
				Event::MarketCreated {
					market: 0,
					operator: OPERATOR,
					account: market_account()
				},
				Event::ParametersSet {
					market: 0,
					first: 0,
					parameters: parameters()
				},
			]
		);
		assert_ok!(create(parameters()));
		assert_ne!(EnergyTrading::market_account(1), market_account());
	});
}

#[test]
fn only_prices_at_which_every_trade_beats_the_utility_are_taken() {
	test(|| {
		for (parameters, error) in [
			(
				with(|p| p.retail = m2m_auction::MAX_PRICE + 1),
				Error::<Test>::RetailTooHigh,
			),
			(with(|p| p.grid_fee += 1), Error::PriceNotExact),
			(with(|p| p.margin = 0), Error::NoMargin),
			(with(|p| p.grid.tick_size = 0), Error::NoTickSize),
			(with(|p| p.grid.ticks = 0), Error::InvalidTickCount),
			(with(|p| p.grid.ticks = 257), Error::InvalidTickCount),
			(with(|p| p.grid.bottom = 8 * CENT), Error::BottomTooLow),
			(with(|p| p.grid.ticks = 17), Error::TopTooHigh),
		] {
			assert_noop!(create(parameters), error);
		}
	});
}

#[test]
fn slots_divide_a_day_and_last_two_blocks() {
	test(|| {
		for seconds in [0, 5, 7, 86_401] {
			assert_noop!(
				EnergyTrading::create_market(signed(&OPERATOR), seconds, parameters(), None),
				Error::<Test>::InvalidSlotLength
			);
		}
		let window = Window {
			ms: 48_000,
			blocks: 1,
		};
		let short = Parameters {
			window,
			..parameters()
		};
		assert_ok!(EnergyTrading::create_market(signed(&OPERATOR), 6, short, None));
	});
}

#[test]
fn a_window_has_time_and_blocks_and_ends_within_eight_slots() {
	test(|| {
		let eight = 8 * QUARTER as u32;
		for (ms, blocks) in [(0, 5), (1, 0), (1, 101), (eight + 1, 5)] {
			let window = Window { ms, blocks };
			assert_noop!(
				create(Parameters {
					window,
					..parameters()
				}),
				Error::<Test>::InvalidWindow
			);
		}
		for (ms, blocks) in [(1, 1), (eight, 100)] {
			let window = Window { ms, blocks };
			assert_ok!(create(Parameters {
				window,
				..parameters()
			}));
		}
	});
}

#[test]
fn a_requirement_names_a_topic_and_somebody_to_trust() {
	test(|| {
		let one = || BoundedVec::truncate_from(vec![LAB]);
		for (topic, issuers) in [(Topic([0; 16]), one()), (topic(), BoundedVec::new())] {
			assert_noop!(
				EnergyTrading::create_market(
					signed(&OPERATOR),
					900,
					parameters(),
					Some(Requirement { topic, issuers })
				),
				Error::<Test>::InvalidRequirement
			);
		}
		certified_market();
	});
}

#[test]
fn a_device_key_runs_no_market() {
	test(|| {
		let home = home(1);
		Balances::set_balance(&home.account(), ENDOWMENT);
		assert_noop!(
			EnergyTrading::create_market(signed(&home.account()), 900, parameters(), None),
			Error::<Test>::OperatorIsDeviceKey
		);
	});
}

#[test]
fn who_cannot_pay_the_deposit_runs_no_market() {
	test(|| {
		let pauper = AccountId::new([3; 32]);
		Balances::set_balance(&pauper, ED + EnergyTrading::market_deposit());
		assert_noop!(
			EnergyTrading::create_market(signed(&pauper), 900, parameters(), None),
			Error::<Test>::OperatorCannotPay
		);
		Balances::set_balance(&pauper, 2 * ED + EnergyTrading::market_deposit());
		assert_ok!(EnergyTrading::create_market(
			signed(&pauper),
			900,
			parameters(),
			None
		));
	});
}

#[test]
fn numbers_of_markets_run_out_without_harm() {
	externalities().execute_with(|| {
		crate::NextMarket::<Test>::put(u32::MAX);
		assert_noop!(create(parameters()), Error::<Test>::NumbersExhausted);
	});
}

#[test]
fn only_the_operator_runs_a_market() {
	trade(|| {
		let home = home(1);
		home.join();
		assert_noop!(
			EnergyTrading::set_parameters(signed(&OTHER), MARKET, FIRST + 200, parameters()),
			Error::<Test>::NotOperator
		);
		assert_noop!(
			EnergyTrading::set_feeder(signed(&OTHER), MARKET, None),
			Error::<Test>::NotOperator
		);
		assert_noop!(
			EnergyTrading::admit(signed(&OTHER), MARKET, home.id.clone(), home.point(), CAPACITY),
			Error::<Test>::NotOperator
		);
		assert_noop!(
			EnergyTrading::remove_member(signed(&OTHER), MARKET, home.id.clone()),
			Error::<Test>::NotOperator
		);
		assert_noop!(
			EnergyTrading::withdraw_reserve(signed(&OTHER), MARKET, None),
			Error::<Test>::NotOperator
		);
	});
}

#[test]
fn nothing_is_done_for_a_market_that_does_not_exist() {
	trade(|| {
		let home = home(1);
		let id = || Some(home.id.clone());
		let unknown = Error::<Test>::UnknownMarket;
		let operator = || signed(&OPERATOR);
		assert_noop!(
			EnergyTrading::set_parameters(operator(), 1, FIRST, parameters()),
			unknown
		);
		assert_noop!(
			EnergyTrading::set_feeder(operator(), 1, None),
			Error::<Test>::UnknownMarket
		);
		assert_noop!(
			EnergyTrading::hand_over(RuntimeOrigin::root(), 1, OTHER),
			Error::<Test>::UnknownMarket
		);
		assert_noop!(
			EnergyTrading::join(signed(&OWNER), 1, id(), home.import, home.export),
			Error::<Test>::UnknownMarket
		);
		assert_noop!(
			EnergyTrading::set_order(signed(&OWNER), 1, id(), Default::default()),
			Error::<Test>::UnknownMarket
		);
		assert_noop!(
			EnergyTrading::withdraw_reserve(operator(), 1, None),
			Error::<Test>::UnknownMarket
		);
	});
}

#[test]
fn the_council_hands_over_a_market_whose_operator_is_gone() {
	trade(|| {
		assert_noop!(
			EnergyTrading::hand_over(signed(&OPERATOR), MARKET, OTHER),
			BadOrigin
		);
		events();
		assert_ok!(EnergyTrading::hand_over(RuntimeOrigin::root(), MARKET, OTHER));
		assert_eq!(
			events(),
			[Event::MarketHandedOver {
				market: MARKET,
				from: OPERATOR,
				to: OTHER
			}]
		);
		let record = Markets::<Test>::get(MARKET).expect("it is there");
		assert_eq!((record.operator, record.depositor), (OTHER, OPERATOR));
		let home = home(1);
		home.join();
		assert_noop!(home.try_admit(CAPACITY), Error::<Test>::NotOperator);
		assert_ok!(EnergyTrading::admit(
			signed(&OTHER),
			MARKET,
			home.id.clone(),
			home.point(),
			CAPACITY
		));
	});
}

/// A slot that leaves 2 cents of grid fees.
fn earn_a_reserve() {
	let buyer = buyer(1, &[(20, 500)]);
	let seller = seller(2, &[(12, 500)]);
	run_to_end(FIRST);
	buyer.take(FIRST, 500);
	seller.give(FIRST, 500);
	run_past_window(FIRST);
	assert_ok!(settle(FIRST, &[&buyer, &seller]));
	assert_eq!(reserve(), 2 * CENT);
}

#[test]
fn the_operator_withdraws_the_reserve() {
	trade(|| {
		earn_a_reserve();
		let before = free(&OPERATOR);
		let withdraw = |amount| EnergyTrading::withdraw_reserve(signed(&OPERATOR), MARKET, amount);
		assert_noop!(withdraw(Some(2 * CENT + 1)), Error::<Test>::ReserveTooLow);
		assert_noop!(withdraw(Some(0)), Error::<Test>::ZeroAmount);
		assert_ok!(withdraw(Some(CENT)));
		assert_eq!((reserve(), free(&OPERATOR)), (CENT, before + CENT));
		events();
		assert_ok!(withdraw(None));
		assert_eq!((reserve(), free(&OPERATOR)), (0, before + 2 * CENT));
		assert_eq!(
			events(),
			[Event::ReserveWithdrawn {
				market: MARKET,
				to: OPERATOR,
				amount: CENT
			}]
		);
		assert_noop!(withdraw(None), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn a_reserve_waits_for_an_operator_whose_account_has_ended() {
	trade(|| {
		earn_a_reserve();
		let gone = AccountId::new([7; 32]);
		assert_ok!(EnergyTrading::hand_over(
			RuntimeOrigin::root(),
			MARKET,
			gone.clone()
		));
		assert_noop!(
			EnergyTrading::withdraw_reserve(signed(&gone), MARKET, Some(CENT - 1)),
			Error::<Test>::OperatorCannotReceive
		);
		assert_ok!(EnergyTrading::withdraw_reserve(signed(&gone), MARKET, Some(CENT)));
	});
}

fn feeder(home: &Home, tolerance: u64) -> Option<Feeder> {
	Some(Feeder {
		device: home.id.clone(),
		stream: home.import,
		tolerance,
	})
}

/// What the feeder check said of a slot in which two homes gave `exported` and took `imported`, and the meter at the
/// transformer saw `left`.
fn mismatch(exported: i64, imported: i64, left: Option<i64>) -> Vec<Event<Test>> {
	let mut found = Vec::new();
	trade(|| {
		let station = home(9);
		assert_ok!(EnergyTrading::set_feeder(
			signed(&OPERATOR),
			MARKET,
			feeder(&station, 50)
		));
		let (taker, giver) = (buyer(1, &[(20, 100)]), seller(2, &[]));
		run_to_end(FIRST);
		taker.report(FIRST, imported, 0);
		giver.report(FIRST, 0, exported);
		if let Some(left) = left {
			station.take(FIRST, left);
		}
		run_past_window(FIRST);
		events();
		assert_ok!(clear(FIRST));
		found = events();
		found.retain(|event| matches!(event, Event::BalanceMismatch { .. }));
		assert_ok!(settle(FIRST, &[&taker]).or_else(|error| {
			assert_eq!(error, refusal(Error::UnknownSlot));
			Ok::<_, sp_runtime::DispatchError>(())
		}));
		assert_eq!(slot_bytes(), 0);
	});
	found
}

#[test]
fn reports_that_the_feeder_meter_contradicts_are_told() {
	assert_eq!(
		mismatch(1_000, 300, Some(649)),
		[Event::BalanceMismatch {
			market: MARKET,
			slot: FIRST,
			exported: 1_000,
			imported: 300,
			feeder: 649
		}]
	);
	// Within the tolerance, or no word from the feeder.
	assert_eq!(mismatch(1_000, 300, Some(650)), []);
	assert_eq!(mismatch(1_000, 300, None), []);
	// Nobody has a bid, but the comparison is made all the same.
	assert_eq!(mismatch(1_000, 0, Some(0)).len(), 1);
}

#[test]
fn a_feeder_meter_is_a_proper_meter_that_serves_nobody_else() {
	trade(|| {
		let member = buyer(1, &[]);
		let set = |feeder| EnergyTrading::set_feeder(signed(&OPERATOR), MARKET, feeder);
		assert_noop!(set(feeder(&member, 0)), Error::<Test>::MeterInUse);
		let mut station = home(2);
		station.import = 99;
		assert_noop!(set(feeder(&station, 0)), Error::<Test>::UnsuitableStream);
		station.import = 0;
		assert_ok!(set(feeder(&station, 0)));
		// The same one with another tolerance, then another one, then none.
		assert_ok!(set(feeder(&station, 1)));
		let other = home(3);
		assert_ok!(set(feeder(&other, 1)));
		assert_noop!(
			EnergyTrading::join(signed(&OWNER), MARKET, Some(other.id.clone()), 0, 1),
			Error::<Test>::MeterInUse
		);
		events();
		assert_ok!(set(None));
		assert_eq!(
			events(),
			[Event::FeederSet {
				market: MARKET,
				feeder: None
			}]
		);
		station.join();
		other.join();
	});
}

#[test]
fn a_grid_of_one_price_is_a_market() {
	test(|| {
		let grid = TickGrid {
			ticks: 1,
			..pricing().grid
		};
		let pricing = Pricing { grid, ..pricing() };
		open_market(
			Parameters {
				pricing,
				..parameters()
			},
			None,
		);
		let buyer = buyer(1, &[(10, 500)]);
		let seller = seller(2, &[(10, 300)]);
		run_to_end(FIRST);
		buyer.take(FIRST, 500);
		seller.give(FIRST, 500);
		run_past_window(FIRST);
		events();
		assert_ok!(settle(FIRST, &[&buyer, &seller]));
		let price = Some(10 * CENT);
		assert_eq!(
			bills(),
			[
				(buyer.id.clone(), 300_000, 0, price),
				(seller.id.clone(), 0, 300_000, price)
			]
		);
	});
}
