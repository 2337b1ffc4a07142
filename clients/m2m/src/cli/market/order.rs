//! Steps of a standing order as people write them: `2000Wh@0.24`, `1.5kWh@0.2`, `all@0.12`.

use m2m::{Error, Result, money};
use m2m_auction::{MAX_STEPS, PriceOrder, PriceStep, PriceSteps, Side};

/// What stands for whatever the meter counts.
const ALL: &str = "all";
/// More than any capacity: a step of this size takes whatever the meter counts.
pub const EVERYTHING: u32 = u32::MAX;

/// Reads an amount of energy in whole Wh.
fn energy(text: &str) -> Option<u32> {
	if text == ALL {
		return Some(EVERYTHING);
	}
	if let Some(kwh) = text.strip_suffix("kWh") {
		let (whole, fraction) = kwh.split_once('.').unwrap_or((kwh, ""));
		let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
		if whole.is_empty()
			|| (kwh.contains('.') && fraction.is_empty())
			|| fraction.len() > 3
			|| !is_number(whole)
			|| !is_number(fraction)
		{
			return None;
		}
		return format!("{whole}{fraction:0<3}").parse().ok();
	}
	let wh = text.strip_suffix("Wh")?;
	// A sign is no digit, though numbers may have one.
	wh.bytes()
		.all(|byte| byte.is_ascii_digit())
		.then(|| wh.parse().ok())
		.flatten()
}

/// Reads one step.
fn step(text: &str) -> Result<PriceStep> {
	let refuse = |why: &str| {
		Error::Usage(format!(
			"`{text}` is not a step of an order: {why}, as in 2000Wh@0.24, 1.5kWh@0.24 or all@0.12"
		))
	};
	let (amount, limit) = text
		.split_once('@')
		.ok_or_else(|| refuse("write how much, @ and a price per kWh"))?;
	let wh = energy(amount)
		.ok_or_else(|| refuse("write the energy of a slot in whole Wh, at most 4294967 kWh, or `all`"))?;
	if wh == 0 {
		return Err(Error::Usage(format!(
			"EmptyStep: `{text}` is for no energy: leave it out, or say how much"
		)));
	}
	let limit = money::parse(limit).map_err(|_| refuse("write the price as M2M per kWh"))?;
	Ok(PriceStep { limit, wh })
}

fn side(side: Side, texts: &[String]) -> Result<PriceSteps> {
	let name = match side {
		Side::Bid => "--buy",
		Side::Ask => "--sell",
	};
	let mut steps = texts.iter().map(|text| step(text)).collect::<Result<Vec<_>>>()?;
	// Best limit first, as the chain wants them.
	steps.sort_by(|a, b| match side {
		Side::Bid => b.limit.cmp(&a.limit),
		Side::Ask => a.limit.cmp(&b.limit),
	});
	for (one, next) in steps.iter().zip(steps.iter().skip(1)) {
		if one.limit == next.limit {
			return Err(Error::Usage(format!(
				"StepsOutOfOrder: two steps of {name} have the price {}: add them up",
				money::format(one.limit)
			)));
		}
	}
	let count = steps.len();
	steps.try_into().map_err(|_| {
		Error::Usage(format!(
			"{name} has {count} steps: an order has at most {MAX_STEPS} on each side"
		))
	})
}

/// Reads a standing order. An order without steps trades nothing and is refused here, because it is asked for in
/// another way.
pub fn order(buy: &[String], sell: &[String]) -> Result<PriceOrder> {
	if buy.is_empty() && sell.is_empty() {
		return Err(Error::Usage(
			"say what to trade with --buy and --sell, or --none to trade nothing".into(),
		));
	}
	Ok(PriceOrder {
		bids: side(Side::Bid, buy)?,
		asks: side(Side::Ask, sell)?,
	})
}

/// A step as it is read.
pub fn write(step: &PriceStep) -> String {
	let limit = money::format(step.limit);
	if step.wh == EVERYTHING {
		format!("{ALL}@{limit}")
	} else {
		format!("{}Wh@{limit}", step.wh)
	}
}

/// One line on an order.
pub fn describe(order: &PriceOrder) -> String {
	let steps = |name: &str, steps: &PriceSteps| {
		let steps: Vec<String> = steps.iter().map(write).collect();
		(!steps.is_empty()).then(|| format!("{name} {}", steps.join(", ")))
	};
	let sides: Vec<String> = [steps("buys", &order.bids), steps("sells", &order.asks)]
		.into_iter()
		.flatten()
		.collect();
	if sides.is_empty() {
		"trades nothing".into()
	} else {
		sides.join("; ")
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m::money::UNIT;

	fn texts(texts: &[&str]) -> Vec<String> {
		texts.iter().map(|text| text.to_string()).collect()
	}

	#[test]
	fn steps_are_put_in_their_order_best_first() {
		let order = order(
			&texts(&["all@0.18", "2kWh@0.24"]),
			&texts(&["500Wh@0.2", "0.25kWh@0.12"]),
		)
		.unwrap();
		assert_eq!(order.check(), Ok(()));
		let bids: Vec<_> = order.bids.iter().map(|step| (step.limit, step.wh)).collect();
		assert_eq!(bids, [(24 * UNIT / 100, 2_000), (18 * UNIT / 100, EVERYTHING)]);
		assert_eq!(
			describe(&order),
			"buys 2000Wh@0.24, all@0.18; sells 250Wh@0.12, 500Wh@0.2"
		);
	}

	#[test]
	fn written_steps_read_back_as_the_same() {
		for text in ["1Wh@0.24", "all@0", "4294967294Wh@12.000001"] {
			assert_eq!(write(&step(text).unwrap()), text);
		}
	}

	#[test]
	fn what_is_no_step_is_refused() {
		for text in [
			"",
			"2000",
			"2000@0.24",
			"2000Wh",
			"2000Wh@",
			"@0.24",
			"-1Wh@0.24",
			"+1Wh@0.24",
			"1.5Wh@0.24",
			"0.0001kWh@0.24",
			".5kWh@0.24",
			"1.kWh@0.24",
			"kWh@0.24",
			"Wh@0.24",
			"4294968kWh@0.24",
			"2000Wh@0,24",
			"2000Wh@0.24@1",
		] {
			let error = step(text).unwrap_err();
			assert_eq!(error.exit_code(), 2, "{text}");
			assert!(error.to_string().contains("2000Wh@0.24"), "{text}: {error}");
		}
		assert!(step("0Wh@0.24").unwrap_err().to_string().starts_with("EmptyStep"));
	}

	#[test]
	fn an_order_has_few_different_steps() {
		let refused = |buy: &[&str], sell: &[&str]| order(&texts(buy), &texts(sell)).unwrap_err().to_string();
		let five = ["1Wh@0.1", "1Wh@0.2", "1Wh@0.3", "1Wh@0.4", "1Wh@0.5"];
		assert!(refused(&five, &[]).contains("at most 4"));
		assert!(refused(&[], &["1Wh@0.10", "2Wh@0.1"]).starts_with("StepsOutOfOrder"));
		assert!(refused(&[], &[]).contains("--none"));
	}
}
