//! The `m2m` command: devices, gateways and proofs from a terminal.

mod cli;

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use std::process::ExitCode;

fn main() -> ExitCode {
	let arguments: Vec<_> = std::env::args_os().collect();
	let json = arguments.iter().any(|argument| argument == "--json");
	let parsed = cli::Cli::command()
		.try_get_matches_from(arguments)
		.and_then(|matches| cli::Cli::from_arg_matches(&matches));
	let cli = match parsed {
		Ok(cli) => cli,
		Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
			// Nothing can be done if standard output is closed.
			let _ = error.print();
			return ExitCode::SUCCESS;
		}
		Err(error) if json => {
			let message = error.render().to_string();
			return cli::output::fail(&m2m::Error::Usage(message.trim().into()), true);
		}
		Err(error) => {
			let _ = error.print();
			return ExitCode::from(2);
		}
	};
	let runtime = match tokio::runtime::Builder::new_multi_thread()
		.worker_threads(2)
		.enable_all()
		.build()
	{
		Ok(runtime) => runtime,
		Err(cause) => {
			return cli::output::fail(
				&m2m::Error::Io {
					file: "the async runtime".into(),
					cause,
				},
				json,
			);
		}
	};
	let result = runtime.block_on(cli::run(cli));
	// Connections may still have background tasks; they must not keep the process alive.
	runtime.shutdown_background();
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => cli::output::fail(&error, json),
	}
}
