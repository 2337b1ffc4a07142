//! Who pays for a transaction, and the books about it.

use crate::{
	Attached, Balance, Bucket, Buckets, ClassifyCall, Config, Event, Pallet, SponsorshipId, SponsorshipOf,
	Sponsorships,
};
use frame_support::traits::{
	fungible::Inspect,
	tokens::{Fortitude, Preservation},
};
use m2m_device::{AccountId, ActingKey, BudgetPeriod, DeviceAuthority, DeviceId, SpendLimit};

/// A fee in both measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fee {
	/// What is paid.
	pub(crate) real: Balance,
	/// What it would be at multiplier one.
	pub(crate) at_one: Balance,
}

/// Who pays. A device key has other payers before itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Payer {
	/// The signer, who is no key that acts for a device.
	Account,
	/// A sponsorship of the signer's device.
	Sponsorship {
		sponsorship: SponsorshipId,
		device: DeviceId,
	},
	/// The wallet of the signer's device.
	Wallet { device: DeviceId, generation: u32 },
	/// The signer, a device key for which nobody else can pay.
	Key,
}

/// A payer, and how many sponsorships had to be looked at to find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
	pub(crate) payer: Payer,
	pub(crate) tried: u32,
}

/// What was booked before the call for its largest fee.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Booking {
	/// Nothing.
	None,
	/// On a bucket, which is new if `first`.
	Bucket {
		sponsorship: SponsorshipId,
		device: DeviceId,
		first: bool,
	},
	/// On a budget.
	Budget { device: DeviceId, period: BudgetPeriod },
}

impl<T: Config> Pallet<T> {
	/// The first who can pay `fee` for a call of `signer`. Reads only; the signer himself is not asked.
	pub(crate) fn choose_payer(
		signer: &AccountId,
		call: &<T as frame_system::Config>::RuntimeCall,
		fee: Fee,
	) -> Choice {
		let mut tried = 0u32;
		let Some(key) = T::Devices::acting_key(signer) else {
			return Choice {
				payer: Payer::Account,
				tried,
			};
		};
		if let Some(group) = T::Classifier::group(call) {
			for place in [&key.device, &key.owner] {
				let Some(sponsorship) = Attached::<T>::get(place) else {
					continue;
				};
				tried = tried.saturating_add(1);
				if Self::would_sponsor(sponsorship, &key, &group, fee) {
					let device = key.device.clone();
					let payer = Payer::Sponsorship { sponsorship, device };
					return Choice { payer, tried };
				}
			}
		}
		let payer = if Self::wallet_would_pay(&key, fee.real) {
			Payer::Wallet {
				device: key.device,
				generation: key.generation,
			}
		} else {
			Payer::Key
		};
		Choice { payer, tried }
	}

	fn would_sponsor(sponsorship: SponsorshipId, key: &ActingKey, group: &T::CallGroup, fee: Fee) -> bool {
		Sponsorships::<T>::get(sponsorship).is_some_and(|record| {
			!record.closed
				&& record.covers(&key.device, &key.owner, key.generation)
				&& record.calls.contains(group)
				// Without an expiry the clock is not read.
				&& (record.expires.is_none() || !record.is_expired(Self::now()))
				&& Self::after_fee(sponsorship, &record, &key.device, fee).is_some()
		})
	}

	/// The device's bucket after the fee, and whether it is the first one; `None` if bucket or pot cannot
	/// pay.
	fn after_fee(
		sponsorship: SponsorshipId,
		record: &SponsorshipOf<T>,
		device: &DeviceId,
		fee: Fee,
	) -> Option<(Bucket, bool)> {
		let block = Self::block();
		let old = Buckets::<T>::get(sponsorship, device);
		let first = old.is_none();
		let bucket = old
			.unwrap_or_else(|| Bucket::full(block))
			.take(&record.terms, block, fee.at_one)?;
		let buckets = record.buckets.checked_add(first.into())?;
		(Self::pot_left(sponsorship, record, buckets) >= fee.real).then_some((bucket, first))
	}

	fn wallet_would_pay(key: &ActingKey, fee: Balance) -> bool {
		Self::budget(&key.device, key.generation).is_some_and(|budget| {
			budget.left(Self::now()) >= fee
				&& T::Currency::reducible_balance(&key.device, Preservation::Preserve, Fortitude::Polite)
					>= fee
		})
	}

	/// Books the largest fee that the call can have. Checks again, so that whatever happened since the
	/// choice, nothing runs beyond a bucket, a pot's deposits or a budget. `None` if the payer cannot pay any
	/// more.
	pub(crate) fn book(payer: &Payer, fee: Fee) -> Option<Booking> {
		match payer {
			Payer::Account | Payer::Key => Some(Booking::None),
			Payer::Sponsorship { sponsorship, device } => {
				let sponsorship = *sponsorship;
				let mut record = Sponsorships::<T>::get(sponsorship)?;
				let (bucket, first) = Self::after_fee(sponsorship, &record, device, fee)?;
				Buckets::<T>::insert(sponsorship, device, bucket);
				if first {
					record.buckets = record.buckets.saturating_add(1);
					Sponsorships::<T>::insert(sponsorship, record);
				}
				Some(Booking::Bucket {
					sponsorship,
					device: device.clone(),
					first,
				})
			}
			Payer::Wallet { device, generation } => {
				let period = Self::spend_in(device, *generation, fee.real).ok()?;
				Some(Booking::Budget {
					device: device.clone(),
					period,
				})
			}
		}
	}

	/// Gives back what the call did not need.
	pub(crate) fn settle(booking: Booking, booked: Fee, actual: Fee) {
		match booking {
			Booking::None => {}
			Booking::Bucket {
				sponsorship, device, ..
			} => {
				let unused = booked.at_one.saturating_sub(actual.at_one);
				Buckets::<T>::mutate(sponsorship, &device, |bucket| {
					*bucket = bucket.map(|bucket| bucket.put_back(unused));
				});
				Self::deposit_event(Event::FeeSponsored {
					sponsorship,
					device,
					fee: actual.real,
				});
			}
			Booking::Budget { device, period } => {
				Self::unspend(&device, booked.real.saturating_sub(actual.real), period);
			}
		}
	}
}
