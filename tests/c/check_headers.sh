#!/bin/sh
# Compiles each public header alone, and twice, with every compiler there is (gcc, clang) in every standard it claims:
# the C headers in C99 to C23 and C++98 to C++23, the C++ headers in C++17 to C++23, without a warning.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings="-Wall -Wextra -pedantic -Werror -Wconversion"
passed=0

# compile COMPILER STANDARD SUFFIX HEADER FLAGS: included once, it has to bring all it needs; the second time, nothing.
compile() {
    printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$4" "$4" > "$work/twice.$3"
    # shellcheck disable=SC2086 # words are wanted
    "$1" "-std=$2" $warnings $5 "-I$root/include" -fsyntax-only "$work/twice.$3" \
        || { echo "not ok headers: $4 with $1 -std=$2"; exit 1; }
    passed=$((passed + 1))
}

clang=clang
command -v clang > /dev/null || clang=clang-14
for c in gcc $clang; do
    cxx=$(echo "$c" | sed -e 's/^gcc/g++/' -e 's/^clang/clang++/')
    if ! command -v "$c" > /dev/null || ! command -v "$cxx" > /dev/null; then
        echo "headers: $c is not here, and left out; apt install clang"
        continue
    fi
    for header in "$root"/include/*.h; do
        for std in c99 c11 c17 c2x; do
            compile "$c" $std c "$(basename "$header")" -Wstrict-prototypes
        done
        for std in c++98 c++11 c++14 c++17 c++20 c++2b; do
            compile "$cxx" $std cpp "$(basename "$header")" ""
        done
    done
    for header in "$root"/include/*.hpp; do
        for std in c++17 c++20 c++2b; do
            compile "$cxx" $std cpp "$(basename "$header")" ""
        done
    done
done
echo "headers: $passed passed"
