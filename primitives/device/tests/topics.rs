//! The form of topics.

use m2m_device::Topic;
use proptest::prelude::*;

#[test]
fn a_topic_is_a_short_word() {
	for text in ["a", "certified-meter", "iso-50001", "0123456789abcdef", "-"] {
		let topic = Topic::from_text(text).expect("a topic");
		assert!(topic.is_valid());
		assert_eq!(topic.as_text(), text);
	}
	assert_eq!(
		Topic::from_text("certified-meter"),
		Some(Topic(*b"certified-meter\0"))
	);
}

#[test]
fn other_texts_are_no_topics() {
	for text in [
		"",
		"0123456789abcdefg",
		"Meter",
		"a b",
		"a_b",
		"a.b",
		"m\u{fc}ll",
		"a\0",
		"\0",
		"a\0b",
	] {
		assert_eq!(Topic::from_text(text), None, "{text:?}");
	}
}

#[test]
fn bytes_that_are_no_text_are_shown_as_nothing() {
	assert_eq!(Topic([0xff; 16]).as_text(), "");
	assert_eq!(Topic([0; 16]).as_text(), "");
	assert!(!Topic([0xff; 16]).is_valid());
	assert!(!Topic([0; 16]).is_valid());
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn a_topic_is_valid_exactly_if_its_name_gives_it_back(
		bytes in prop::collection::vec(prop::sample::select(&b"az09-\0\0_A\xc3"[..]), 16),
	) {
		let topic = Topic(bytes.try_into().expect("16 bytes"));
		prop_assert_eq!(topic.is_valid(), Topic::from_text(topic.as_text()) == Some(topic));
	}
}
