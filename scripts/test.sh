#!/usr/bin/env bash
# Every test there is. What waits for blocks runs beside what computes. The last line is the total: "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/test.sh [--fast]

	Formatting, lints, unit, property and integration tests, benchmarks as tests, documentation; beside them the demo,
	JavaScript clients, spam and a network of four nodes. Installs what is missing. Can be run again at any time.

	  --fast   formatting and the Rust tests only
	  --help   this text

	Environment: M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR, M2M_OFFLINE_RUST as for demo.sh.
	END
}

FAST=
for argument in "$@"; do
	case $argument in
		--fast) FAST=yes ;;
		-h | --help) usage; exit 0 ;;
		*) usage >&2; die "unknown argument $argument" ;;
	esac
done

# Pallets are tested with their benchmarks switched on. That feature must not reach the node, so they have an
# invocation of their own; everything else is tested with the features that the node is built with.
PALLETS=(pallet-data-marketplace pallet-device-identity pallet-energy-trading pallet-fee-sponsorship pallet-telemetry)

PASSED=0 FAILED=0 COMPLETE='' WORK=$(mktemp -d "${TMPDIR:-/tmp}/m2m-test.XXXXXX")
DEMO=$WORK/demo
declare -A GROUPS_PIDS=()
# stop_demo: and waits until its node is gone, which writes to its folder until then.
stop_demo() {
	local pid
	[ -s "$DEMO/node.pid" ] || return 0
	pid=$(cat "$DEMO/node.pid")
	rm "$DEMO/node.pid"
	kill "$pid" 2>/dev/null || return 0
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
}
finish() {
	local code=$?
	trap - EXIT
	for pid in "${GROUPS_PIDS[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
	stop_demo
	if [ -z "$COMPLETE" ]; then
		FAILED=$((FAILED + 1))
		say "stopped before the end"
	fi
	if [ "$FAILED" -eq 0 ]; then rm -rf "$WORK" || true; else say "logs of what failed are in $WORK"; fi
	printf '\n%s passed, %s failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" -eq 0 ] || [ "$code" -ne 0 ] || code=1
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# section TEXT: a heading with the time since the start.
section() { printf '\n%s[%d:%02d] %s%s\n' "$BOLD" $((SECONDS / 60)) $((SECONDS % 60)) "$1" "$OFF"; }

# check NAME COMMAND...: counts as one test.
check() {
	local name=$1 log
	shift
	log=$WORK/${name//[^a-zA-Z0-9]/-}.log
	if "$@" >"$log" 2>&1; then
		PASSED=$((PASSED + 1))
		echo "ok      $name"
	else
		FAILED=$((FAILED + 1))
		tail -n 40 "$log"
		echo "FAILED  $name (all of its output is in $log)"
	fi
}

# count LOG LINES PATTERN: sum of the numbers in what the pattern matches, in the lines that LINES matches.
plain() { sed -E 's/\x1b\[[0-9;]*m//g' "$1"; }
count() { plain "$1" | { grep -E "$2" || true; } | { grep -oE "$3" || true; } | { grep -oE '[0-9]+' || true; } | awk '{n += $1} END {print n + 0}'; }

# tests NAME LINES PASSED FAILED COMMAND...: a test runner that counts for itself. LINES matches its summary,
# PASSED and FAILED the numbers in it.
tests() {
	local name=$1 lines=$2 good=$3 bad=$4 log code=0 passed failed
	shift 4
	log=$WORK/${name//[^a-zA-Z0-9]/-}.log
	if [ -t 1 ]; then "$@" 2>&1 | tee "$log" || code=$?
	else "$@" >"$log" 2>&1 || code=$?
	fi
	passed=$(count "$log" "$lines" "$good")
	failed=$(count "$log" "$lines" "$bad")
	# A runner that failed without a failed test did not get to them, and one that ran none tested nothing.
	if [ "$failed" -eq 0 ] && { [ "$code" -ne 0 ] || [ "$passed" -eq 0 ]; }; then failed=1; fi
	if [ ! -t 1 ]; then
		# The whole story if something failed, otherwise the runner's own summary.
		if [ "$failed" -gt 0 ]; then tail -n 200 "$log"; else plain "$log" | grep -E "$lines" | tail -n 3; fi
	fi
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	echo "$name: $passed passed, $failed failed"
}

# rust_tests NAME FILTER CARGO-ARGUMENT...: FILTER, a nextest filterset, chooses among what cargo selects.
rust_tests() {
	local name=$1 filter=$2
	shift 2
	( cargo_with_progress "compile-${name// /-}" test --no-run --release --locked "$@" ) || { FAILED=$((FAILED + 1)); return 0; }
	if have cargo-nextest; then
		tests "$name" '^ +Summary ' '[0-9]+ passed' '[0-9]+ (failed|exec failed|timed out)' \
			cargo nextest run --release --locked --no-fail-fast --status-level fail --final-status-level fail -E "$filter" "$@"
	else
		# As many at once as nextest is told to run.
		tests "$name" '^test result: ' '[0-9]+ passed' '[0-9]+ failed' env RUST_TEST_THREADS=8 cargo test --release --locked --no-fail-fast "$@"
	fi
}

no_rocksdb() { ! grep -n 'librocksdb-sys' Cargo.lock; }

lint() { cargo clippy --release --locked --workspace --all-targets -- -D warnings; }

# begin NAME FUNCTION: runs tests in the background, in a process group of their own.
begin() {
	set -m
	# shellcheck disable=SC2030 # it counts for itself
	(
		trap - EXIT INT TERM
		PASSED=0 FAILED=0
		"$2"
		echo "$PASSED $FAILED" >"$WORK/$1.counts"
	) >"$WORK/$1.out" 2>&1 </dev/null &
	GROUPS_PIDS[$1]=$!
	set +m
}

# end NAME: waits for them, shows what they printed and counts them.
end() {
	local passed=0 failed=1
	wait "${GROUPS_PIDS[$1]}" || true
	unset "GROUPS_PIDS[$1]"
	cat "$WORK/$1.out"
	if [ -s "$WORK/$1.counts" ]; then read -r passed failed <"$WORK/$1.counts"; fi
	# shellcheck disable=SC2031
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

demo_and_javascript() {
	section "Demo, beside everything else"
	export M2M_DEMO_DIR=$DEMO
	M2M_RPC_PORT=$(free_port 19944)
	export M2M_RPC_PORT
	check "the main job" scripts/demo.sh --keep

	section "JavaScript client, on the demo's chain"
	export M2M_URL=ws://127.0.0.1:$M2M_RPC_PORT M2M_HOME=$DEMO/home
	M2M_DEVICE=$("$BIN/m2m" --json device show meter-008 | sed -n 's/.*"device":"\([^"]*\)".*/\1/p') || M2M_DEVICE=
	export M2M_DEVICE
	tests "JavaScript client" '^(#|ℹ) (pass|fail) ' 'pass [0-9]+' 'fail [0-9]+' node --test tests/js/*.test.mjs
	stop_demo
	section "JavaScript client: end"
}

networks() {
	section "Spam"
	check "what sponsors do not pay for is refused by the pool" env M2M_RPC_PORT="$(free_port 29944)" scripts/spam.sh
	section "Four nodes"
	tests "zombienet" '^[0-9]+ passed, [0-9]+ failed$' '[0-9]+ passed' '[0-9]+ failed' scripts/zombienet.sh test
	section "Four nodes: end"
}

documentation() { RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --workspace --no-deps; }

cd "$ROOT"
section "Sources"
ensure_rust
ensure_lints
have shellcheck || apt_install shellcheck
check "formatting" cargo fmt --all --check
check "no rocksdb in the lock file" no_rocksdb
check "shell scripts" shellcheck -x -P SCRIPTDIR scripts/*.sh .ci/run

section "Build"
build --all-targets

if [ -z "$FAST" ]; then
	export M2M_BUILT=yes
	ensure_node
	npm_install "$ROOT/tests/js"
	begin demo demo_and_javascript
	begin networks networks
fi

section "Rust tests"
OTHERS='all()' SELECTED=() FEATURES=''
for pallet in "${PALLETS[@]}"; do
	OTHERS+=" - package($pallet)"
	SELECTED+=(-p "$pallet")
	FEATURES+=$pallet/runtime-benchmarks,
done
# The whole workspace is selected here as in the build, so that nothing is compiled again.
rust_tests "workspace" "$OTHERS" --workspace
rust_tests "pallets with benchmarks" 'all()' "${SELECTED[@]}" --features "${FEATURES%,}"

if [ -z "$FAST" ]; then
	section "Lints and documentation"
	check "lints" lint
	check "documentation" documentation

	end networks
	end demo
fi

section "End"
COMPLETE=yes
[ "$FAILED" -eq 0 ]
