//! What always holds in this pallet's storage.

use crate::{
	Balance, ClearedSlots, Config, Entries, Entry, HoldReason, Ledgers, MarketId, MarketTerms, Markets,
	MemberState, Members, MeteringPoints, NextMarket, OpenSlots, Pages, Pallet, StreamRole, StreamUse,
	StreamUses, clearing::set_aside,
};
use alloc::{collections::BTreeMap, vec::Vec};
use frame_support::{
	ensure,
	traits::fungible::{Inspect, InspectHold},
};
use m2m_auction::{Book, Side, Slot, settle};
use m2m_device::{AccountId, DeviceId};
use sp_runtime::{Saturating, TryRuntimeError};

impl<T: Config> Pallet<T> {
	/// What a market's account owes: credits, pots, reserve and its own existential deposit. It holds that exactly,
	/// unless somebody sends it money by a plain transfer.
	pub fn owed(market: MarketId) -> Balance {
		let credits = Members::<T>::iter_prefix(market)
			.fold(0, |sum: Balance, (_, member)| sum.saturating_add(member.credit));
		let cleared = ClearedSlots::<T>::iter_prefix(market)
			.fold(0, |sum: Balance, (_, slot)| sum.saturating_add(slot.pot));
		let open = OpenSlots::<T>::iter_key_prefix(market)
			.filter_map(|slot| Self::open_book(market, slot.number()))
			.fold(0, |sum: Balance, open| sum.saturating_add(open.pot));
		credits
			.saturating_add(cleared)
			.saturating_add(open)
			.saturating_add(Ledgers::<T>::get(market).reserve)
			.saturating_add(T::Currency::minimum_balance())
	}

	/// All entries of a member that are not settled.
	fn entries_of(market: MarketId, device: &DeviceId) -> Vec<(Slot, Entry)> {
		let record = Members::<T>::get(market, device).and_then(|member| member.entry);
		let apart = Entries::<T>::iter_prefix((market,))
			.filter(|((_, of), _)| of == device)
			.map(|((slot, _), entry)| (slot, entry));
		record.into_iter().chain(apart).collect()
	}

	/// Checks, over the whole state:
	///
	/// 1. Every number below the next one is a market with terms; all its parameters are valid, and their first slots
	///    rise; a market's account holds at least what it owes.
	/// 2. Both streams of each member that is not leaving and the feeder of each market are known by their use, and
	///    each use is of such a one.
	/// 3. Each admitted member has its metering point, and each metering point its member. A market's fixed demands on
	///    capacity hold.
	/// 4. A member counts its entries apart rightly; no entry is empty or exists twice, and each is of a slot that is
	///    open or cleared. A leaving member has entries.
	/// 5. The book of an open slot is the sum of its entries, tick by tick. Pages are of open slots and not empty.
	/// 6. A cleared slot counts the orders of its entries rightly and has some; its pot covers what all of them get
	///    back, whatever the order. It is not open.
	/// 7. What is held on wallets and operators is what memberships and markets say.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut deposits = BTreeMap::<AccountId, Balance>::new();
		let mut market_deposits = BTreeMap::<AccountId, Balance>::new();
		let mut uses = 0u64;
		let mut points = 0u64;
		for market in 0..NextMarket::<T>::get() {
			let record = Markets::<T>::get(market).ok_or("1: a market is missing")?;
			let terms = MarketTerms::<T>::get(market).ok_or("1: a market without terms")?;
			market_deposits
				.entry(record.depositor)
				.or_default()
				.saturating_accrue(record.deposit);
			let versions: Vec<_> = terms.parameters.iter().collect();
			ensure!(!versions.is_empty(), "1: no parameters");
			ensure!(
				versions.is_sorted_by(|a, b| a.0 < b.0),
				"1: parameters out of order"
			);
			for (_, parameters) in versions {
				ensure!(parameters.pricing.check().is_ok(), "1: invalid prices");
				ensure!(
					(1..=crate::MAX_WINDOW_BLOCKS).contains(&parameters.window.blocks),
					"1: invalid window"
				);
			}
			let account = Self::market_account(market);
			ensure!(
				T::Currency::total_balance(&account) >= Self::owed(market),
				"1: a market owes more than it has"
			);
			if let Some(feeder) = terms.feeder {
				let role = StreamRole::Feeder;
				ensure!(
					StreamUses::<T>::get(&feeder.device, feeder.stream) == Some(StreamUse { market, role }),
					"2: a feeder that is not known by its use"
				);
				uses.saturating_inc();
			}
		}
		ensure!(
			Markets::<T>::iter_keys().count() as u64 == u64::from(NextMarket::<T>::get()),
			"1: a market that was not numbered"
		);

