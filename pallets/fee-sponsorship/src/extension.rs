//! The transaction extension that charges whoever pays.

use crate::{
	Config, Pallet,
	payer::{Booking, Choice, Fee, Payer},
	weights::WeightInfo,
};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::fmt;
use frame_support::{
	dispatch::{DispatchInfo, PostDispatchInfo},
	pallet_prelude::TransactionSource,
	traits::Get,
	weights::Weight,
};
use pallet_transaction_payment::{ChargeTransactionPayment, FeeDetails, OnChargeTransaction};
use scale_info::{StaticTypeInfo, TypeInfo};
use sp_runtime::{
	DispatchResult, SaturatedConversion,
	traits::{
		DispatchInfoOf, DispatchOriginOf, Dispatchable, Implication, PostDispatchInfoOf, RefundWeight,
		TransactionExtension, ValidateResult, Zero,
	},
	transaction_validity::{InvalidTransaction, TransactionValidityError, ValidTransaction},
};

type FeePallet<T> = pallet_transaction_payment::Pallet<T>;
type FeeBalance<T> =
	<<T as pallet_transaction_payment::Config>::OnChargeTransaction as OnChargeTransaction<T>>::Balance;
type Inner<T> = ChargeTransactionPayment<T>;
type CallOf<T> = <T as frame_system::Config>::RuntimeCall;

/// Charges a transaction's fee to a sponsor of the signer's device, to the device's wallet, or to the signer.
///
/// It is [`ChargeTransactionPayment`] to everybody outside: same identifier, same bytes, same type. The inner
/// extension charges, refunds and reports whoever was chosen; this one chooses, and keeps the books on
/// buckets and budgets.
///
/// A transaction with a tip, one without a fee, and one without a signer are left to the inner extension
/// alone.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq)]
pub struct SponsoredPayment<T: pallet_transaction_payment::Config>(Inner<T>);

impl<T: pallet_transaction_payment::Config> SponsoredPayment<T> {
	/// Wraps a plain payment.
	pub fn new(inner: ChargeTransactionPayment<T>) -> Self {
		Self(inner)
	}
}

impl<T: pallet_transaction_payment::Config> TypeInfo for SponsoredPayment<T>
where
	Inner<T>: StaticTypeInfo,
{
	type Identity = Inner<T>;

	fn type_info() -> scale_info::Type {
		Inner::<T>::type_info()
	}
}

impl<T: pallet_transaction_payment::Config> fmt::Debug for SponsoredPayment<T> {
	fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
		fmt::Debug::fmt(&self.0, formatter)
	}
}

/// Who pays, from validation to preparation.
pub struct Val<T: pallet_transaction_payment::Config> {
	inner: pallet_transaction_payment::Val<T>,
	choice: Option<(Choice, Fee)>,
}

/// Who paid, and what was booked, until the call is over.
pub struct Pre<T: pallet_transaction_payment::Config> {
	inner: pallet_transaction_payment::Pre<T>,
	booked: Option<(Booking, Fee)>,
	unspent: Weight,
}

/// Both measures of a fee for a call of the given weight.
fn both<T: pallet_transaction_payment::Config>(details: FeeDetails<FeeBalance<T>>, weight: Weight) -> Fee {
	let at_one = details.inclusion_fee.as_ref().map_or(0, |fee| {
		[fee.base_fee, fee.len_fee, FeePallet::<T>::weight_to_fee(weight)]
			.into_iter()
			.fold(0u128, |sum, part| sum.saturating_add(part.saturated_into()))
	});
	Fee {
		real: details.final_fee().saturated_into(),
		at_one,
	}
}

/// The most that payment can cost if other payers than the signer are looked for.
fn most<T: Config>() -> Weight {
	first_fee::<T>()
		.saturating_add(T::WeightInfo::charge_sponsored(2))
		.max(T::WeightInfo::charge_wallet(2))
		.max(T::WeightInfo::charge_account())
}

/// What a device's first fee costs besides: the sponsorship counts its buckets.
fn first_fee<T: Config>() -> Weight {
	T::DbWeight::get().writes(1)
}

