//! Times and spans as people write them.

use crate::{Error, Result};
use jiff::Timestamp;
use m2m_device::UnixMs;

/// Milliseconds in a quarter of an hour.
pub const QUARTER_HOUR_MS: u64 = 15 * 60 * 1000;

/// The clock of this machine.
pub fn now() -> UnixMs {
	UnixMs::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// RFC 3339 in UTC.
pub fn format(time: UnixMs) -> String {
	i64::try_from(time)
		.ok()
		.and_then(|time| Timestamp::from_millisecond(time).ok())
		.map_or_else(|| format!("{time} ms"), |time| time.to_string())
}

/// Reads an RFC 3339 time, such as `2016-06-13T12:00:00Z`.
pub fn parse(text: &str) -> Result<UnixMs> {
	let time: Timestamp = text.parse().map_err(|_| {
		Error::Usage(format!(
			"`{text}` is not a time: write it as in 2016-06-13T12:00:00Z"
		))
	})?;
	UnixMs::try_from(time.as_millisecond())
		.map_err(|_| Error::Usage(format!("`{text}` lies before 1970, where no readings are")))
}

/// First millisecond of a day in UTC, written as in `2016-06-13`.
pub fn parse_date(text: &str) -> Result<UnixMs> {
	let refuse = || Error::Usage(format!("`{text}` is not a date: write it as in 2016-06-13"));
	if text.len() != 10 {
		return Err(refuse());
	}
	parse(&format!("{text}T00:00:00Z")).map_err(|_| refuse())
}

/// The day in UTC to which a time belongs.
pub fn date_of(time: UnixMs) -> String {
	format(time).chars().take(10).collect()
}

/// Reads a span such as `90s`, `15m`, `1h` or `2d` as milliseconds.
pub fn parse_span(text: &str) -> Result<u64> {
	let refuse = || {
		Error::Usage(format!(
			"`{text}` is not a span of time: write it as in 90s, 15m, 1h or 2d"
		))
	};
	let unit = text.chars().last().ok_or_else(refuse)?;
	let factor = match unit {
		's' => 1_000,
		'm' => 60_000,
		'h' => 3_600_000,
		'd' => 86_400_000,
		_ => return Err(refuse()),
	};
	let number: u64 = text
		.strip_suffix(unit)
		.ok_or_else(refuse)?
		.parse()
		.map_err(|_| refuse())?;
	number.checked_mul(factor).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn times_read_back_as_written() {
		let time = parse("2016-06-13T12:15:00Z").unwrap();
		assert_eq!(time, 1_465_820_100_000);
		assert_eq!(format(time), "2016-06-13T12:15:00Z");
		assert_eq!(parse("2016-06-13T14:15:00+02:00").unwrap(), time);
		assert_eq!(date_of(time), "2016-06-13");
		assert_eq!(parse_date("2016-06-13").unwrap(), time - 49 * QUARTER_HOUR_MS);
	}

	#[test]
	fn what_is_not_a_time_is_refused() {
		for text in [
			"",
			"noon",
			"2016-06-13",
			"2016-13-13T00:00:00Z",
			"1960-01-01T00:00:00Z",
		] {
			assert!(matches!(parse(text), Err(Error::Usage(_))), "{text}");
		}
		for text in ["", "13.06.2016", "2016-6-13", "2016-02-30"] {
			assert!(matches!(parse_date(text), Err(Error::Usage(_))), "{text}");
		}
	}

	#[test]
	fn spans_have_a_unit() {
		assert_eq!(parse_span("90s").unwrap(), 90_000);
		assert_eq!(parse_span("15m").unwrap(), QUARTER_HOUR_MS);
		assert_eq!(parse_span("1h").unwrap(), 3_600_000);
		assert_eq!(parse_span("2d").unwrap(), 172_800_000);
		for text in ["", "15", "m", "-1h", "1w", "1mm", "1.5h", "99999999999999999d"] {
			assert!(matches!(parse_span(text), Err(Error::Usage(_))), "{text}");
		}
	}
}