		let mut books = BTreeMap::<(MarketId, Slot), Vec<Entry>>::new();
		let mut apart = 0u64;
		for (market, device, member) in Members::<T>::iter() {
			ensure!(Markets::<T>::contains_key(market), "2: a member of no market");
			deposits
				.entry(device.clone())
				.or_default()
				.saturating_accrue(member.deposit);
			let roles = [
				(member.import, StreamRole::Import),
				(member.export, StreamRole::Export),
			];
			for (stream, role) in roles {
				let known = StreamUses::<T>::get(&device, stream) == Some(StreamUse { market, role });
				let leaving = member.state == MemberState::Leaving;
				ensure!(
					known || leaving,
					"2: a member's stream that is not known by its use"
				);
				uses.saturating_accrue((!leaving).into());
			}
			match member.state {
				MemberState::Applied => {}
				MemberState::Admitted { point, capacity, .. } => {
					ensure!(
						MeteringPoints::<T>::get(point) == Some((market, device.clone())),
						"3: a member without its metering point"
					);
					ensure!(
						capacity.import > 0 || capacity.export > 0,
						"3: a member without capacity"
					);
					points.saturating_inc();
				}
				MemberState::Leaving => {
					ensure!(
						member.deposit > 0 || member.unsettled() > 0,
						"4: a member that has left"
					);
				}
			}
			let entries = Self::entries_of(market, &device);
			ensure!(
				entries.len() as u64 == u64::from(member.unsettled()),
				"4: entries counted wrongly"
			);
			apart.saturating_accrue(member.apart.into());
			for (slot, entry) in entries {
				ensure!(entry.orders() > 0, "4: an empty entry");
				if let Some((own, _)) = member.entry {
					ensure!(
						!Entries::<T>::contains_key((market, own, &device)),
						"4: an entry that exists twice"
					);
				}
				books.entry((market, slot)).or_default().push(entry);
			}
		}
		ensure!(
			StreamUses::<T>::iter_keys().count() as u64 == uses,
			"2: a use of no stream"
		);
		ensure!(
			MeteringPoints::<T>::iter_keys().count() as u64 == points,
			"3: a metering point of no member"
		);
		ensure!(
			Entries::<T>::iter_keys().count() as u64 == apart,
			"4: an entry of no member"
		);

		for (market, slot) in books.keys() {
			let open = OpenSlots::<T>::contains_key(market, crate::OrderedSlot::from(*slot));
			let cleared = ClearedSlots::<T>::contains_key(market, slot);
			ensure!(
				open != cleared,
				"4: an entry of a slot that is neither open nor cleared"
			);
		}
		for (market, slot, _) in OpenSlots::<T>::iter() {
			let slot = slot.number();
			ensure!(
				!ClearedSlots::<T>::contains_key(market, slot),
				"6: a slot open and cleared"
			);
			let open = Self::open_book(market, slot).ok_or("5: an open slot without parameters")?;
			let mut sum = Book::default();
			for entry in books.get(&(market, slot)).into_iter().flatten() {
				for side in [Side::Bid, Side::Ask] {
					for step in entry.steps(side) {
						sum.add(side, &step).map_err(|_| "5: too much energy")?;
					}
				}
			}
			ensure!(sum == open.book, "5: a book that is not the sum of its entries");
			ensure!(
				set_aside(&sum, &open.pricing) == open.pot,
				"5: a pot that is not what bids set aside"
			);
		}
		for ((market, slot, _), page) in Pages::<T>::iter() {
			ensure!(
				OpenSlots::<T>::contains_key(market, crate::OrderedSlot::from(slot)),
				"5: a page of no open slot"
			);
			ensure!(!page.is_empty(), "5: an empty page");
		}
		for (market, slot, cleared) in ClearedSlots::<T>::iter() {
			let (mut orders, mut back) = (0u64, 0u128);
			for entry in books.get(&(market, slot)).into_iter().flatten() {
				orders.saturating_accrue(entry.orders());
				let bill = settle(
					&cleared.pricing,
					cleared.clearing.as_ref(),
					&entry.steps(Side::Bid),
					&entry.steps(Side::Ask),
				);
				back.saturating_accrue(bill.returned.saturating_add(bill.earned));
			}
			ensure!(
				orders > 0 && orders == cleared.orders,
				"6: orders counted wrongly"
			);
			ensure!(back <= cleared.pot, "6: a pot that is short");
		}

		for (wallet, deposit) in deposits {
			let held = T::Currency::balance_on_hold(&HoldReason::MembershipDeposit.into(), &wallet);
			ensure!(held == deposit, "7: deposits of memberships");
		}
		for (operator, deposit) in market_deposits {
			let held = T::Currency::balance_on_hold(&HoldReason::MarketDeposit.into(), &operator);
			ensure!(held == deposit, "7: deposits of markets");
		}
		Ok(())
	}
}
