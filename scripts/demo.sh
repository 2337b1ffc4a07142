#!/usr/bin/env bash
# The main job from nothing: a chain, thirteen real households as certified and sponsored devices, a day of their
# readings anchored, one reading proven, a forgery convicted; and a neighbourhood that trades its power.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/demo.sh [--keep]

	Builds the node and the command line (the first time takes about half an hour on two cores), starts a fresh
	development chain, registers, certifies and sponsors 13 meters, anchors a day of their readings, proves one of
	them, and shows that a changed reading is convicted. Then twenty homes trade a part of a day, whose picture stays in
	$CACHE/demo. Installs what is missing. Can be run again at any time.

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
# The neighbourhood that trades, and where its picture stays when the rest is deleted.
HOMES_DATE=2016-06-16
HOMES_CSV=$ROOT/fixtures/lv3-101_2016-06-16_1d.csv
PICTURES=$CACHE/demo
# These meters have a connection of their own; the others are behind a gateway.
DIRECT=meter-001,meter-008,meter-013
# What each account gets from the development key, in M2M.
declare -A FUNDS=([owner]=1000 [gateway]=100 [operator]=100 [office]=100)
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

step "Keys and money" "An owner who pays for the meters, a gateway, an operator who will sponsor the meters and an office that certifies them get keys of their own and money from the development key."
m2m key dev Alice --out "$DIR/alice.json"
for name in owner gateway operator office; do
	m2m key generate --out "$DIR/$name.json"
	m2m account fund --from "$DIR/alice.json" --to "$("$BIN/m2m" key show "$DIR/$name.json" --address)" --amount "${FUNDS[$name]}"
done
OWNER=$("$BIN/m2m" key show "$DIR/owner.json" --address)

step "Thirteen households become devices" "At commissioning each meter makes a key and signs that this owner may register it. The owner imports the list. A meter's id is also a wallet that no private key can empty."
mapfile -t METERS < <(awk -F, 'NR > 1 {print $2}' "$CSV" | sort -u)
m2m device enrol "${METERS[@]}" --owner "$OWNER" --out "$DIR/meters.csv"
m2m fleet import "$DIR/meters.csv" --owner "$DIR/owner.json"

step "An office certifies the meters" "The attestation vouches for the keys that sign the readings: it ends by itself when a meter gets another one."
printf 'Type approval of the thirteen meters of %s\n' "$(basename "$CSV")" >"$DIR/approval.txt"
m2m device attest "${METERS[@]}" --issuer "$DIR/office.json" --topic certified-meter --claim "$DIR/approval.txt" --expires-in 365d

step "An operator sponsors the meters" "The meters hold no tokens. The operator fills a pot from which fees of telemetry are paid, within an allowance for each meter; the owner accepts."
m2m sponsor create --sponsor "$DIR/operator.json" --all-of "$OWNER" --calls telemetry --capacity 1 --refill 0.0001 --amount 50
m2m sponsor attach 0 --owner "$DIR/owner.json"
m2m device show "$METER"
m2m did resolve "$METER"

step "A day of readings" "Each meter signs an anchor for every quarter of an hour and stream (import and export). Ten meters are behind the gateway, which delivers and pays; the others send for themselves. The day is moved so that it ends now."
BEHIND_GATEWAY=$(printf '%s\n' "${METERS[@]}" | grep -vxF "${DIRECT//,/$'\n'}" | paste -sd,)
m2m telemetry replay "$CSV" --date "$DATE" --meters "$BEHIND_GATEWAY" --owner "$DIR/owner.json" --gateway "$DIR/gateway.json"
m2m telemetry replay "$CSV" --date "$DATE" --meters "$DIRECT" --owner "$DIR/owner.json" --direct
m2m sponsor show 0 --device "$METER"

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

step "A neighbourhood trades" "Twenty homes of another grid set their limits once; then their meters do the trading. Ten quarters of an hour after noon, each as a slot of six seconds: the market clears on what was metered, everybody is settled, and every result is worked out again from the readings."
mapfile -t HOMES < <(awk -F, 'NR > 1 {print $2}' "$HOMES_CSV" | sort -u | awk 'NR % 6 == 2')
m2m community replay "$HOMES_CSV" --date "$HOMES_DATE" --from 12:15 --to 14:45 --slot-seconds 6 \
	--meters "$(IFS=,; printf '%s' "${HOMES[*]}")" \
	--operator "$DIR/operator.json" --owner "$DIR/owner.json" --gateway "$DIR/gateway.json" --out "$PICTURES"
[ -s "$PICTURES/day.svg" ] || die "the picture was not written"
printf '\nThe picture of the day, with the figures beside it: %s\n' "$PICTURES/day.svg"

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
