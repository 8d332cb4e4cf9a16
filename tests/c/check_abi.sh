#!/bin/sh
# Whether programs that were built with the recorded headers run with the library of the present ones: no function, struct
# or constant that is gone or another. Functions may be added, and structs that begin with their size may grow at their end.
#
#     tests/c/check_abi.sh              compares, and checks that it would notice each kind of break
#     tests/c/check_abi.sh --record     records again after an intended break of the ABI (and a new SONAME)
#
# The types are those of a library of empty functions made from the headers: the headers are generated from the sources
# (ffi-c/tests/header.rs), and what the real library exports is what they declare (check_library.sh).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
abi=$root/ffi-c/abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0

for tool in abidw abidiff; do
    if ! command -v $tool > /dev/null; then
        echo "abi: $tool is not here, so nothing is compared; apt install abigail-tools"
        exit 77
    fi
done

# read_abi INCLUDE NAME: the types of those headers, and the values of their constants.
read_abi() {
    python3 "$root/tests/c/generate.py" stubs "$work/stubs.c" "$1/stargate.h" "$1/stargate_mock.h"
    version=$(sed -n 's/^#define STARGATE_VERSION "\(.*\)"$/\1/p' "$1/stargate.h")
    line=${version%%.*}
    [ "$line" != 0 ] || line=$(echo "$version" | cut -d. -f1,2)
    cc -g -std=c99 -shared -fPIC "-I$1" "-Wl,-soname,libstargate.so.$line" -o "$work/libstubs.so" "$work/stubs.c"
    abidw --no-comp-dir-path --no-corpus-path --no-show-locs --out-file "$work/$2.abi.xml" "$work/libstubs.so"
    sed -n 's/^#define \(STARGATE_[A-Z0-9_]*\) \(-\{0,1\}[0-9][0-9]*\)$/\1 \2/p' "$1/stargate.h" "$1/stargate_mock.h" \
        | grep -v '^STARGATE_VERSION' | sort > "$work/$2.constants.txt"
}

# compatible NAME: whether the recorded ABI still holds in it; what differs goes to the log.
compatible() {
    abidiff --no-added-syms --suppressions "$abi/growth.abignore" "$abi/stargate.abi.xml" "$work/$1.abi.xml" \
        > "$work/log" 2>&1 || return 1
    comm -23 "$abi/constants.txt" "$work/$1.constants.txt" > "$work/gone"
    sed 's/^/a constant is gone or another: /' "$work/gone" >> "$work/log"
    [ ! -s "$work/gone" ]
}

# tries HOLDS|BREAKS WHAT SED-EXPRESSION: the headers, changed in that way.
tries() {
    mkdir -p "$work/changed"
    sed "$3" "$root/include/stargate.h" > "$work/changed/stargate.h"
    cp "$root/include/stargate_mock.h" "$work/changed/"
    if cmp -s "$root/include/stargate.h" "$work/changed/stargate.h"; then
        echo "not ok abi: the trial changes nothing: $2"
        exit 1
    fi
    read_abi "$work/changed" changed
    found=BREAKS
    compatible changed && found=HOLDS
    if [ $found != "$1" ]; then
        echo "not ok abi: $2: expected $1, and it $found"
        cat "$work/log"
        exit 1
    fi
    passed=$((passed + 1))
}

read_abi "$root/include" present
if [ "${1:-}" = --record ]; then
    cp "$work/present.abi.xml" "$abi/stargate.abi.xml"
    cp "$work/present.constants.txt" "$abi/constants.txt"
    echo "abi: recorded in $abi"
    exit 0
fi
if ! compatible present; then
    cat "$work/log"
    echo "not ok abi: it is not what was recorded; if the break is meant: a new version, a CHANGELOG entry, and make abi"
    exit 1
fi
passed=$((passed + 1))

tries BREAKS "a function is gone" '/^int32_t stargate_version_compatible(/d'
tries BREAKS "a parameter is another" 's/^int32_t stargate_version_compatible(uint32_t /int32_t stargate_version_compatible(uint64_t /'
tries BREAKS "a result is another" 's/^int32_t stargate_version_compatible(/int64_t stargate_version_compatible(/'
tries BREAKS "a struct grows in the middle" 's/^    int64_t deliver_at_ms;/    int64_t early; int64_t deliver_at_ms;/'
tries BREAKS "a struct without a size grows" 's/^} stargate_bytes;/    size_t more; } stargate_bytes;/'
tries BREAKS "a callback is given more" 's/^typedef void (\*stargate_destroy_fn)(void \*user_data);/typedef void (*stargate_destroy_fn)(void *user_data, int why);/'
tries BREAKS "a constant is another" 's/^#define STARGATE_NACK .*/#define STARGATE_NACK 3/'
tries HOLDS "a function is added" 's/^const char \*stargate_version(void);/&\nint32_t stargate_added(int32_t more);/'
tries HOLDS "a struct with a size grows at its end" 's/^} stargate_outgoing;/    int64_t later; } stargate_outgoing;/'
tries HOLDS "a constant is added" 's/^#define STARGATE_NACK .*/&\n#define STARGATE_ADDED 7/'
echo "abi: $passed passed"
