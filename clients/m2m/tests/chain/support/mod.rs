//! A development node, and the command line run against it.
//!
//! The node is `m2m-node` beside this test's own build, or the file named by `M2M_NODE`.

pub mod cheat;
pub mod fair;

use serde_json::Value;
use std::{
	fs,
	io::Read,
	net::TcpListener,
	path::{Path, PathBuf},
	process::{Child, Command, Output, Stdio},
	thread,
	time::{Duration, Instant},
};
use tempfile::TempDir;

const NODE_START: Duration = Duration::from_secs(180);
const COMMAND: Duration = Duration::from_secs(300);

pub fn node_binary() -> PathBuf {
	let file = match std::env::var_os("M2M_NODE") {
		Some(file) => PathBuf::from(file),
		None => Path::new(env!("CARGO_BIN_EXE_m2m")).with_file_name("m2m-node"),
	};
	assert!(
		file.exists(),
		"{} is missing: build it with `cargo build --release --workspace`, or name one in M2M_NODE",
		file.display()
	);
	file
}

pub fn fixture() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lv1-101_2016-06-13_7d.csv")
}

/// A development node that is killed when it goes out of scope.
pub struct Node {
	pub child: Child,
	pub url: String,
	pub port: u16,
	pub base: PathBuf,
}

impl Node {
	pub fn start(base: &Path) -> Self {
		let free = TcpListener::bind("127.0.0.1:0")
			.unwrap()
			.local_addr()
			.unwrap()
			.port();
		Self::start_on(base, free)
	}

	pub fn start_on(base: &Path, port: u16) -> Self {
		let log = fs::File::options()
			.create(true)
			.append(true)
			.open(base.join("node.log"))
			.unwrap();
		let child = Command::new(node_binary())
			.args([
				"--dev",
				"--no-prometheus",
				"--no-mdns",
				"--listen-addr",
				"/ip4/127.0.0.1/tcp/0",
			])
			.args(["--rpc-port", &port.to_string(), "--base-path"])
			.arg(base.join("node"))
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(log)
			.spawn()
			.unwrap();
		let mut node = Self {
			child,
			url: format!("ws://127.0.0.1:{port}"),
			port,
			base: base.to_owned(),
		};
		let deadline = Instant::now() + NODE_START;
		loop {
			if let Some(status) = node.child.try_wait().unwrap() {
				panic!("the node ended with {status}:\n{}", node.log());
			}
			let probe = node.m2m(
				base,
				&[
					"account",
					"balance",
					"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
				],
			);
			if probe.status.success() {
				return node;
			}
			assert!(
				Instant::now() < deadline,
				"the node does not answer:\n{}",
				node.log()
			);
			thread::sleep(Duration::from_millis(500));
		}
	}

	pub fn log(&self) -> String {
		fs::read_to_string(self.base.join("node.log")).unwrap_or_default()
	}

	pub fn command(&self, home: &Path, arguments: &[&str]) -> Command {
		let mut command = Command::new(env!("CARGO_BIN_EXE_m2m"));
		command
			.args(["--json", "--url", &self.url, "--home"])
			.arg(home)
			.args(arguments)
			.stdin(Stdio::null())
			.stdout(Stdio::piped())
			.stderr(Stdio::piped());
		command
	}

	pub fn m2m(&self, home: &Path, arguments: &[&str]) -> Output {
		finish(self.command(home, arguments).spawn().unwrap())
	}

	/// Runs a command that must succeed and returns what it prints.
	pub fn ok(&self, home: &Path, arguments: &[&str]) -> Value {
		let output = self.m2m(home, arguments);
		assert!(
			output.status.success(),
			"{arguments:?} failed: {}\n{}",
			String::from_utf8_lossy(&output.stderr),
			self.log().lines().rev().take(20).collect::<Vec<_>>().join("\n")
		);
		serde_json::from_slice(&output.stdout).unwrap()
	}

	/// Runs a command that must fail and returns its error.
	pub fn fails(&self, home: &Path, arguments: &[&str], code: i32, name: &str) -> String {
		failure(&self.m2m(home, arguments), code, name)
	}

