#!/usr/bin/env bash
# Nobody spams for free: what sponsors do not pay for is refused by the pool, and no pot pays for it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-END
	Usage: scripts/spam.sh

	Starts a fresh development chain, sponsors a few devices whose keys have no money, and floods the node with
	what the sponsors do not pay for: calls outside the allow-list, more than a bucket holds, expired sponsorships.
	Fails if the pool takes one of them, if one is found in a block, or if a pot pays. Needs a build (scripts/demo.sh
	makes one). Can be run again at any time.

	  --help   this text

	Environment: M2M_RPC_PORT (default 9944), M2M_CACHE (default ~/.cache/m2m), CARGO_TARGET_DIR, M2M_URL (a running
	development node to use instead of a fresh one).
	END
}

for argument in "$@"; do
	case $argument in
		-h | --help) usage; exit 0 ;;
		*) usage >&2; die "unknown argument $argument" ;;
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
	elif [ -n "$DIR" ] && [ -s "$DIR/node.log" ]; then
		say "the node's log is $DIR/node.log"
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ensure_node
npm_install "$ROOT/tests/js"
if [ -z "${M2M_URL:-}" ]; then
	[ -x "$BIN/m2m-node" ] || die "there is no node in $BIN: run scripts/demo.sh first, which builds one"
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/m2m-spam.XXXXXX")
	say "starting a development node on port $RPC_PORT (its log is $DIR/node.log)"
	start_dev_node "$DIR"
	export M2M_URL=ws://127.0.0.1:$RPC_PORT
fi
say "sending spam to $M2M_URL (about four minutes)"
node "$ROOT/tests/js/spam.mjs"
echo "Everything was refused before inclusion, and no pot paid for any of it."
