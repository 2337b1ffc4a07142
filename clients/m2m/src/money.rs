//! Amounts of M2M: decimal outside, integers inside.

use crate::{Error, Result};

/// Digits after the point.
pub const DECIMALS: usize = 12;
/// Smallest units in one M2M.
pub const UNIT: u128 = 1_000_000_000_000;

/// Reads a decimal amount such as `10`, `0.5` or `1.000000000001` as smallest units. Refuses signs, exponents,
/// thousands separators and more than 12 digits after the point; nothing is ever rounded.
pub fn parse(text: &str) -> Result<u128> {
	let refuse = |why: String| Error::Usage(format!("`{text}` is not an amount of M2M: {why}"));
	let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
	if whole.is_empty() || (text.contains('.') && fraction.is_empty()) {
		return Err(refuse(
			"write at least one digit before and after the point".into(),
		));
	}
	if !whole
		.bytes()
		.chain(fraction.bytes())
		.all(|byte| byte.is_ascii_digit())
	{
		return Err(refuse("only digits and one point are allowed".into()));
	}
	if fraction.len() > DECIMALS {
		return Err(refuse(format!(
			"at most {DECIMALS} digits after the point, not {}",
			fraction.len()
		)));
	}
	let digits = format!("{whole}{fraction:0<DECIMALS$}");
	digits.parse().map_err(|_| refuse("it is too large".into()))
}

/// Writes smallest units as a decimal amount without trailing zeros.
pub fn format(amount: u128) -> String {
	let (whole, fraction) = (amount / UNIT, amount % UNIT);
	if fraction == 0 {
		return whole.to_string();
	}
	let digits = format!("{fraction:0>DECIMALS$}");
	format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn amounts_are_read_to_the_last_unit() {
		assert_eq!(parse("10").unwrap(), 10 * UNIT);
		assert_eq!(parse("0.5").unwrap(), UNIT / 2);
		assert_eq!(parse("0.000000000001").unwrap(), 1);
		assert_eq!(
			parse("340282366920938463463374607.431768211455").unwrap(),
			u128::MAX
		);
	}

	#[test]
	fn an_amount_with_too_many_decimals_is_refused() {
		let error = parse("0.0000000000001").unwrap_err();
		assert_eq!(error.exit_code(), 2);
		assert!(
			error
				.to_string()
				.contains("at most 12 digits after the point, not 13"),
			"{error}"
		);
	}

	#[test]
	fn what_is_not_an_amount_is_refused() {
		for text in [
			"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1 000", "0x10", "1.2.3", "ten",
		] {
			assert!(matches!(parse(text), Err(Error::Usage(_))), "{text}");
		}
		assert!(
			parse("340282366920938463463374607.431768211456")
				.unwrap_err()
				.to_string()
				.contains("too large")
		);
	}

	#[test]
	fn written_amounts_read_back_as_the_same() {
		for amount in [0, 1, UNIT - 1, UNIT, UNIT + 10, 123_456_789_000_000, u128::MAX] {
			assert_eq!(parse(&format(amount)).unwrap(), amount);
		}
		assert_eq!(format(UNIT / 2), "0.5");
		assert_eq!(format(3 * UNIT), "3");
	}
}
