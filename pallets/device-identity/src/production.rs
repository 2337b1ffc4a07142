//! Where keys were made.

use crate::{
	BalanceOf, BatchOf, Batches, Config, Devices, Error, Event, KeyEntry, Keys, Pallet, Productions,
};
use codec::MaxEncodedLen;
use frame_support::{ensure, traits::Footprint};
use m2m_device::{AccountId, Batch, Model, Production, ProductionPath, production};
use sp_core::H256;
use sp_runtime::{
	DispatchResult,
	traits::{Convert, Zero},
};

/// Bytes that the hashes of a batch's two map keys take.
const MAP_KEY_HASHES: u64 = 2 * 16;

impl<T: Config> Pallet<T> {
	/// What a batch costs its issuer, for ever.
	pub fn batch_deposit() -> BalanceOf<T> {
		let size = MAP_KEY_HASHES
			.saturating_add(AccountId::max_encoded_len() as u64)
			.saturating_add(H256::max_encoded_len() as u64)
			.saturating_add(BatchOf::<T>::max_encoded_len() as u64);
		T::DepositPrice::convert(Footprint { count: 1, size })
	}

	/// See [`Pallet::create_batch`].
	pub(crate) fn do_create_batch(
		issuer: &AccountId,
		model: Model,
		count: u32,
		root: H256,
	) -> DispatchResult {
		Self::ensure_may_issue(issuer)?;
		ensure!(count > 0, Error::<T>::EmptyBatch);
		ensure!(!Batches::<T>::contains_key(issuer, root), Error::<T>::BatchExists);
		let deposit = Self::batch_deposit();
		Self::settle_issuer(issuer, Zero::zero(), deposit)?;
		Batches::<T>::insert(
			issuer,
			root,
			Batch {
				model,
				count,
				created: Self::now(),
				revoked: None,
				deposit,
			},
		);
		Self::deposit_event(Event::BatchCreated {
			issuer: issuer.clone(),
			root,
			count,
		});
		Ok(())
	}

	/// See [`Pallet::prove_production`].
	pub(crate) fn do_prove_production(
		who: &AccountId,
		account: AccountId,
		issuer: AccountId,
		root: H256,
		index: u32,
		path: ProductionPath,
	) -> DispatchResult {
		let KeyEntry::Active(key) = Keys::<T>::get(&account).ok_or(Error::<T>::UnknownKey)? else {
			return Err(Error::<T>::KeyRemoved.into());
		};
		let batch = Self::standing_batch(&issuer, root)?;
		if let Some(known) = Productions::<T>::get(&account) {
			let same = known.issuer == issuer && known.root == root;
			ensure!(!same, Error::<T>::AlreadyProven);
			// Anybody can make a batch with this key in it. Only the owner says which of two counts.
			if Self::standing_batch(&known.issuer, known.root).is_ok() {
				let owner = Devices::<T>::get(&key.device).map(|record| record.owner);
				ensure!(owner.as_ref() == Some(who), Error::<T>::AlreadyProven);
			}
		}
		ensure!(
			production::path_root(&key.public, index, batch.count, &path) == Some(root),
			Error::<T>::NotInBatch
		);
		Productions::<T>::insert(
			&account,
			Production {
				issuer: issuer.clone(),
				root,
				index,
				proven_at: Self::now(),
			},
		);
		Self::deposit_event(Event::ProductionProven {
			key: account,
			issuer,
			root,
			index,
		});
		Ok(())
	}

	/// See [`Pallet::revoke_batch`].
	pub(crate) fn do_revoke_batch(issuer: &AccountId, root: H256) -> DispatchResult {
		let mut batch = Self::standing_batch(issuer, root)?;
		batch.revoked = Some(Self::now());
		Batches::<T>::insert(issuer, root, batch);
		Self::deposit_event(Event::BatchRevoked {
			issuer: issuer.clone(),
			root,
		});
		Ok(())
	}

	/// A batch that its issuer did not revoke.
	fn standing_batch(issuer: &AccountId, root: H256) -> Result<BatchOf<T>, Error<T>> {
		let batch = Batches::<T>::get(issuer, root).ok_or(Error::UnknownBatch)?;
		ensure!(batch.revoked.is_none(), Error::BatchRevoked);
		Ok(batch)
	}

	/// Where a key was made, see `DeviceInspect::production`.
	pub(crate) fn standing_production(key: &AccountId) -> Option<Production> {
		let production = Productions::<T>::get(key)?;
		Self::standing_batch(&production.issuer, production.root).ok()?;
		Some(production)
	}

	/// A batch, revoked or not.
	pub fn batch(issuer: &AccountId, root: H256) -> Option<BatchOf<T>> {
		Batches::<T>::get(issuer, root)
	}
}
