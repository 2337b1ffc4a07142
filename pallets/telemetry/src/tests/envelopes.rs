//! Envelopes: anchors that a device signed and anybody delivers.

use crate::{Error, Event, WeightInfo, mock::*};
use frame_support::{BoundedVec, assert_ok, dispatch::GetDispatchInfo};
use m2m_anchor::SignedAnchors;
use m2m_device::{AccountId, DeviceSignature, DeviceStatus};
use sp_runtime::DispatchError;

fn refused(stream: u32, seq: u64, error: Error<Test>) -> Outcome {
	Outcome::Refused(stream, seq, refusal(error))
}

/// Delivers one envelope that must be refused as a whole for `reason` and change nothing.
fn refuses(envelope: SignedAnchors, reason: impl Into<DispatchError>) {
	let before = state();
	events();
	let (device, key) = (envelope.device.clone(), envelope.key.clone());
	assert_ok!(deliver(vec![envelope]));
	let reason = reason.into();
	assert_eq!(events(), [Event::EnvelopeRefused { device, key, reason }]);
	assert_eq!(state(), before);
}

fn garbage() -> DeviceSignature {
	key(0).sign(b"something else")
}

#[test]
fn anybody_delivers_what_a_device_signed() {
	test(|| {
		for number in 0..3 {
			let meter = meter(number);
			let (first, second) = (open(&meter, spec()), open(&meter, private()));
			events();
			assert_ok!(deliver(vec![envelope(
				&meter,
				vec![
					item(first, 0, quarter(0)),
					item(second, 4, private_anchor(&quarter_batch(0))),
					item(first, 1, quarter(1)),
				]
			)]));
			assert_eq!(
				outcomes(),
				[
					Outcome::Taken(first, 0),
					Outcome::Taken(second, 4),
					Outcome::Taken(first, 1)
				]
			);
			let record = Telemetry::anchor_record(&meter.id, first, 1).expect("it was taken");
			assert_eq!((record.key, record.anchor), (meter.key.account(), quarter(1)));
		}
	});
}

#[test]
fn a_bad_anchor_does_not_sink_the_others() {
	test(|| {
		let meter = meter(0);
		let (stream, closed) = (open(&meter, spec()), open(&meter, spec()));
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			closed
		));
		events();
		assert_ok!(deliver(vec![envelope(
			&meter,
			vec![
				item(7, 0, quarter(0)),
				item(stream, 0, quarter(0)),
				item(closed, 0, quarter(0)),
				item(stream, 1, quarter(0)),
				item(stream, 4_000, quarter(2)),
				item(stream, 2, private_anchor(&quarter_batch(2))),
				item(stream, 2, of(&[(START + DAY, 1)])),
				item(stream, 3, quarter(3)),
			]
		)]));
		assert_eq!(
			outcomes(),
			[
				refused(7, 0, Error::UnknownStream),
				Outcome::Taken(stream, 0),
				refused(closed, 0, Error::StreamClosed),
				refused(stream, 1, Error::OverlapsNeighbour),
				refused(stream, 4_000, Error::SequenceTooFar),
				refused(stream, 2, Error::VisibilityMismatch),
				refused(stream, 2, Error::FromTheFuture),
				Outcome::Taken(stream, 3),
			]
		);
		assert_eq!(anchors(&meter, stream), 2);
	});
}

#[test]
fn a_bad_signature_takes_back_all_that_the_envelope_wrote() {
	test(|| {
		let (meter, other) = (meter(0), meter(1));
		let stream = open(&meter, spec());
		open(&other, spec());
		let mut bad = envelope(
			&meter,
			vec![
				item(stream, 0, quarter(0)),
				item(9, 0, quarter(0)),
				item(stream, 1, quarter(1)),
			],
		);
		bad.signature = garbage();
		refuses(bad.clone(), Error::<Test>::BadSignature);
		assert_eq!(anchors(&meter, stream), 0);
		assert!(fleet::Told::<Test>::get().is_empty());

		// Those before and after it are not affected.
		let good = |seq| envelope(&other, vec![item(0, seq, quarter(seq))]);
		assert_ok!(deliver(vec![good(0), bad, good(1)]));
		assert_eq!(
			outcomes(),
			[
				Outcome::Taken(0, 0),
				Outcome::EnvelopeRefused(refusal(Error::BadSignature)),
				Outcome::Taken(0, 1)
			]
		);
		assert_eq!(fleet::Told::<Test>::get().len(), 2);
	});
}

