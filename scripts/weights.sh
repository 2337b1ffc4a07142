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

# Belongs to the same SDK release as Cargo.toml.
BENCHER_VERSION=0.28.0
BENCHER=$CACHE/tools/bin/frame-omni-bencher

cd "$ROOT"
ensure_rust
if ! "$BENCHER" --version 2>/dev/null | grep -qF "$BENCHER_VERSION"; then
	# One of its dependencies generates bindings at build time.
	apt_install clang libclang-dev
	say "building frame-omni-bencher $BENCHER_VERSION"
	cargo install --locked --quiet --root "$CACHE/tools" "frame-omni-bencher@$BENCHER_VERSION"
fi

# A folder of its own: another feature set in the shared one would build dependencies again for everybody.
export CARGO_TARGET_DIR=$CACHE/weights-target
say "building the runtime with its benchmarks"
cargo build --release --locked -p m2m-runtime --features runtime-benchmarks
RUNTIME=$CARGO_TARGET_DIR/release/wbuild/m2m-runtime/m2m_runtime.compact.compressed.wasm

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
