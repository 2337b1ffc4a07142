//! Random devices, sponsors, owners and time against a plain model that keeps its own books: the same payer,
//! to the unit, and nobody else's money moves.

use crate::{Error, mock::*};
use frame_support::{
	dispatch::{DispatchClass, PostDispatchInfo},
	traits::Get,
	weights::Weight,
};
use frame_system::limits::BlockWeights;
use m2m_device::{AccountId, Beneficiary, BudgetPeriod, DeviceId, DeviceStatus, SpendLimit};
use pallet_transaction_payment::Multiplier;
use proptest::prelude::*;
use sp_runtime::{DispatchResult, FixedPointNumber};
use std::collections::BTreeMap;

const OWNERS: [AccountId; 2] = [ALICE, BOB];
const DEVICES: u8 = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
	Wait(u64),
	Multiplier(u32),
	Send {
		device: u8,
		call: u8,
		micros: u32,
		fail: bool,
	},
	Offer {
		device: Option<u8>,
		owner: bool,
		calls: u8,
		capacity: u128,
		refill: u128,
		lasts: Option<u64>,
		amount: u128,
	},
	Attach {
		number: u32,
		owner: bool,
	},
	Detach {
		number: u32,
		owner: bool,
	},
	TopUp {
		number: u32,
		amount: u128,
	},
	Close {
		number: u32,
	},
	Prune {
		number: u32,
		device: u8,
	},
	SetBudget {
		device: u8,
		owner: bool,
		limit: u128,
		blocks: u64,
	},
	ClearBudget {
		device: u8,
		owner: bool,
	},
	Spend {
		device: u8,
		amount: u128,
	},
	Unspend {
		back: usize,
	},
	FundWallet {
		device: u8,
		amount: u128,
	},
	HandOver {
		device: u8,
	},
	Suspend {
		device: u8,
		active: bool,
	},
}

fn step() -> impl Strategy<Value = Step> {
	let device = 0..DEVICES;
	let number = 0u32..5;
	let refill = prop_oneof![Just(0u128), 1u128..200, Just(u128::MAX)];
	prop_oneof![
		3 => prop_oneof![1u64..5, 1u64..2_000, Just(20 * 60 * 24 * 365 * 300)].prop_map(Step::Wait),
		1 => (1u32..50).prop_map(Step::Multiplier),
		12 => (device.clone(), 0u8..3, 0u32..=1_000, any::<bool>())
			.prop_map(|(device, call, micros, fail)| Step::Send { device, call, micros, fail }),
		3 => (
			prop::option::of(device.clone()), any::<bool>(), 1u8..4, 1u128..20_000, refill,
			prop::option::of(1u64..3_000), 1u128..60_000,
		).prop_map(|(device, owner, calls, capacity, refill, lasts, amount)| {
			Step::Offer { device, owner, calls, capacity, refill, lasts, amount }
		}),
		4 => (number.clone(), any::<bool>()).prop_map(|(number, owner)| Step::Attach { number, owner }),
		1 => (number.clone(), any::<bool>()).prop_map(|(number, owner)| Step::Detach { number, owner }),
		1 => (number.clone(), 0u128..9_000).prop_map(|(number, amount)| Step::TopUp { number, amount }),
		1 => number.clone().prop_map(|number| Step::Close { number }),
		2 => (number, device.clone()).prop_map(|(number, device)| Step::Prune { number, device }),
		2 => (device.clone(), any::<bool>(), 0u128..9_000, 0u64..50)
			.prop_map(|(device, owner, limit, blocks)| Step::SetBudget { device, owner, limit, blocks }),
		1 => (device.clone(), any::<bool>()).prop_map(|(device, owner)| Step::ClearBudget { device, owner }),
		2 => (device.clone(), 0u128..3_000).prop_map(|(device, amount)| Step::Spend { device, amount }),
		1 => (0usize..4).prop_map(|back| Step::Unspend { back }),
		1 => (device.clone(), 1u128..20_000).prop_map(|(device, amount)| Step::FundWallet { device, amount }),
		1 => device.clone().prop_map(|device| Step::HandOver { device }),
		1 => (device, any::<bool>()).prop_map(|(device, active)| Step::Suspend { device, active }),
	]
}

