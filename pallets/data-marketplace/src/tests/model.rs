//! Random interleavings of honest, cheating and silent parties against a model with books of its own: the same
//! results and the same money after each step, nothing held after the last deadline, and nobody who followed the
//! protocol has lost any.

use crate::{Error, HoldReason, Sales, Subscriptions, mock::*};
use frame_support::{BoundedVec, assert_ok, traits::Hooks, weights::Weight};
use m2m_device::AccountId;
use m2m_fair_exchange::market::{Payee, Payout, Price};
use proptest::prelude::*;
use sp_runtime::{DispatchResult, Perbill};

#[derive(Clone, Copy, Debug)]
enum Step {
	Wait(u32),
	/// A new offer, honest or not, for Bob or for Dave's subscription.
	Offer {
		honest: bool,
		price: u128,
	},
	Buy(usize),
	Reveal(usize),
	Accept {
		deal: usize,
		rating: u8,
	},
	Dispute(usize),
	Settle(usize),
	Refund(usize),
	Subscribe {
		money: u128,
		lasts: u32,
	},
	Deliver {
		subscription: u32,
		deal: usize,
	},
	EndSubscription(u32),
	CloseSubscription(u32),
	AddBond(u128),
	Unbond(u128),
	WithdrawBond,
}

fn step() -> impl Strategy<Value = Step> {
	let deal = 0usize..10;
	let number = 0u32..3;
	prop_oneof![
		4 => prop_oneof![1u32..6, Just(REVEAL), Just(DISPUTE)].prop_map(Step::Wait),
		5 => (any::<bool>(), MIN_PRICE..200_000u128).prop_map(|(honest, price)| Step::Offer { honest, price }),
		7 => deal.clone().prop_map(Step::Buy),
		5 => deal.clone().prop_map(Step::Reveal),
		3 => (deal.clone(), 0u8..7).prop_map(|(deal, rating)| Step::Accept { deal, rating }),
		4 => deal.clone().prop_map(Step::Dispute),
		3 => deal.clone().prop_map(Step::Settle),
		3 => deal.clone().prop_map(Step::Refund),
		1 => (1u128..400_000, 1u32..80).prop_map(|(money, lasts)| Step::Subscribe { money, lasts }),
		4 => (number.clone(), deal).prop_map(|(subscription, deal)| Step::Deliver { subscription, deal }),
		1 => number.clone().prop_map(Step::EndSubscription),
		1 => number.prop_map(Step::CloseSubscription),
		1 => (1u128..300_000).prop_map(Step::AddBond),
		1 => (1u128..300_000).prop_map(Step::Unbond),
		1 => Just(Step::WithdrawBond),
	]
}

/// What the model knows of a deal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
	Offered,
	Bought { until: u32 },
	Revealed { until: u32 },
	Paid,
	Refunded,
	Convicted,
}

struct Entry {
	deal: Deal,
	honest: bool,
	stage: Stage,
}

struct Standing {
	left: u128,
	ends: u32,
	open: bool,
}

struct Model {
	shop: Shop,
	deals: Vec<Entry>,
	standing: Vec<Standing>,
	bond: u128,
	unbonding: u128,
	unbonds_at: u32,
	/// What Bob has in all, and what Alice has. Alice and her payees are the selling side.
	buyer: u128,
	seller: u128,
	/// What Carol got, who has a quarter of all, and an account that is not there to begin with, which has a
	/// thousandth.
	carol: u128,
	stray: u128,
	/// What left the total issuance.
	burnt: u128,
}

const STRAY: AccountId = AccountId::new([0x57; 32]);

fn payout() -> Payout {
	let payees = [(CAROL, 250_000_000), (STRAY, 1_000_000)].map(|(account, parts)| Payee {
		account,
		share: Perbill::from_parts(parts),
	});
	Payout::Split(BoundedVec::truncate_from(payees.to_vec()))
}

const CAP: u128 = 150_000;

