//! `m2m device show`: all that the chain says of a device.

use super::{name_of, operators::action_names, role_names};
use crate::cli::{
	Context,
	account::account_or_device,
	sponsor::{describe_rest, rest_line},
};
use m2m::{
	Error, Result, batch,
	chain::{Block, Chain},
	keys, money, time,
};
use m2m_device::{AccountId, KeyRecord, Operator, Production, UnixMs};
use m2m_runtime_api::{AttestationDetails, DeviceDetails};
use serde_json::{Value, json};

/// A device as JSON.
pub fn describe(chain: &Chain, name: Option<&str>, details: &DeviceDetails) -> Value {
	json!({
		"name": name,
		"device": keys::address(&details.device),
		"did": keys::did(chain.genesis(), &details.device),
		"owner": keys::address(&details.owner),
		"status": format!("{:?}", details.status),
		"status_since": time::format(details.status_since),
		"generation": details.generation,
		"auth_version": details.auth_version,
		"gateway": details.gateway.as_ref().map(keys::address),
		"profile": details.profile.map(|profile| format!("{profile:?}")),
		"keys": details.device_keys.iter().map(|key| json!({
			"account": keys::address(&key.public.account()),
			"scheme": key.public.scheme(),
			"public": format!("0x{}", hex::encode(key.public.as_bytes())),
			"roles": role_names(key.roles),
			"confirmed": is_confirmed(details, key),
			"valid_from": time::format(key.valid_from),
			"valid_until": key.valid_until.map(time::format),
			"deliver_until": key.deliver_until.map(time::format),
		})).collect::<Vec<_>>(),
		"operators": details.operators.iter().map(|operator| json!({
			"account": keys::address(&operator.account),
			"actions": action_names(operator.actions),
			"expires": operator.expires.map(time::format),
			"valid": operator_fault(details, operator, time::now()).is_none(),
		})).collect::<Vec<_>>(),
		"services": details.services.iter().map(|service| json!({
			"id": String::from_utf8_lossy(&service.id),
			"type": String::from_utf8_lossy(&service.kind),
			"endpoint": String::from_utf8_lossy(&service.endpoint),
		})).collect::<Vec<_>>(),
		"offer": details.offer.as_ref().map(|offer| json!({
			"to": keys::address(&offer.to),
			"price": money::format(offer.price),
			"expires": time::format(offer.expires),
		})),
	})
}

/// True unless the key waits for the confirmation of a new owner.
fn is_confirmed(details: &DeviceDetails, key: &KeyRecord) -> bool {
	key.generation == details.generation
}

/// Why an operator may do nothing, if so.
fn operator_fault(details: &DeviceDetails, operator: &Operator, now: UnixMs) -> Option<&'static str> {
	if operator.generation != details.generation {
		Some("void: granted by an earlier owner")
	} else if operator.is_expired(now) {
		Some("expired")
	} else {
		None
	}
}

/// Why an attestation does not count any more, if so.
fn attestation_fault(
	details: &DeviceDetails,
	attestation: &AttestationDetails,
	now: UnixMs,
) -> Option<&'static str> {
	if attestation.expires < now {
		Some("expired")
	} else if attestation.auth_version != details.auth_version {
		Some("void: the device has other signing keys now")
	} else if !attestation.valid {
		Some("does not count")
	} else if attestation.generation != details.generation {
		Some("given under an earlier owner")
	} else {
		None
	}
}

