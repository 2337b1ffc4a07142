//! Calls, events and reads of the energy trading pallet: community markets, their members and their slots.

use super::{Block, Call, Chain, RawEvent};
use crate::{Error, Result};
use codec::{Decode, DecodeAll, Encode};
use m2m_anchor::StreamId;
use m2m_auction::{
	Capacity, IgnoredReason, MilliWh, Money, Parameters, PriceOrder, PricePerKwh, Side, Slot, Wh,
};
use m2m_device::{AccountId, DeviceId, Topic, UnixMs};
use m2m_runtime_api::{BookDetails, ClearedSlotDetails, EntryDetails, MarketDetails, MemberDetails};
use sp_core::H256;
use sp_runtime::DispatchError;

/// Number of a market.
pub type MarketId = u32;

/// Most devices in one [`settle`].
pub const DEVICES_PER_SETTLEMENT: usize = 256;
/// Most issuers that a market trusts.
pub const MAX_ISSUERS: usize = 4;
/// Most blocks that a reporting window can ask for.
pub const MAX_WINDOW_BLOCKS: u8 = 100;
/// Most slot lengths that a reporting window can last.
pub const MAX_WINDOW_SLOTS: u64 = 8;

const PALLET: &str = "EnergyTrading";
const API: &str = "EnergyApi";
/// Most items in one answer of the node.
const ITEMS_PER_READ: u32 = 256;
/// How far ahead changed parameters begin, where the chain does not say: a day.
const DEFAULT_NOTICE_MS: UnixMs = 86_400_000;

/// Which meters a market takes: those for which one of the issuers vouches.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Requirement {
	/// Under this topic.
	pub topic: Topic,
	/// 1 to [`MAX_ISSUERS`].
	pub issuers: Vec<AccountId>,
}

/// The meter at the transformer: what the community gives to the grid beyond it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Feeder {
	/// The device.
	pub device: DeviceId,
	/// Its stream.
	pub stream: StreamId,
	/// By how many Wh the reports of a slot may disagree.
	pub tolerance: Wh,
}

/// Creates a market; signed by its operator. `slot_seconds` divides a day and never changes; `meters` is `None` for all
/// meters.
pub fn create_market(slot_seconds: u32, parameters: &Parameters, meters: &Option<Requirement>) -> Call {
	Call::new(PALLET, "create_market")
		.argument("slot_seconds", &slot_seconds)
		.argument("parameters", parameters)
		.argument("meters", meters)
}

/// Sets other parameters from a slot on; signed by the operator.
pub fn set_parameters(market: MarketId, first: Slot, parameters: &Parameters) -> Call {
	Call::new(PALLET, "set_parameters")
		.argument("market", &market)
		.argument("first", &first)
		.argument("parameters", parameters)
}

/// Names the feeder meter, or none; signed by the operator.
pub fn set_feeder(market: MarketId, feeder: &Option<Feeder>) -> Call {
	Call::new(PALLET, "set_feeder")
		.argument("market", &market)
		.argument("feeder", feeder)
}

/// Gives a market another operator; for the council.
pub fn hand_over(market: MarketId, to: &AccountId) -> Call {
	Call::new(PALLET, "hand_over")
		.argument("market", &market)
		.argument("to", to)
}

/// Asks to trade with a device; signed by its owner, or a key or operator with `manage`.
pub fn join(market: MarketId, device: &DeviceId, import: StreamId, export: StreamId) -> Call {
	Call::new(PALLET, "join")
		.argument("market", &market)
		.argument("device", &Some(device))
		.argument("import", &import)
		.argument("export", &export)
}

/// Admits a device from the next slot on; signed by the operator.
pub fn admit(market: MarketId, device: &DeviceId, point: &H256, capacity: &Capacity) -> Call {
	Call::new(PALLET, "admit")
		.argument("market", &market)
		.argument("device", device)
		.argument("point", point)
		.argument("capacity", capacity)
}

/// Sets the standing order from the next slot on; signed by the owner, or a key or operator with `trade`.
pub fn set_order(market: MarketId, device: &DeviceId, order: &PriceOrder) -> Call {
	Call::new(PALLET, "set_order")
		.argument("market", &market)
		.argument("device", &Some(device))
		.argument("order", order)
}

/// Moves money from a device's wallet to its credit; signed by the owner, or a key or operator with `trade`.
pub fn top_up(market: MarketId, device: &DeviceId, amount: Money) -> Call {
	Call::new(PALLET, "top_up")
		.argument("market", &market)
		.argument("device", &Some(device))
		.argument("amount", &amount)
}