impl Model {
	fn locked(&self) -> u128 {
		let open = self
			.deals
			.iter()
			.filter(|entry| matches!(entry.stage, Stage::Bought { .. } | Stage::Revealed { .. }));
		open.map(|entry| entry.deal.terms.price + FIXED_COVER).sum()
	}

	fn available(&self) -> u128 {
		self.bond - self.locked() - self.unbonding
	}

	fn purchasable(&self, at: usize) -> Result<(), Error<Test>> {
		let entry = &self.deals[at];
		let terms = &entry.deal.terms;
		if entry.stage != Stage::Offered && block() <= terms.expires {
			return Err(Error::TermsUsed);
		}
		if matches!(entry.stage, Stage::Bought { .. } | Stage::Revealed { .. }) {
			return Err(Error::TermsUsed);
		}
		if block() > terms.expires {
			return Err(Error::TermsExpired);
		}
		Ok(())
	}

	fn covered(&self, at: usize) -> Result<(), Error<Test>> {
		if self.deals[at].deal.terms.price + FIXED_COVER > self.available() {
			return Err(Error::BondTooSmall);
		}
		Ok(())
	}

	fn pay(&mut self, at: usize) {
		let price = self.deals[at].deal.terms.price;
		let fee = price.div_ceil(100);
		let carol = (price - fee) / 4;
		let mut stray = (price - fee) / 1_000;
		if self.stray + stray < ED {
			// It cannot be received, so it goes to the seller.
			stray = 0;
		}
		self.buyer -= price;
		self.seller += price - fee - carol - stray;
		self.carol += carol;
		self.stray += stray;
		self.burnt += fee;
		self.deals[at].stage = Stage::Paid;
	}

