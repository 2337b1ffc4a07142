//! `m2m sponsor`.

use super::{
	Context,
	account::account_or_device,
	arguments::{Selection, Until},
	device::owner_account,
};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use m2m::{
	Error, Result,
	chain::{
		Block, Bulk, Chain, hint,
		sponsorship::{self, Offer, SponsorshipId},
	},
	keys, money,
	selection::Devices,
	time,
};
use m2m_device::{AccountId, Beneficiary, DeviceId};
use m2m_runtime_api::{CallGroup, SponsoredRest, SponsorshipDetails};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Groups of calls on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Calls {
	/// Anchors, and opening and closing streams
	Telemetry,
	/// Adding, rotating and removing keys
	Identity,
	/// Membership, orders and credit in a market for energy
	Energy,
	/// Selling and buying readings
	Data,
}

impl From<Calls> for CallGroup {
	fn from(calls: Calls) -> Self {
		match calls {
			Calls::Telemetry => Self::Telemetry,
			Calls::Identity => Self::Identity,
			Calls::Energy => Self::Energy,
			Calls::Data => Self::Data,
		}
	}
}

#[derive(Subcommand)]
pub enum SponsorCommand {
	/// Offer to pay fees for a device, or for all devices of an owner
	#[command(after_help = "Examples:\n  \
		m2m sponsor create --sponsor alice.json --all-of 5F... --capacity 0.5 --refill 0.0001 --amount 20 --attach\n  \
		m2m sponsor create --sponsor alice.json --device meter-001 --calls telemetry,identity --capacity 0.1 \\\n    \
		--refill 0.00001 --amount 5 --expires-in 365d\n\n\
		The amount goes into a pot, of which only fees are paid. Each device has a bucket of its own: it can spend the\n\
		capacity at once and gets the refill back with each block (every 3 s), measured in fees of a quiet chain. The pot\n\
		pays the real fee. Nothing is paid until the owner attaches the sponsorship; with --attach the sponsor, who must\n\
		be the owner, does it at once. A device key then needs no balance: see `m2m telemetry replay --direct`.")]
	Create(Box<Create>),
	/// Put more money into a pot; anybody may do it
	#[command(after_help = "Example:\n  m2m sponsor top-up 0 --from alice.json --amount 10")]
	TopUp {
		/// Number of the sponsorship
		sponsorship: SponsorshipId,
		/// Key file of the account that pays
		#[arg(long, value_name = "KEYFILE")]
		from: PathBuf,
		/// M2M
		#[arg(long)]
		amount: String,
	},
	/// Show a sponsorship, its pot, and what is left in the bucket of a device
	#[command(after_help = "Examples:\n  m2m sponsor show 0\n  m2m sponsor show 0 --device meter-001")]
	Show {
		/// Number of the sponsorship
		sponsorship: SponsorshipId,
		/// Device whose bucket to show: name in --home, or SS58 id
		#[arg(long, value_name = "DEVICE")]
		device: Option<String>,
	},
	/// List the sponsorships of a sponsor
	#[command(after_help = "Example:\n  m2m sponsor list --sponsor alice.json")]
	List {
		/// Key file or address of the sponsor
		#[arg(long, value_name = "KEYFILE|ADDRESS")]
		sponsor: String,
	},
	/// Use a sponsorship for one's device or devices, in the place of what was used before
	#[command(after_help = "Example:\n  m2m sponsor attach 0 --owner alice.json")]
	Attach(Use),
	/// Stop using a sponsorship
	#[command(after_help = "Example:\n  m2m sponsor detach 0 --owner alice.json")]
	Detach(Use),
	/// End a sponsorship; what is left in the pot goes back to the sponsor
	#[command(after_help = "Example:\n  m2m sponsor close 0 --sponsor alice.json")]
	Close {
		/// Number of the sponsorship
		sponsorship: SponsorshipId,
		/// Key file of the sponsor
		#[arg(long, value_name = "KEYFILE")]
		sponsor: PathBuf,
	},
	/// Drop buckets that are of no use and return what they hold; anybody may do it
	#[command(
		after_help = "Examples:\n  m2m sponsor prune 0 meter-001 meter-002 --signer alice.json\n  \
		m2m sponsor prune 0 --all-of 5F... --signer alice.json\n\n\
		A bucket is of no use when it is full again, or when its sponsorship is closed."
	)]
	Prune {
		/// Number of the sponsorship
		sponsorship: SponsorshipId,
		#[command(flatten)]
		selection: Selection,
		/// Key file of the account that pays the fee
		#[arg(long, value_name = "KEYFILE")]
		signer: PathBuf,
	},
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct For {
	/// For one device: name in --home, or SS58 id
	#[arg(long, value_name = "DEVICE")]
	device: Option<String>,
	/// For all devices of this owner, now and later
	#[arg(long, value_name = "KEYFILE|ADDRESS")]
	all_of: Option<String>,
}

