//! Convictions. Guilt follows from what the seller signed and revealed; no anchor is looked at here.

use crate::{Config, Error, Pallet, Sales};
use frame_support::{ensure, traits::Get};
use m2m_device::AccountId;
use m2m_fair_exchange::{
	BlindedKey, ClaimEvidence, ClaimFault, NotGuilty, SaleEvidence, SaleId, market::Sale,
};
use sp_runtime::DispatchResult;

impl<T: Config> Error<T> {
	fn of_evidence(fault: NotGuilty) -> Self {
		match fault {
			NotGuilty::OtherTerms => Self::OtherTerms,
			// The key in state was checked when it was revealed.
			NotGuilty::WrongBlindedKey => Self::WrongKey,
			NotGuilty::WrongBlind => Self::WrongBlind,
			NotGuilty::PositionOutOfRange => Self::NoSuchPosition,
			NotGuilty::PathLength | NotGuilty::NotInSale => Self::NotInSale,
			NotGuilty::OpensAsAnchored => Self::NothingWrong,
		}
	}

	fn of_claim(fault: ClaimFault) -> Self {
		match fault {
			ClaimFault::Foreign(fault) => Self::of_evidence(fault),
			ClaimFault::NotClaimed => Self::NotClaimed,
			ClaimFault::DoesNotOpen => Self::LeafDoesNotOpen,
			ClaimFault::WrongLeaves => Self::WrongLeaves,
			ClaimFault::AsClaimed => Self::AsClaimed,
		}
	}
}

impl<T: Config> Pallet<T> {
	/// A sale about which evidence is heard, with its key.
	fn disputable(sale: SaleId) -> Result<(Sale, BlindedKey), Error<T>> {
		let record = Sales::<T>::get(sale).ok_or(Error::UnknownSale)?;
		let key = record.key.ok_or(Error::NotRevealed)?;
		ensure!(Self::now() <= record.deadline, Error::DisputeTooLate);
		Ok((record, key))
	}

	/// See [`Pallet::prove_bad_leaf`].
	pub(crate) fn do_prove_bad_leaf(by: AccountId, sale: SaleId, evidence: &SaleEvidence) -> DispatchResult {
		let (record, key) = Self::disputable(sale)?;
		evidence
			.convicts(&T::Genesis::get(), &sale, &key)
			.map_err(Error::<T>::of_evidence)?;
		Self::convict(by, sale, record);
		Ok(())
	}

	/// See [`Pallet::prove_bad_claim`].
	pub(crate) fn do_prove_bad_claim(
		by: AccountId,
		sale: SaleId,
		evidence: &ClaimEvidence,
	) -> DispatchResult {
		let (record, key) = Self::disputable(sale)?;
		evidence
			.refutes(&T::Genesis::get(), &sale, &key, &record.claims)
			.map_err(Error::<T>::of_claim)?;
		Self::convict(by, sale, record);
		Ok(())
	}
}