struct Promise {
	to: Beneficiary,
	generation: u32,
	calls: u8,
	capacity: u128,
	refill: u128,
	expires: Option<u64>,
	/// What fees may take.
	money: u128,
	/// What was in each bucket in state, and when.
	levels: BTreeMap<u8, (u128, u64)>,
	closed: bool,
}

impl Promise {
	fn level(&self, device: u8) -> u128 {
		let Some((level, block)) = self.levels.get(&device) else {
			return self.capacity;
		};
		let blocks = u128::from(System::block_number() - block);
		level
			.saturating_add(self.refill.saturating_mul(blocks))
			.min(self.capacity)
	}
}

struct Limit {
	generation: u32,
	number: u32,
	limit: u128,
	period_ms: u64,
	since: u64,
	spent: BTreeMap<u64, u128>,
}

impl Limit {
	fn period(&self) -> u64 {
		(now() - self.since) / self.period_ms
	}

	fn left(&self) -> u128 {
		self.limit - self.spent.get(&self.period()).copied().unwrap_or_default()
	}
}

struct Owned {
	owner: AccountId,
	generation: u32,
	active: bool,
	wallet: u128,
}

#[derive(Default)]
struct Model {
	promises: BTreeMap<u32, Promise>,
	attached: BTreeMap<AccountId, u32>,
	limits: BTreeMap<u8, Limit>,
	devices: BTreeMap<u8, Owned>,
	offers: u32,
	budgets: u32,
	spendings: Vec<(u8, u128, BudgetPeriod)>,
}

/// The payers that a device has besides its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Other {
	Pot(u32),
	Wallet,
}

fn device_of(number: u8) -> Device {
	Device::number(number)
}

fn id(number: u8) -> DeviceId {
	device_of(number).id
}

fn call(which: u8, micros: u32, fail: bool) -> RuntimeCall {
	match which {
		0 => fleet::Call::report {
			micros,
			fail,
			free: false,
		}
		.into(),
		1 => remark(),
		_ => transfer(),
	}
}

/// Real fee and fee at multiplier one for so much weight.
fn fees(weight: Weight) -> (u128, u128) {
	let limits: BlockWeights = <Test as frame_system::Config>::BlockWeights::get();
	let base = limits.get(DispatchClass::Normal).base_extrinsic;
	let fixed = TransactionPayment::weight_to_fee(base) + LENGTH as u128;
	let work = TransactionPayment::weight_to_fee(weight);
	let multiplier = TransactionPayment::next_fee_multiplier();
	(fixed + multiplier.saturating_mul_int(work), fixed + work)
}

impl Model {
	fn covers(&self, promise: &Promise, device: u8) -> bool {
		let record = &self.devices[&device];
		match &promise.to {
			Beneficiary::Device(named) => *named == id(device) && promise.generation == record.generation,
			Beneficiary::Owner(owner) => *owner == record.owner,
		}
	}

	/// The rules in the words of the design.
	fn payer(&self, device: u8, which: u8, real: u128, at_one: u128) -> Option<Other> {
		let record = &self.devices[&device];
		if !record.active {
			return None;
		}
		for place in [id(device), record.owner.clone()] {
			let Some(number) = self.attached.get(&place) else {
				continue;
			};
			let promise = &self.promises[number];
			let new = u128::from(!promise.levels.contains_key(&device));
			let deposit = new * FeeSponsorship::bucket_deposit();
			if self.covers(promise, device)
				&& which < 2 && promise.calls & (1 << which) != 0
				&& promise.expires.is_none_or(|expires| now() <= expires)
				&& promise.level(device) >= at_one
				&& promise.money >= real + deposit
			{
				return Some(Other::Pot(*number));
			}
		}
		let limit = self.limits.get(&device)?;
		let pays = limit.generation == record.generation && limit.left() >= real && record.wallet >= real;
		pays.then_some(Other::Wallet)
	}