#[derive(Args)]
pub struct Create {
	/// Key file of the sponsor
	#[arg(long, value_name = "KEYFILE")]
	sponsor: PathBuf,
	#[command(flatten)]
	beneficiary: For,
	/// Calls that are paid for
	#[arg(long, value_enum, value_delimiter = ',', default_value = "telemetry")]
	calls: Vec<Calls>,
	/// M2M of fees that one device can spend at once
	#[arg(long)]
	capacity: String,
	/// M2M of fees that one device gets back with each block
	#[arg(long)]
	refill: String,
	/// M2M that go into the pot
	#[arg(long)]
	amount: String,
	#[command(flatten)]
	until: Until,
	/// Attach it at once; the sponsor must be the owner
	#[arg(long)]
	attach: bool,
}

#[derive(Args)]
pub struct Use {
	/// Number of the sponsorship
	sponsorship: SponsorshipId,
	/// Key file of the owner
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
}

fn group_name(group: CallGroup) -> String {
	format!("{group:?}").to_lowercase()
}

fn group_names(groups: &[CallGroup]) -> Vec<String> {
	groups.iter().copied().map(group_name).collect()
}

fn describe_beneficiary(beneficiary: &Beneficiary) -> String {
	match beneficiary {
		Beneficiary::Device(device) => format!("device {}", keys::address(device)),
		Beneficiary::Owner(owner) => format!("all devices of {}", keys::address(owner)),
	}
}

fn state(details: &SponsorshipDetails) -> &'static str {
	if details.closed {
		"closed"
	} else if details.expires.is_some_and(|expires| expires < time::now()) {
		"expired"
	} else if details.attached {
		"attached"
	} else {
		"offered, not attached"
	}
}

/// A sponsorship as JSON.
fn describe(details: &SponsorshipDetails) -> Value {
	let (device, owner) = match &details.beneficiary {
		Beneficiary::Device(device) => (Some(keys::address(device)), None),
		Beneficiary::Owner(owner) => (None, Some(keys::address(owner))),
	};
	json!({
		"sponsorship": details.sponsorship,
		"sponsor": keys::address(&details.sponsor),
		"device": device,
		"owner": owner,
		"generation": details.generation,
		"calls": group_names(&details.calls),
		"capacity": money::format(details.capacity),
		"refill": money::format(details.refill),
		"expires": details.expires.map(time::format),
		"pot": keys::address(&details.pot),
		"balance": money::format(details.balance),
		"buckets": details.buckets,
		"attached": details.attached,
		"closed": details.closed,
	})
}

/// What a device can still spend of a sponsorship, as JSON.
pub fn describe_rest(rest: &SponsoredRest) -> Value {
	json!({
		"sponsorship": rest.sponsorship,
		"calls": group_names(&rest.calls),
		"bucket": money::format(rest.bucket),
		"capacity": money::format(rest.capacity),
		"refill": money::format(rest.refill),
		"pot": money::format(rest.pot),
		"expires": rest.expires.map(time::format),
	})
}

/// One line on what a device can still spend of a sponsorship.
pub fn rest_line(rest: &SponsoredRest) -> String {
	format!(
		"by sponsorship {} for {}: {} of {} M2M now, {} M2M more each block, {} M2M in the pot",
		rest.sponsorship,
		group_names(&rest.calls).join(", "),
		money::format(rest.bucket),
		money::format(rest.capacity),
		money::format(rest.refill),
		money::format(rest.pot)
	)
}

async fn details_of(chain: &Chain, block: &Block, id: SponsorshipId) -> Result<SponsorshipDetails> {
	block.sponsorship(chain, id).await?.ok_or_else(|| {
		Error::Unknown(format!(
			"the chain knows no sponsorship {id}: those of a sponsor are listed by `m2m sponsor list`"
		))
	})
}

