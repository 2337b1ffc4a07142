//! A chain with readings to sell, and stalls and customers on it.

use super::{Node, Setup, fixture, runtime};
use m2m::{
	chain::{Chain, data, telemetry::Quantity},
	data::{
		goods::Source,
		market::OnChain,
		seller::Seller,
		service::{self, Limits},
		vault::Vault,
	},
	keys::{self, Device, Key, Scheme},
	money,
	readings::MeterReadings,
	time,
};
use m2m_device::{AccountId, UnixMs};
use m2m_fair_exchange::{
	Claims,
	market::{ListingSpec, Payout, Price},
};
use serde_json::Value;
use sp_core::H256;
use std::{
	collections::BTreeMap,
	fs,
	io::{BufRead, BufReader},
	net::SocketAddr,
	os::unix::fs::PermissionsExt,
	path::{Path, PathBuf},
	process::{Child, Output},
	sync::Arc,
	thread,
	time::{Duration, Instant},
};

pub const DATE: &str = "2016-06-13";
pub const NEXT_DATE: &str = "2016-06-14";
pub const METER: &str = "meter-001";
pub const MINUTES_OF_DAY: usize = 1_440;
pub const PASSPHRASE: &str = "correct horse battery staple";
/// What each sale costs.
pub const PRICE: u128 = money::UNIT;
/// What a buyer gets besides the price if the seller fails.
pub const COVER: u128 = money::UNIT / 10;
/// What is burnt of the price when it is paid: half a percent.
pub const FEE: u128 = PRICE / 200;
/// Longer than both windows of a sale on a development chain.
pub const SALE: Duration = Duration::from_secs(400);

/// A chain on which one meter has anchored a day by the minute, in a private stream.
pub struct Fair {
	pub setup: Setup,
	pub node: Node,
	pub device: AccountId,
	pub stream: u32,
	/// What the meter anchored.
	pub readings: Vec<(UnixMs, i64)>,
}

/// A stall at the fair: a home folder with a gateway's store and a vault, and a listing.
pub struct Stall<'a> {
	pub fair: &'a Fair,
	pub home: PathBuf,
	/// Key file of the account that pays for the seller's transactions.
	pub payer: String,
	pub address: SocketAddr,
	pub listing: u32,
}

/// Somebody with money and a home folder of its own.
pub struct Customer<'a> {
	pub fair: &'a Fair,
	pub home: PathBuf,
	pub key: String,
	pub address: String,
}

/// A service that is killed when it goes out of scope.
pub struct Service(Child);

