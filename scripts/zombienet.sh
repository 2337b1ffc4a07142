#!/usr/bin/env bash
# A network of four nodes on this machine: three validators and a full node.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/zombienet.sh [spawn|test] [TEST...]

	  spawn    start the network of zombienet/local.toml and keep it until Ctrl-C (the default)
	  test     start it afresh for each zombienet/*.zndsl (or each TEST), check what that says, stop it
	  --help   this text

	Builds the node and installs zombienet under the cache folder if need be.

	Environment: M2M_RPC_PORT (port of the first validator; default 9944, or any free one for tests),
	M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR.
	END
}

MODE=spawn
case ${1:-} in
	spawn | test) MODE=$1; shift ;;
	-h | --help) usage; exit 0 ;;
	'') ;;
	*) usage >&2; die "unknown argument $1" ;;
esac

ZOMBIENET=$CACHE/zombienet
# The command line of zombienet, by itself: `npx` would stay in between and keep signals from it.
zombienet_cli() { exec node "$ZOMBIENET/node_modules/@zombienet/cli/dist/cli.js" "$@"; }

ensure_rust
# shellcheck disable=SC2119 # the arguments are cargo's, not this script's
build
ensure_node
mkdir -p "$ZOMBIENET"
for file in package.json package-lock.json; do
	cmp -s "$ROOT/zombienet/$file" "$ZOMBIENET/$file" || cp "$ROOT/zombienet/$file" "$ZOMBIENET/$file"
done
npm_install "$ZOMBIENET"

# Read by local.toml and by the scripts of the tests.
export M2M_NODE=$BIN/m2m-node M2M_BIN=$BIN/m2m

if [ "$MODE" = spawn ]; then
	port_free "$RPC_PORT"
	export M2M_RPC_PORT=$RPC_PORT
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/m2m-zombienet.XXXXXX")
	say "starting the network in $DIR; the first validator answers at ws://127.0.0.1:$RPC_PORT (https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:$RPC_PORT); Ctrl-C stops it"
	zombienet_cli -p native -d "$DIR/network" -f spawn "$ROOT/zombienet/local.toml"
fi

[ $# -gt 0 ] || set -- "$ROOT"/zombienet/*.zndsl
DIR=$(mktemp -d "${TMPDIR:-/tmp}/m2m-zombienet.XXXXXX")
PID='' PASSED=0 FAILED=0
stop() {
	# A signal to zombienet itself makes it stop its nodes.
	[ -z "$PID" ] || { kill -TERM "$PID" 2>/dev/null && wait "$PID"; } || true
	[ "$FAILED" -gt 0 ] || rm -rf "$DIR"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for file in "$@"; do
	name=$(basename "$file" .zndsl)
	M2M_RPC_PORT=${M2M_RPC_PORT:-$(free_port 29944)}
	export M2M_RPC_PORT
	say "running $name (log in $DIR/$name.log)"
	( zombienet_cli -p native -d "$DIR/$name" -f test "$file" ) >"$DIR/$name.log" 2>&1 </dev/null &
	PID=$!
	code=0
	wait "$PID" || code=$?
	PID=
	sed -E 's/\x1b\[[0-9;]*m//g' "$DIR/$name.log" >"$DIR/$name.txt"
	result=$(grep -oE 'Result: [0-9]+/[0-9]+' "$DIR/$name.txt" | tail -n 1) || result='Result: 0/1'
	passed=${result#Result: } all=${result#*/}
	passed=${passed%/*}
	# A run that failed without a failed check did not get to them.
	[ "$code" -eq 0 ] || [ "$passed" -lt "$all" ] || all=$((all + 1))
	grep -oE '(✅|❌) [^│]*[^ │]|Error running script.*' "$DIR/$name.txt" || true
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + all - passed))
done
if [ "$FAILED" -gt 0 ]; then
	tail -n 60 "$DIR/$name.txt"
	say "logs and node data are in $DIR"
fi
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]
