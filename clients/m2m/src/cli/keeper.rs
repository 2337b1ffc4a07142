//! `m2m keeper`.

use super::Context;
use clap::Args;
use m2m::{
	Error, Result,
	chain::{Chain, energy::MarketId},
	keeper::{self, Action, Done, Markets, Round},
	keys::Key,
	money,
};
use m2m_auction::MILLI_WH_PER_WH;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// How often the node is asked for a new finalized block.
const POLL: Duration = Duration::from_millis(500);
/// How long to wait before a node that went away is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Clear and settle what is due in markets for energy, until ctrl-c
#[derive(Args)]
#[command(after_help = "Examples:\n  \
	m2m keeper --signer keeper.json\n  \
	m2m keeper --signer keeper.json --markets 0,3\n  \
	m2m keeper --signer keeper.json --once\n\n\
	Anybody may run one, for any market: it can decide nothing, and whoever settles, everybody gets the same. Several\n\
	may run at once; one that comes second does nothing and pays the fee of the call, so give each its own account and\n\
	run no more than you need. It waits when the node goes away and goes on when it is back. Stopping it at any moment\n\
	loses nothing. With --json one line for each action and one for each round that did something.")]
pub struct Keeper {
	/// Key file of the account that pays the fees
	#[arg(long, value_name = "KEYFILE")]
	signer: PathBuf,
	/// Markets to keep; all if left out
	#[arg(long, value_name = "MARKET,...", value_delimiter = ',')]
	markets: Vec<MarketId>,
	/// Do what is due now, and end
	#[arg(long)]
	once: bool,
}

/// Ends when the process is asked to: by ctrl-c, or as a service is.
pub async fn stopped() {
	match signal(SignalKind::terminate()) {
		Ok(mut terminate) => {
			tokio::select! {
				_ = tokio::signal::ctrl_c() => {}
				_ = terminate.recv() => {}
			}
		}
		Err(_) => {
			// Without a handler the system ends the process, which is as good.
			let _ = tokio::signal::ctrl_c().await;
		}
	}
}

/// An action in words.
fn describe(action: &Action) -> String {
	match action {
		Action::Cleared {
			market,
			slot,
			price,
			volume_wh,
			orders,
		} => {
			let result = match price {
				Some(price) => format!(
					"{} kWh at {} M2M per kWh",
					m2m::bill::kwh(volume_wh.saturating_mul(MILLI_WH_PER_WH)),
					money::format(*price)
				),
				None => "nothing trades".into(),
			};
			format!("market {market}, slot {slot}: cleared {orders} orders, {result}")
		}
		Action::Settled {
			market,
			slot,
			devices,
			overtaken,
		} => {
			let others = match overtaken {
				0 => String::new(),
				others => format!(", {others} were settled by somebody else"),
			};
			format!("market {market}, slot {slot}: settled {devices} entries{others}")
		}
		Action::Finished {
			market,
			slot,
			reserved,
		} => format!(
			"market {market}, slot {slot}: finished, {} M2M to the reserve",
			money::format(*reserved)
		),
		Action::Overtaken { market, slot } => {
			format!("market {market}, slot {slot}: somebody else was first")
		}
	}
}

/// An action as JSON.
fn value_of(action: &Action) -> Value {
	match action {
		Action::Cleared {
			market,
			slot,
			price,
			volume_wh,
			orders,
		} => json!({
			"action": "cleared",
			"market": market,
			"slot": slot,
			"price": price.map(money::format),
			"volume_wh": volume_wh.to_string(),
			"orders": orders,
		}),
		Action::Settled {
			market,
			slot,
			devices,
			overtaken,
		} => json!({
			"action": "settled",
			"market": market,
			"slot": slot,
			"devices": devices,
			"overtaken": overtaken,
		}),
		Action::Finished {
			market,
			slot,
			reserved,
		} => json!({
			"action": "finished",
			"market": market,
			"slot": slot,
			"reserved": money::format(*reserved),
		}),
		Action::Overtaken { market, slot } => json!({
			"action": "overtaken",
			"market": market,
			"slot": slot,
		}),
	}
}