/// Moves money, or with `None` all, from a device's credit to its wallet; signed by the owner, or a key or operator with
/// `manage`.
pub fn withdraw_credit(market: MarketId, device: &DeviceId, amount: Option<Money>) -> Call {
	Call::new(PALLET, "withdraw_credit")
		.argument("market", &market)
		.argument("device", &Some(device))
		.argument("amount", &amount)
}

/// Ends a membership; signed by the owner, or a key or operator with `manage`, and by anybody once it is leaving.
pub fn leave(market: MarketId, device: &DeviceId) -> Call {
	Call::new(PALLET, "leave")
		.argument("market", &market)
		.argument("device", &Some(device))
}

/// Ends a membership; signed by the operator.
pub fn remove_member(market: MarketId, device: &DeviceId) -> Call {
	Call::new(PALLET, "remove_member")
		.argument("market", &market)
		.argument("device", device)
}

/// Clears a due slot; signed by anybody.
pub fn clear(market: MarketId, slot: Slot) -> Call {
	Call::new(PALLET, "clear")
		.argument("market", &market)
		.argument("slot", &slot)
}

/// Settles entries of a due slot, at most [`DEVICES_PER_SETTLEMENT`]; signed by anybody.
pub fn settle(market: MarketId, slot: Slot, devices: &Vec<DeviceId>) -> Call {
	Call::new(PALLET, "settle")
		.argument("market", &market)
		.argument("slot", &slot)
		.argument("devices", devices)
}

/// Pays money, or with `None` all, from the reserve to the operator, who signs.
pub fn withdraw_reserve(market: MarketId, amount: Option<Money>) -> Call {
	Call::new(PALLET, "withdraw_reserve")
		.argument("market", &market)
		.argument("amount", &amount)
}

/// What the pallet reports, with its fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EnergyEvent {
	/// A market was created.
	MarketCreated {
		/// Its number.
		market: MarketId,
		/// Who runs it.
		operator: AccountId,
		/// The account that holds its money.
		account: AccountId,
	},
	/// A market has other parameters from a slot on.
	ParametersSet {
		/// The market.
		market: MarketId,
		/// The first slot.
		first: Slot,
		/// The parameters.
		parameters: Parameters,
	},
	/// A market has a feeder meter, another one, or none any more.
	FeederSet {
		/// The market.
		market: MarketId,
		/// The meter.
		feeder: Option<Feeder>,
	},
	/// A market has another operator.
	MarketHandedOver {
		/// The market.
		market: MarketId,
		/// The old operator.
		from: AccountId,
		/// The new operator.
		to: AccountId,
	},
	/// A device asks to trade.
	Joined {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// Stream of what it takes.
		import: StreamId,
		/// Stream of what it gives.
		export: StreamId,
	},
	/// A device trades from a slot on.
	Admitted {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// The first slot.
		since: Slot,
		/// The metering point.
		point: H256,
		/// What counts of its energy.
		capacity: Capacity,
	},
	/// A device trades no more; its last entries wait for settlement.
	Leaving {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
	},
	/// A device is a member no more.
	Left {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// What went to its wallet, in smallest units.
		credit: Money,
	},
	/// A standing order holds from a slot on.
	OrderSet {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// The first slot.
		first: Slot,
		/// The order.
		order: PriceOrder,
	},
	/// Money went from a wallet to a credit.
	CreditToppedUp {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// How much, in smallest units.
		amount: Money,
	},
	/// Money went from a credit to a wallet.
	CreditWithdrawn {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// How much, in smallest units.
		amount: Money,
	},
	/// Metered energy counts for a slot.
	Reported {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// The device.
		device: DeviceId,
		/// Whether it took or gave the energy.
		side: Side,
		/// Wh that the meter counted.
		metered: Wh,
		/// Wh of it that stand in the book.
		offered: Wh,
	},
	/// The feeder meter reported.
	FeederReported {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// Wh that left the community.
		metered: Wh,
	},
	/// An anchor of a member's or feeder's stream counts for nothing.
	ReportIgnored {
		/// The market.
		market: MarketId,
		/// The device.
		device: DeviceId,
		/// The stream.
		stream: StreamId,
		/// Sequence number of the anchor.
		seq: u64,
		/// Why.
		reason: IgnoredReason,
	},
	/// A slot was cleared.
	SlotCleared {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// The price per kWh; `None` if nothing trades.
		price: Option<PricePerKwh>,
		/// Wh that trade.
		volume_wh: u128,
		/// How many orders stood in the book.
		orders: u64,
	},
	/// Members report to have given more than others took and left the community.
	BalanceMismatch {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// Wh that members gave.
		exported: Wh,
		/// Wh that members took.
		imported: Wh,
		/// Wh that left the community.
		feeder: Wh,
	},
	/// The bill of a device for a slot.
	Settled(Settled),
	/// One entry was not settled; the others are not affected.
	SettlementRefused {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// The device.
		device: DeviceId,
		/// The named error.
		reason: String,
	},
	/// The last entry of a slot was settled.
	SlotSettled {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// Grid fees and rounding remainders that went to the reserve, in smallest units.
		reserved: Money,
	},
	/// Money of the reserve went to the operator.
	ReserveWithdrawn {
		/// The market.
		market: MarketId,
		/// The operator.
		to: AccountId,
		/// How much, in smallest units.
		amount: Money,
	},
}

