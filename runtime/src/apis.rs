//! Runtime APIs: what the node and its clients call without a transaction.

use crate::{
	AccountId, Aura, Balance, Block, DataMarketplace, DeviceIdentity, EnergyTrading, Executive,
	FeeSponsorship, Grandpa, InherentDataExt, Nonce, Runtime, RuntimeCall, RuntimeGenesisConfig, SessionKeys,
	System, Telemetry, TransactionPayment, VERSION, genesis_presets,
};
use alloc::vec::Vec;
use frame_support::{
	genesis_builder_helper::{build_state, get_preset},
	weights::Weight,
};
use m2m_anchor::{AnchorProof, AnchorRecord, Coverage, ProofFault, StreamDetails, StreamId};
use m2m_auction::{Clearing, PricePerKwh, Pricing, Side, Slot};
use m2m_device::{DeviceId, DeviceInspect, Production, Topic, UnixMs};
use m2m_did::{DidKey, DidRecord};
use m2m_fair_exchange::{
	ListingId, SaleId,
	market::{
		Conditions, Listing, ListingFilter, ListingPage, Pool, PoolId, Request, RequestId, SaleStatus,
		Seller, Subscription, SubscriptionId,
	},
};
use m2m_merkle::ReadingProof;
use m2m_runtime_api::{
	AttestationDetails, BatchDetails, BookDetails, BudgetRest, ClearedSlotDetails, ClearingDetails,
	DeviceDetails, EntryDetails, MAX_ISSUERS, MarketDetails, MarketParameters, MemberDetails,
	MembershipState, Remaining, SponsoredRest, SponsorshipDetails, TickDetails,
};
use pallet_energy_trading::MemberState;
use sp_api::impl_runtime_apis;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_core::{H256, OpaqueMetadata, crypto::KeyTypeId};
use sp_runtime::{
	ApplyExtrinsicResult,
	traits::{Block as BlockT, NumberFor},
	transaction_validity::{TransactionSource, TransactionValidity},
};
use sp_session::OpaqueGeneratedSessionKeys;
use sp_version::RuntimeVersion;

/// A clearing in prices.
fn clearing_details(pricing: &Pricing, clearing: &Clearing) -> ClearingDetails {
	ClearingDetails {
		price: pricing.grid.price(clearing.tick),
		volume_wh: clearing.volume_wh,
		ration: clearing.ration,
		bids: clearing.bids,
		asks: clearing.asks,
	}
}

