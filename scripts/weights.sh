#!/usr/bin/env bash
# Measures the weights of all pallets and writes them to runtime/src/weights/.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STEPS=20
REPEAT=10
PALLETS=()

usage() {
	cat <<'HELP'
Usage: scripts/weights.sh [--steps N] [--repeat N] [PALLET...]

Builds the runtime with its benchmarks, runs them in wasm, and writes runtime/src/weights/PALLET.rs.
Without PALLET it does all that runtime/src/benchmarks.rs lists.

  --steps N    values of each parameter to measure (default 20)
  --repeat N   measurements of each value (default 10)

The figures are those of the machine it runs on. The bencher is the SDK's own (frame-omni-bencher); the first
run builds it, which takes about half an hour on two cores.
HELP
}

while [ $# -gt 0 ]; do
	case $1 in
		--steps) STEPS=${2:?--steps needs a number}; shift 2 ;;
		--repeat) REPEAT=${2:?--repeat needs a number}; shift 2 ;;
		-h | --help) usage; exit 0 ;;
		-*) die "unknown option $1: see scripts/weights.sh --help" ;;
		*) PALLETS+=("$1"); shift ;;
	esac
done

cd "$ROOT"
benchmark_runtime

if [ ${#PALLETS[@]} -eq 0 ]; then
	mapfile -t PALLETS < <(sed -n 's/^\t\[\([a-z_]*\),.*/\1/p' runtime/src/benchmarks.rs)
fi
mkdir -p runtime/src/weights
for pallet in "${PALLETS[@]}"; do
	say "measuring $pallet"
	"$BENCHER" v1 benchmark pallet --runtime "$RUNTIME" --genesis-builder-preset development \
		--pallet "$pallet" --extrinsic '*' --steps "$STEPS" --repeat "$REPEAT" \
		--header scripts/weights-header.txt --output "runtime/src/weights/$pallet.rs"
	# What was run is in this script; whose machine it was is nobody's business.
	sed -i -e '/^\/\/ Executed Command:/,/^$/d' -e 's/HOSTNAME: [^,]*, //' "runtime/src/weights/$pallet.rs"
done
cargo fmt -p m2m-runtime
say "done: review the change with 'git diff --stat runtime/src/weights'"