pub async fn run(context: &Context, command: SponsorCommand) -> Result<()> {
	match command {
		SponsorCommand::Create(create) => run_create(context, *create).await,
		SponsorCommand::TopUp {
			sponsorship: id,
			from,
			amount,
		} => {
			let amount = money::parse(&amount)?;
			let (chain, key) = context.connect_as(&from).await?;
			let included = chain.submit(&key, &sponsorship::top_up(id, amount)).await?;
			// The money is there: an error now would make people send it again.
			let balance = details_of(&chain, &included.block, id)
				.await
				.ok()
				.map(|details| money::format(details.balance));
			context.output.result(
				format!(
					"sponsorship {id}: {} M2M more, {} M2M in the pot; fee {} M2M",
					money::format(amount),
					balance.as_deref().unwrap_or("unknown"),
					money::format(included.fee)
				),
				json!({
					"sponsorship": id,
					"amount": money::format(amount),
					"balance": balance,
					"fee": money::format(included.fee),
				}),
			);
			Ok(())
		}
		SponsorCommand::Show {
			sponsorship: id,
			device,
		} => show(context, id, device.as_deref()).await,
		SponsorCommand::List { sponsor } => list(context, &owner_account(&sponsor)?).await,
		SponsorCommand::Attach(usage) => change(context, usage, true).await,
		SponsorCommand::Detach(usage) => change(context, usage, false).await,
		SponsorCommand::Close {
			sponsorship: id,
			sponsor,
		} => {
			let (chain, key) = context.connect_as(&sponsor).await?;
			let included = chain.submit(&key, &sponsorship::close(id)).await?;
			let (returned, buckets) = sponsorship::closed(&included.events)?;
			let mut text = format!(
				"sponsorship {id}: closed, {} M2M returned; fee {} M2M",
				money::format(returned),
				money::format(included.fee)
			);
			if buckets > 0 {
				text.push_str(&format!(
					"\n{buckets} buckets still hold deposits: get them back with `m2m sponsor prune {id}`"
				));
			}
			context.output.result(
				text,
				json!({
					"sponsorship": id,
					"returned": money::format(returned),
					"buckets": buckets,
					"fee": money::format(included.fee),
				}),
			);
			Ok(())
		}
		SponsorCommand::Prune {
			sponsorship: id,
			selection,
			signer,
		} => prune(context, id, &selection, &signer).await,
	}
}

async fn run_create(context: &Context, create: Create) -> Result<()> {
	let beneficiary = match (&create.beneficiary.device, &create.beneficiary.all_of) {
		(Some(device), _) => Beneficiary::Device(account_or_device(context, device)?),
		(None, Some(owner)) => Beneficiary::Owner(owner_account(owner)?),
		(None, None) => return Err(Error::Usage("say for whom, with --device or --all-of".into())),
	};
	let mut calls: Vec<CallGroup> = Vec::new();
	for group in create.calls.into_iter().map(CallGroup::from) {
		if !calls.contains(&group) {
			calls.push(group);
		}
	}
	let offer = Offer {
		beneficiary,
		calls,
		capacity: money::parse(&create.capacity)?,
		refill: money::parse(&create.refill)?,
		expires: create.until.moment()?,
		amount: money::parse(&create.amount)?,
	};
	let (chain, key) = context.connect_as(&create.sponsor).await?;
	if create.attach {
		check_attachable(&chain, &offer.beneficiary, &key.account()).await?;
	}
	let included = chain.submit(&key, &sponsorship::offer(&offer)).await?;
	let (id, pot) = sponsorship::offered(&included.events)?;
	let mut fee = included.fee;
	let mut attaching = Ok(());
	if create.attach {
		// Whoever is cut off now must know that the pot is filled.
		context.output.note(format!(
			"sponsorship {id} is created, its pot is {}; attaching",
			keys::address(&pot)
		));
		match chain.submit(&key, &sponsorship::attach(id)).await {
			Ok(attached) => fee = fee.saturating_add(attached.fee),
			Err(error) => attaching = Err(error),
		}
	}
	let is_attached = create.attach && attaching.is_ok();
	let next = if is_attached {
		String::from("attached")
	} else {
		format!("the owner takes it with `m2m sponsor attach {id} --owner KEYFILE`")
	};
	context.output.result(
		format!(
			"sponsorship {id} for {}: {} M2M in the pot {}; fee {} M2M\n{next}",
			describe_beneficiary(&offer.beneficiary),
			money::format(offer.amount),
			keys::address(&pot),
			money::format(fee)
		),
		json!({
			"sponsorship": id,
			"pot": keys::address(&pot),
			"amount": money::format(offer.amount),
			"calls": group_names(&offer.calls),
			"capacity": money::format(offer.capacity),
			"refill": money::format(offer.refill),
			"expires": offer.expires.map(time::format),
			"attached": is_attached,
			"fee": money::format(fee),
		}),
	);
	if attaching.is_err() {
		context.output.warn(format!(
			"sponsorship {id} exists: attach it with `m2m sponsor attach {id} --owner KEYFILE`, do not create it again"
		));
	}
	attaching
}