impl Drop for Service {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

pub fn text(value: &Value) -> &str {
	value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub fn amount(value: &Value) -> u128 {
	money::parse(text(value)).unwrap()
}

fn free_address() -> SocketAddr {
	let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
	listener.local_addr().unwrap()
}

pub fn copy_folder(from: &Path, to: &Path) {
	fs::create_dir_all(to).unwrap();
	fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
	for entry in fs::read_dir(from).unwrap() {
		let entry = entry.unwrap();
		let target = to.join(entry.file_name());
		if entry.file_type().unwrap().is_dir() {
			copy_folder(&entry.path(), &target);
		} else {
			// Permissions come along: key files stay private.
			fs::copy(entry.path(), target).unwrap();
		}
	}
}

impl Fair {
	pub fn open() -> Self {
		let (setup, node) = Setup::new();
		let csv = fixture();
		let home = setup.home();
		node.ok(
			&home,
			&[
				"data",
				"record",
				&csv.to_string_lossy(),
				"--date",
				DATE,
				"--meters",
				METER,
				"--owner",
				&setup.owner,
				"--gateway",
				&setup.gateway,
				"--map-to",
				"keep",
			],
		);
		let streams = node.ok(&home, &["telemetry", "stream", "list", "--device", METER]);
		let private: Vec<_> = streams
			.as_array()
			.unwrap()
			.iter()
			.filter(|stream| stream["private"] == true)
			.collect();
		let [stream] = private.as_slice() else {
			panic!("there is not one private stream: {streams}")
		};
		let anchors = stream["anchors"].as_u64().unwrap();
		let kept = stream["retention"].as_u64().unwrap();
		assert!(anchors > kept, "some anchors must have left the state: {stream}");
		let day = time::parse_date(DATE).unwrap();
		let slots = &MeterReadings::from_file(&csv).unwrap().meters[METER];
		let readings: Vec<_> = slots
			.iter()
			.filter(|slot| time::date_of(slot.start) == DATE)
			.flat_map(|slot| Quantity::ImportByMinute.readings(METER, slot))
			.collect();
		assert_eq!((readings.len(), readings[0].0), (MINUTES_OF_DAY, day));
		fs::write(setup.file("licence.txt"), "For one's own use").unwrap();
		let pass = setup.file("passphrase");
		fs::write(&pass, PASSPHRASE).unwrap();
		fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
		Self {
			device: Device::find(&home, METER).unwrap().unwrap().id,
			stream: u32::try_from(stream["stream"].as_u64().unwrap()).unwrap(),
			readings,
			setup,
			node,
		}
	}

	/// A key file with 10 M2M of somebody new, and the call that sends the money.
	fn newcomer(&self, name: &str, calls: &mut Vec<m2m::chain::Call>) -> (String, AccountId) {
		let key = Key::generate(Scheme::Sr25519);
		let file = self.setup.file(&format!("{name}.json"));
		key.save_new(Path::new(&file)).unwrap();
		calls.push(Chain::transfer_call(&key.account(), 10 * money::UNIT));
		(file, key.account())
	}

	/// Sends calls of the owner in one transaction.
	pub fn as_owner(&self, calls: &[m2m::chain::Call]) -> m2m::chain::Included {
		let owner = Key::load(Path::new(&self.setup.owner)).unwrap();
		runtime().block_on(async {
			let chain = Chain::connect(&self.node.url).await.unwrap();
			let call = chain.all_or_nothing(calls).await.unwrap();
			chain.submit(&owner, &call).await.unwrap()
		})
	}

	pub fn stalls<const N: usize>(&self, names: [&str; N]) -> [(Stall<'_>, Customer<'_>); N] {
		let mut calls = Vec::new();
		let found = names.map(|name| {
			let (payer, _) = self.newcomer(&format!("{name}-payer"), &mut calls);
			let (key, account) = self.newcomer(&format!("{name}-buyer"), &mut calls);
			let home = self.setup.folder.path().join(name);
			copy_folder(&self.setup.home(), &home);
			let stall = Stall {
				fair: self,
				home,
				payer,
				address: free_address(),
				listing: 0,
			};
			let customer = Customer {
				fair: self,
				home: self.setup.folder.path().join(format!("{name}-buyer")),
				key,
				address: keys::address(&account),
			};
			(stall, customer)
		});
		self.as_owner(&calls);
		found
	}

	pub fn chain(&self, runtime: &tokio::runtime::Runtime) -> Chain {
		runtime.block_on(Chain::connect(&self.node.url)).unwrap()
	}

	/// What the seller's record says.
	pub fn record(&self) -> Value {
		let home = self.setup.folder.path().join("nobody");
		self.node.ok(&home, &["data", "earnings", &self.setup.owner])
	}
}

impl Stall<'_> {
	pub fn endpoint(&self) -> String {
		format!("http://{}", self.address)
	}

	pub fn vault(&self) -> Vault {
		Vault::open(&self.home.join("vault.redb"), PASSPHRASE).unwrap()
	}

	/// The call that lists the stream under the keys of this stall's vault.
	pub fn listing(&self) -> m2m::chain::Call {
		let vault = self.vault();
		let spec = ListingSpec {
			device: self.fair.device.clone(),
			stream: self.fair.stream,
			from: 0,
			until: None,
			price: Price::PerSale(PRICE),
			licence: H256::zero(),
			schema: Quantity::ImportByMinute.schema(),
			area: Default::default(),
			metadata: H256::zero(),
			payout: Payout::Seller,
			claims: Claims::default(),
			endpoint: self.endpoint().into_bytes().try_into().unwrap(),
			sealing_key: vault.sealing_key(),
			terms_key: Some(vault.terms_account()),
		};
		data::create_listing(None, &spec)
	}

	/// Runs `m2m data sell` for a stream of the meter, under the keys of this stall's vault.
	pub fn sell(&self, stream: u32, more: &[&str]) -> Output {
		let setup = &self.fair.setup;
		let (pass, licence) = (setup.file("passphrase"), setup.file("licence.txt"));
		let (stream, endpoint) = (stream.to_string(), self.endpoint());
		let mut arguments = vec!["data", "sell", "--seller", &setup.owner, "--device", METER];
		arguments.extend(["--stream", &stream, "--price", "1", "--licence", &licence]);
		arguments.extend(["--endpoint", &endpoint, "--area", "u281z"]);
		arguments.extend(["--passphrase-file", &pass]);
		arguments.extend(more);
		self.fair.node.m2m(&self.home, &arguments)
	}

	/// Lists the stream of the fair on the command line.
	pub fn list(&mut self, more: &[&str]) -> Value {
		let output = self.sell(self.fair.stream, more);
		assert!(
			output.status.success(),
			"{}",
			String::from_utf8_lossy(&output.stderr)
		);
		let sold: Value = serde_json::from_slice(&output.stdout).unwrap();
		self.listing = u32::try_from(sold["listing"].as_u64().unwrap()).unwrap();
		sold
	}

	/// Runs `m2m data serve` until it says that it listens.
	pub fn serve(&self) -> Service {
		let log = fs::File::options()
			.create(true)
			.append(true)
			.open(self.home.join("serve.log"))
			.unwrap();
		let listing = self.listing.to_string();
		let address = self.address.to_string();
		let pass = self.fair.setup.file("passphrase");
		let arguments = [
			"data",
			"serve",
			"--listing",
			&listing,
			"--listen",
			&address,
			"--seller",
			&self.payer,
			"--passphrase-file",
			&pass,
		];
		let mut child = self
			.fair
			.node
			.command(&self.home, &arguments)
			.stderr(log)
			.spawn()
			.unwrap();
		let mut line = String::new();
		let stdout = child.stdout.take().unwrap();
		let service = Service(child);
		BufReader::new(stdout).read_line(&mut line).unwrap();
		assert!(
			line.contains(&self.endpoint()),
			"the service does not start: {line}\n{}",
			fs::read_to_string(self.home.join("serve.log")).unwrap()
		);
		service
	}

	/// The seller of this stall within this process.
	pub fn seller(&self, runtime: &tokio::runtime::Runtime) -> Arc<Seller<OnChain>> {
		let key = Arc::new(Key::load(Path::new(&self.payer)).unwrap());
		let device = Device::find(&self.home, METER).unwrap().unwrap();
		let source = Source {
			device: device.id.clone(),
			secret: Arc::new((*device.secret()).into()),
		};
		let market = OnChain::new(
			self.fair.chain(runtime),
			self.fair.node.url.clone(),
			Arc::clone(&key),
		);
		let seller = Seller::new(
			market,
			self.vault(),
			key,
			BTreeMap::from([(self.listing, source)]),
			self.home.clone(),
			Box::new(|_| {}),
		);
		Arc::new(seller.unwrap())
	}

	/// Lets somebody answer at this stall's endpoint as long as the runtime lives.
	pub fn answer_with<O: service::Offers>(&self, runtime: &tokio::runtime::Runtime, offers: O) {
		let listener = runtime
			.block_on(tokio::net::TcpListener::bind(self.address))
			.unwrap();
		let log = self.home.join("serve.log");
		let journal = move |line: &str| {
			let before = fs::read_to_string(&log).unwrap_or_default();
			fs::write(&log, format!("{before}{line}\n")).unwrap();
		};
		runtime.spawn(service::serve(
			listener,
			offers,
			Limits::default(),
			Box::new(journal),
			std::future::pending(),
		));
	}

	pub fn log(&self) -> String {
		fs::read_to_string(self.home.join("serve.log")).unwrap_or_default()
	}
}

impl Customer<'_> {
	pub fn out(&self) -> PathBuf {
		self.home.with_extension("csv")
	}