/// Prints a device as of the last finalized block.
pub async fn run(context: &Context, device: &str) -> Result<()> {
	let id = account_or_device(context, device)?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let details = block
		.device(&chain, &id)
		.await?
		.ok_or_else(|| Error::Unknown(format!("the chain knows no device {}", keys::address(&id))))?;
	let balance = block.balance(&chain, &id).await?;
	let streams = block.streams(&chain, &id).await?;
	let attestations = block.attestations(&chain, &id).await?;
	let remaining = block.remaining(&chain, &id).await?;
	let mut productions = Vec::new();
	for key in &details.device_keys {
		let account = key.public.account();
		if let Some(production) = block.production(&chain, &account).await? {
			productions.push((account, production));
		}
	}
	let now = time::now();

	let mut text = format!(
		"device    {}\ndid       {}\nowner     {}, generation {}\nstatus    {:?} since {}\nwallet    {} M2M free, {} M2M on hold\nstreams   {streams:?}\nblock     {}\n",
		keys::address(&id),
		keys::did(chain.genesis(), &id),
		keys::address(&details.owner),
		details.generation,
		details.status,
		time::format(details.status_since),
		money::format(balance.free),
		money::format(balance.reserved),
		block.number,
	);
	for key in &details.device_keys {
		let state = match key.valid_until {
			Some(end) => format!("rotated {}", time::format(end)),
			None if is_confirmed(&details, key) => "in use".into(),
			None => "waits for its new owner's confirmation".into(),
		};
		text.push_str(&format!(
			"key       {} ({}), {state}\n",
			keys::address(&key.public.account()),
			role_names(key.roles).join(", ")
		));
	}
	for (key, production) in &productions {
		text.push_str(&format!(
			"made      {}\n",
			made_by(&chain, &block, key, production).await?
		));
	}
	for operator in &details.operators {
		text.push_str(&format!(
			"operator  {} ({}) {}\n",
			keys::address(&operator.account),
			action_names(operator.actions).join(", "),
			match (operator_fault(&details, operator, now), operator.expires) {
				(Some(fault), _) => fault.to_owned(),
				(None, Some(expires)) => format!("until {}", time::format(expires)),
				(None, None) => "until revoked".into(),
			}
		));
	}
	for attestation in &attestations {
		text.push_str(&format!(
			"attested  {} by {}, claim {:?}, {}\n",
			attestation.topic.as_text(),
			keys::address(&attestation.issuer),
			attestation.claim,
			attestation_fault(&details, attestation, now).map_or_else(
				|| format!("until {}", time::format(attestation.expires)),
				str::to_owned
			)
		));
	}
	for rest in &remaining.sponsored {
		text.push_str(&format!("paid      {}\n", rest_line(rest)));
	}
	if let Some(budget) = &remaining.budget {
		text.push_str(&format!(
			"budget    {} of {} M2M left until {}; the wallet can give {} M2M\n",
			money::format(budget.left),
			money::format(budget.limit),
			time::format(budget.period_ends),
			money::format(remaining.wallet)
		));
	}
	if let Some(profile) = details.profile {
		text.push_str(&format!("profile   {profile:?}\n"));
	}
	for service in &details.services {
		text.push_str(&format!(
			"service   {} ({}) at {}\n",
			String::from_utf8_lossy(&service.id),
			String::from_utf8_lossy(&service.kind),
			String::from_utf8_lossy(&service.endpoint)
		));
	}
	if let Some(offer) = &details.offer {
		text.push_str(&format!(
			"offered   to {} for {} M2M until {}\n",
			keys::address(&offer.to),
			money::format(offer.price),
			time::format(offer.expires)
		));
	}

	let mut value = describe(&chain, name_of(context, &id)?.as_deref(), &details);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("free".into(), money::format(balance.free).into());
		fields.insert("on_hold".into(), money::format(balance.reserved).into());
		fields.insert("streams".into(), streams.into());
		fields.insert("block".into(), block.number.into());
		let attestations = attestations.iter().map(|attestation| {
			json!({
				"topic": attestation.topic.as_text(),
				"issuer": keys::address(&attestation.issuer),
				"claim": format!("{:?}", attestation.claim),
				"auth_version": attestation.auth_version,
				"generation": attestation.generation,
				"issued": time::format(attestation.issued),
				"expires": time::format(attestation.expires),
				"valid": attestation.valid,
				"same_owner": attestation.generation == details.generation,
			})
		});
		fields.insert("attestations".into(), attestations.collect());
		fields.insert(
			"sponsored".into(),
			remaining.sponsored.iter().map(describe_rest).collect(),
		);
		let budget = remaining.budget.as_ref().map(|budget| {
			json!({
				"limit": money::format(budget.limit),
				"left": money::format(budget.left),
				"period_ends": time::format(budget.period_ends),
			})
		});
		fields.insert("budget".into(), budget.unwrap_or_default());
		let productions = productions.iter().map(|(key, production)| {
			json!({
				"key": keys::address(key),
				"issuer": keys::address(&production.issuer),
				"root": format!("{:?}", production.root),
				"index": production.index,
				"proven_at": time::format(production.proven_at),
			})
		});
		fields.insert("productions".into(), productions.collect());
	}
	context.output.result(text.trim_end(), value);
	Ok(())
}

async fn made_by(chain: &Chain, block: &Block, key: &AccountId, production: &Production) -> Result<String> {
	let model = block
		.production_batch(chain, &production.issuer, production.root)
		.await?
		.map(|batch| batch::model_name(&batch.model));
	Ok(format!(
		"by {}: {} with key {}, index {} of batch {:?}",
		keys::address(&production.issuer),
		model.as_deref().unwrap_or("unknown model"),
		keys::address(key),
		production.index,
		production.root
	))
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_device::{DeviceId, DeviceStatus, OperatorActions, Topic};
	use sp_core::H256;

	fn details() -> DeviceDetails {
		DeviceDetails {
			device: DeviceId::new([9; 32]),
			owner: AccountId::new([1; 32]),
			status: DeviceStatus::Active,
			status_since: 0,
			generation: 3,
			auth_version: 5,
			gateway: None,
			device_keys: Vec::new(),
			profile: None,
			operators: Vec::new(),
			services: Vec::new(),
			offer: None,
		}
	}

	#[test]
	fn an_operator_is_shown_as_void_or_expired() {
		let operator = |expires, generation| Operator {
			account: AccountId::new([2; 32]),
			actions: OperatorActions {
				manage: true,
				trade: false,
				suspend: false,
			},
			expires,
			generation,
		};
		let fault = |operator| operator_fault(&details(), &operator, 1_000);
		assert_eq!(fault(operator(Some(1_000), 3)), None);
		assert_eq!(fault(operator(None, 3)), None);
		assert_eq!(fault(operator(Some(999), 3)), Some("expired"));
		assert!(fault(operator(None, 2)).is_some_and(|fault| fault.contains("earlier owner")));
	}

	#[test]
	fn an_attestation_is_shown_with_the_reason_why_it_does_not_count() {
		let fault = |auth_version, generation, expires, valid| {
			let attestation = AttestationDetails {
				topic: Topic::from_text("certified-meter").unwrap(),
				issuer: AccountId::new([4; 32]),
				claim: H256::zero(),
				auth_version,
				generation,
				issued: 0,
				expires,
				valid,
			};
			attestation_fault(&details(), &attestation, 1_000)
		};
		assert_eq!(fault(5, 3, 1_000, true), None);
		assert_eq!(fault(5, 3, 999, false), Some("expired"));
		assert!(fault(4, 3, 1_000, false).is_some_and(|fault| fault.contains("signing keys")));
		assert!(fault(5, 2, 1_000, true).is_some_and(|fault| fault.contains("earlier owner")));
	}
}