	fn account(&self, other: Other, device: u8) -> AccountId {
		match other {
			Other::Pot(number) => FeeSponsorship::pot(number),
			Other::Wallet => id(device),
		}
	}

	fn charge(&mut self, other: Other, device: u8, real: u128, at_one: u128) {
		match other {
			Other::Pot(number) => {
				let promise = self.promises.get_mut(&number).expect("it pays");
				let level = promise.level(device) - at_one;
				if promise
					.levels
					.insert(device, (level, System::block_number()))
					.is_none()
				{
					promise.money -= FeeSponsorship::bucket_deposit();
				}
				promise.money -= real;
			}
			Other::Wallet => {
				self.devices.get_mut(&device).expect("it is known").wallet -= real;
				let limit = self.limits.get_mut(&device).expect("it pays");
				*limit.spent.entry(limit.period()).or_default() += real;
			}
		}
	}

	fn send(&mut self, device: u8, which: u8, micros: u32, fail: bool) {
		let key = device_of(device).key;
		let call = call(which, micros, fail);
		let (real, at_one) = fees(info(&call, 0).total_weight());
		let payer = self.payer(device, which, real, at_one);
		assert_eq!(
			validate(&key, &call).is_ok(),
			payer.is_some(),
			"device {device}, call {which}: {payer:?}"
		);
		let author = free(&AUTHOR);
		let Some(payer) = payer else {
			assert!(apply(&key, call).is_err());
			assert_eq!(free(&AUTHOR), author);
			return;
		};
		let account = self.account(payer, device);
		let before = free(&account);
		let post_info: PostDispatchInfo = match apply(&key, call).expect("it is valid") {
			Ok(post_info) | Err((post_info, _)) => post_info,
		};
		let (real, at_one) = fees(post_info.actual_weight.expect("it is known"));
		assert_eq!(last_fee(), (account.clone(), real));
		assert_eq!(before - free(&account), real);
		assert_eq!(free(&AUTHOR) - author, real);
		self.charge(payer, device, real, at_one);
	}

	fn takes(&self, promise: &Promise, who: &AccountId) -> bool {
		match &promise.to {
			Beneficiary::Device(named) => {
				(0..DEVICES).any(|device| id(device) == *named && self.devices[&device].owner == *who)
			}
			Beneficiary::Owner(owner) => owner == who,
		}
	}

	fn attach(&mut self, number: u32, who: &AccountId) -> Result<(), Error<Test>> {
		let promise = self.promises.get(&number).ok_or(Error::UnknownSponsorship)?;
		if !self.takes(promise, who) {
			return Err(Error::NotOwner);
		}
		let over = (0..DEVICES)
			.any(|device| promise.to == Beneficiary::Device(id(device)) && !self.covers(promise, device));
		if over || promise.closed {
			return Err(Error::SponsorshipEnded);
		}
		if promise.expires.is_some_and(|expires| now() > expires) {
			return Err(Error::SponsorshipExpired);
		}
		let place = promise.to.account().clone();
		if self.attached.insert(place, number) == Some(number) {
			return Err(Error::AlreadyAttached);
		}
		Ok(())
	}

	fn detach(&mut self, number: u32, who: &AccountId) -> Result<(), Error<Test>> {
		let promise = self.promises.get(&number).ok_or(Error::UnknownSponsorship)?;
		if !self.takes(promise, who) {
			return Err(Error::NotOwner);
		}
		let place = promise.to.account().clone();
		if self.attached.get(&place) != Some(&number) {
			return Err(Error::NotAttached);
		}
		self.attached.remove(&place);
		Ok(())
	}

	fn close(&mut self, number: u32) -> Result<(), Error<Test>> {
		let promise = self.promises.get_mut(&number).ok_or(Error::UnknownSponsorship)?;
		if promise.closed {
			return Err(Error::SponsorshipEnded);
		}
		let place = promise.to.account();
		if self.attached.get(place) == Some(&number) {
			self.attached.remove(place);
		}
		promise.closed = true;
		promise.money = 0;
		if promise.levels.is_empty() {
			self.promises.remove(&number);
		}
		Ok(())
	}

