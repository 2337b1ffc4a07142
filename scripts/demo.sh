#!/usr/bin/env bash
# The main job from nothing: a chain, thirteen real households as devices, a day of their readings anchored, one
# reading proven, and a forgery convicted.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/demo.sh [--keep]

	Builds the node and the command line (the first time takes about half an hour on two cores), starts a fresh
	development chain, registers 13 meters, anchors a day of their readings, proves one of them, and shows that
	a changed reading is convicted. Installs what is missing. Can be run again at any time.

	  --keep   leave the node running and say how to connect to it
	  --help   this text

	Environment: M2M_RPC_PORT (default 9944), M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR,
	M2M_DEMO_DIR (folder for the chain, keys and log; default a new temporary one),
	M2M_OFFLINE_RUST=1 (build the runtime with the distribution's compiler even if rustup could download one).
	END
}

KEEP=
for argument in "$@"; do
	case $argument in
		--keep) KEEP=yes ;;
		-h | --help) usage; exit 0 ;;
		*) usage >&2; die "unknown argument $argument" ;;
	esac
done

DATE=2016-06-13
METER=meter-008
NOON=${DATE}T12:00:00Z
CSV=$ROOT/fixtures/lv1-101_2016-06-13_7d.csv
# How much the owner and the gateway get from the development key, in M2M.
OWNER_FUNDS=1000
GATEWAY_FUNDS=100
# What `m2m` answers when a proof does not hold.
PROOF_DOES_NOT_HOLD=5

NODE_PID=
DIR=
finish() {
	local code=$?
	trap - EXIT
	if [ -n "$KEEP" ] && [ "$code" -eq 0 ]; then exit 0; fi
	stop_dev_node
	if [ "$code" -eq 0 ]; then
		[ -n "${M2M_DEMO_DIR:-}" ] || [ -z "$DIR" ] || rm -rf "$DIR"
	elif [ -n "$DIR" ] && [ -s "$DIR/node.log" ]; then
		say "the node's log is $DIR/node.log"
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

STEP=0
# step HEADING SENTENCE
step() {
	STEP=$((STEP + 1))
	printf '\n%s%s. %s%s\n%s\n' "$BOLD" "$STEP" "$1" "$OFF" "$2"
}
# m2m ARG...: shows the command, then runs it.
m2m() {
	local shown="m2m $*"
	shown=${shown//$DIR\//}
	printf '\n$ %s\n' "${shown//$ROOT\//}"
	"$BIN/m2m" "$@"
}

port_free "$RPC_PORT"
ensure_rust
# shellcheck disable=SC2119 # the arguments are cargo's, not this script's
build

DIR=${M2M_DEMO_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/m2m-demo.XXXXXX")}
mkdir -p "$DIR" || die "cannot create $DIR: set M2M_DEMO_DIR to a folder you can write"
[ ! -e "$DIR/node" ] || die "$DIR holds a chain already: set M2M_DEMO_DIR to another folder"
DIR=$(cd "$DIR" && pwd)
export M2M_HOME=$DIR/home M2M_URL=ws://127.0.0.1:$RPC_PORT

step "A chain" "One node makes a block every three seconds and finalizes it; the chain starts empty."
say "starting a development node on port $RPC_PORT (its log is $DIR/node.log)"
start_dev_node "$DIR"
echo "$NODE_PID" >"$DIR/node.pid"
printf 'genesis %s\nfinalized block %s\n' "$(rpc chain_getBlockHash '[0]' | sed -n 's/.*"result":"\([^"]*\)".*/\1/p')" "$(finalized)"

step "Keys and money" "An owner who pays for the meters and a gateway that delivers for them get keys of their own and money from the development key."
m2m key dev Alice --out "$DIR/alice.json"
m2m key generate --out "$DIR/owner.json"
m2m key generate --out "$DIR/gateway.json"
OWNER=$("$BIN/m2m" key show "$DIR/owner.json" --address)
GATEWAY=$("$BIN/m2m" key show "$DIR/gateway.json" --address)
m2m account fund --from "$DIR/alice.json" --to "$OWNER" --amount "$OWNER_FUNDS"
m2m account fund --from "$DIR/alice.json" --to "$GATEWAY" --amount "$GATEWAY_FUNDS"

step "Thirteen households become devices" "Each meter gets a key that proves possession of itself; its id is also a wallet that no private key can empty."
{ echo name; awk -F, 'NR > 1 {print $2}' "$CSV" | sort -u; } >"$DIR/meters.csv"
m2m device register --owner "$DIR/owner.json" --manifest "$DIR/meters.csv" --gateway "$GATEWAY"
m2m device show "$METER"

step "A day of readings" "Each meter signs an anchor for every quarter of an hour and stream (import and export); the gateway delivers them and pays. The day is moved so that it ends now."
m2m telemetry replay "$CSV" --date "$DATE" --owner "$DIR/owner.json" --gateway "$DIR/gateway.json"

step "One reading is proven" "The proof leads from what $METER fed into the grid at noon to the root that the chain keeps for the stream."
m2m telemetry prove --meter "$METER" --time "$NOON" --stream export --out "$DIR/proof.json"

step "An auditor checks it" "Somebody else, with nothing but the proof, the published file and any node, verifies against the finalized state."
M2M_HOME=$DIR/auditor m2m telemetry verify "$DIR/proof.json" --csv "$CSV"

step "One Wh is changed" "The same check on a copy of the file in which that reading is 1 Wh higher must fail and name the anchor that convicts the copy."
awk -F, -v OFS=, -v time="$NOON" -v meter="$METER" '$1 == time && $2 == meter {$4 += 1} 1' "$CSV" >"$DIR/changed.csv"
CHANGED=$(diff "$CSV" "$DIR/changed.csv" | tee "$DIR/changed.diff" | grep -c '^>' || true)
[ "$CHANGED" -eq 1 ] || die "the copy differs in $CHANGED lines instead of one"
cat "$DIR/changed.diff"
code=0
M2M_HOME=$DIR/auditor m2m telemetry verify "$DIR/proof.json" --csv "$DIR/changed.csv" 2>&1 || code=$?
[ "$code" -ne 0 ] || die "the changed file was NOT detected"
[ "$code" -eq "$PROOF_DOES_NOT_HOLD" ] || die "the check failed for another reason (exit code $code instead of $PROOF_DOES_NOT_HOLD)"
echo "(exit code $code, as it should be: the forgery is detected)"

printf '\n%sDone.%s Finalized block %s.\n' "$BOLD" "$OFF" "$(finalized)"
if [ -n "$KEEP" ]; then
	cat <<-END

	The node keeps running (process $NODE_PID, log $DIR/node.log).
	  Polkadot.js Apps   https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:$RPC_PORT
	  command line       export M2M_URL=$M2M_URL M2M_HOME=$M2M_HOME
	                     $BIN/m2m device show $METER
	  stop it            kill $NODE_PID && rm -r $DIR
	END
fi