/// Fails unless this account can attach what it offers, so that no offer is left behind that cannot be used.
async fn check_attachable(chain: &Chain, beneficiary: &Beneficiary, sponsor: &AccountId) -> Result<()> {
	let owner = match beneficiary {
		Beneficiary::Owner(owner) => owner.clone(),
		Beneficiary::Device(device) => {
			chain
				.finalized()
				.await?
				.device(chain, device)
				.await?
				.ok_or_else(|| {
					Error::Unknown(format!("the chain knows no device {}", keys::address(device)))
				})?
				.owner
		}
	};
	if owner != *sponsor {
		return Err(Error::Usage(format!(
			"only the owner {} can attach it: leave out --attach, and let him run `m2m sponsor attach`",
			keys::address(&owner)
		)));
	}
	Ok(())
}

async fn show(context: &Context, id: SponsorshipId, device: Option<&str>) -> Result<()> {
	let device = device.map(|text| account_or_device(context, text)).transpose()?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let details = details_of(&chain, &block, id).await?;
	let device: Option<DeviceId> = match (&details.beneficiary, device) {
		(Beneficiary::Device(device), None) => Some(device.clone()),
		(_, device) => device,
	};
	let mut text = format!(
		"sponsorship  {id}, {}\nsponsor      {}\nfor          {}\ncalls        {}\nbucket       {} M2M a device, {} M2M more each block\npot          {} M2M in {}\nuntil        {}\nbuckets      {} in use\n",
		state(&details),
		keys::address(&details.sponsor),
		describe_beneficiary(&details.beneficiary),
		group_names(&details.calls).join(", "),
		money::format(details.capacity),
		money::format(details.refill),
		money::format(details.balance),
		keys::address(&details.pot),
		details.expires.map_or_else(|| "closed".into(), time::format),
		details.buckets,
	);
	let mut value = describe(&details);
	if let Some(device) = &device {
		let remaining = block.remaining(&chain, device).await?;
		let rest = remaining.sponsored.iter().find(|rest| rest.sponsorship == id);
		text.push_str(&match rest {
			Some(rest) => format!(
				"{}\n             has {} of {} M2M left now; the pot can pay {} M2M of fees\n",
				keys::address(device),
				money::format(rest.bucket),
				money::format(rest.capacity),
				money::format(rest.pot)
			),
			None => format!(
				"{}\n             gets nothing from it now\n",
				keys::address(device)
			),
		});
		if let Some(fields) = value.as_object_mut() {
			fields.insert("of_device".into(), keys::address(device).into());
			fields.insert("remaining".into(), rest.map_or(Value::Null, describe_rest));
		}
	}
	context.output.result(text.trim_end(), value);
	Ok(())
}

async fn list(context: &Context, sponsor: &AccountId) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["", "for", "calls", "pot", "capacity", "refill", "state"]);
	let mut values = Vec::new();
	for id in block.sponsorships_of(&chain, sponsor).await? {
		let Some(details) = block.sponsorship(&chain, id).await? else {
			continue;
		};
		table.add_row([
			id.to_string(),
			describe_beneficiary(&details.beneficiary),
			group_names(&details.calls).join(", "),
			money::format(details.balance),
			money::format(details.capacity),
			money::format(details.refill),
			state(&details).to_owned(),
		]);
		values.push(describe(&details));
	}
	context.output.result(
		format!("{table}\n{} sponsorships", values.len()),
		Value::Array(values),
	);
	Ok(())
}