	fn prune(&mut self, number: u32, device: u8) -> Result<(), Error<Test>> {
		let promise = self.promises.get_mut(&number).ok_or(Error::UnknownSponsorship)?;
		if !promise.levels.contains_key(&device) {
			return Err(Error::NoSuchBucket);
		}
		if !promise.closed && promise.level(device) < promise.capacity {
			return Err(Error::BucketNotFull);
		}
		promise.levels.remove(&device);
		promise.money += FeeSponsorship::bucket_deposit();
		if promise.closed && promise.levels.is_empty() {
			self.promises.remove(&number);
		}
		Ok(())
	}

	fn spend(&mut self, device: u8, amount: u128) -> Result<BudgetPeriod, Error<Test>> {
		let generation = self.devices[&device].generation;
		let limit = self
			.limits
			.get_mut(&device)
			.filter(|limit| limit.generation == generation)
			.ok_or(Error::NoBudget)?;
		if limit.left() < amount {
			return Err(Error::BudgetExceeded);
		}
		let number = limit.period();
		*limit.spent.entry(number).or_default() += amount;
		Ok(BudgetPeriod {
			budget: limit.number,
			number,
		})
	}
}

fn same(found: DispatchResult, expected: Result<(), Error<Test>>) {
	assert_eq!(found, expected.map_err(Into::into));
}

fn owner(which: bool) -> AccountId {
	OWNERS[usize::from(which)].clone()
}

