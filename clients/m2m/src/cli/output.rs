//! What commands print: for people by default, JSON for machines.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use m2m::{Error, replay::Progress};
use serde_json::{Value, json};
use std::{
	io::{IsTerminal, Write},
	process::ExitCode,
	sync::Mutex,
	time::Duration,
};

/// How to print.
#[derive(Clone, Copy)]
pub struct Output {
	/// JSON instead of text.
	pub json: bool,
	/// No notes and no progress.
	pub quiet: bool,
}

impl Output {
	/// Prints a command's result on standard output.
	pub fn result(&self, text: impl AsRef<str>, value: Value) {
		let text = if self.json {
			value.to_string()
		} else {
			text.as_ref().to_owned()
		};
		// A closed pipe, as with `m2m ... | head`, is not an error of the command.
		let _ = writeln!(std::io::stdout(), "{text}");
	}

	/// Prints a remark on standard error.
	pub fn note(&self, text: impl AsRef<str>) {
		if !self.quiet {
			let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
		}
	}

	/// Prints a warning on standard error, even with `--quiet`.
	pub fn warn(&self, text: impl AsRef<str>) {
		if self.json {
			let _ = writeln!(std::io::stderr(), "{}", json!({ "warning": text.as_ref() }));
		} else {
			let _ = writeln!(std::io::stderr(), "warning: {}", text.as_ref());
		}
	}
}

/// Prints an error on standard error and gives its exit code.
pub fn fail(error: &Error, json: bool) -> ExitCode {
	let code = error.exit_code();
	let text = if json {
		json!({ "error": error.name(), "message": error.to_string(), "exit_code": code }).to_string()
	} else {
		format!("error: {error}")
	};
	let _ = writeln!(std::io::stderr(), "{text}");
	ExitCode::from(code)
}

/// A progress bar on a terminal; one line a stage elsewhere.
pub struct Bar {
	output: Output,
	bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
	/// Nothing to see until the first stage.
	pub fn new(output: Output) -> Self {
		Self {
			output,
			bar: Mutex::new(None),
		}
	}

	/// Prints a remark above the bar.
	pub fn line(&self, text: String) {
		self.with(|slot| match slot {
			Some(bar) => bar.println(text),
			None => self.output.note(text),
		});
	}

	fn with(&self, action: impl FnOnce(&mut Option<ProgressBar>)) {
		if let Ok(mut bar) = self.bar.lock() {
			action(&mut bar);
		}
	}
}

impl Progress for Bar {
	fn stage(&self, title: &str, total: u64) {
		self.with(|slot| {
			if let Some(previous) = slot.take() {
				previous.finish_and_clear();
			}
			if self.output.quiet {
				return;
			}
			if !std::io::stderr().is_terminal() {
				self.output.note(format!("{title} ({total})"));
				return;
			}
			let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
			if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}") {
				bar.set_style(style);
			}
			bar.set_message(title.to_owned());
			bar.enable_steady_tick(Duration::from_millis(200));
			*slot = Some(bar);
		});
	}

	fn advance(&self, by: u64) {
		self.with(|slot| {
			if let Some(bar) = slot {
				bar.inc(by);
			}
		});
	}

	fn finish(&self) {
		self.with(|slot| {
			if let Some(bar) = slot.take() {
				bar.finish_and_clear();
			}
		});
	}
}
