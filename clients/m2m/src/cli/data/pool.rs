//! `m2m data pool`.

use super::{account_of, connect_trader, no_pool};
use crate::cli::Context;
use clap::{Args, Subcommand};
use m2m::{
	Error, Result,
	chain::{CALLS_PER_TRANSACTION, data},
	keys, money,
};
use m2m_device::AccountId;
use m2m_fair_exchange::market::{Pool, PoolId};
use serde_json::{Value, json};

/// A pool's index counts in parts of a unit of money: this is their number, as a power of two.
const INDEX_BITS: u32 = 32;

#[derive(Subcommand)]
pub enum PoolCommand {
	/// Make a pool
	#[command(after_help = "Examples:\n  \
		m2m data pool create --manager alice.json\n  \
		m2m data pool set-shares 0 bob.json=3 5F...=1 --manager alice.json\n  \
		m2m data sell --pool 0=40% ...\n  \
		m2m data pool claim 0 --signer bob.json\n\n\
		The manager is the seller: its account, or a device that sells itself. Sales under listings that name the pool pay\n\
		their share into it, and each member claims what its shares earned. A sale costs the same however many members there\n\
		are. The manager pays a deposit for the pool and for each member, and puts the smallest balance of an account into\n\
		the pool; all of it comes back.")]
	Create {
		/// Key file of the manager, or name of a device in --home that sells
		#[arg(long, value_name = "KEYFILE|DEVICE")]
		manager: String,
	},
	/// Set how many shares members have; with 0 a member is paid and leaves
	#[command(after_help = "Examples:\n  \
		m2m data pool set-shares 0 bob.json=3 5F...=1 --manager alice.json\n  \
		m2m data pool set-shares 0 bob.json=0 --manager alice.json\n\n\
		Members are named by key file, address, or as a device in --home; all take effect or none. Shares earn from sales that\n\
		are bought after they were issued, so they change only while no sale that pays into the pool is open: a seller who\n\
		issues shares stops its service and waits until its sales are over. What a member that leaves cannot receive stays in\n\
		the pool.")]
	SetShares(SetShares),
	/// Show a pool, and what members have and are owed
	#[command(
		after_help = "Examples:\n  m2m data pool show 0\n  m2m data pool show 0 --member bob.json 5F..."
	)]
	Show {
		/// Number of the pool
		pool: PoolId,
		/// Members to show: key files, addresses, or names of devices in --home
		#[arg(long = "member", num_args = 1.., value_name = "ACCOUNT")]
		members: Vec<String>,
	},
	/// Pay a member what it is owed; anybody may do it
	#[command(after_help = "Examples:\n  \
		m2m data pool claim 0 --signer bob.json\n  \
		m2m data pool claim 0 --signer alice.json --member 5F...")]
	Claim {
		/// Number of the pool
		pool: PoolId,
		/// The member: key file, address, or name of a device in --home; the one that signs if left out
		#[arg(long, value_name = "ACCOUNT")]
		member: Option<String>,
		/// Key file of the account that pays the fee, or name of a device in --home
		#[arg(long, value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
	/// Remove a pool that has no members; what rounding left in it and its deposit go to the manager
	#[command(after_help = "Example:\n  m2m data pool close 0 --manager alice.json\n\n\
		Nothing can be bought any more under a listing that names a closed pool: change it first, with `m2m data sell --change`.")]
	Close {
		/// Number of the pool
		pool: PoolId,
		/// Key file of the manager, or name of a device in --home that sells
		#[arg(long, value_name = "KEYFILE|DEVICE")]
		manager: String,
	},
}

#[derive(Args)]
pub struct SetShares {
	/// Number of the pool
	pool: PoolId,
	/// Members and how many shares they have from now on
	#[arg(required = true, num_args = 1.., value_name = "ACCOUNT=SHARES")]
	members: Vec<String>,
	/// Key file of the manager, or name of a device in --home that sells
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	manager: String,
}