	/// The command that buys the day.
	pub fn order(&self, listing: u32, more: &[&str]) -> Vec<String> {
		let listing = listing.to_string();
		let out = self.out().to_string_lossy().into_owned();
		let mut arguments = vec!["data", "buy", "--listing", &listing, "--device"];
		let device = keys::address(&self.fair.device);
		arguments.extend([device.as_str(), "--from", DATE, "--to", NEXT_DATE]);
		arguments.extend(["--buyer", &self.key, "--out", &out]);
		arguments.extend(more);
		arguments.into_iter().map(str::to_owned).collect()
	}

	pub fn buy(&self, listing: u32, more: &[&str]) -> Output {
		let arguments = self.order(listing, more);
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.m2m(&self.home, &arguments)
	}

	/// Buys what must turn out well.
	pub fn bought(&self, stall: &Stall, more: &[&str]) -> Value {
		let output = self.buy(stall.listing, more);
		assert!(
			output.status.success(),
			"{}\n{}",
			String::from_utf8_lossy(&output.stderr),
			stall.log()
		);
		let told = String::from_utf8_lossy(&output.stderr);
		for stage in [
			"checking anchors against the finalized chain",
			"downloading sealed readings",
		] {
			assert!(told.contains(stage), "no progress is shown: {told}");
		}
		assert!(told.contains(&format!("({MINUTES_OF_DAY})")), "{told}");
		self.check_readings();
		serde_json::from_slice(&output.stdout).unwrap()
	}