#[test]
fn an_envelope_for_another_chain_is_refused() {
	test(|| {
		let meter = meter(1);
		open(&meter, spec());
		let items = vec![item(0, 0, quarter(0))];
		refuses(
			envelope_on([8; 32], &meter, 0, items.clone()),
			Error::<Test>::BadSignature,
		);
		assert_ok!(deliver(vec![envelope(&meter, items)]));
		assert_eq!(anchors(&meter, 0), 1);
	});
}

#[test]
fn nothing_in_an_envelope_can_be_changed_on_the_way() {
	for number in 0..3 {
		test(|| {
			let meter = meter(number);
			open(&meter, spec());
			open(&meter, spec());
			let honest = envelope_on(
				GENESIS,
				&meter,
				START,
				vec![item(0, 0, quarter(0)), item(0, 1, quarter(1))],
			);
			let second = key(number + 10);
			grant(&meter.id, &second.public());
			let alterations: [fn(&mut SignedAnchors); 8] = [
				|envelope| envelope.expires += 1,
				|envelope| envelope.expires = 0,
				|envelope| envelope.items[0].stream = 1,
				|envelope| envelope.items[1].seq = 2,
				|envelope| envelope.items[1].anchor = of(&[(BASE + QUARTER, 1)]),
				|envelope| envelope.items[0].anchor.data_root.0[31] ^= 1,
				|envelope| {
					envelope.items.pop();
				},
				|envelope| {
					let mut items = envelope.items.to_vec();
					items.swap(0, 1);
					envelope.items = BoundedVec::truncate_from(items);
				},
			];
			for alter in alterations {
				let mut altered = honest.clone();
				alter(&mut altered);
				refuses(altered, Error::<Test>::BadSignature);
			}
			let mut other_key = honest.clone();
			other_key.key = second.account();
			refuses(other_key, Error::<Test>::BadSignature);
			let mut other_scheme = honest.clone();
			other_scheme.signature = key(number + 1).sign(b"of another scheme");
			refuses(other_scheme, Error::<Test>::BadSignature);

			assert_ok!(deliver(vec![honest]));
			assert_eq!(outcomes(), [Outcome::Taken(0, 0), Outcome::Taken(0, 1)]);
		});
	}
}

#[test]
fn a_key_signs_for_no_device_but_its_own() {
	test(|| {
		let (meter, other) = (meter(0), meter(3));
		open(&meter, spec());
		let forged = Meter {
			id: meter.id.clone(),
			key: other.key.clone(),
		};
		let items = vec![item(0, 0, quarter(0))];
		refuses(envelope(&forged, items.clone()), fleet::Error::<Test>::NoSuchKey);
		let stranger = Meter {
			id: meter.id.clone(),
			key: key(77),
		};
		refuses(
			envelope(&stranger, items.clone()),
			fleet::Error::<Test>::NoSuchKey,
		);
		// The right account over a foreign signature is no better.
		let mut dressed = envelope(&forged, items);
		dressed.key = meter.key.account();
		refuses(dressed, Error::<Test>::BadSignature);
	});
}

#[test]
fn the_register_of_devices_may_refuse_an_envelope() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		let signed = envelope(&meter, vec![item(0, 0, quarter(0)), item(0, 1, quarter(1))]);
		change(&meter.key, |grant| grant.deliver = false);
		refuses(signed.clone(), fleet::Error::<Test>::MayNotDeliver);
		change(&meter.key, |grant| grant.deliver = true);
		set_status(&meter.id, DeviceStatus::Lost);
		refuses(signed.clone(), fleet::Error::<Test>::Lost);
		set_status(&meter.id, DeviceStatus::Active);
		assert_ok!(deliver(vec![signed]));
		assert_eq!(anchors(&meter, 0), 2);
	});
}

