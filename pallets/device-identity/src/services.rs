//! What a device publishes about itself: the document that describes it, and where it can be reached.

use crate::{Config, Devices, Error, Event, Pallet, ServiceList, Services, registration::list_size};
use frame_support::ensure;
use m2m_device::{AccountId, Action, DeviceId, Service, ServiceId};
use sp_core::H256;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
	/// See [`Pallet::set_profile`].
	pub(crate) fn do_set_profile(
		who: &AccountId,
		device: Option<DeviceId>,
		profile: Option<H256>,
	) -> DispatchResult {
		let (id, mut record, _) = Self::authorized(who, device.as_ref(), Action::Manage)?;
		record.profile = profile;
		Devices::<T>::insert(&id, record);
		Self::deposit_event(Event::ProfileSet { device: id, profile });
		Ok(())
	}

	/// Stores a device's services; nothing if there are none.
	fn put_services(id: &DeviceId, services: ServiceList) {
		if services.is_empty() {
			Services::<T>::remove(id);
		} else {
			Services::<T>::insert(id, services);
		}
	}

	/// See [`Pallet::set_service`].
	pub(crate) fn do_set_service(
		who: &AccountId,
		device: Option<DeviceId>,
		service: Service,
	) -> DispatchResult {
		let (id, mut record, signer) = Self::authorized(who, device.as_ref(), Action::Manage)?;
		ensure!(service.check(), Error::<T>::BadService);
		let mut services = Services::<T>::get(&id);
		let before = list_size(&services);
		let name = service.id.clone();
		match services.iter_mut().find(|known| known.id == name) {
			Some(known) => *known = service,
			None => services
				.try_push(service)
				.map_err(|_| Error::<T>::TooManyServices)?,
		}
		record.change_listed(before, list_size(&services));
		Self::settle_deposit(&id, &mut record, &signer)?;
		Devices::<T>::insert(&id, record);
		Self::put_services(&id, services);
		Self::deposit_event(Event::ServiceSet {
			device: id,
			service: name,
		});
		Ok(())
	}

	/// See [`Pallet::remove_service`].
	pub(crate) fn do_remove_service(
		who: &AccountId,
		device: Option<DeviceId>,
		service: ServiceId,
	) -> DispatchResult {
		let (id, mut record, _) = Self::authorized(who, device.as_ref(), Action::Close)?;
		let mut services = Services::<T>::get(&id);
		let (before, count) = (list_size(&services), services.len());
		services.retain(|known| known.id != service);
		ensure!(services.len() < count, Error::<T>::UnknownService);
		record.change_listed(before, list_size(&services));
		Self::lower_deposit(&id, &mut record)?;
		Devices::<T>::insert(&id, record);
		Self::put_services(&id, services);
		Self::deposit_event(Event::ServiceRemoved { device: id, service });
		Ok(())
	}
}
