#!/usr/bin/env bash
# What a market for energy costs the chain, in multiples of a transfer measured in the same run.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<'HELP'
Usage: scripts/market-figures.sh [--json]

Builds the runtime with its benchmarks, runs in wasm those of a balance transfer, of the market's part of an anchor, of
settling and of clearing, in turn, and prints the median of each and its multiple of the transfer. Installs what is
missing.

  --json   print a JSON object
  --help   this text

Times are execution times without the database; it takes about ten minutes. The figures are those of the machine it runs on; the multiples travel.
The bencher is the SDK's own (frame-omni-bencher); the first run builds it, which takes about half an hour on two cores.
HELP
}

JSON=
for argument in "$@"; do
	case $argument in
		--json) JSON=yes ;;
		-h | --help) usage; exit 0 ;;
		*) usage >&2; die "unknown argument $argument" ;;
	esac
done

# Rounds in which everything is measured in turn, so that a slow moment of the machine hits all alike.
ROUNDS=2
# What the largest anchor's report changes: pages of the book.
PAGES=4

DIR=$(mktemp -d "${TMPDIR:-/tmp}/m2m-figures.XXXXXX")
trap 'rm -rf "$DIR"' EXIT
ensure_node
benchmark_runtime

# measure NAME PALLET BENCHMARK [VALUE]: one file of raw results; VALUE is that of the benchmark's parameter.
measure() {
	local name=$1 pallet=$2 benchmark=$3 range=()
	[ -z "${4:-}" ] || range=(--low "$4" --high "$4")
	"$BENCHER" v1 benchmark pallet --runtime "$RUNTIME" --genesis-builder-preset development --extra \
		--pallet "$pallet" --extrinsic "$benchmark" --steps 2 --repeat 20 "${range[@]}" \
		--json-file "$DIR/$name.$round.json" >"$DIR/$name.log" 2>&1 \
		|| { tail -n 5 "$DIR/$name.log" >&2; die "the benchmark $benchmark of $pallet failed"; }
}

for round in $(seq "$ROUNDS"); do
	say "round $round of $ROUNDS"
	measure transfer pallet_balances transfer_keep_alive
	measure import-anchor pallet_energy_trading report_import "$PAGES"
	measure export-anchor pallet_energy_trading report_export "$PAGES"
	measure foreign-anchor pallet_energy_trading foreign_anchor
	measure settle-1 pallet_energy_trading settle 1
	measure settle-256 pallet_energy_trading settle 256
	measure settle-apart-1 pallet_energy_trading settle_apart 1
	measure settle-apart-256 pallet_energy_trading settle_apart 256
	for entries in 100 10000 100000; do
		measure "clear-$entries" pallet_energy_trading clear_entries "$entries"
	done
done

node --input-type=module - "$DIR" "$ROUNDS" "${JSON:-no}" <<'SCRIPT'
import { readFileSync } from 'node:fs';
const [directory, rounds, json] = process.argv.slice(2);
const median = (name) => {
  const times = [];
  for (let round = 1; round <= Number(rounds); round++) {
    const [{ time_results: results }] = JSON.parse(readFileSync(`${directory}/${name}.${round}.json`, 'utf8'));
    times.push(...results.map((result) => Number(result.extrinsic_time)));
  }
  if (times.length === 0) throw new Error(`nothing was measured of ${name}`);
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] / 1000;
};
const transfer = median('transfer');
const item = (name) => (median(`${name}-256`) - median(`${name}-1`)) / 255;
const rows = [
  ['balances.transfer_keep_alive', transfer],
  ['market\'s part of an import anchor, 4 steps in 4 pages', median('import-anchor')],
  ['market\'s part of an export anchor, 4 steps in 4 pages', median('export-anchor')],
  ['the same for a stream that trades nothing', median('foreign-anchor')],
  ['settle, each further entry in its member\'s record', item('settle')],
  ['settle, each further entry that lies apart', item('settle-apart')],
  ['clear, 100 entries behind 32 pages, of 100,000 members', median('clear-100')],
  ['clear, 10,000 entries', median('clear-10000')],
  ['clear, 100,000 entries', median('clear-100000')],
];
if (json === 'yes') {
  console.log(JSON.stringify(rows.map(([what, micros]) => ({ what, micros, transfers: micros / transfer }))));
} else {
  const width = Math.max(...rows.map(([what]) => what.length));
  console.log(`${'what'.padEnd(width)}  median µs  transfers`);
  for (const [what, micros] of rows) {
    console.log(`${what.padEnd(width)}  ${micros.toFixed(1).padStart(9)}  ${(micros / transfer).toFixed(2).padStart(9)}`);
  }
}
SCRIPT