/// A bill line: the device paid `(price + grid_fee) x bought` and earned `price x sold`.
#[derive(Clone, PartialEq, Eq, Debug, Decode)]
pub struct Settled {
	/// The market.
	pub market: MarketId,
	/// The slot.
	pub slot: Slot,
	/// The device.
	pub device: DeviceId,
	/// mWh bought.
	pub bought: MilliWh,
	/// mWh sold.
	pub sold: MilliWh,
	/// The price per kWh; `None` if nothing traded.
	pub price: Option<PricePerKwh>,
	/// The grid fee per kWh.
	pub grid_fee: PricePerKwh,
}

impl EnergyEvent {
	/// Decodes an event of `block`; `None` if another pallet reported it, or this one something that this version does not
	/// know.
	///
	/// # Errors
	/// [`Error::IncompatibleChain`] if a known event has other fields.
	pub fn of(block: &Block, event: &RawEvent) -> Result<Option<Self>> {
		if event.pallet != PALLET {
			return Ok(None);
		}
		Ok(Some(match event.name.as_str() {
			"MarketCreated" => {
				let (market, operator, account) = event.decode()?;
				Self::MarketCreated {
					market,
					operator,
					account,
				}
			}
			"ParametersSet" => {
				let (market, first, parameters) = event.decode()?;
				Self::ParametersSet {
					market,
					first,
					parameters,
				}
			}
			"FeederSet" => {
				let (market, feeder) = event.decode()?;
				Self::FeederSet { market, feeder }
			}
			"MarketHandedOver" => {
				let (market, from, to) = event.decode()?;
				Self::MarketHandedOver { market, from, to }
			}
			"Joined" => {
				let (market, device, import, export) = event.decode()?;
				Self::Joined {
					market,
					device,
					import,
					export,
				}
			}
			"Admitted" => {
				let (market, device, since, point, capacity) = event.decode()?;
				Self::Admitted {
					market,
					device,
					since,
					point,
					capacity,
				}
			}
			"Leaving" => {
				let (market, device) = event.decode()?;
				Self::Leaving { market, device }
			}
			"Left" => {
				let (market, device, credit) = event.decode()?;
				Self::Left {
					market,
					device,
					credit,
				}
			}
			"OrderSet" => {
				let (market, device, first, order) = event.decode()?;
				Self::OrderSet {
					market,
					device,
					first,
					order,
				}
			}
			"CreditToppedUp" => {
				let (market, device, amount) = event.decode()?;
				Self::CreditToppedUp {
					market,
					device,
					amount,
				}
			}
			"CreditWithdrawn" => {
				let (market, device, amount) = event.decode()?;
				Self::CreditWithdrawn {
					market,
					device,
					amount,
				}
			}
			"Reported" => {
				let (market, slot, device, side, metered, offered) = event.decode()?;
				Self::Reported {
					market,
					slot,
					device,
					side,
					metered,
					offered,
				}
			}
			"FeederReported" => {
				let (market, slot, metered) = event.decode()?;
				Self::FeederReported {
					market,
					slot,
					metered,
				}
			}
			"ReportIgnored" => {
				let (market, device, stream, seq, reason) = event.decode()?;
				Self::ReportIgnored {
					market,
					device,
					stream,
					seq,
					reason,
				}
			}
			"SlotCleared" => {
				let (market, slot, price, volume_wh, orders) = event.decode()?;
				Self::SlotCleared {
					market,
					slot,
					price,
					volume_wh,
					orders,
				}
			}
			"BalanceMismatch" => {
				let (market, slot, exported, imported, feeder) = event.decode()?;
				Self::BalanceMismatch {
					market,
					slot,
					exported,
					imported,
					feeder,
				}
			}
			"Settled" => Self::Settled(event.decode()?),
			"SettlementRefused" => {
				let (market, slot, device, reason): (_, _, _, DispatchError) = event.decode()?;
				Self::SettlementRefused {
					market,
					slot,
					device,
					reason: block.name_error(&reason.encode()),
				}
			}
			"SlotSettled" => {
				let (market, slot, reserved) = event.decode()?;
				Self::SlotSettled {
					market,
					slot,
					reserved,
				}
			}
			"ReserveWithdrawn" => {
				let (market, to, amount) = event.decode()?;
				Self::ReserveWithdrawn { market, to, amount }
			}
			_ => return Ok(None),
		}))
	}