	/// Does something with a purchase.
	pub fn with(&self, command: &str, sale: &str, more: &[&str]) -> Vec<String> {
		let mut arguments = vec!["data", command, sale, "--buyer", &self.key];
		arguments.extend(more);
		arguments.into_iter().map(str::to_owned).collect()
	}

	pub fn ok(&self, arguments: &[String]) -> Value {
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.ok(&self.home, &arguments)
	}

	pub fn fails(&self, arguments: &[String], code: i32, name: &str) -> String {
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.fails(&self.home, &arguments, code, name)
	}

	/// Sales that are under way, as this customer's home folder knows them.
	pub fn purchases(&self) -> Value {
		self.fair.node.ok(&self.home, &["data", "purchases"])
	}

	/// Free money, and money on hold.
	pub fn money(&self) -> (u128, u128) {
		let balance = self
			.fair
			.node
			.ok(&self.home, &["account", "balance", &self.address]);
		(amount(&balance["free"]), amount(&balance["on_hold"]))
	}

	/// What was written is what the meter anchored.
	pub fn check_readings(&self) {
		assert_eq!(readings_in(&self.out()), self.fair.readings);
	}

	pub fn key(&self) -> Key {
		Key::load(Path::new(&self.key)).unwrap()
	}
}

/// Times and values in a file of readings.
pub fn readings_in(file: &Path) -> Vec<(UnixMs, i64)> {
	fs::read_to_string(file)
		.unwrap()
		.lines()
		.skip(1)
		.map(|line| {
			let mut columns = line.split(',');
			let moment = time::parse(columns.next().unwrap()).unwrap();
			(moment, columns.next().unwrap().parse().unwrap())
		})
		.collect()
}

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
	let deadline = Instant::now() + SALE;
	loop {
		if let Some(found) = look() {
			return found;
		}
		assert!(Instant::now() < deadline, "{what} did not happen");
		thread::sleep(Duration::from_millis(500));
	}
}