fn run(steps: Vec<Step>) {
	let mut model = Model::default();
	for number in 0..DEVICES {
		let owner = owner(number == 2);
		device_of(number).register(&owner);
		model.devices.insert(
			number,
			Owned {
				owner,
				generation: 0,
				active: true,
				wallet: 0,
			},
		);
	}
	for step in steps {
		match step {
			Step::Wait(blocks) => advance(blocks),
			Step::Multiplier(tenths) => set_multiplier(Multiplier::saturating_from_rational(tenths + 10, 10)),
			Step::Send {
				device,
				call,
				micros,
				fail,
			} => model.send(device, call, micros, fail),
			Step::Offer {
				device,
				owner: which,
				calls,
				capacity,
				refill,
				lasts,
				amount,
			} => {
				let to = device.map_or_else(
					|| Beneficiary::Owner(owner(which)),
					|device| Beneficiary::Device(id(device)),
				);
				let expires = lasts.map(|blocks| now() + blocks * BLOCK_MS);
				let groups = [CallGroup::Reports, CallGroup::Remarks];
				let offer = Offer {
					beneficiary: to.clone(),
					calls: (0..2)
						.filter(|bit| calls & (1 << bit) != 0)
						.map(|bit| groups[bit])
						.collect(),
					capacity,
					refill,
					expires,
					amount,
				};
				assert_eq!(offer.make(), model.offers);
				let generation = device.map_or(0, |device| model.devices[&device].generation);
				let promise = Promise {
					to,
					generation,
					calls,
					capacity,
					refill,
					expires,
					money: amount,
					levels: BTreeMap::new(),
					closed: false,
				};
				model.promises.insert(model.offers, promise);
				model.offers += 1;
			}
			Step::Attach { number, owner: which } => {
				let who = owner(which);
				same(
					FeeSponsorship::attach(signed(&who), number),
					model.attach(number, &who),
				);
			}
			Step::Detach { number, owner: which } => {
				let who = owner(which);
				same(
					FeeSponsorship::detach(signed(&who), number),
					model.detach(number, &who),
				);
			}
			Step::TopUp { number, amount } => {
				let expected = match model.promises.get_mut(&number) {
					_ if amount == 0 => Err(Error::ZeroAmount),
					None => Err(Error::UnknownSponsorship),
					Some(promise) if promise.closed => Err(Error::SponsorshipEnded),
					Some(promise) => {
						promise.money += amount;
						Ok(())
					}
				};
				same(FeeSponsorship::top_up(signed(&BOB), number, amount), expected);
			}
			Step::Close { number } => same(
				FeeSponsorship::close(signed(&SPONSOR), number),
				model.close(number),
			),
			Step::Prune { number, device } => {
				let devices = vec![id(device)].try_into().expect("one");
				same(
					FeeSponsorship::prune_buckets(signed(&BOB), number, devices),
					model.prune(number, device),
				);
			}
			Step::SetBudget {
				device,
				owner: which,
				limit,
				blocks,
			} => {
				let who = owner(which);
				let record = &model.devices[&device];
				let expected = if limit == 0 {
					Err(Error::ZeroAmount)
				} else if blocks == 0 {
					Err(Error::ZeroPeriod)
				} else if record.owner != who {
					Err(Error::NotOwner)
				} else {
					let generation = record.generation;
					let period_ms = blocks * BLOCK_MS;
					let number = model.budgets;
					model.budgets += 1;
					let new = Limit {
						generation,
						number,
						limit,
						period_ms,
						since: now(),
						spent: BTreeMap::new(),
					};
					model.limits.insert(device, new);
					Ok(())
				};
				let found = FeeSponsorship::set_budget(signed(&who), id(device), limit, blocks * BLOCK_MS);
				same(found, expected);
			}
			Step::ClearBudget { device, owner: which } => {
				let who = owner(which);
				let record = &model.devices[&device];
				let expected = match model.limits.get(&device) {
					None => Err(Error::NoBudget),
					Some(limit) if limit.generation == record.generation && record.owner != who => {
						Err(Error::NotOwner)
					}
					Some(_) => {
						model.limits.remove(&device);
						Ok(())
					}
				};
				same(FeeSponsorship::clear_budget(signed(&who), id(device)), expected);
			}
			Step::Spend { device, amount } => {
				let expected = model.spend(device, amount);
				if let Ok(period) = &expected {
					model.spendings.push((device, amount, *period));
				}
				assert_eq!(
					FeeSponsorship::spend(&id(device), amount),
					expected.map_err(Into::into)
				);
			}
			Step::Unspend { back } => {
				let Some(index) = model.spendings.len().checked_sub(back + 1) else {
					continue;
				};
				let (device, amount, period) = model.spendings.remove(index);
				FeeSponsorship::unspend(&id(device), amount, period);
				if let Some(limit) = model.limits.get_mut(&device)
					&& limit.number == period.budget
					&& limit.period() == period.number
				{
					*limit.spent.entry(period.number).or_default() -= amount;
				}
			}
			Step::FundWallet { device, amount } => {
				fund(&id(device), amount);
				model.devices.get_mut(&device).expect("it is known").wallet += amount;
			}
			Step::HandOver { device } => {
				let record = model.devices.get_mut(&device).expect("it is known");
				record.owner = owner(record.owner == ALICE);
				record.generation += 1;
				record.active = true;
				device_of(device).set(&record.owner, record.generation, DeviceStatus::Active);
			}
			Step::Suspend { device, active } => {
				let record = model.devices.get_mut(&device).expect("it is known");
				record.active = active;
				let status = if active {
					DeviceStatus::Active
				} else {
					DeviceStatus::Suspended
				};
				device_of(device).set(&record.owner, record.generation, status);
			}
		}
	}
	for (number, promise) in &model.promises {
		let (record, left, attached) = FeeSponsorship::sponsorship(*number).expect("the model has it");
		assert_eq!((left, record.closed), (promise.money, promise.closed));
		assert_eq!(attached, model.attached.get(promise.to.account()) == Some(number));
		for device in promise.levels.keys() {
			assert_eq!(bucket_left(*number, &device_of(*device)), promise.level(*device));
		}
	}
	assert_eq!(crate::Sponsorships::<Test>::iter().count(), model.promises.len());
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn the_same_payer_as_in_the_model_and_nobody_elses_money(steps in prop::collection::vec(step(), 1..60)) {
		ExtBuilder::execute(|| run(steps));
	}
}