#[test]
fn an_empty_envelope_is_refused() {
	test(|| {
		let meter = meter(0);
		refuses(envelope(&meter, vec![]), Error::<Test>::EmptyEnvelope);
		assert_ok!(deliver(vec![]));
		assert_eq!(outcomes(), []);
	});
}

#[test]
fn an_envelope_is_taken_until_its_time_is_over() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		let until = |expires, seq| envelope_on(GENESIS, &meter, expires, vec![item(0, seq, quarter(seq))]);
		refuses(until(START - 1, 0), Error::<Test>::EnvelopeExpired);
		refuses(until(1, 0), Error::<Test>::EnvelopeExpired);
		assert_ok!(deliver(vec![until(START, 0), until(u64::MAX, 1), until(0, 2)]));
		assert_eq!(anchors(&meter, 0), 3);
	});
}

#[test]
fn an_envelope_without_expiry_is_taken_after_years() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		let signed = envelope(&meter, vec![item(0, 0, quarter(0))]);
		Timestamp::set_timestamp(START + 10 * 365 * DAY);
		assert_ok!(deliver(vec![signed]));
		assert_eq!(outcomes().last(), Some(&Outcome::Taken(0, 0)));
	});
}

#[test]
fn a_repeated_envelope_is_answered_without_a_look_at_its_signature() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		let items = vec![item(0, 0, quarter(0)), item(0, 1, quarter(1))];
		let honest = envelope(&meter, items);
		assert_ok!(deliver(vec![honest.clone()]));
		let mut scribbled = honest.clone();
		scribbled.signature = garbage();
		events();
		let before = state();
		for again in [honest, scribbled.clone()] {
			assert_ok!(deliver(vec![again.clone(), again]));
			assert_eq!(
				outcomes(),
				[0, 1, 0, 1].map(|seq| refused(0, seq, Error::AlreadyAnchored))
			);
		}
		// Nobody was asked for leave either.
		assert_eq!(state(), before);

		// With one new anchor in it, the signature counts.
		scribbled.items[1] = item(0, 2, quarter(2));
		refuses(scribbled, Error::<Test>::BadSignature);
	});
}

#[test]
fn the_same_anchor_twice_in_one_envelope_is_taken_once() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		events();
		let twice = item(0, 0, quarter(0));
		assert_ok!(deliver(vec![envelope(
			&meter,
			vec![twice.clone(), twice, item(0, 1, quarter(1))]
		)]));
		assert_eq!(
			outcomes(),
			[
				Outcome::Taken(0, 0),
				refused(0, 0, Error::AlreadyAnchored),
				Outcome::Taken(0, 1)
			]
		);
		assert_eq!(anchors(&meter, 0), 2);
	});
}

#[test]
fn two_envelopes_of_one_device_build_on_each_other() {
	test(|| {
		let meter = meter(2);
		open(&meter, spec());
		events();
		let holding = |seqs: &[u64]| {
			let items = seqs.iter().map(|seq| item(0, *seq, quarter(*seq))).collect();
			envelope(&meter, items)
		};
		assert_ok!(deliver(vec![holding(&[1, 2]), holding(&[0, 2, 3])]));
		assert_eq!(
			outcomes(),
			[
				Outcome::Taken(0, 1),
				Outcome::Taken(0, 2),
				Outcome::Taken(0, 0),
				refused(0, 2, Error::AlreadyAnchored),
				Outcome::Taken(0, 3)
			]
		);
	});
}

#[test]
fn leave_is_asked_for_once_an_envelope() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		let items = (0..8).map(|seq| item(0, seq, quarter(seq))).collect();
		assert_ok!(deliver(vec![envelope(&meter, items)]));
		assert_eq!(anchors(&meter, 0), 8);
		assert_eq!(fleet::Asked::<Test>::get(), 1);
	});
}

