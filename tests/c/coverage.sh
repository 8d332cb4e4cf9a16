#!/usr/bin/env bash
# Which lines and functions of ffi-c/src the tests in C and C++ reach: a table of the files, in target/coverage/c.txt too.
# They run against the broker at PULSAR_URL, or a mock when there is none.
#
#     tests/c/coverage.sh            the table
#     tests/c/coverage.sh FILE.rs    the lines of one file, each with how often it ran
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/coverage
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
if [ ! -x "$tools/llvm-cov" ]; then
    echo "coverage: Rust's llvm-cov and llvm-profdata are not here; rustup component add llvm-tools" >&2
    exit 2
fi
report() {
    "$tools/llvm-cov" "$1" "$work/debug/libstargate.so" --instr-profile "$work/c.profdata" "${@:2}"
}
if [ $# -gt 0 ]; then
    report show "$root/ffi-c/src/$1"
    exit
fi

# Only the crate itself is instrumented, in a folder of its own. The counters are in the file while the program runs, so
# that children after a fork, which leave by _exit, count too.
cd "$root"
cargo rustc --quiet -p stargate-ffi --lib --target-dir "$work" -- -C instrument-coverage -C llvm-args=-runtime-counter-relocation
cmake -S tests/c -B "$work/tests" -DSTARGATE_LIB_DIR="$work/debug" -DCMAKE_BUILD_TYPE=Debug >"$work/build.log"
cmake --build "$work/tests" --parallel 2 >>"$work/build.log"
rm -rf "$work/raw"
export LLVM_PROFILE_FILE=$work/raw/%p%c.profraw
run=(ctest --test-dir "$work/tests" --output-on-failure -E '^(headers|abi|library|install)$')
[ -n "${PULSAR_URL:-}" ] || run=("$work/tests/with_mock" "${run[@]}")
"${run[@]}" >"$work/tests.log" || {
    cat "$work/tests.log"
    exit 1
}
"$tools/llvm-profdata" merge -sparse "$work"/raw/*.profraw -o "$work/c.profdata"
report report --show-region-summary=false --show-branch-summary=false ffi-c/src | tee "$work/c.txt"
