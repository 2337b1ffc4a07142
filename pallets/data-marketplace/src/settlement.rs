//! How sales end. Nothing here can fail once a sale is due: a part that cannot be paid out goes to the seller,
//! and what even the seller could not take would stay with the buyer.

use crate::{
	Balance, Config, Error, Event, HoldReason, MAX_SETTLED, Marks, Pallet, Pools, Sales, pools::INDEX_SCALE,
	sales::mark,
};
use frame_support::{BoundedVec, ensure, traits::ConstU32};
use m2m_device::AccountId;
use m2m_fair_exchange::{
	SaleId,
	market::{MAX_RATING, Payout, PoolId, Sale},
};
use sp_runtime::{DispatchError, DispatchResult, Saturating};

impl<T: Config> Pallet<T> {
	/// Ends each of many sales and reports those that cannot be ended.
	pub(crate) fn end_each(
		sales: BoundedVec<SaleId, ConstU32<MAX_SETTLED>>,
		end: impl Fn(SaleId) -> Result<(), Error<T>>,
	) {
		for sale in sales {
			// All checks come before the first change.
			if let Err(reason) = end(sale) {
				Self::deposit_event(Event::NotEnded {
					sale,
					reason: DispatchError::from(reason),
				});
			}
		}
	}

	/// Takes a sale out of the state. Leaves a mark if its terms could be bought again.
	fn close(sale: SaleId, record: &Sale) {
		Sales::<T>::remove(sale);
		if Self::now() <= record.expires {
			Marks::<T>::insert(mark(record.expires, sale), ());
		}
		if let Some(pool) = record.payout.pool() {
			Pools::<T>::mutate_extant(pool, |pool| pool.open_sales.saturating_dec());
		}
	}

	/// See [`Pallet::settle`].
	pub(crate) fn do_settle(sale: SaleId) -> Result<(), Error<T>> {
		let record = Sales::<T>::get(sale).ok_or(Error::UnknownSale)?;
		ensure!(record.key.is_some(), Error::NotRevealed);
		ensure!(Self::now() > record.deadline, Error::TooEarly);
		Self::pay_out(sale, record, None);
		Ok(())
	}

	/// See [`Pallet::accept`].
	pub(crate) fn do_accept(buyer: &AccountId, sale: SaleId, rating: u8) -> DispatchResult {
		ensure!((1..=MAX_RATING).contains(&rating), Error::<T>::InvalidRating);
		let record = Sales::<T>::get(sale).ok_or(Error::<T>::UnknownSale)?;
		ensure!(record.buyer == *buyer, Error::<T>::NotBuyer);
		ensure!(record.key.is_some(), Error::<T>::NotRevealed);
		Self::pay_out(sale, record, Some(rating));
		Ok(())
	}

	/// See [`Pallet::refund`].
	pub(crate) fn do_refund(sale: SaleId) -> Result<(), Error<T>> {
		let record = Sales::<T>::get(sale).ok_or(Error::UnknownSale)?;
		ensure!(record.key.is_none(), Error::AlreadyRevealed);
		ensure!(Self::now() > record.deadline, Error::TooEarly);
		let compensation = Self::give_back(sale, &record);
		Self::unlock_cover(&record, compensation, |seller| seller.refunded.saturating_inc());
		Self::deposit_event(Event::SaleRefunded {
			sale,
			seller: record.seller,
			buyer: record.buyer,
			price: record.price,
			compensation,
		});
		Ok(())
	}

	/// Ends a sale against its seller, who was convicted by `by`.
	pub(crate) fn convict(by: AccountId, sale: SaleId, record: Sale) {
		let compensation = Self::give_back(sale, &record);
		// As much as the price, so that a seller who is its own buyer gains nothing.
		let burnt = Self::burn(HoldReason::Bond, &record.seller, record.price);
		Self::unlock_cover(&record, compensation.saturating_add(burnt), |seller| {
			seller.convicted.saturating_inc();
		});
		Self::deposit_event(Event::SellerConvicted {
			sale,
			seller: record.seller,
			buyer: record.buyer,
			by,
			price: record.price,
			compensation,
			burnt,
		});
	}

	/// Returns the price to the buyer and pays it from the bond besides. Says how much it was.
	fn give_back(sale: SaleId, record: &Sale) -> Balance {
		Self::close(sale, record);
		// First the compensation: as long as the price is held, the buyer can receive anything.
		let compensation = Self::pay(
			HoldReason::Bond,
			&record.seller,
			&record.buyer,
			record.fixed_cover,
		);
		Self::release(HoldReason::Payment, &record.buyer, record.price);
		Self::unbook(&record.buyer, record.price, record.budget);
		compensation
	}

	/// Pays for a sale.
	fn pay_out(sale: SaleId, record: Sale, rating: Option<u8>) {
		Self::close(sale, &record);
		let (seller, buyer) = (&record.seller, &record.buyer);
		let fee = Self::burn(HoldReason::Payment, buyer, record.fee);
		let proceeds = record.price.saturating_sub(fee);
		let shared = match &record.payout {
			Payout::Seller => 0,
			Payout::Split(payees) => payees.iter().fold(0, |sum: Balance, payee| {
				let part = payee.share.mul_floor(proceeds);
				sum.saturating_add(Self::pay(HoldReason::Payment, buyer, &payee.account, part))
			}),
			Payout::Pool { pool, share } => Self::pay_pool(*pool, buyer, share.mul_floor(proceeds)),
		};
		// The seller's bond covers this sale, so its account is alive.
		let rest = proceeds.saturating_sub(shared);
		let received = Self::pay(HoldReason::Payment, buyer, seller, rest);
		debug_assert_eq!(received, rest, "a seller with a bond can receive");
		if received < rest {
			Self::release(HoldReason::Payment, buyer, rest);
		}
		Self::unlock_cover(&record, 0, |seller| {
			seller.settled.saturating_inc();
			seller.volume.saturating_accrue(record.price);
			if let Some(rating) = rating {
				seller.rated_fees.saturating_accrue(fee);
				seller
					.rating_points
					.saturating_accrue(fee.saturating_mul(rating.into()));
			}
		});
		Self::deposit_event(Event::SaleSettled {
			sale,
			seller: record.seller,
			buyer: record.buyer,
			received,
			shared,
			fee,
			rating,
		});
	}

	/// Pays a part of a price into a pool and returns how much it was: nothing if nobody has a share.
	fn pay_pool(pool: PoolId, buyer: &AccountId, amount: Balance) -> Balance {
		let Some(mut record) = Pools::<T>::get(pool) else {
			return 0;
		};
		let grown = amount
			.checked_mul(INDEX_SCALE)
			.and_then(|scaled| scaled.checked_div(record.shares.into()))
			.and_then(|each| record.index.checked_add(each));
		let Some(index) = grown else {
			return 0;
		};
		let paid = Self::pay(HoldReason::Payment, buyer, &Self::pool_account(pool), amount);
		if paid > 0 {
			record.index = index;
			Pools::<T>::insert(pool, record);
		}
		paid
	}
}
