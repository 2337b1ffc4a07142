//! `m2m key`.

use super::Context;
use clap::{Subcommand, ValueEnum};
use m2m::{
	Result,
	keys::{self, Key},
};
use serde_json::json;
use std::path::PathBuf;

/// Scheme names on the command line.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Scheme {
	/// Schnorr over Ristretto25519
	#[default]
	Sr25519,
	/// RFC 8032
	Ed25519,
}

impl From<Scheme> for keys::Scheme {
	fn from(scheme: Scheme) -> Self {
		match scheme {
			Scheme::Sr25519 => Self::Sr25519,
			Scheme::Ed25519 => Self::Ed25519,
		}
	}
}

#[derive(Subcommand)]
pub enum KeyCommand {
	/// Make a new key
	#[command(after_help = "Example:\n  m2m key generate --out owner.json")]
	Generate {
		/// File to write, with mode 0600; an existing file is not overwritten
		#[arg(long, value_name = "FILE")]
		out: PathBuf,
		/// Signature scheme
		#[arg(long, value_enum, default_value = "sr25519")]
		scheme: Scheme,
	},
	/// Write a well-known development key, such as Alice's; everybody knows it
	#[command(after_help = "Example:\n  m2m key dev Alice --out alice.json\n\n\
		Such keys sign on development and local chains only.")]
	Dev {
		/// Alice, Bob, Charlie, Dave, Eve, Ferdie, ...
		name: String,
		/// File to write, with mode 0600; an existing file is not overwritten
		#[arg(long, value_name = "FILE")]
		out: PathBuf,
	},
	/// Show the public part of a key file
	#[command(after_help = "Example:\n  m2m key show owner.json --address")]
	Show {
		/// The key file
		file: PathBuf,
		/// Print the address and nothing else
		#[arg(long)]
		address: bool,
	},
}

pub fn run(context: &Context, command: KeyCommand) -> Result<()> {
	let (key, file, short) = match command {
		KeyCommand::Generate { out, scheme } => {
			let key = Key::generate(scheme.into());
			key.save_new(&out)?;
			(key, out, false)
		}
		KeyCommand::Dev { name, out } => {
			let key = Key::development(&name)?;
			key.save_new(&out)?;
			context.output.warn(format!(
				"{name}'s key is public: whoever reads the documentation can spend from it; it signs on development and local chains only"
			));
			(key, out, false)
		}
		KeyCommand::Show { file, address } => (Key::load(&file)?, file, address),
	};
	let address = keys::address(&key.account());
	let scheme = format!("{:?}", key.scheme()).to_lowercase();
	let public = format!("0x{}", hex::encode(key.public().as_bytes()));
	let text = if short {
		address.clone()
	} else {
		format!(
			"address  {address}\npublic   {public}\nscheme   {scheme}\nfile     {}",
			file.display()
		)
	};
	let value = json!({
		"address": address,
		"public": public,
		"scheme": scheme,
		"development": key.is_development(),
		"file": file,
	});
	context.output.result(text, value);
	Ok(())
}