impl_runtime_apis! {
	impl sp_api::Core<Block> for Runtime {
		fn version() -> RuntimeVersion {
			VERSION
		}

		fn execute_block(block: <Block as BlockT>::LazyBlock) {
			Executive::execute_block(block)
		}

		fn initialize_block(header: &<Block as BlockT>::Header) -> sp_runtime::ExtrinsicInclusionMode {
			Executive::initialize_block(header)
		}
	}

	impl sp_api::Metadata<Block> for Runtime {
		fn metadata() -> OpaqueMetadata {
			OpaqueMetadata::new(Runtime::metadata().into())
		}

		fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
			Runtime::metadata_at_version(version)
		}

		fn metadata_versions() -> Vec<u32> {
			Runtime::metadata_versions()
		}
	}

	impl frame_support::view_functions::runtime_api::RuntimeViewFunction<Block> for Runtime {
		fn execute_view_function(
			id: frame_support::view_functions::ViewFunctionId,
			input: Vec<u8>,
		) -> Result<Vec<u8>, frame_support::view_functions::ViewFunctionDispatchError> {
			Runtime::execute_view_function(id, input)
		}
	}

	impl sp_block_builder::BlockBuilder<Block> for Runtime {
		fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
			Executive::apply_extrinsic(extrinsic)
		}

		fn finalize_block() -> <Block as BlockT>::Header {
			Executive::finalize_block()
		}

		fn inherent_extrinsics(data: sp_inherents::InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
			data.create_extrinsics()
		}

		fn check_inherents(
			block: <Block as BlockT>::LazyBlock,
			data: sp_inherents::InherentData,
		) -> sp_inherents::CheckInherentsResult {
			data.check_extrinsics(&block)
		}
	}

	impl m2m_runtime_api::DeviceApi<Block> for Runtime {
		fn device(device: DeviceId) -> Option<DeviceDetails> {
			let snapshot = DeviceIdentity::snapshot(&device)?;
			Some(DeviceDetails {
				device,
				owner: snapshot.owner,
				status: snapshot.status,
				status_since: snapshot.status_since,
				generation: snapshot.generation,
				auth_version: snapshot.auth_version,
				gateway: snapshot.gateway,
				device_keys: snapshot.keys,
				profile: snapshot.profile,
				operators: snapshot.operators,
				services: snapshot.services,
				offer: snapshot.offer,
			})
		}

		fn deposit_for(keys: u32) -> u128 {
			DeviceIdentity::deposit_for(keys)
		}

		fn device_of_key(key: AccountId) -> Option<DeviceId> {
			DeviceIdentity::device_of_key(&key)
		}

		fn devices_of(owner: AccountId, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId> {
			DeviceIdentity::devices_of(&owner, after.as_ref(), limit)
		}

		fn attestations(
			device: DeviceId,
			after: Option<(Topic, AccountId)>,
			limit: u32,
		) -> Vec<AttestationDetails> {
			DeviceIdentity::attestations(&device, after, limit)
		}

		fn has_attestation(
			device: DeviceId,
			topic: Topic,
			mut issuers: Vec<AccountId>,
			same_owner: bool,
		) -> bool {
			issuers.truncate(MAX_ISSUERS);
			<DeviceIdentity as DeviceInspect>::has_attestation(&device, topic, &issuers, same_owner)
		}

		fn production(key: AccountId) -> Option<Production> {
			<DeviceIdentity as DeviceInspect>::production(&key)
		}

		fn batch(issuer: AccountId, root: H256) -> Option<BatchDetails> {
			let batch = DeviceIdentity::batch(&issuer, root)?;
			Some(BatchDetails {
				model: batch.model.into_inner(),
				count: batch.count,
				created: batch.created,
				revoked: batch.revoked,
			})
		}
	}

	impl m2m_runtime_api::DataApi<Block> for Runtime {
		fn conditions() -> Conditions {
			DataMarketplace::conditions()
		}

		fn listings(filter: ListingFilter, from: ListingId, limit: u32) -> ListingPage {
			DataMarketplace::search(&filter, from, limit)
		}

		fn listing(listing: ListingId) -> Option<Listing> {
			DataMarketplace::listing(listing)
		}

		fn listings_of(seller: AccountId, after: Option<ListingId>, limit: u32) -> Vec<ListingId> {
			DataMarketplace::listings_of(&seller, after, limit)
		}

		fn sale(sale: SaleId, expires: u32) -> Option<SaleStatus> {
			DataMarketplace::sale(sale, expires)
		}

		fn seller(seller: AccountId) -> Option<Seller> {
			DataMarketplace::seller(&seller)
		}

		fn subscription(subscription: SubscriptionId) -> Option<Subscription> {
			DataMarketplace::subscription(subscription)
		}

		fn request(request: RequestId) -> Option<Request> {
			DataMarketplace::request(request)
		}

		fn requests(from: RequestId, limit: u32) -> (Vec<(RequestId, Request)>, Option<RequestId>) {
			DataMarketplace::requests(from, limit)
		}

		fn pool(pool: PoolId) -> Option<Pool> {
			DataMarketplace::pool(pool)
		}

		fn pool_member(pool: PoolId, member: AccountId) -> Option<(u32, u128)> {
			DataMarketplace::pool_member(pool, &member)
		}
	}

	impl m2m_runtime_api::DidApi<Block> for Runtime {
		fn did_document(device: DeviceId) -> Option<DidRecord> {
			let snapshot = DeviceIdentity::snapshot(&device)?;
			Some(DidRecord {
				device,
				owner: snapshot.owner,
				status: snapshot.status,
				generation: snapshot.generation,
				auth_version: snapshot.auth_version,
				keys: snapshot
					.keys
					.iter()
					.map(|key| DidKey::new(key, snapshot.generation))
					.collect(),
				services: snapshot.services,
			})
		}
	}

	impl m2m_runtime_api::SponsorshipApi<Block> for Runtime {
		fn remaining(device: DeviceId) -> Remaining {
			let sponsored = FeeSponsorship::sponsored(&device).into_iter().map(|rest| SponsoredRest {
				sponsorship: rest.sponsorship,
				calls: rest.record.calls.into_inner(),
				bucket: rest.bucket,
				capacity: rest.record.terms.capacity,
				refill: rest.record.terms.refill,
				pot: rest.pot,
				expires: rest.record.expires,
			});
			let budget = FeeSponsorship::budget_left(&device);
			Remaining {
				sponsored: sponsored.collect(),
				budget: budget.map(|(budget, left, period_ends)| BudgetRest {
					limit: budget.limit,
					left,
					period_ends,
				}),
				wallet: FeeSponsorship::wallet_left(&device),
			}
		}

		fn sponsorship(sponsorship: u32) -> Option<SponsorshipDetails> {
			let (record, balance, attached) = FeeSponsorship::sponsorship(sponsorship)?;
			Some(SponsorshipDetails {
				sponsorship,
				sponsor: record.sponsor,
				beneficiary: record.beneficiary,
				generation: record.generation,
				calls: record.calls.into_inner(),
				capacity: record.terms.capacity,
				refill: record.terms.refill,
				expires: record.expires,
				pot: FeeSponsorship::pot(sponsorship),
				balance,
				buckets: record.buckets,
				attached,
				closed: record.closed,
			})
		}

		fn sponsorships_of(sponsor: AccountId, after: Option<u32>, limit: u32) -> Vec<u32> {
			FeeSponsorship::sponsorships_of(&sponsor, after, limit)
		}
	}

	impl m2m_runtime_api::EnergyApi<Block> for Runtime {
		fn market(market: u32) -> Option<MarketDetails> {
			let (record, terms, ledger) = EnergyTrading::market(market)?;
			let parameters = terms.parameters.iter().map(|(first, parameters)| MarketParameters {
				first: *first,
				pricing: parameters.pricing,
				window_ms: parameters.window.ms,
				window_blocks: parameters.window.blocks,
			});
			Some(MarketDetails {
				market,
				operator: record.operator,
				account: EnergyTrading::market_account(market),
				slot_seconds: terms.slot.seconds(),
				parameters: parameters.collect(),
				meters: terms.meters.map(|meters| (meters.topic, meters.issuers.into_inner())),
				feeder: terms.feeder.map(|feeder| (feeder.device, feeder.stream, feeder.tolerance)),
				reserve: ledger.reserve,
				last_price: ledger.last,
			})
		}

		fn markets(after: Option<u32>, limit: u32) -> Vec<u32> {
			EnergyTrading::markets(after, limit)
		}

		fn book(market: u32, slot: Slot) -> Option<BookDetails> {
			let open = EnergyTrading::open_book(market, slot)?;
			let ticks = |side| {
				let ticks = (0u8..=u8::MAX).zip(open.book.ticks(side));
				ticks
					.filter(|(_, volume)| volume.orders > 0)
					.map(|(tick, volume)| TickDetails {
						tick,
						price: open.pricing.grid.price(tick),
						wh: volume.wh,
						orders: volume.orders,
					})
					.collect()
			};
			Some(BookDetails {
				bids: ticks(Side::Bid),
				asks: ticks(Side::Ask),
				indicative: open.indicative.map(|clearing| clearing_details(&open.pricing, &clearing)),
				pot: open.pot,
				due: open.due,
			})
		}

		fn clearing(market: u32, slot: Slot) -> Option<ClearedSlotDetails> {
			let cleared = EnergyTrading::cleared_slot(market, slot)?;
			Some(ClearedSlotDetails {
				clearing: cleared.clearing.map(|clearing| clearing_details(&cleared.pricing, &clearing)),
				grid_fee: cleared.pricing.grid_fee,
				pot: cleared.pot,
				orders: cleared.orders,
			})
		}

		fn entry(market: u32, slot: Slot, device: DeviceId) -> Option<EntryDetails> {
			let entry = EnergyTrading::entry(market, slot, &device)?;
			let grid = EnergyTrading::pricing(market, slot)?.grid;
			let side = |side| entry.side(side).iter().map(|step| (grid.price(step.limit), step.wh)).collect();
			Some(EntryDetails {
				bids: side(Side::Bid),
				asks: side(Side::Ask),
			})
		}

		fn member(market: u32, device: DeviceId) -> Option<MemberDetails> {
			let member = EnergyTrading::member_of(market, &device)?;
			Some(MemberDetails {
				import: member.import,
				export: member.export,
				state: match member.state {
					MemberState::Applied => MembershipState::Applied,
					MemberState::Admitted { since, point, capacity } => MembershipState::Admitted {
						since,
						point,
						import_capacity: capacity.import,
						export_capacity: capacity.export,
					},
					MemberState::Leaving => MembershipState::Leaving,
				},
				orders: member.orders.iter().cloned().collect(),
				credit: member.credit,
				unsettled: member.unsettled(),
			})
		}

		fn members(market: u32, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId> {
			EnergyTrading::members(market, after.as_ref(), limit)
		}

		fn open_slots(market: u32, limit: u32) -> Vec<(Slot, bool)> {
			EnergyTrading::open_slots(market, limit)
		}

		fn unsettled_slots(market: u32, limit: u32) -> Vec<Slot> {
			EnergyTrading::unsettled_slots(market, limit)
		}

		fn unsettled(
			market: u32,
			slot: Slot,
			after: Option<DeviceId>,
		) -> (Vec<DeviceId>, Option<DeviceId>) {
			EnergyTrading::unsettled(market, slot, after.as_ref())
		}

		fn last_price(market: u32) -> Option<(Slot, PricePerKwh)> {
			EnergyTrading::last_price(market)
		}
	}

	impl m2m_runtime_api::TelemetryApi<Block> for Runtime {
		fn streams(device: DeviceId) -> Vec<StreamId> {
			Telemetry::streams(&device)
		}

		fn stream(device: DeviceId, stream: StreamId) -> Option<StreamDetails> {
			Telemetry::stream(&device, stream)
		}

		fn anchor(device: DeviceId, stream: StreamId, seq: u64) -> Option<AnchorRecord> {
			Telemetry::anchor_record(&device, stream, seq)
		}

		fn latest(device: DeviceId, stream: StreamId) -> Option<AnchorRecord> {
			Telemetry::latest(&device, stream)
		}

		fn coverage(device: DeviceId, stream: StreamId, from: UnixMs, to: UnixMs) -> Option<Coverage> {
			Telemetry::coverage(&device, stream, from, to)
		}

		fn verify_anchor(proof: AnchorProof) -> Result<(), ProofFault> {
			Telemetry::verify_anchor(&proof)
		}

		fn verify_reading(anchor: AnchorProof, reading: ReadingProof) -> Result<(), ProofFault> {
			Telemetry::verify_reading(&anchor, &reading)
		}
	}

	impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
		fn validate_transaction(
			source: TransactionSource,
			transaction: <Block as BlockT>::Extrinsic,
			block_hash: <Block as BlockT>::Hash,
		) -> TransactionValidity {
			Executive::validate_transaction(source, transaction, block_hash)
		}
	}

	impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
		fn offchain_worker(header: &<Block as BlockT>::Header) {
			Executive::offchain_worker(header)
		}
	}

	impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
		fn slot_duration() -> sp_consensus_aura::SlotDuration {
			sp_consensus_aura::SlotDuration::from_millis(Aura::slot_duration())
		}

		fn authorities() -> Vec<AuraId> {
			pallet_aura::Authorities::<Runtime>::get().into_inner()
		}
	}

	impl sp_session::SessionKeys<Block> for Runtime {
		fn generate_session_keys(owner: Vec<u8>, seed: Option<Vec<u8>>) -> OpaqueGeneratedSessionKeys {
			SessionKeys::generate(&owner, seed).into()
		}

		fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
			SessionKeys::decode_into_raw_public_keys(&encoded)
		}
	}

	impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
		fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
			Grandpa::grandpa_authorities()
		}

		fn current_set_id() -> sp_consensus_grandpa::SetId {
			Grandpa::current_set_id()
		}

		fn submit_report_equivocation_unsigned_extrinsic(
			_equivocation_proof: sp_consensus_grandpa::EquivocationProof<
				<Block as BlockT>::Hash,
				NumberFor<Block>,
			>,
			_key_owner_proof: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
		) -> Option<()> {
			None
		}

		fn generate_key_ownership_proof(
			_set_id: sp_consensus_grandpa::SetId,
			_authority_id: GrandpaId,
		) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
			None
		}
	}

	impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
		fn account_nonce(account: AccountId) -> Nonce {
			System::account_nonce(account)
		}
	}

	impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
		fn query_info(
			extrinsic: <Block as BlockT>::Extrinsic,
			length: u32,
		) -> pallet_transaction_payment_rpc_runtime_api::RuntimeDispatchInfo<Balance> {
			TransactionPayment::query_info(extrinsic, length)
		}

		fn query_fee_details(
			extrinsic: <Block as BlockT>::Extrinsic,
			length: u32,
		) -> pallet_transaction_payment::FeeDetails<Balance> {
			TransactionPayment::query_fee_details(extrinsic, length)
		}

		fn query_weight_to_fee(weight: Weight) -> Balance {
			TransactionPayment::weight_to_fee(weight)
		}

		fn query_length_to_fee(length: u32) -> Balance {
			TransactionPayment::length_to_fee(length)
		}
	}

	impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentCallApi<Block, Balance, RuntimeCall>
		for Runtime
	{
		fn query_call_info(
			call: RuntimeCall,
			length: u32,
		) -> pallet_transaction_payment::RuntimeDispatchInfo<Balance> {
			TransactionPayment::query_call_info(call, length)
		}

		fn query_call_fee_details(
			call: RuntimeCall,
			length: u32,
		) -> pallet_transaction_payment::FeeDetails<Balance> {
			TransactionPayment::query_call_fee_details(call, length)
		}

		fn query_weight_to_fee(weight: Weight) -> Balance {
			TransactionPayment::weight_to_fee(weight)
		}

		fn query_length_to_fee(length: u32) -> Balance {
			TransactionPayment::length_to_fee(length)
		}
	}

	#[cfg(feature = "try-runtime")]
	impl frame_try_runtime::TryRuntime<Block> for Runtime {
		fn on_runtime_upgrade(checks: frame_try_runtime::UpgradeCheckSelect) -> (Weight, Weight) {
			let weight = Executive::try_runtime_upgrade(checks).expect("the upgrade must pass its own checks");
			(weight, crate::configs::system::RuntimeBlockWeights::get().max_block)
		}

		fn execute_block(
			block: <Block as BlockT>::LazyBlock,
			state_root_check: bool,
			signature_check: bool,
			select: frame_try_runtime::TryStateSelect,
		) -> Weight {
			Executive::try_execute_block(block, state_root_check, signature_check, select)
				.expect("the block must execute")
		}
	}

	#[cfg(feature = "runtime-benchmarks")]
	impl frame_benchmarking::Benchmark<Block> for Runtime {
		fn benchmark_metadata(
			extra: bool,
		) -> (Vec<frame_benchmarking::BenchmarkList>, Vec<frame_support::traits::StorageInfo>) {
			use crate::*;
			use frame_benchmarking::BenchmarkList;
			use frame_support::traits::StorageInfoTrait;

			let mut list = Vec::<BenchmarkList>::new();
			list_benchmarks!(list, extra);
			(list, AllPalletsWithSystem::storage_info())
		}

		fn dispatch_benchmark(
			config: frame_benchmarking::BenchmarkConfig,
		) -> Result<Vec<frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
			use crate::*;
			use frame_benchmarking::BenchmarkBatch;
			use frame_support::traits::{TrackedStorageKey, WhitelistedStorageKeys};

			let whitelist: Vec<TrackedStorageKey> = AllPalletsWithSystem::whitelisted_storage_keys();
			let mut batches = Vec::<BenchmarkBatch>::new();
			let params = (&config, &whitelist);
			add_benchmarks!(params, batches);
			Ok(batches)
		}
	}

	impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
		fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
			build_state::<RuntimeGenesisConfig>(config)
		}

		fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
			get_preset::<RuntimeGenesisConfig>(id, genesis_presets::get_preset)
		}

		fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
			genesis_presets::preset_names()
		}
	}
}
