#!/bin/sh
# What can be seen of the built library from outside: its name, its needs, its symbols, its size.
#
#     tests/c/check_library.sh FOLDER WITH libstargate.so
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
library=$1/libstargate.so
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0

ok() {
    echo "ok library: $1"
    passed=$((passed + 1))
}
fail() {
    echo "not ok library: $1"
    exit 1
}

# What `make small` builds has no mock and a limit of its own. The other limit is to notice growth by.
headers="$root/include/stargate.h $root/include/stargate_mock.h"
case $1 in
*small*) headers=$root/include/stargate.h limit=4500000 ;;
*release*) limit=6900000 ;;
*) limit=unlimited ;;
esac

# Exactly the functions of the headers are exported.
nm -D --defined-only "$library" | awk '{print $3}' | sort > "$work/exported"
# shellcheck disable=SC2086 # words are wanted
sed -e 's,/\*.*\*/,,' $headers | grep -v '^ *\*\|^typedef\|^#' | grep -o 'stargate_[a-z0-9_]*(' | tr -d '(' \
    | sort -u > "$work/declared"
diff "$work/declared" "$work/exported" || fail "the exported symbols are those of the headers"
ok "the exported symbols are those of the headers ($(wc -l < "$work/exported"))"

# Only what every system has is needed.
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
for name in $needed; do
    case $name in
    libc.so.6 | libgcc_s.so.1 | libm.so.6 | ld-linux-*) ;;
    *) fail "it needs $name" ;;
    esac
done
ok "it needs no more than $(echo "$needed" | tr '\n' ' ')"

version=$(sed -n 's/^#define STARGATE_VERSION "\(.*\)"$/\1/p' "$root/include/stargate.h")
major=${version%%.*}
line=$major
[ "$major" != 0 ] || line=$(echo "$version" | cut -d. -f1,2)
readelf -d "$library" | grep -q "(SONAME).*\[libstargate.so.$line\]" || fail "its SONAME is libstargate.so.$line"
ok "its SONAME is libstargate.so.$line"

readelf -d "$library" | grep -q NODELETE || fail "it cannot be unloaded"
ok "it cannot be unloaded under its threads"

strip -o "$work/stripped" "$library"
size=$(wc -c < "$work/stripped")
[ "$limit" = unlimited ] || [ "$size" -lt "$limit" ] || fail "stripped it has $size bytes, of $limit that it may have; docs/performance-notes.md has what was tried"
ok "stripped it has $size bytes"
echo "library: $passed passed"
