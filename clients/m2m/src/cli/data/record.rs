//! `m2m data record`.

use crate::cli::{
	Context,
	telemetry::{self, Replay},
};
use clap::Args;
use m2m::{Result, chain::telemetry::Quantity};

/// Anchor a day by the minute, in private streams whose readings can be sold
#[derive(Args)]
#[command(after_help = "Example:\n  \
	m2m data record fixtures/lv1-101_2016-06-13_7d.csv --date 2016-06-13 --meters meter-001,meter-002 \\\n    \
	--owner alice.json --gateway gateway.json\n\n\
	Meters that show their load only to whoever pays for it record it in a stream of their own. The file has a value for\n\
	each quarter of an hour; what is taken from the grid in it is split into fifteen readings by a fixed rule that keeps\n\
	the total, so that two runs give the same (see the library's `minutes` module). That is for trying the market out:\n\
	nothing was measured by the minute. One anchor holds an hour.\n\
	Otherwise as `m2m telemetry replay`: it can be stopped at any point, and running it again sends what is missing.")]
pub struct Record {
	#[command(flatten)]
	replay: Replay,
}

pub async fn run(context: &Context, arguments: Record) -> Result<()> {
	telemetry::run_replay(context, arguments.replay, &Quantity::FINE).await
}
