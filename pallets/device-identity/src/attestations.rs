//! What others say about devices.

use crate::{
	AttestationOf, Attestations, BalanceOf, Config, Devices, Error, Event, HoldReason, Keys, Pallet,
};
use alloc::vec::Vec;
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Footprint,
		fungible::{Inspect, InspectHold, MutateHold},
		tokens::{Fortitude::Polite, Preservation::Preserve},
	},
};
use m2m_device::{AccountId, Attestation, AttestationDetails, DeviceId, Topic, UnixMs};
use sp_core::H256;
use sp_runtime::{
	DispatchResult, Saturating,
	traits::{Convert, Zero},
};

/// Bytes that the hashes of an attestation's three map keys take.
const MAP_KEY_HASHES: u64 = 3 * 16;

impl<T: Config> Pallet<T> {
	/// What an attestation costs its issuer while it is in state.
	pub fn attestation_deposit() -> BalanceOf<T> {
		let keys = MAP_KEY_HASHES
			.saturating_add(2 * AccountId::max_encoded_len() as u64)
			.saturating_add(Topic::max_encoded_len() as u64);
		let size = keys.saturating_add(AttestationOf::<T>::max_encoded_len() as u64);
		T::DepositPrice::convert(Footprint { count: 1, size })
	}

	/// Fails if `who` is or was a device key: it speaks for its device only.
	pub(crate) fn ensure_may_issue(who: &AccountId) -> Result<(), Error<T>> {
		ensure!(!Keys::<T>::contains_key(who), Error::IssuerIsDeviceKey);
		Ok(())
	}

	/// Brings what is held on an issuer for one item from `held` to `due`.
	pub(crate) fn settle_issuer(issuer: &AccountId, held: BalanceOf<T>, due: BalanceOf<T>) -> DispatchResult {
		let reason = HoldReason::AttestationDeposit.into();
		let free = T::Currency::reducible_balance(issuer, Preserve, Polite);
		ensure!(free >= due.saturating_sub(held), Error::<T>::IssuerCannotPay);
		let others = T::Currency::balance_on_hold(&reason, issuer).saturating_sub(held);
		T::Currency::set_on_hold(&reason, issuer, others.saturating_add(due))
	}

	/// See [`Pallet::attest`].
	pub(crate) fn do_attest(
		issuer: &AccountId,
		device: DeviceId,
		topic: Topic,
		claim: H256,
		auth_version: u32,
		generation: u32,
		expires: UnixMs,
	) -> DispatchResult {
		Self::ensure_may_issue(issuer)?;
		ensure!(topic.is_valid(), Error::<T>::BadTopic);
		let now = Self::now();
		ensure!(now <= expires, Error::<T>::AttestationExpired);
		let record = Self::live_device(&device)?;
		ensure!(
			auth_version == record.auth_version,
			Error::<T>::AuthVersionMismatch
		);
		ensure!(generation == record.generation, Error::<T>::GenerationMismatch);

		let place = (&device, topic, issuer);
		let held = Attestations::<T>::get(place)
			.map(|replaced| replaced.deposit)
			.unwrap_or_default();
		let deposit = Self::attestation_deposit();
		Self::settle_issuer(issuer, held, deposit)?;
		Attestations::<T>::insert(
			place,
			Attestation {
				claim,
				auth_version,
				generation,
				issued: now,
				expires,
				deposit,
			},
		);
		Self::deposit_event(Event::Attested {
			device,
			topic,
			issuer: issuer.clone(),
		});
		Ok(())
	}

	/// See [`Pallet::revoke_attestation`].
	pub(crate) fn do_revoke_attestation(
		issuer: &AccountId,
		device: DeviceId,
		topic: Topic,
	) -> DispatchResult {
		let revoked =
			Attestations::<T>::take((&device, topic, issuer)).ok_or(Error::<T>::UnknownAttestation)?;
		Self::settle_issuer(issuer, revoked.deposit, Zero::zero())?;
		Self::deposit_event(Event::AttestationRevoked {
			device,
			topic,
			issuer: issuer.clone(),
		});
		Ok(())
	}

	/// The claim of the first of `issuers` who vouches for the device now, see `DeviceInspect::has_attestation`.
	pub(crate) fn standing_claim(
		device: &DeviceId,
		topic: Topic,
		issuers: &[AccountId],
		same_owner: bool,
	) -> Option<H256> {
		let record = Devices::<T>::get(device)?;
		let now = Self::now();
		issuers
			.iter()
			.filter_map(|issuer| Attestations::<T>::get((device, topic, issuer)))
			.find(|attestation| {
				attestation.counts(now, record.auth_version)
					&& (!same_owner || attestation.generation == record.generation)
			})
			.map(|attestation| attestation.claim)
	}

	/// The attestations of a device, valid or not and also of a retired one, in the fixed order of their storage keys:
	/// at most `limit` (never more than [`crate::MAX_PAGE`]) that come after the one of this topic and issuer. That one
	/// need not exist any more.
	pub fn attestations(
		device: &DeviceId,
		after: Option<(Topic, AccountId)>,
		limit: u32,
	) -> Vec<AttestationDetails> {
		let version = Devices::<T>::get(device).map(|record| record.auth_version);
		let now = Self::now();
		let found = match after {
			None => Attestations::<T>::iter_prefix((device.clone(),)),
			Some((topic, issuer)) => Attestations::<T>::iter_prefix_from(
				(device.clone(),),
				Attestations::<T>::hashed_key_for((device, topic, issuer)),
			),
		};
		found
			.take(limit.min(crate::MAX_PAGE) as usize)
			.map(|((topic, issuer), attestation)| AttestationDetails {
				topic,
				issuer,
				claim: attestation.claim,
				auth_version: attestation.auth_version,
				generation: attestation.generation,
				issued: attestation.issued,
				expires: attestation.expires,
				valid: version.is_some_and(|version| attestation.counts(now, version)),
			})
			.collect()
	}
}