fn show_call(context: &Context, done: &Done) {
	for action in &done.actions {
		let mut value = value_of(action);
		if let Some(fields) = value.as_object_mut() {
			fields.insert("block".into(), done.block.into());
		}
		context.output.result(describe(action), value);
	}
}

fn show_round(context: &Context, what: &str, round: &Round) {
	context.output.result(
		format!(
			"{what}: {} slots cleared, {} entries settled, {} slots finished, {} done by others; {} calls, fees {} M2M",
			round.cleared,
			round.settled,
			round.finished,
			round.overtaken,
			round.calls,
			money::format(round.fees)
		),
		json!({
			"action": what,
			"cleared": round.cleared,
			"settled": round.settled,
			"finished": round.finished,
			"overtaken": round.overtaken,
			"calls": round.calls,
			"fees": money::format(round.fees),
		}),
	);
}

/// True if the same may succeed a little later.
pub fn is_passing(error: &Error) -> bool {
	matches!(
		error,
		Error::NodeUnreachable { .. }
			| Error::ConnectionLost { .. }
			| Error::Node(_)
			| Error::NotFinalized { .. }
			| Error::NotAccepted { .. }
	)
}

/// Does a round with every finalized block, until something fails. Adds to `total` what is done.
async fn follow(
	context: &Context,
	arguments: &Keeper,
	key: &Key,
	markets: &Markets,
	total: &mut Round,
) -> Result<()> {
	let chain = Chain::connect(&context.url).await?;
	chain.check_signer(key, &arguments.signer).await?;
	context.output.note(format!("connected to {}", chain.url()));
	let mut seen = None;
	loop {
		let number = chain.finalized().await?.number;
		if seen == Some(number) {
			tokio::time::sleep(POLL).await;
			continue;
		}
		seen = Some(number);
		let mut report = |done: Done| {
			total.add(&done);
			show_call(context, &done);
		};
		let round = keeper::round(&chain, key, markets, &mut report).await?;
		if round.calls > 0 {
			show_round(context, "round", &round);
		}
	}
}

pub async fn run(context: &Context, arguments: Keeper) -> Result<()> {
	let key = Key::load(&arguments.signer)?;
	let markets = if arguments.markets.is_empty() {
		Markets::All
	} else {
		Markets::Listed(arguments.markets.clone())
	};
	if arguments.once {
		let chain = context.connect().await?;
		chain.check_signer(&key, &arguments.signer).await?;
		let round = keeper::round(&chain, &key, &markets, &mut |done: Done| {
			show_call(context, &done)
		})
		.await?;
		show_round(context, "round", &round);
		return Ok(());
	}
	let mut total = Round::default();
	let mut stop = std::pin::pin!(stopped());
	loop {
		let failed = tokio::select! {
			() = &mut stop => break,
			result = follow(context, &arguments, &key, &markets, &mut total) => result,
		};
		match failed {
			Err(error) if is_passing(&error) => context
				.output
				.warn(format!("{error}; trying again in {} s", RETRY.as_secs())),
			result => return result,
		}
		tokio::select! {
			() = &mut stop => break,
			() = tokio::time::sleep(RETRY) => {}
		}
	}
	show_round(context, "stopped", &total);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn only_what_may_pass_is_tried_again() {
		assert!(is_passing(&Error::Node("busy".into())));
		assert!(is_passing(&Error::ConnectionLost {
			url: "ws://127.0.0.1:9944".into(),
			cause: "closed".into(),
		}));
		assert!(!is_passing(&Error::Unknown("no market".into())));
		assert!(!is_passing(&Error::IncompatibleChain("no call".into())));
	}

	#[test]
	fn every_action_is_told_with_its_slot() {
		let (market, slot) = (3, 17);
		for action in [
			Action::Cleared {
				market,
				slot,
				price: None,
				volume_wh: 0,
				orders: 1,
			},
			Action::Settled {
				market,
				slot,
				devices: 2,
				overtaken: 1,
			},
			Action::Finished {
				market,
				slot,
				reserved: 5,
			},
			Action::Overtaken { market, slot },
		] {
			assert!(describe(&action).starts_with("market 3, slot 17: "), "{action:?}");
			let value = value_of(&action);
			assert_eq!((&value["market"], &value["slot"]), (&json!(3), &json!(17)));
		}
	}
}