	/// Every event of the pallet among those of `block`, in their order.
	///
	/// # Errors
	/// As [`Self::of`].
	pub fn all(block: &Block, events: &[RawEvent]) -> Result<Vec<Self>> {
		events
			.iter()
			.filter_map(|event| Self::of(block, event).transpose())
			.collect()
	}
}

/// Number and account of the market that a call created.
pub fn created(events: &[RawEvent]) -> Result<(MarketId, AccountId)> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "MarketCreated"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no created market".into()))?;
	let (market, _, account): (MarketId, AccountId, AccountId) = event.decode()?;
	Ok((market, account))
}

/// What a call paid from a reserve, in smallest units.
pub fn reserve_withdrawn(events: &[RawEvent]) -> Result<Money> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "ReserveWithdrawn"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no payment from a reserve".into()))?;
	let (_, _, amount): (MarketId, AccountId, Money) = event.decode()?;
	Ok(amount)
}

/// The next step after a refusal by this pallet, where there is one. `error` is its name without the pallet.
pub(super) fn hint(error: &str) -> &'static str {
	match error {
		"UnknownMarket" => "; `m2m market list` shows those that there are",
		"NotOperator" => "; sign with the operator's key file: `m2m market show` names him",
		"OperatorIsDeviceKey" => "; sign with an account that is no device's key",
		"InvalidSlotLength" => {
			"; choose a length that divides a day and has at least two blocks, such as 900"
		}
		"InvalidWindow" => {
			"; a window lasts at most eight slots and 100 blocks, and at least one of each unit"
		}
		"InvalidRequirement" => {
			"; name a topic of small letters, digits and hyphens, and at least one issuer"
		}
		"OperatorCannotPay" | "OperatorCannotReceive" => "; fund the operator with `m2m account fund`",
		"NoticeTooShort" => "; name a later slot with --first",
		"ChangePending" => "; wait until the pending change holds: `m2m market show` says when",
		"VersionStillNeeded" => "; clear old slots first, with `m2m keeper --once`",
		"UnsuitableStream" => {
			"; open a stream in Wh with the market's slot length as period: see `m2m market join --help`"
		}
		"MeterInUse" => "; end the other membership first, with `m2m market leave`, or name another point",
		"AlreadyMember" => "; `m2m market show --device` says how it stands",
		"NotMember" => "; let the device join with `m2m market join`",
		"AlreadyAdmitted" => "; to change its capacity, let it leave and join again",
		"NoCapacity" => "; give it a capacity for what it takes or for what it gives",
		"NotCertified" => {
			"; let one of the market's issuers vouch for the meter with `m2m device attest`, and name the claim as --point"
		}
		"MembershipEnding" => "; finish it with `m2m market leave`, then join again",
		"SettlementPending" => "; settle its slots first with `m2m keeper --once`, then run this again",
		"OrderStillNeeded" => {
			"; wait until the reporting windows of the last slots are over, then run this again"
		}
		"CreditTooLow" => "; `m2m market show --device` says what is left",
		"ReserveTooLow" => "; `m2m market show` says what there is",
		"UnknownSlot" => "; nothing was reported for it, or it is settled already",
		"WindowOpen" => "; wait until its reporting window is over: `m2m market watch` counts down",
		"AlreadyCleared" => "; settle it with `m2m market settle`",
		_ => "",
	}
}

impl Block {
	/// A market.
	pub async fn market(&self, chain: &Chain, market: MarketId) -> Result<Option<MarketDetails>> {
		self.read(chain, API, "market", &[("market", market.encode())])
			.await
	}

