#!/usr/bin/env bash
# Builds the tests in C and C++ against the library in target/release and runs them, against the broker at PULSAR_URL.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/target/tests-c
cmake -S "$root/tests/c" -B "$build" -DSTARGATE_LIB_DIR="$root/target/release" -DCMAKE_BUILD_TYPE=Debug >"$root/target/tests-c.log"
cmake --build "$build" --parallel 2 >>"$root/target/tests-c.log"
exec ctest --test-dir "$build" --output-on-failure
