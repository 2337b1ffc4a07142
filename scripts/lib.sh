# Shared by the scripts in this folder: messages, and the set-up of everything a build needs.
# Sourced, not run. Every step looks first and installs only what is missing.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${M2M_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/m2m}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
BIN=$CARGO_TARGET_DIR/release
# The wasm builder looks for Cargo.lock above the target folder, which lies outside the checkout.
export WASM_BUILD_WORKSPACE_HINT=$ROOT
RPC_PORT=${M2M_RPC_PORT:-9944}
# The name under which the distribution's toolchain is linked into rustup.
WASM_TOOLCHAIN=m2m-wasm
# Oldest compiler that builds the workspace (rust-version in Cargo.toml).
MIN_RUST=1.90
# Oldest Node.js on which the JavaScript client and zombienet run.
MIN_NODE=18
# Free disk space that a cold build needs, in GiB (measured: the target folder ends near 9 GiB).
BUILD_GIB=14

if [ -t 2 ]; then BOLD=$'\e[1m' RED=$'\e[31m' OFF=$'\e[0m'; else BOLD='' RED='' OFF=''; fi

# say TEXT: one line about what happens next.
say() { printf '%s==>%s %s\n' "$BOLD" "$OFF" "$*" >&2; }
# die TEXT: one sentence that says what is wrong and what to do, then stop.
die() { printf '%serror:%s %s\n' "$RED" "$OFF" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

mkdir -p "$CACHE" 2>/dev/null || die "cannot create $CACHE: set M2M_CACHE to a folder you can write"

# at_least WANTED FOUND: compares versions.
at_least() { [ -n "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# need_root WHAT: fails here, with a sentence, rather than inside a command whose output goes to a log.
need_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	have sudo || die "root is needed to $1: run this script as root, install sudo, or do that yourself and run this again"
	sudo -n true 2>/dev/null || [ -t 0 ] || die "root is needed to $1 and sudo asks for a password that nobody can type here: run this script as root, or do that yourself and run this again"
	sudo -v || die "root is needed to $1 and sudo refuses"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# apt_update: once a run.
APT_UPDATED=
apt_update() {
	[ -z "$APT_UPDATED" ] || return 0
	need_root "read the package lists"
	say "reading the package lists"
	as_root apt-get update >"$CACHE/apt.log" 2>&1 || die "apt cannot reach its package lists: check the network (details in $CACHE/apt.log)"
	APT_UPDATED=yes
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

# apt_install PACKAGE...: asks apt only for the packages that are not there.
apt_install() {
	local missing=() package log=$CACHE/apt.log
	if ! have dpkg-query; then
		have cc && have protoc && return 0
		die "this is neither Debian nor Ubuntu: install the equivalents of these packages and run this again: $*"
	fi
	for package in "$@"; do installed "$package" || missing+=("$package"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root "install ${missing[*]}"
	say "installing ${missing[*]}"
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
		apt_update
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 && return 0
		grep -qE 'Could not resolve|Temporary failure|Failed to fetch|Unable to connect|Could not connect' "$log" \
			&& die "apt cannot download ${missing[*]}: check the network (details in $log)"
		[ "$(free_gib /var)" -gt 0 ] || die "disk full: apt has no room to install ${missing[*]}"
		die "apt could not install ${missing[*]} (details in $log)"
	fi
}

# apt_version PACKAGE: the version that apt would install; empty if there is none.
apt_version() {
	have apt-cache || return 0
	apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" {print $2}'
}

# free_gib FOLDER
free_gib() { df -Pk "$1" | awk 'NR==2 {print int($4 / 1048576)}'; }

# need_space GIB: fails early rather than in the middle of a build.
need_space() {
	mkdir -p "$CARGO_TARGET_DIR" 2>/dev/null || die "cannot create $CARGO_TARGET_DIR: set CARGO_TARGET_DIR to a folder you can write"
	[ ! -x "$BIN/m2m-node" ] || return 0
	local free
	free=$(free_gib "$CARGO_TARGET_DIR")
	[ "$free" -ge "$1" ] || die "disk full: a first build needs $1 GiB in $CARGO_TARGET_DIR and $free are free; set CARGO_TARGET_DIR to a folder on another disk"
}

# port_free PORT: fails if something listens there already.
port_free() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null \
		|| die "port $1 is taken: stop what listens there, or choose another port with M2M_RPC_PORT"
}

# free_port FROM: the first port from there on where nobody listens.
free_port() {
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# ---- Rust

compiler_version() { "$1" --version 2>/dev/null | awk '{print $2}' || true; }
recent() { at_least "$MIN_RUST" "$(compiler_version "$1")"; }
host_triple() { "$1" -vV | sed -n 's/^host: //p'; }
wasm_lib() { printf '%s/lib/rustlib/wasm32v1-none/lib' "$("$1" --print sysroot)"; }
# A standard library that was built here names its compiler: after an upgrade it is of no use.
wasm_target_in() {
	local lib
	lib=$(wasm_lib "$1")
	compgen -G "$lib/libcore-*.rlib" >/dev/null && { [ ! -e "$lib/built-by" ] || [ "$(cat "$lib/built-by")" = "$("$1" --version)" ]; }
}

# The distribution's compiler packages that are new enough: a line with compiler, cargo and sources, or
# nothing. Debian keeps a recent compiler for its browsers (rustc-web); Ubuntu numbers its own (rustc-1.91).
distribution_packages() {
	local package number
	if at_least "$MIN_RUST" "$(apt_version rustc-web)"; then
		echo rustc-web cargo-web rust-web-src
		return
	fi
	for package in $(apt-cache search --names-only '^rustc-1\.[0-9]+$' 2>/dev/null | awk '{print $1}' | sort -Vr); do
		number=${package#rustc-}
		if at_least "$MIN_RUST" "$number"; then
			echo "rustc-$number cargo-$number rust-$number-src"
			return
		fi
	done
	if at_least "$MIN_RUST" "$(apt_version rustc)"; then
		echo rustc cargo rust-src
	fi
}

# distribution_rust: installs the distribution's compiler and sets DIST to the folder with its rustc and
# cargo. False if the distribution has none that is recent enough.
distribution_rust() {
	local packages lld
	DIST=/usr
	recent /usr/bin/rustc && [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust ] && return 0
	packages=$(distribution_packages)
	if [ -z "$packages" ] && have apt-get; then
		apt_update
		packages=$(distribution_packages)
	fi
	[ -n "$packages" ] || return 1
	lld=$(apt-cache search --names-only '^lld-[0-9]+$' | awk '{print $1}' | sort -V | tail -n 1)
	# shellcheck disable=SC2086 # a list of words
	apt_install $packages "${lld:-lld}"
	packages=${packages%% *}
	case $packages in
		rustc-1.*) DIST=/usr/lib/rust-${packages#rustc-} ;;
	esac
	recent "$DIST/bin/rustc" || die "the package $packages did not bring a compiler of at least $MIN_RUST"
}

# Distributions ship a compiler but no standard library for wasm32v1-none: build core and alloc from the
# packaged sources and place them where that compiler looks.
distribution_wasm() {
	local lib work lld host
	lib=$(wasm_lib "$DIST/bin/rustc")
	host=$(host_triple "$DIST/bin/rustc")
	if ! wasm_target_in "$DIST/bin/rustc"; then
		need_root "place the wasm standard library in $lib"
		say "building core and alloc for wasm32v1-none (half a minute)"
		work=$(mktemp -d)
		mkdir -p "$work/src"
		printf '#![no_std]\n' >"$work/src/lib.rs"
		printf '[package]\nname = "wasm-core"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
		# Bitcode is kept because the runtime is linked with thin LTO.
		( cd "$work" && env -u RUSTC -u RUSTUP_TOOLCHAIN PATH="$DIST/bin:$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
			CARGO_TARGET_DIR="$work/target" "$DIST/bin/cargo" build --release --target wasm32v1-none -Z build-std=core,alloc \
			>"$CACHE/wasm-core.log" 2>&1 ) \
			|| die "the wasm standard library did not build (details in $CACHE/wasm-core.log)"
		"$DIST/bin/rustc" --version >"$work/built-by"
		as_root rm -rf "$lib"
		as_root mkdir -p "$lib"
		as_root cp "$work/built-by" "$work"/target/wasm32v1-none/release/deps/lib{core,alloc,compiler_builtins}-*.rlib "$lib/"
		# Wasm built against an older copy does not link with this one.
		rm -rf "$work" "$CARGO_TARGET_DIR"/*/wbuild
	fi
	if ! have rust-lld && [ ! -x "$(dirname "$(dirname "$lib")")/$host/bin/rust-lld" ]; then
		lld=$(compgen -G '/usr/bin/ld.lld-*' | sort -V | tail -n 1) || lld=$(command -v ld.lld) || true
		[ -n "$lld" ] || die "no lld found after installing the compiler packages"
		need_root "link $lld as rust-lld"
		# The linker looks at the name by which it is called: rust-lld takes the flavour as an argument.
		as_root ln -sf "$(readlink -f "$lld")" /usr/local/bin/rust-lld
	fi
}

# install_rust: finds or installs a recent rustc and cargo and puts them first on the PATH.
install_rust() {
	if have rustup || { [ -n "$(apt_version rustup)" ] && apt_install rustup; }; then
		say "asking rustup for the stable toolchain"
		timeout 900 rustup toolchain install stable --profile minimal >"$CACHE/rustup.log" 2>&1 || true
		# The default toolchain of this user is not touched.
		if recent "$(rustup which --toolchain stable rustc 2>/dev/null)"; then
			export RUSTUP_TOOLCHAIN=stable
			hash -r
			have cargo || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
			have cargo && return 0
		fi
	fi
	if distribution_rust; then
		say "using the distribution's compiler, $(compiler_version "$DIST/bin/rustc")"
		unset RUSTUP_TOOLCHAIN
		export PATH="$DIST/bin:$PATH"
		hash -r
		return 0
	fi
	die "no Rust of at least $MIN_RUST: rustup cannot download one and apt has none; install rustup (https://rustup.rs), then run this again"
}

# ensure_rust: a Rust toolchain for native code, and one that can build the runtime's wasm.
ensure_rust() {
	apt_install build-essential pkg-config protobuf-compiler ca-certificates git
	# A shell that is not a login shell may not have rustup's programs on its PATH.
	[ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ] || have cargo || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
	if ! have cargo || ! recent rustc; then install_rust; fi

	if [ -z "${M2M_OFFLINE_RUST:-}" ]; then
		wasm_target_in rustc && return 0
		if have rustup && [ "$(rustup which rustc 2>/dev/null)" = "$(rustc --print sysroot)/bin/rustc" ]; then
			say "asking rustup for the wasm target"
			timeout 300 rustup target add wasm32v1-none >"$CACHE/rustup.log" 2>&1 && return 0
			say "rustup cannot download it: the distribution's compiler builds the runtime"
		fi
	fi
	distribution_rust || die "no compiler with a wasm32v1-none target: rustup cannot download it and apt has no Rust of at least $MIN_RUST"
	distribution_wasm
	# If that is the compiler in use, nothing else is needed.
	[ "$(rustc --print sysroot)" != "$("$DIST/bin/rustc" --print sysroot)" ] || return 0
	have rustup || die "the compiler in use, $(command -v rustc), has no wasm32v1-none target: add it, or put $DIST/bin first on the PATH"
	rustup toolchain list | grep -q "^$WASM_TOOLCHAIN" || rustup toolchain link "$WASM_TOOLCHAIN" "$DIST" >/dev/null
	# Only the runtime is built with it; native code stays on the default toolchain.
	export WASM_BUILD_TOOLCHAIN=$WASM_TOOLCHAIN
}

# ensure_lints: rustfmt and clippy for the compiler in use.
ensure_lints() {
	have cargo-fmt && have cargo-clippy && cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
	if have rustup && rustup which rustc >/dev/null 2>&1; then
		timeout 600 rustup component add rustfmt clippy >"$CACHE/rustup.log" 2>&1 || die "rustup cannot download rustfmt and clippy (details in $CACHE/rustup.log)"
	else
		case $(distribution_packages) in
			rustc-web*) apt_install rustfmt-web rust-web-clippy ;;
			rustc-1*) local number; number=$(distribution_packages); number=${number%% *}; apt_install "rustfmt-${number#rustc-}" "rust-${number#rustc-}-clippy" ;;
			*) apt_install rustfmt rust-clippy ;;
		esac
	fi
}

# ---- Building

# explain_build_failure LOG: one sentence for the usual causes.
explain_build_failure() {
	if [ "$(free_gib "$CARGO_TARGET_DIR")" -lt 1 ] || grep -qs 'No space left on device' "$1"; then
		die "disk full: $CARGO_TARGET_DIR has no room left; free some, or set CARGO_TARGET_DIR to a folder on another disk"
	fi
	[ ! -s "$1" ] || tail -n 30 "$1" >&2
	die "the build failed (the messages are above${1:+, all of them in $1})"
}

# cargo_with_progress NAME ARG...: cargo's own progress on a terminal, otherwise a line now and then.
cargo_with_progress() {
	local log=$CACHE/$1.log pid compiled last='' waited=0
	shift
	if [ -t 2 ]; then
		cargo "$@" || explain_build_failure ''
		return
	fi
	cargo "$@" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		waited=$((waited + 1))
		[ $((waited % 60)) -eq 0 ] || continue
		compiled=$(grep -cE '^ +(Compiling|Checking|Documenting) ' "$log" || true)
		last=$(grep -E '^ +(Compiling|Checking|Documenting|Blocking) ' "$log" | tail -n 1 | sed 's/^ *//' || true)
		say "  $((waited / 60)) min: $compiled crates, now: ${last:-starting}"
	done
	wait "$pid" || explain_build_failure "$log"
}

# fetch_crates: separate from the build, so that a missing network is named as such.
fetch_crates() {
	local log=$CACHE/fetch.log target
	target=$(host_triple rustc)
	( cd "$ROOT" && cargo fetch --locked --offline --target "$target" >/dev/null 2>&1 ) && return 0
	say "downloading the crates"
	( cd "$ROOT" && cargo fetch --locked --target "$target" >"$log" 2>&1 ) && return 0
	tail -n 3 "$log" >&2
	grep -qE 'lock file .* needs to be updated|cannot update the lock file' "$log" && die "Cargo.lock does not fit the manifests: run 'cargo update --workspace' and commit the result"
	die "the crates cannot be downloaded: check the network (details in $log)"
}

# build [--all-targets]: the node, the command line and the examples, or also the tests. Always the whole workspace,
# and always something that needs the dependencies of tests, as examples do: another selection means other features,
# and the dependencies would be compiled again. Nothing if M2M_BUILT says that the caller has built everything: cargo
# would wait for whatever else it is doing.
build() {
	[ -z "${M2M_BUILT:-}" ] || return 0
	[ $# -gt 0 ] || set -- --bins --examples
	need_space "$BUILD_GIB"
	fetch_crates
	if [ -x "$BIN/m2m-node" ]; then say "building what changed"
	else say "building for the first time: half an hour on two cores"
	fi
	( cd "$ROOT" && cargo_with_progress build build --release --locked --workspace "$@" ) || exit 1
}

# ---- Benchmarks

# Belongs to the same SDK release as Cargo.toml.
BENCHER_VERSION=0.28.0

# benchmark_runtime: the SDK's bencher and the runtime with its benchmarks. Sets BENCHER and RUNTIME.
benchmark_runtime() {
	BENCHER=$CACHE/tools/bin/frame-omni-bencher
	ensure_rust
	if ! "$BENCHER" --version 2>/dev/null | grep -qF "$BENCHER_VERSION"; then
		# One of its dependencies generates bindings at build time.
		apt_install clang libclang-dev
		say "building frame-omni-bencher $BENCHER_VERSION"
		cargo install --locked --quiet --root "$CACHE/tools" "frame-omni-bencher@$BENCHER_VERSION"
	fi
	# A folder of its own: another feature set in the shared one would build dependencies again for everybody.
	export CARGO_TARGET_DIR=${M2M_WEIGHTS_TARGET:-$CACHE/weights-target}
	say "building the runtime with its benchmarks"
	( cd "$ROOT" && cargo build --release --locked -p m2m-runtime --features runtime-benchmarks )
	# shellcheck disable=SC2034 # for the scripts that source this
	RUNTIME=$CARGO_TARGET_DIR/release/wbuild/m2m-runtime/m2m_runtime.compact.compressed.wasm
}

# ---- Node.js

# ensure_node: Node.js and npm for the JavaScript checks and zombienet.
ensure_node() {
	local version
	if ! have node || ! have npm; then apt_install nodejs npm; fi
	version=$(node --version 2>/dev/null) || true
	at_least "$MIN_NODE" "${version#v}" || die "Node.js is ${version:-missing} but $MIN_NODE or newer is needed: install it (https://nodejs.org), then run this again"
}

# npm_install FOLDER: what the lock file of that folder names, if it is not there yet.
npm_install() {
	local log=$CACHE/npm.log
	! cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock.json" || return 0
	say "installing $(basename "$1")'s npm packages"
	( cd "$1" && npm ci --no-audit --no-fund --ignore-scripts >"$log" 2>&1 ) || { tail -n 3 "$log" >&2; die "npm could not install the packages of $1: check the network (details in $log)"; }
	cp "$1/package-lock.json" "$1/node_modules/.installed-lock.json"
}

# ---- A node for the scripts

# rpc METHOD [PARAMS]: result of a JSON-RPC call to the local node, as it comes; false if nobody answers.
rpc() {
	local body answer
	body=$(printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' "$1" "${2:-[]}")
	{
		exec 3<>"/dev/tcp/127.0.0.1/$RPC_PORT" || return 1
		printf 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "${#body}" "$body" >&3
		answer=$(timeout 10 cat <&3)
		exec 3>&-
	} 2>/dev/null
	[ -n "$answer" ] && printf '%s\n' "$answer" | tail -n 1
}

# finalized: number of the newest finalized block.
finalized() {
	local hash number
	hash=$(rpc chain_getFinalizedHead | sed -n 's/.*"result":"\(0x[0-9a-f]*\)".*/\1/p') || return 1
	[ -n "$hash" ] || return 1
	number=$(rpc chain_getHeader "[\"$hash\"]" | sed -n 's/.*"number":"\(0x[0-9a-f]*\)".*/\1/p') || return 1
	[ -n "$number" ] && echo $((number))
}

# start_dev_node FOLDER: a fresh development chain with its data and log in FOLDER; sets NODE_PID. The port for
# JSON-RPC is $RPC_PORT; the network port is any free one, on loopback only.
start_dev_node() {
	local waited=0 block
	port_free "$RPC_PORT"
	setsid "$BIN/m2m-node" --dev --base-path "$1/node" --rpc-port "$RPC_PORT" --listen-addr /ip4/127.0.0.1/tcp/0 \
		--no-mdns --no-prometheus --no-telemetry >"$1/node.log" 2>&1 </dev/null &
	NODE_PID=$!
	while :; do
		kill -0 "$NODE_PID" 2>/dev/null || { tail -n 5 "$1/node.log" >&2; die "the node stopped (its log is $1/node.log)"; }
		block=$(finalized) || block=0
		[ "$block" -lt 1 ] || return 0
		waited=$((waited + 1))
		[ "$waited" -le 90 ] || { tail -n 5 "$1/node.log" >&2; die "the node finalized no block in 90 seconds (its log is $1/node.log)"; }
		sleep 1
	done
}

# stop_dev_node: and waits until it is gone, so that its port is free again.
stop_dev_node() {
	[ -n "${NODE_PID:-}" ] || return 0
	kill "$NODE_PID" 2>/dev/null || true
	wait "$NODE_PID" 2>/dev/null || true
	NODE_PID=
}
