//! What others are told of accepted anchors.

use crate::{Error, mock::*};
use frame_support::{assert_noop, assert_ok};

fn told() -> Vec<(u32, u64, Option<u64>)> {
	fleet::Told::<Test>::take()
		.into_iter()
		.map(|(_, stream, seq, previous)| (stream, seq, previous))
		.collect()
}

#[test]
fn others_are_told_when_the_readings_before_ended() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let end = |seq| Some(quarter(seq).t_last());
		for (seq, previous) in [
			(0, None),
			(3, end(0)),
			(1, end(0)),
			(2, end(1)),
			(9, end(3)),
			(7, end(3)),
		] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
			assert_eq!(told(), [(stream, seq, previous)]);
		}
	});
}

#[test]
fn the_end_of_readings_below_the_window_is_still_told() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(2));
		for seq in [0, 1, 8] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		told();
		assert_ok!(send(&meter, stream, 7, quarter(7)));
		assert_eq!(told(), [(stream, 7, Some(quarter(1).t_last()))]);
	});
}

#[test]
fn a_stream_starts_anew_and_knows_nothing_of_others() {
	test(|| {
		let meter = meter(0);
		let (first, second) = (open(&meter, spec()), open(&meter, spec()));
		assert_ok!(send(&meter, first, 0, quarter(0)));
		assert_ok!(send(&meter, second, 5, quarter(5)));
		// Nothing is known to lie before the first anchor below the window.
		assert_ok!(send(&meter, second, 4, quarter(4)));
		assert_eq!(told(), [(first, 0, None), (second, 5, None), (second, 4, None)]);
	});
}

#[test]
fn nobody_is_told_of_what_was_refused() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 0, quarter(0)));
		told();
		assert_noop!(
			send(&meter, stream, 0, quarter(0)),
			Error::<Test>::AlreadyAnchored
		);
		let mut bad = envelope(&meter, vec![item(stream, 1, quarter(1))]);
		bad.signature = meter.key.sign(b"");
		assert_ok!(deliver(vec![bad]));
		assert_eq!(told(), []);
	});
}