	fn run(&mut self, step: Step) {
		let index = |deal: usize, deals: &[Entry]| (!deals.is_empty()).then(|| deal % deals.len());
		match step {
			Step::Wait(blocks) => {
				advance(blocks);
				Market::on_idle(System::block_number(), Weight::MAX);
			}
			Step::Offer { honest, price } => {
				let mut terms = self.shop.draft();
				terms.price = price;
				let deal = self.shop.seal_as(terms, |position, leaf| {
					leaf.sealed[0] ^= u8::from(!honest && position == 2);
				});
				self.deals.push(Entry {
					deal,
					honest,
					stage: Stage::Offered,
				});
			}
			Step::Buy(deal) => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let expected = self.purchasable(at).and_then(|()| self.covered(at));
				if agree(expected, self.deals[at].deal.buy()) {
					self.deals[at].stage = Stage::Bought {
						until: block() + REVEAL,
					};
				}
			}
			Step::Reveal(deal) => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let expected = match self.deals[at].stage {
					Stage::Bought { until } if block() <= until => Ok(()),
					Stage::Bought { .. } => Err(Error::RevealTooLate),
					Stage::Revealed { .. } => Err(Error::AlreadyRevealed),
					_ => Err(Error::UnknownSale),
				};
				if agree(expected, self.deals[at].deal.reveal()) {
					self.deals[at].stage = Stage::Revealed {
						until: block() + DISPUTE,
					};
				}
			}
			Step::Accept { deal, rating } => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let expected = match self.deals[at].stage {
					_ if !(1..=5).contains(&rating) => Err(Error::InvalidRating),
					Stage::Bought { .. } => Err(Error::NotRevealed),
					Stage::Revealed { .. } => Ok(()),
					_ => Err(Error::UnknownSale),
				};
				if agree(expected, self.deals[at].deal.accept(rating)) {
					self.pay(at);
				}
			}
			Step::Dispute(deal) => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let expected = match self.deals[at].stage {
					Stage::Bought { .. } => Err(Error::NotRevealed),
					Stage::Revealed { until } if block() > until => Err(Error::DisputeTooLate),
					Stage::Revealed { .. } if self.deals[at].honest => Err(Error::NothingWrong),
					Stage::Revealed { .. } => Ok(()),
					_ => Err(Error::UnknownSale),
				};
				if agree(expected, self.deals[at].deal.prove(2)) {
					let price = self.deals[at].deal.terms.price;
					self.deals[at].stage = Stage::Convicted;
					self.bond -= price + FIXED_COVER;
					self.buyer += FIXED_COVER;
					self.seller -= price + FIXED_COVER;
					self.burnt += price;
				}
			}
			Step::Settle(deal) => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let due = matches!(self.deals[at].stage, Stage::Revealed { until } if block() > until);
				settle(&[self.deals[at].deal.id()]);
				assert_eq!(not_ended().is_empty(), due);
				if due {
					self.pay(at);
				}
			}
			Step::Refund(deal) => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let due = matches!(self.deals[at].stage, Stage::Bought { until } if block() > until);
				refund(&[self.deals[at].deal.id()]);
				assert_eq!(not_ended().is_empty(), due);
				if due {
					self.deals[at].stage = Stage::Refunded;
					self.bond -= FIXED_COVER;
					self.buyer += FIXED_COVER;
					self.seller -= FIXED_COVER;
				}
			}
			Step::Subscribe { money, lasts } => {
				let ends = block() + lasts;
				assert_ok!(Market::subscribe(signed(&BOB), None, 0, CAP, money, ends, dave()));
				self.standing.push(Standing {
					left: money,
					ends,
					open: true,
				});
			}
			Step::Deliver { subscription, deal } => {
				let Some(at) = index(deal, &self.deals) else {
					return;
				};
				let epoch = self.deals[at].deal.epoch(subscription, &dave_key());
				let epochs = BoundedVec::truncate_from(vec![epoch]);
				let result = Market::deliver(signed(&HELPER), subscription, epochs);
				let price = self.deals[at].deal.terms.price;
				let fits = self
					.standing
					.get(subscription as usize)
					.filter(|standing| standing.open)
					.map(|standing| block() <= standing.ends && price <= CAP.min(standing.left));
				assert_eq!(result.is_ok(), fits.is_some());
				let taken = fits == Some(true) && self.purchasable(at).is_ok() && self.covered(at).is_ok();
				assert_eq!(
					events()
						.iter()
						.any(|event| matches!(event, crate::Event::Purchased { .. })),
					taken
				);
				if taken {
					self.standing[subscription as usize].left -= price;
					self.deals[at].stage = Stage::Revealed {
						until: block() + DISPUTE,
					};
				}
			}
			Step::EndSubscription(number) => {
				let result = Market::end_subscription(signed(&BOB), None, number);
				let ends = block() + NOTICE;
				let sooner = self
					.standing
					.get_mut(number as usize)
					.filter(|standing| standing.open && ends < standing.ends);
				assert_eq!(result.is_ok(), sooner.is_some());
				if let Some(standing) = sooner {
					standing.ends = ends;
				}
			}
			Step::CloseSubscription(number) => {
				let result = Market::close_subscription(signed(&HELPER), number);
				let over = self
					.standing
					.get_mut(number as usize)
					.filter(|standing| standing.open && block() > standing.ends);
				assert_eq!(result.is_ok(), over.is_some());
				if let Some(standing) = over {
					standing.open = false;
				}
			}
			Step::AddBond(amount) => {
				let fits = self.bond + amount >= FIXED_COVER;
				assert_eq!(Market::add_bond(signed(&alice()), None, amount).is_ok(), fits);
				if fits {
					self.bond += amount;
				}
			}
			Step::Unbond(amount) => {
				let fits = self.bond > 0 && amount <= self.available() && {
					let stays = self.bond - self.unbonding - amount;
					stays == 0 || stays >= FIXED_COVER
				};
				assert_eq!(
					Market::start_unbonding(signed(&alice()), None, amount).is_ok(),
					fits
				);
				if fits {
					self.unbonding += amount;
					self.unbonds_at = block() + UNBONDING;
				}
			}
			Step::WithdrawBond => {
				let due = self.unbonding > 0 && block() >= self.unbonds_at;
				assert_eq!(Market::withdraw_bond(signed(&HELPER), alice()).is_ok(), due);
				if due {
					self.bond -= self.unbonding;
					self.unbonding = 0;
				}
			}
		}
	}

	fn check(&self, issued: u128) {
		check_state();
		let open = self
			.deals
			.iter()
			.filter(|entry| matches!(entry.stage, Stage::Bought { .. } | Stage::Revealed { .. }));
		let prices: u128 = open.map(|entry| entry.deal.terms.price).sum();
		let standing: u128 = self
			.standing
			.iter()
			.filter(|standing| standing.open)
			.map(|standing| standing.left)
			.sum();
		assert_eq!(held(HoldReason::Payment, &BOB), prices + standing);
		assert_eq!(held(HoldReason::Bond, &alice()), self.bond);
		assert_eq!(total(&BOB), self.buyer);
		assert_eq!(total(&alice()), self.seller);
		assert_eq!(total(&CAROL), self.carol);
		assert_eq!(total(&STRAY), self.stray);
		assert_eq!(Balances::total_issuance(), issued - self.burnt);
	}

	/// Time passes until nothing can happen any more, and anybody triggers the defaults.
	fn finish(&mut self) {
		advance(REVEAL + DISPUTE + 1);
		for at in 0..self.deals.len() {
			self.run(Step::Settle(at));
			self.run(Step::Refund(at));
		}
		advance(100);
		for number in 0..self.standing.len() as u32 {
			self.run(Step::CloseSubscription(number));
		}
	}
}