#[test]
fn after_a_rotation_each_anchor_is_judged_by_its_own_times() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		change(&meter.key, |grant| grant.before = Some(quarter(1).t_first()));
		events();
		let signed = envelope(&meter, vec![item(0, 0, quarter(0)), item(0, 1, quarter(1))]);
		assert_ok!(deliver(vec![signed]));
		assert_eq!(
			outcomes(),
			[Outcome::Taken(0, 0), refused(0, 1, Error::SignedTooLate)]
		);
		let record = Telemetry::anchor_record(&meter.id, 0, 0).expect("it was taken");
		assert!(record.flags.late);
	});
}

#[test]
fn an_envelope_and_a_call_of_the_device_leave_the_same_anchor() {
	let record = |by_envelope| {
		externalities().execute_with(|| {
			let meter = meter(0);
			open(&meter, spec());
			if by_envelope {
				assert_ok!(deliver(vec![envelope(&meter, vec![item(0, 5, quarter(5))])]));
			} else {
				assert_ok!(send(&meter, 0, 5, quarter(5)));
			}
			Telemetry::anchor_record(&meter.id, 0, 5)
		})
	};
	assert!(record(true).is_some());
	assert_eq!(record(true), record(false));
}

#[test]
fn a_delivery_never_costs_more_than_declared() {
	test(|| {
		let meter = meter(0);
		open(&meter, keeping(64));
		let holding = |seqs: std::ops::Range<u64>| {
			envelope(&meter, seqs.map(|seq| item(0, seq, quarter(seq))).collect())
		};
		let mut bad = holding(40..48);
		bad.signature = garbage();
		for (envelopes, told) in [
			(vec![], 0),
			(vec![holding(0..0)], 0),
			(vec![holding(0..1)], 1),
			(vec![holding(0..8), holding(8..10)], 9),
			(vec![holding(0..8)], 0),
			// What others did for an envelope that was then taken back is paid for as well.
			(vec![bad, holding(10..11), holding(0..0)], 9),
		] {
			let (count, items) = envelopes.iter().fold((0, 0), |(count, items), envelope| {
				(count + 1, items + envelope.items.len() as u32)
			});
			let call = crate::Call::<Test>::anchor_many {
				envelopes: BoundedVec::truncate_from(envelopes.clone()),
			};
			let declared = call.get_dispatch_info().call_weight;
			let used = deliver(envelopes)
				.expect("it never fails")
				.actual_weight
				.expect("it is known");
			let further = items.saturating_sub(count);
			let work = <() as WeightInfo>::anchor_many(count).saturating_add(
				<() as WeightInfo>::anchor_many_items(further + 1) - <() as WeightInfo>::anchor_many_items(1),
			);
			assert_eq!(declared, work + LISTENER_MOST * u64::from(items));
			assert_eq!(used, work + LISTENER_USED * told);
			assert!(used.all_lte(declared));
		}
	});
}

#[test]
fn the_sender_is_charged_and_otherwise_of_no_account() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		for (seq, sender) in [AccountId::new([1; 32]), ALICE, meter.key.account()]
			.iter()
			.enumerate()
		{
			let seq = seq as u64;
			let signed_by_device = envelope(&meter, vec![item(0, seq, quarter(seq))]);
			let envelopes = BoundedVec::truncate_from(vec![signed_by_device]);
			assert_ok!(Telemetry::anchor_many(signed(sender), envelopes));
		}
		assert_eq!(anchors(&meter, 0), 3);
	});
}

#[test]
fn a_delivery_holds_so_many_envelopes_and_an_envelope_eight_anchors() {
	test(|| {
		let most = MaxEnvelopes::get() as u8;
		let envelopes: Vec<_> = (0..most)
			.map(|number| {
				let meter = meter(number);
				open(&meter, spec());
				envelope(&meter, (0..8).map(|seq| item(0, seq, quarter(seq))).collect())
			})
			.collect();
		assert_ok!(deliver(envelopes.clone()));
		assert_eq!(crate::Anchors::<Test>::iter().count(), 8 * usize::from(most));
		let too_many = [envelopes.clone(), envelopes[..1].to_vec()].concat();
		assert!(BoundedVec::<_, MaxEnvelopes>::try_from(too_many).is_err());
	});
}
