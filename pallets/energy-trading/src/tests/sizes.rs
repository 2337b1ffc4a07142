//! How much state things take. The figures of the documents come from here.

use crate::{Entry, Member, Terms, mock::*};
use codec::{Encode, MaxEncodedLen};
use frame_support::assert_ok;
use m2m_auction::TickPage;

#[test]
fn a_member_with_one_step_a_side_is_small() {
	trade(|| {
		let home = member(1, order(&[(20, 2_000)], &[(12, 20_000)]), 1_000);
		assert_eq!(home.record().encoded_size(), 145);
		run_to_end(FIRST);
		home.report(FIRST, 500, 500);
		// Both sides of its entry, in the record: slot, two lengths, two steps.
		assert_eq!(home.record().encoded_size(), 145 + 8 + 2 + 2 * 5);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&home]));
		assert_eq!(home.record().encoded_size(), 145);
	});
}

#[test]
fn nothing_grows_beyond_its_deposit() {
	assert_eq!(Entry::max_encoded_len(), 42);
	assert_eq!(TickPage::max_encoded_len(), 192);
	assert_eq!(
		Member::max_encoded_len(),
		4 + 4 + 49 + 1 + 3 * (8 + 162) + 16 + 1 + 8 + 42 + 4 + 16
	);
	assert!(Terms::max_encoded_len() <= 700, "{}", Terms::max_encoded_len());
}