/// True if it was done, as the model expects.
fn agree(expected: Result<(), Error<Test>>, result: DispatchResult) -> bool {
	assert_eq!(result, expected.map_err(refusal));
	System::reset_events();
	result.is_ok()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(96))]
	#[test]
	fn after_the_last_deadline_no_money_is_held_and_nobody_honest_lost_any(
		steps in prop::collection::vec(step(), 1..60),
	) {
		ExtBuilder::execute(|| {
			let shop = Shop::open_with(2, |spec| {
				spec.price = Price::PerSale(200_000);
				spec.payout = payout();
			});
			let issued = Balances::total_issuance();
			let mut model = Model {
				shop,
				deals: Vec::new(),
				standing: Vec::new(),
				bond: BOND,
				unbonding: 0,
				unbonds_at: 0,
				buyer: total(&BOB),
				seller: total(&alice()),
				carol: total(&CAROL),
				stray: 0,
				burnt: 0,
			};
			let before = (model.buyer, model.seller + model.carol);
			for step in steps {
				model.run(step);
				model.check(issued);
			}
			model.finish();
			model.check(issued);

			assert_eq!(Sales::<Test>::iter().count(), 0);
			assert_eq!(Subscriptions::<Test>::iter().count(), 0);
			assert_eq!(held(HoldReason::Payment, &BOB), 0);
			let (mut buyer, mut seller) = (0i128, 0i128);
			for entry in &model.deals {
				let price = entry.deal.terms.price as i128;
				let fee = entry.deal.terms.price.div_ceil(100) as i128;
				let cover = FIXED_COVER as i128;
				match entry.stage {
					Stage::Offered => (),
					// The buyer paid for what opens to the anchored readings, or let the time for evidence pass.
					Stage::Paid => {
						buyer -= price;
						seller += price - fee;
					}
					// The seller was silent.
					Stage::Refunded => {
						buyer += cover;
						seller -= cover;
					}
					Stage::Convicted => {
						assert!(!entry.honest);
						buyer += cover;
						seller -= price + cover;
					}
					open => panic!("{open:?} after the last deadline"),
				}
			}
			assert_eq!(total(&BOB) as i128, before.0 as i128 + buyer);
			let sellers = total(&alice()) + total(&CAROL) + total(&STRAY);
			assert_eq!(sellers as i128, before.1 as i128 + seller);
		});
	}
}