/// Reads `ACCOUNT=SHARES`.
fn parse_member(text: &str, account: impl Fn(&str) -> Result<AccountId>) -> Result<(AccountId, u32)> {
	// The name of a file may have this sign in it.
	let (member, shares) = text
		.rsplit_once('=')
		.and_then(|(member, shares)| Some((member, shares.parse().ok()?)))
		.ok_or_else(|| {
			Error::Usage(format!(
				"`{text}` names no account and a whole number of shares: write them as in bob.json=3"
			))
		})?;
	Ok((account(member)?, shares))
}

/// What one share earned since the beginning, rounded down.
fn earned(pool: &Pool) -> u128 {
	pool.index >> INDEX_BITS
}

pub async fn run(context: &Context, command: PoolCommand) -> Result<()> {
	match command {
		PoolCommand::Create { manager } => create(context, &manager).await,
		PoolCommand::SetShares(arguments) => set_shares(context, &arguments).await,
		PoolCommand::Show { pool, members } => show(context, pool, &members).await,
		PoolCommand::Claim { pool, member, signer } => claim(context, pool, member.as_deref(), &signer).await,
		PoolCommand::Close { pool, manager } => close(context, pool, &manager).await,
	}
}

async fn create(context: &Context, manager: &str) -> Result<()> {
	let (chain, key, account) = connect_trader(context, manager).await?;
	let included = chain.submit(&key, &data::create_pool(None)).await?;
	let pool = data::created_pool(&included.events)?;
	context.output.result(
		format!(
			"pool {pool}, managed by {}; fee {} M2M\nnext: issue shares with `m2m data pool set-shares {pool}`, and name it in a listing with `m2m data sell --pool {pool}`",
			keys::address(&account),
			money::format(included.fee)
		),
		json!({
			"pool": pool,
			"manager": keys::address(&account),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn set_shares(context: &Context, arguments: &SetShares) -> Result<()> {
	let pool = arguments.pool;
	if arguments.members.len() > CALLS_PER_TRANSACTION {
		return Err(Error::Usage(format!(
			"name at most {CALLS_PER_TRANSACTION} members at once"
		)));
	}
	let mut calls = Vec::with_capacity(arguments.members.len());
	for text in &arguments.members {
		let (member, shares) = parse_member(text, |name| account_of(context, name))?;
		calls.push(data::set_shares(None, pool, &member, shares));
	}
	let (chain, key, _) = connect_trader(context, &arguments.manager).await?;
	let call = match calls.as_slice() {
		[only] => only.clone(),
		several => chain.all_or_nothing(several).await?,
	};
	let included = chain.submit(&key, &call).await?;
	let paid = data::shares_paid(&included.events)?;
	let mut text = format!("pool {pool}\n");
	let mut values = Vec::new();
	for (member, shares) in data::shares_set(&included.events)? {
		let paid = paid.iter().find(|(account, _)| *account == member);
		let paid = paid.map(|(_, amount)| money::format(*amount));
		text.push_str(&format!("{}  {shares} shares", keys::address(&member)));
		if let Some(paid) = &paid {
			text.push_str(&format!(", paid {paid} M2M"));
		}
		text.push('\n');
		values.push(json!({
			"member": keys::address(&member),
			"shares": shares,
			"paid": paid,
		}));
	}
	text.push_str(&format!("fee {} M2M", money::format(included.fee)));
	context.output.result(
		text,
		json!({
			"pool": pool,
			"members": values,
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn show(context: &Context, number: PoolId, members: &[String]) -> Result<()> {
	let members = members
		.iter()
		.map(|text| account_of(context, text))
		.collect::<Result<Vec<_>>>()?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let pool = block.pool(&chain, number).await?.ok_or_else(|| no_pool(number))?;
	let mut text = format!(
		"pool       {number}\nmanager    {}\nshares     {} of {} members\nearned     {} M2M a share since the beginning\nopen       {} sales that will pay into it\ndeposit    {} M2M",
		keys::address(&pool.manager),
		pool.shares,
		pool.members,
		money::format(earned(&pool)),
		pool.open_sales,
		money::format(pool.deposit)
	);
	let mut values = Vec::new();
	for member in &members {
		let found = block.pool_member(&chain, number, member).await?;
		let (shares, owed) = found.unwrap_or_default();
		text.push_str(&format!(
			"\nmember     {}: {shares} of {} shares, {} M2M owed",
			keys::address(member),
			pool.shares,
			money::format(owed)
		));
		values.push(json!({
			"member": keys::address(member),
			"shares": shares,
			"owed": money::format(owed),
		}));
	}
	context.output.result(
		text,
		json!({
			"pool": number,
			"manager": keys::address(&pool.manager),
			"shares": pool.shares,
			"members": pool.members,
			"open_sales": pool.open_sales,
			"earned_per_share": money::format(earned(&pool)),
			"deposit": money::format(pool.deposit),
			"asked": Value::Array(values),
		}),
	);
	Ok(())
}

async fn claim(context: &Context, pool: PoolId, member: Option<&str>, signer: &str) -> Result<()> {
	let member = member.map(|text| account_of(context, text)).transpose()?;
	let (chain, key, account) = connect_trader(context, signer).await?;
	let member = member.unwrap_or(account);
	let included = chain.submit(&key, &data::claim(pool, &member)).await?;
	let paid: u128 = data::shares_paid(&included.events)?
		.iter()
		.fold(0, |sum, (_, amount)| sum.saturating_add(*amount));
	context.output.result(
		format!(
			"{} got {} M2M from pool {pool}; fee {} M2M",
			keys::address(&member),
			money::format(paid),
			money::format(included.fee)
		),
		json!({
			"pool": pool,
			"member": keys::address(&member),
			"paid": money::format(paid),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn close(context: &Context, pool: PoolId, manager: &str) -> Result<()> {
	let (chain, key, _) = connect_trader(context, manager).await?;
	let included = chain.submit(&key, &data::close_pool(None, pool)).await?;
	let returned = data::closed_pool(&included.events)?;
	context.output.result(
		format!(
			"pool {pool} is closed: {} M2M were left in it and are yours, with its deposit; fee {} M2M",
			money::format(returned),
			money::format(included.fee)
		),
		json!({
			"pool": pool,
			"returned": money::format(returned),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_member_is_an_account_and_whole_shares() {
		let account = |name: &str| match name {
			"bob.json" | "a=b.json" => Ok(AccountId::new([2; 32])),
			_ => Err(Error::Usage(format!("`{name}` is not an address"))),
		};
		for (text, shares) in [("bob.json=3", 3), ("bob.json=0", 0), ("a=b.json=7", 7)] {
			let member = parse_member(text, account).unwrap();
			assert_eq!(member, (AccountId::new([2; 32]), shares));
		}
		for text in [
			"bob.json",
			"bob.json=",
			"bob.json=-1",
			"bob.json=1.5",
			"bob.json=4294967296",
		] {
			let error = parse_member(text, account).unwrap_err();
			assert!(error.to_string().contains("bob.json=3"), "{error}");
			assert_eq!(error.exit_code(), 2);
		}
		let error = parse_member("carol=1", account).unwrap_err();
		assert!(error.to_string().contains("not an address"), "{error}");
	}

	#[test]
	fn what_a_share_earned_is_rounded_down() {
		let pool = |index| Pool {
			manager: AccountId::new([1; 32]),
			shares: 3,
			members: 1,
			open_sales: 0,
			index,
			deposit: 0,
		};
		assert_eq!(earned(&pool(0)), 0);
		assert_eq!(earned(&pool((5 << 32) + (1 << 31))), 5);
		assert_eq!(earned(&pool(u128::MAX)), u128::MAX / (1 << 32));
	}
}
