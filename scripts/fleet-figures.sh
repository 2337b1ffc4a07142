#!/usr/bin/env bash
# What it takes to bring a fleet to the chain: time, transactions, fees, state and memory.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/fleet-figures.sh [DEVICES]

	Builds the node and the command line, starts a fresh development chain, enrols DEVICES devices (default 10000),
	imports them with 'm2m fleet import', and prints what that took. Installs what is missing. Can be run again at
	any time.

	  --help   this text

	Time is that of the clock on the wall. Memory is the client's largest resident set. State is what the import adds
	to the finalized state, keys and values, as the node lists them: the bytes that the chain's rules see, whatever the
	database makes of them.

	Environment: M2M_RPC_PORT (default 9944), M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR,
	M2M_OFFLINE_RUST as for demo.sh.
	END
}

DEVICES=10000
for argument in "$@"; do
	case $argument in
		-h | --help) usage; exit 0 ;;
		*[!0-9]* | '' | 0*) usage >&2; die "$argument is not a number of devices" ;;
		*) DEVICES=$argument ;;
	esac
done

NODE_PID=
DIR=
finish() {
	local code=$?
	trap - EXIT
	stop_dev_node
	if [ "$code" -eq 0 ]; then
		[ -z "$DIR" ] || rm -rf "$DIR"
	elif [ -n "$DIR" ]; then
		say "what there is of the run is in $DIR"
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# measured NAME ARG...: runs m2m with these arguments; sets SECONDS_TAKEN, PEAK_KIB and ANSWER.
measured() {
	local name=$1 begin pid peak
	shift
	say "$name"
	begin=$(date +%s%N)
	"$BIN/m2m" --json --quiet "$@" >"$DIR/answer.json" &
	pid=$!
	PEAK_KIB=0
	# The kernel keeps the largest value itself; the last look before the end is the one that counts.
	while peak=$(awk '/^VmHWM:/ {print $2}' "/proc/$pid/status" 2>/dev/null) && kill -0 "$pid" 2>/dev/null; do
		[ -z "$peak" ] || PEAK_KIB=$peak
		sleep 0.1
	done
	wait "$pid" || die "m2m failed: $*"
	SECONDS_TAKEN=$(awk -v begin="$begin" -v end="$(date +%s%N)" 'BEGIN {printf "%.1f", (end - begin) / 1e9}')
	ANSWER=$(cat "$DIR/answer.json")
}

# field NAME: a field of the last answer.
field() { printf '%s\n' "$ANSWER" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# state: number of keys, and bytes of keys and values together, in the finalized state.
state() {
	local block last='' answer page total=0 bytes=0 values
	block=$(rpc chain_getFinalizedHead | sed -n 's/.*"result":"\(0x[0-9a-f]*\)".*/\1/p')
	values=$(rpc state_getStorageSize "[\"0x\",\"$block\"]" | sed -n 's/.*"result":\([0-9]*\).*/\1/p')
	[ -n "$values" ] || die "the node does not tell the size of its state"
	while :; do
		answer=$(rpc state_getKeysPaged "[\"0x\",1000,${last:-null},\"$block\"]")
		[[ $answer == *'"result":['* ]] || die "the node does not list the keys of its state"
		page=$(printf '%s\n' "$answer" | tr ',"[]' '\n' | grep '^0x') || break
		total=$((total + $(printf '%s\n' "$page" | wc -l)))
		# Two hex digits a byte, after the two characters of 0x.
		bytes=$((bytes + $(printf '%s\n' "$page" | awk '{sum += (length($0) - 2) / 2} END {print sum}')))
		last=\"$(printf '%s\n' "$page" | tail -n 1)\"
	done
	echo "$total $((bytes + values))"
}

# each AMOUNT: that for one device.
each() { awk -v amount="$1" -v devices="$DEVICES" 'BEGIN {printf "%.9f", amount / devices}' | sed 's/0*$//; s/\.$//'; }
mebibytes() { awk -v kib="$1" 'BEGIN {printf "%.1f", kib / 1024}'; }

port_free "$RPC_PORT"
ensure_rust
# shellcheck disable=SC2119 # the arguments are cargo's, not this script's
build

DIR=$(mktemp -d "${TMPDIR:-/tmp}/m2m-fleet.XXXXXX")
export M2M_HOME=$DIR/home M2M_URL=ws://127.0.0.1:$RPC_PORT
say "starting a development node on port $RPC_PORT (its log is $DIR/node.log)"
start_dev_node "$DIR"
"$BIN/m2m" --quiet key dev Alice --out "$DIR/owner.json" >/dev/null 2>&1 || die "the owner's key cannot be made"
OWNER=$("$BIN/m2m" key show "$DIR/owner.json" --address)
{ echo name; seq -f 'meter-%09.0f' 1 "$DEVICES"; } >"$DIR/names.csv"

measured "enrolling $DEVICES devices" device enrol --names "$DIR/names.csv" --owner "$OWNER" --out "$DIR/fleet.csv"
ENROL_SECONDS=$SECONDS_TAKEN ENROL_PEAK=$PEAK_KIB
measured "asking what it would cost" fleet import "$DIR/fleet.csv" --owner "$DIR/owner.json" --dry-run
DRY_SECONDS=$SECONDS_TAKEN DRY_PEAK=$PEAK_KIB DEPOSIT=$(field deposit_each) EXPECTED_FEES=$(field fees)
read -r KEYS_BEFORE BYTES_BEFORE < <(state)
measured "importing" fleet import "$DIR/fleet.csv" --owner "$DIR/owner.json"
read -r KEYS_AFTER BYTES_AFTER < <(state)
[ "$(field registered)" = "$DEVICES" ] || die "$(field registered) devices were registered instead of $DEVICES"
LISTED=$("$BIN/m2m" fleet list --owner "$OWNER" | tail -n 1)
[ "$LISTED" = "$DEVICES devices" ] || die "the chain lists $LISTED instead of $DEVICES"

cat <<-END
devices                $DEVICES
enrolling              $ENROL_SECONDS s, manifest of $(($(wc -c <"$DIR/fleet.csv") / DEVICES)) bytes a device
dry run                $DRY_SECONDS s
importing              $SECONDS_TAKEN s, blocks $(field first_block) to $(field last_block)
transactions           $(field transactions)
fee per device         $(each "$(field fees)") M2M ($(each "$EXPECTED_FEES") M2M by the dry run)
deposit per device     $DEPOSIT M2M
state per device       $(((BYTES_AFTER - BYTES_BEFORE) / DEVICES)) bytes in $(each $((KEYS_AFTER - KEYS_BEFORE))) keys
client's peak memory   $(mebibytes "$ENROL_PEAK") MiB enrolling, $(mebibytes "$DRY_PEAK") MiB dry run, $(mebibytes "$PEAK_KIB") MiB importing
END