	/// Numbers of at most 256 markets after `after`, in their order.
	pub async fn markets_after(&self, chain: &Chain, after: Option<MarketId>) -> Result<Vec<MarketId>> {
		let arguments = [("after", after.encode()), ("limit", ITEMS_PER_READ.encode())];
		self.read(chain, API, "markets", &arguments).await
	}

	/// The book of a slot that was reported and is not cleared.
	pub async fn book(&self, chain: &Chain, market: MarketId, slot: Slot) -> Result<Option<BookDetails>> {
		let arguments = [("market", market.encode()), ("slot", slot.encode())];
		self.read(chain, API, "book", &arguments).await
	}

	/// A slot that is cleared and not settled wholly.
	pub async fn clearing(
		&self,
		chain: &Chain,
		market: MarketId,
		slot: Slot,
	) -> Result<Option<ClearedSlotDetails>> {
		let arguments = [("market", market.encode()), ("slot", slot.encode())];
		self.read(chain, API, "clearing", &arguments).await
	}

	/// How a device stands in the book of a slot, until it is settled.
	pub async fn entry(
		&self,
		chain: &Chain,
		market: MarketId,
		slot: Slot,
		device: &DeviceId,
	) -> Result<Option<EntryDetails>> {
		let arguments = [
			("market", market.encode()),
			("slot", slot.encode()),
			("device", device.encode()),
		];
		self.read(chain, API, "entry", &arguments).await
	}

	/// A membership.
	pub async fn member(
		&self,
		chain: &Chain,
		market: MarketId,
		device: &DeviceId,
	) -> Result<Option<MemberDetails>> {
		let arguments = [("market", market.encode()), ("device", device.encode())];
		self.read(chain, API, "member", &arguments).await
	}

	/// At most 256 members of a market after `after`, in a fixed order.
	pub async fn members_after(
		&self,
		chain: &Chain,
		market: MarketId,
		after: Option<&DeviceId>,
	) -> Result<Vec<DeviceId>> {
		let arguments = [
			("market", market.encode()),
			("after", after.encode()),
			("limit", ITEMS_PER_READ.encode()),
		];
		self.read(chain, API, "members", &arguments).await
	}

	/// The 256 oldest slots that were reported and are not cleared, each with whether it can be cleared.
	pub async fn open_slots(&self, chain: &Chain, market: MarketId) -> Result<Vec<(Slot, bool)>> {
		let arguments = [("market", market.encode()), ("limit", ITEMS_PER_READ.encode())];
		self.read(chain, API, "open_slots", &arguments).await
	}

	/// Slots that are cleared and not settled wholly, at most 256, in no order.
	pub async fn unsettled_slots(&self, chain: &Chain, market: MarketId) -> Result<Vec<Slot>> {
		let arguments = [("market", market.encode()), ("limit", ITEMS_PER_READ.encode())];
		self.read(chain, API, "unsettled_slots", &arguments).await
	}

	/// Members with an entry in a slot that is not settled, among the next 256 members after `after`, and where to go on;
	/// `None` at the end.
	pub async fn unsettled_after(
		&self,
		chain: &Chain,
		market: MarketId,
		slot: Slot,
		after: Option<&DeviceId>,
	) -> Result<(Vec<DeviceId>, Option<DeviceId>)> {
		let arguments = [
			("market", market.encode()),
			("slot", slot.encode()),
			("after", after.encode()),
		];
		self.read(chain, API, "unsettled", &arguments).await
	}

	/// The latest slot that traded and was settled wholly, with its price per kWh.
	pub async fn last_price(&self, chain: &Chain, market: MarketId) -> Result<Option<(Slot, PricePerKwh)>> {
		self.read(chain, API, "last_price", &[("market", market.encode())])
			.await
	}

	/// How far ahead the first slot of changed parameters begins at least, in milliseconds.
	pub async fn notice(&self, chain: &Chain) -> Result<UnixMs> {
		let entry = subxt::dynamic::storage::<_, subxt::dynamic::Value>(PALLET, "NoticeMs");
		match self.at.storage().try_fetch(entry, ()).await {
			Ok(None) => Ok(DEFAULT_NOTICE_MS),
			Ok(Some(value)) => UnixMs::decode_all(&mut value.bytes())
				.map_err(|_| Error::IncompatibleChain("its notice period is stored in another form".into())),
			Err(error) => Err(chain.explain(error).await),
		}
	}
}