	/// Stops the node as an operator would, so that it keeps its blocks.
	pub fn stop(&mut self) {
		let asked = Command::new("kill").arg(self.child.id().to_string()).status();
		assert!(
			asked.is_ok_and(|status| status.success()),
			"the node cannot be stopped"
		);
		let deadline = Instant::now() + Duration::from_secs(30);
		while self.child.try_wait().unwrap().is_none() {
			assert!(Instant::now() < deadline, "the node does not stop");
			thread::sleep(Duration::from_millis(50));
		}
	}
}

impl Drop for Node {
	fn drop(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

/// The error object on the last line of standard error.
pub fn error_of(output: &Output) -> Value {
	let text = String::from_utf8_lossy(&output.stderr);
	let line = text.lines().last().unwrap_or_default();
	serde_json::from_str(line).unwrap_or_else(|_| panic!("no error object: {text}"))
}

/// The message of a command that must have failed in this way.
pub fn failure(output: &Output, code: i32, name: &str) -> String {
	let error = error_of(output);
	assert_eq!(output.status.code(), Some(code), "{error}");
	assert_eq!(error["error"], name, "{error}");
	assert_eq!(error["exit_code"], code);
	error["message"].as_str().unwrap().to_owned()
}

/// Waits for a process, but not for ever.
pub fn finish(mut child: Child) -> Output {
	let mut stdout = child.stdout.take().unwrap();
	let mut stderr = child.stderr.take().unwrap();
	let out = thread::spawn(move || {
		let mut bytes = Vec::new();
		stdout.read_to_end(&mut bytes).map(|_| bytes)
	});
	let err = thread::spawn(move || {
		let mut bytes = Vec::new();
		stderr.read_to_end(&mut bytes).map(|_| bytes)
	});
	let deadline = Instant::now() + COMMAND;
	let status = loop {
		if let Some(status) = child.try_wait().unwrap() {
			break status;
		}
		if Instant::now() > deadline {
			child.kill().unwrap();
			let status = child.wait().unwrap();
			panic!("a command did not end in {COMMAND:?} ({status})");
		}
		thread::sleep(Duration::from_millis(20));
	};
	Output {
		status,
		stdout: out.join().unwrap().unwrap(),
		stderr: err.join().unwrap().unwrap(),
	}
}

/// A folder with the owner's and the gateway's key files; the gateway is funded.
pub struct Setup {
	pub folder: TempDir,
	pub owner: String,
	pub gateway: String,
}

impl Setup {
	pub fn new() -> (Self, Node) {
		let folder = tempfile::tempdir().unwrap();
		let node = Node::start(folder.path());
		let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
		let setup = Self {
			owner: file("owner.json"),
			gateway: file("gateway.json"),
			folder,
		};
		let home = setup.home();
		node.ok(&home, &["key", "dev", "Alice", "--out", &setup.owner]);
		let gateway = node.ok(
			&home,
			&["key", "generate", "--out", &setup.gateway, "--scheme", "ed25519"],
		);
		let address = gateway["address"].as_str().unwrap();
		let sent = node.ok(
			&home,
			&[
				"account",
				"fund",
				"--from",
				&setup.owner,
				"--to",
				address,
				"--amount",
				"100.5",
			],
		);
		assert_eq!(sent["amount"], "100.5");
		assert_eq!(node.ok(&home, &["account", "balance", address])["free"], "100.5");
		(setup, node)
	}

	pub fn home(&self) -> PathBuf {
		self.folder.path().join("home")
	}

	pub fn file(&self, name: &str) -> String {
		self.folder.path().join(name).to_string_lossy().into_owned()
	}

	pub fn replay<'a>(
		&'a self,
		csv: &'a str,
		date: &'a str,
		meters: &'a str,
		more: &[&'a str],
	) -> Vec<&'a str> {
		let mut arguments = vec!["telemetry", "replay", csv, "--date", date, "--meters", meters];
		arguments.extend(["--owner", &self.owner, "--gateway", &self.gateway]);
		arguments.extend(more);
		arguments
	}
}

pub fn runtime() -> tokio::runtime::Runtime {
	tokio::runtime::Builder::new_multi_thread()
		.worker_threads(1)
		.enable_all()
		.build()
		.unwrap()
}
