//! Nobody outside sees a difference to plain payment.

use crate::{SponsoredPayment, mock::*};
use codec::{Decode, Encode};
use pallet_transaction_payment::ChargeTransactionPayment;
use scale_info::{TypeInfo, meta_type};
use sp_runtime::traits::TransactionExtension;

type Plain = ChargeTransactionPayment<Test>;
type Ours = SponsoredPayment<Test>;

#[test]
fn identifier_types_and_metadata_are_those_of_plain_payment() {
	let plain = <Plain as TransactionExtension<RuntimeCall>>::metadata();
	let ours = <Ours as TransactionExtension<RuntimeCall>>::metadata();
	assert_eq!(ours.len(), 1);
	assert_eq!(ours[0].identifier, plain[0].identifier);
	assert_eq!(ours[0].identifier, "ChargeTransactionPayment");
	assert_eq!(ours[0].ty, plain[0].ty);
	assert_eq!(ours[0].implicit, plain[0].implicit);
	assert_eq!(Ours::type_info(), Plain::type_info());
	assert_eq!(meta_type::<Ours>(), meta_type::<Plain>());
}

#[test]
fn bytes_are_those_of_plain_payment() {
	for tip in [0, 1, 63, 64, 1 << 14, 1 << 30, Balance::MAX] {
		let plain = Plain::from(tip);
		let ours = SponsoredPayment::new(plain.clone());
		assert_eq!(ours.encode(), plain.encode());
		assert_eq!(Ours::decode(&mut &plain.encode()[..]), Ok(ours.clone()));
		assert_eq!(format!("{ours:?}"), format!("{plain:?}"));
	}
}