async fn change(context: &Context, usage: Use, attach: bool) -> Result<()> {
	let id = usage.sponsorship;
	let (chain, key) = context.connect_as(&usage.owner).await?;
	let (call, word) = if attach {
		(sponsorship::attach(id), "attached")
	} else {
		(sponsorship::detach(id), "detached")
	};
	let included = chain.submit(&key, &call).await?;
	context.output.result(
		format!(
			"sponsorship {id}: {word}; fee {} M2M",
			money::format(included.fee)
		),
		json!({ "sponsorship": id, "outcome": word, "fee": money::format(included.fee) }),
	);
	Ok(())
}

async fn prune(context: &Context, id: SponsorshipId, selection: &Selection, signer: &Path) -> Result<()> {
	let devices = selection.devices(context)?;
	let (chain, key) = context.connect_as(signer).await?;
	chain.settle(&key.account()).await?;
	let mut bulk = Bulk::new(&chain, &key);
	match devices {
		Devices::Listed(devices) => {
			for device in devices {
				let call = sponsorship::prune_bucket(id, &device);
				bulk.add(device, call).await?;
			}
		}
		// Most devices may have no bucket, and each of those costs a fee: enough when none is left.
		Devices::AllOf(owner) => {
			let block = chain.finalized().await?;
			let buckets = details_of(&chain, &block, id).await?.buckets as usize;
			let mut last: Option<DeviceId> = None;
			while bulk.accepted() < buckets {
				let block = chain.finalized().await?;
				let page = block.devices_after(&chain, &owner, last.as_ref()).await?;
				if page.is_empty() {
					break;
				}
				last = page.last().cloned();
				for device in page {
					if bulk.accepted() >= buckets {
						break;
					}
					let call = sponsorship::prune_bucket(id, &device);
					bulk.add(device, call).await?;
				}
			}
		}
	}
	let sent = bulk.finish().await?;
	context.output.result(
		format!(
			"sponsorship {id}: {} buckets dropped, {} devices have none that can be; fees {} M2M",
			sent.accepted,
			sent.refused.len(),
			money::format(sent.fees)
		),
		json!({
			"sponsorship": id,
			"buckets": sent.accepted,
			"refused": sent.refused.iter().map(|(device, reason)| json!({
				"device": keys::address(device),
				"reason": reason,
			})).collect::<Vec<_>>(),
			"fees": money::format(sent.fees),
		}),
	);
	// In a whole fleet, most devices may have no bucket; who names a device means it.
	match sent.refused.first() {
		Some((device, reason)) if selection.named() > 0 => Err(Error::SomeRefused {
			what: "buckets",
			count: sent.refused.len(),
			total: sent.accepted.saturating_add(sent.refused.len()),
			first: format!("{}: {reason}", keys::address(device)),
			hint: hint(reason),
		}),
		_ => Ok(()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn groups_of_calls_have_the_same_names_in_and_out() {
		for (given, group) in [
			(Calls::Telemetry, CallGroup::Telemetry),
			(Calls::Identity, CallGroup::Identity),
			(Calls::Energy, CallGroup::Energy),
			(Calls::Data, CallGroup::Data),
		] {
			let name = group_name(CallGroup::from(given));
			assert_eq!(CallGroup::from(given), group);
			assert_eq!(
				given.to_possible_value().map(|value| value.get_name().to_owned()),
				Some(name)
			);
		}
	}

	#[test]
	fn the_state_of_a_sponsorship_is_one_word() {
		let details = |expires, attached, closed| SponsorshipDetails {
			sponsorship: 1,
			sponsor: AccountId::new([1; 32]),
			beneficiary: Beneficiary::Owner(AccountId::new([2; 32])),
			generation: None,
			calls: vec![CallGroup::Telemetry],
			capacity: 1,
			refill: 1,
			expires,
			pot: AccountId::new([3; 32]),
			balance: 0,
			buckets: 0,
			attached,
			closed,
		};
		assert_eq!(state(&details(None, true, false)), "attached");
		assert_eq!(state(&details(None, false, false)), "offered, not attached");
		assert_eq!(state(&details(Some(1), true, false)), "expired");
		assert_eq!(state(&details(Some(1), true, true)), "closed");
	}
}
