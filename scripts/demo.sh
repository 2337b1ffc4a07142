#!/usr/bin/env bash
# The main job from nothing: a chain, thirteen real households as certified and sponsored devices, a day of their
# readings anchored, one reading proven, a forgery convicted; a neighbourhood that trades its power, and readings for sale.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/demo.sh [--keep]

	Builds the node and the command line (the first time takes about half an hour on two cores), starts a fresh
	development chain, registers, certifies and sponsors 13 meters, anchors a day of their readings, proves one of
	them, and shows that a changed reading is convicted. Then twenty homes trade a part of a day, whose picture stays in
	$CACHE/demo, and three sell readings by the minute, one of them false. Installs what is missing. Can be run again at any time.

	  --keep   leave the node running and say how to connect to it
	  --help   this text

	Environment: M2M_RPC_PORT (default 9944; sellers of readings answer 100 and 101 ports above), M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR,
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
# A household of that grid sells readings too, and cheats.
OTHER_METER=meter-020
# Where sellers of readings answer: two ports from here on.
SELLER_PORT=$((RPC_PORT + 100))
# These meters have a connection of their own; the others are behind a gateway.
DIRECT=meter-001,meter-008,meter-013
# What each account gets from the development key, in M2M.
declare -A FUNDS=([owner]=1000 [gateway]=100 [operator]=100 [office]=100)
# What `m2m` answers when a proof does not hold.
PROOF_DOES_NOT_HOLD=5
# What it answers when a sale failed and the money came back.
SALE_FAILED=5

NODE_PID=
SELLERS=()
DIR=
finish() {
	local code=$?
	trap - EXIT
	for pid in "${SELLERS[@]}"; do kill "$pid" 2>/dev/null || true; done
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
# in_home NAME ARG...: runs m2m with the home folder of somebody else.
in_home() {
	local home=$DIR/$1
	shift
	M2M_HOME=$home m2m "$@"
}
# sell_at PORT COMMAND...: starts a seller in the background and waits until it answers.
sell_at() {
	local port=$1
	shift
	"$@" >>"$DIR/sellers.log" 2>&1 &
	SELLERS+=("$!")
	for _ in $(seq 60); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
		sleep 1
	done
	die "the seller on port $port does not answer: see $DIR/sellers.log"
}

port_free "$RPC_PORT"
port_free "$SELLER_PORT"
port_free "$((SELLER_PORT + 1))"
ensure_rust
# The cheating seller is an example: the command line cannot cheat.
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

step "Readings for sale" "Three households sell what only they have: their load by the minute, in private streams whose anchors show nothing but times. (Made from the quarter-hour data by a stated rule that keeps every total.) Two of them belong to the owner; the third is Mallory's, who has a gateway store of her own."
for name in mallory city; do
	m2m key generate --out "$DIR/$name.json"
	m2m account fund --from "$DIR/alice.json" --to "$("$BIN/m2m" key show "$DIR/$name.json" --address)" --amount 100
done
m2m data record "$CSV" --date "$DATE" --meters meter-001,meter-003 --owner "$DIR/owner.json" --gateway "$DIR/gateway.json" --map-to keep
in_home mallory data record "$HOMES_CSV" --date "$HOMES_DATE" --meters "$OTHER_METER" --owner "$DIR/mallory.json" --gateway "$DIR/gateway.json" --map-to keep
(umask 077 && head -c 24 /dev/urandom | base64 >"$DIR/passphrase")
echo "For the planning of the city's grid; not to be passed on." >"$DIR/licence.txt"
offer=(--price-per-reading 0.001 --licence "$DIR/licence.txt" --area u281z --promise-gap 1m --passphrase-file "$DIR/passphrase")
m2m data sell --seller "$DIR/owner.json" --device meter-001 --stream 2 --endpoint http://127.0.0.1:$SELLER_PORT "${offer[@]}"
m2m data sell --seller "$DIR/owner.json" --device meter-003 --stream 2 --endpoint http://127.0.0.1:$SELLER_PORT "${offer[@]}"
in_home mallory data sell --seller "$DIR/mallory.json" --device "$OTHER_METER" --stream 0 --endpoint http://127.0.0.1:$((SELLER_PORT + 1)) "${offer[@]}"
m2m data bond --seller "$DIR/owner.json" --add 10
in_home mallory data bond --seller "$DIR/mallory.json" --add 10
sell_at "$SELLER_PORT" "$BIN/m2m" data serve --listing 0 1 --listen 127.0.0.1:$SELLER_PORT --seller "$DIR/owner.json" --passphrase-file "$DIR/passphrase"
M2M_HOME=$DIR/mallory sell_at "$((SELLER_PORT + 1))" "$BIN/examples/cheating-seller" 2 127.0.0.1:$((SELLER_PORT + 1)) "$DIR/mallory.json" "$DIR/passphrase" 725
in_home city data list --area u28

step "A city service buys two days of readings" "It gets the readings sealed, checks all of them against the finalized chain, pays, gets the key and opens them. No gateway and no seller is trusted."
next_day=$(date -u -d "$DATE + 1 day" +%F)
in_home city data buy --listing 0 --from "$DATE" --to "$next_day" --buyer "$DIR/city.json" --out "$DIR/first.csv" --max-price 2 --rating 5
in_home city data buy --listing 1 --from "$DATE" --to "$next_day" --buyer "$DIR/city.json" --out "$DIR/second.csv" --max-price 2 --rating 4
head -4 "$DIR/first.csv"
# The bought minutes of each quarter of an hour are what the published file has for it.
awk -F, -v meter=meter-001 -v date="$DATE" '
	NR == FNR && $2 == meter && index($1, date) == 1 { wh = $3 - $4; published += wh > 0 ? wh : 0 }
	NR != FNR && FNR > 1 { bought += $2; readings++ }
	END {
		printf "%d readings of the first household add up to %d Wh; the published quarters to %d Wh\n", readings, bought, published
		exit readings != 1440 || bought != published
	}' "$CSV" "$DIR/first.csv" || die "the bought readings are not those of $DATE"

step "Mallory cheats" "She signs for 1,440 readings, of which one is another than her meter anchored. Nobody can see that before the key is known. The city's client finds it when it opens them, shows the chain one Merkle path, and has its money back with a compensation."
code=0
in_home city data buy --listing 2 --from "$HOMES_DATE" --to "$(date -u -d "$HOMES_DATE + 1 day" +%F)" --buyer "$DIR/city.json" --out "$DIR/third.csv" --max-price 2 2>&1 || code=$?
[ "$code" -eq "$SALE_FAILED" ] || die "the cheating seller was not convicted (exit code $code instead of $SALE_FAILED)"
[ ! -e "$DIR/third.csv" ] || die "there is a file of readings that are not the anchored ones"
echo "(exit code $code, as it should be: the seller is convicted)"
in_home city data show 2
m2m data earnings "$DIR/owner.json"

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
