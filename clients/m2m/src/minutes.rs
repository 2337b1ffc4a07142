//! One-minute readings made from quarter-hour ones, by a rule that anybody can repeat. They are for trying out what is
//! finer than what was measured, and nothing was measured by them.
//!
//! # The rule
//! A quarter of an hour of `q` Wh that starts at `t` becomes fifteen readings, stamped `t`, `t` + 60 s and so on:
//! ```text
//! H      blake2-256 of "m2m/minutes/v1" || t || name of the meter      t: unix milliseconds as in the file, 8 bytes
//! w_i    1 + bytes 2i and 2i + 1 of H                                  i = 0..14; both numbers little-endian
//! r_i    q * w_i / (w_0 + ... + w_14), rounded down
//! ```
//! The Wh that rounding leaves over, fewer than fifteen, go one each to the minutes with the largest remainders, of equal
//! ones to the earliest. So the fifteen add up to exactly `q`.

use crate::time::QUARTER_HOUR_MS;
use m2m_device::UnixMs;
use sp_runtime::traits::{BlakeTwo256, Hash};

/// Milliseconds in a minute.
pub const MINUTE_MS: u64 = 60_000;
/// Minutes in a quarter of an hour.
const MINUTES: usize = (QUARTER_HOUR_MS / MINUTE_MS) as usize;

/// The Wh of each minute of the quarter of an hour that starts at `start`.
pub fn split(meter: &str, start: UnixMs, wh: u32) -> [(UnixMs, u32); MINUTES] {
	let mut input = b"m2m/minutes/v1".to_vec();
	input.extend_from_slice(&start.to_le_bytes());
	input.extend_from_slice(meter.as_bytes());
	let hash = BlakeTwo256::hash(&input).0;
	let (pairs, _) = hash.as_chunks::<2>();
	let mut weights = [0u64; MINUTES];
	for (weight, pair) in weights.iter_mut().zip(pairs) {
		*weight = u64::from(u16::from_le_bytes(*pair)).saturating_add(1);
	}
	// At least 15 and at most 15 * 2^16, and no product is above 2^32 * 2^16.
	let sum = weights.iter().sum::<u64>().max(1);
	let mut shares = weights.map(|weight| {
		let product = weight.saturating_mul(wh.into());
		(product / sum, product % sum)
	});
	let given: u64 = shares.iter().map(|(share, _)| share).sum();
	let left_over = u64::from(wh).saturating_sub(given);
	let mut order: [usize; MINUTES] = std::array::from_fn(|minute| minute);
	order.sort_by_key(|minute| std::cmp::Reverse(shares.get(*minute).map(|(_, remainder)| *remainder)));
	for (_, minute) in (0..left_over).zip(order) {
		if let Some((share, _)) = shares.get_mut(minute) {
			*share = share.saturating_add(1);
		}
	}
	let mut time = start;
	shares.map(|(share, _)| {
		let reading = (time, u32::try_from(share).unwrap_or(u32::MAX));
		time = time.saturating_add(MINUTE_MS);
		reading
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::time;

	#[test]
	fn every_quarter_keeps_its_total() {
		let day = time::parse_date("2016-06-13").unwrap();
		for quarter in 0..96 {
			let start = day + quarter * QUARTER_HOUR_MS;
			for wh in [0, 1, 2, 14, 15, 16, 251, 25_000, u32::MAX - 1, u32::MAX] {
				let minutes = split("m1", start, wh);
				let total: u64 = minutes.iter().map(|(_, wh)| u64::from(*wh)).sum();
				assert_eq!(total, u64::from(wh), "{wh} Wh at {start}");
				for (minute, (time, _)) in (0u64..).zip(minutes) {
					assert_eq!(time, start + minute * MINUTE_MS);
				}
			}
		}
	}

	#[test]
	fn what_rounding_leaves_over_goes_to_the_largest_remainders() {
		// By the rule as written, in another way: all remainders are ranked, ties by minute.
		for (meter, wh) in [("m1", 251u32), ("m2", 7), ("meter-003", 1_234)] {
			let start: UnixMs = 1_465_776_000_000;
			let hash =
				BlakeTwo256::hash(&[&b"m2m/minutes/v1"[..], &start.to_le_bytes(), meter.as_bytes()].concat());
			let weights: Vec<u64> = (0..15)
				.map(|i| 1 + u64::from(hash[2 * i]) + 256 * u64::from(hash[2 * i + 1]))
				.collect();
			let sum: u64 = weights.iter().sum();
			let mut expected: Vec<u64> = weights.iter().map(|w| w * u64::from(wh) / sum).collect();
			let mut ranked: Vec<usize> = (0..15).collect();
			ranked.sort_by_key(|i| (u64::MAX - weights[*i] * u64::from(wh) % sum, *i));
			let rest = u64::from(wh) - expected.iter().sum::<u64>();
			for i in ranked.into_iter().take(rest as usize) {
				expected[i] += 1;
			}
			let found: Vec<u64> = split(meter, start, wh)
				.iter()
				.map(|(_, wh)| u64::from(*wh))
				.collect();
			assert_eq!(found, expected);
		}
	}

	#[test]
	fn the_rule_depends_on_meter_and_time_and_nothing_else() {
		let one = split("m1", 900_000, 1_000);
		assert_eq!(one, split("m1", 900_000, 1_000));
		let wh = |minutes: [(UnixMs, u32); 15]| minutes.map(|(_, wh)| wh);
		assert_ne!(wh(one), wh(split("m2", 900_000, 1_000)));
		assert_ne!(wh(one), wh(split("m1", 1_800_000, 1_000)));
	}
}