impl<T> TransactionExtension<CallOf<T>> for SponsoredPayment<T>
where
	T: Config + pallet_transaction_payment::Config,
	CallOf<T>: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
{
	const IDENTIFIER: &'static str = <Inner<T> as TransactionExtension<CallOf<T>>>::IDENTIFIER;
	type Implicit = <Inner<T> as TransactionExtension<CallOf<T>>>::Implicit;
	type Val = Val<T>;
	type Pre = Pre<T>;

	fn weight(&self, _: &CallOf<T>) -> Weight {
		if self.0.tip().is_zero() {
			most::<T>()
		} else {
			<T as Config>::WeightInfo::charge_account()
		}
	}

	fn validate(
		&self,
		origin: DispatchOriginOf<CallOf<T>>,
		call: &CallOf<T>,
		info: &DispatchInfoOf<CallOf<T>>,
		len: usize,
		implicit: Self::Implicit,
		implication: &impl Implication,
		source: TransactionSource,
	) -> ValidateResult<Self::Val, CallOf<T>> {
		let choice = match frame_system::ensure_signed(origin.clone()) {
			Ok(signer) if self.0.tip().is_zero() => {
				let details = FeePallet::<T>::compute_fee_details(len as u32, info, Zero::zero());
				let fee = both::<T>(details, info.total_weight());
				(fee.real > 0).then(|| (Pallet::<T>::choose_payer(&signer, call, fee), fee))
			}
			_ => None,
		};
		let other = choice.as_ref().and_then(|(choice, _)| match &choice.payer {
			Payer::Account | Payer::Key => None,
			Payer::Sponsorship { sponsorship, .. } => Some(Pallet::<T>::pot(*sponsorship)),
			Payer::Wallet { device, .. } => Some(device.clone()),
		});
		let Some(who) = other else {
			let (valid, inner, origin) =
				self.0
					.validate(origin, call, info, len, implicit, implication, source)?;
			return Ok((valid, Val { inner, choice }, origin));
		};
		let tip = Zero::zero();
		let fee_with_tip = FeePallet::<T>::compute_fee(len as u32, info, tip);
		let valid = ValidTransaction {
			priority: Inner::<T>::get_priority(info, len, tip, fee_with_tip),
			..Default::default()
		};
		let inner = pallet_transaction_payment::Val::Charge {
			tip,
			who,
			fee_with_tip,
		};
		Ok((valid, Val { inner, choice }, origin))
	}

	fn prepare(
		self,
		val: Self::Val,
		origin: &DispatchOriginOf<CallOf<T>>,
		call: &CallOf<T>,
		info: &DispatchInfoOf<CallOf<T>>,
		len: usize,
	) -> Result<Self::Pre, TransactionValidityError> {
		let declared = self.weight(call);
		let mut spent = <T as Config>::WeightInfo::charge_account();
		let mut booked = None;
		if let Some((choice, fee)) = val.choice {
			let booking = Pallet::<T>::book(&choice.payer, fee).ok_or(InvalidTransaction::Payment)?;
			spent = match (&choice.payer, &booking) {
				(Payer::Account, _) => spent,
				(_, Booking::Bucket { first, .. }) => {
					let again = <T as Config>::WeightInfo::charge_sponsored(choice.tried);
					if *first {
						again.saturating_add(first_fee::<T>())
					} else {
						again
					}
				}
				_ => <T as Config>::WeightInfo::charge_wallet(choice.tried),
			};
			booked = Some((booking, fee));
		} else if matches!(val.inner, pallet_transaction_payment::Val::NoCharge) {
			spent = Weight::zero();
		}
		Ok(Pre {
			inner: self.0.prepare(val.inner, origin, call, info, len)?,
			booked,
			unspent: declared.saturating_sub(spent),
		})
	}

	fn post_dispatch_details(
		pre: Self::Pre,
		info: &DispatchInfoOf<CallOf<T>>,
		post_info: &PostDispatchInfoOf<CallOf<T>>,
		len: usize,
		result: &DispatchResult,
	) -> Result<Weight, TransactionValidityError> {
		// The payer does not pay for what this extension did not need.
		let mut post_info = *post_info;
		post_info.refund(pre.unspent);
		if let Some((booking, fee)) = pre.booked {
			let details =
				FeePallet::<T>::compute_actual_fee_details(len as u32, info, &post_info, Zero::zero());
			let actual = both::<T>(details, post_info.calc_actual_weight(info));
			Pallet::<T>::settle(booking, fee, actual);
		}
		// What the inner extension returns is counted in `unspent`.
		Inner::<T>::post_dispatch_details(pre.inner, info, &post_info, len, result)?;
		Ok(pre.unspent)
	}
}
