#!/bin/sh
# Does what a stranger does with an installed libstargate, in folders outside the repository: installs it into a DESTDIR,
# moves it, and builds and runs programs with pkg-config (shared and static), with find_package (both targets, and C++)
# and without any header at all; then with the Debian packages of it.
#
#     tests/install/run.sh [FOLDER WITH libstargate.so, by default target/release]
#
# With PULSAR_URL the programs are the examples, which send and receive; without it they only start.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
from=${1:-$root/target/release}
from=$(cd "$from" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0

# Runs a command, quietly unless it fails.
check() {
    what=$1
    shift
    if "$@" > "$work/log" 2>&1; then
        echo "ok install: $what"
        passed=$((passed + 1))
    else
        echo "not ok install: $what: $*"
        cat "$work/log"
        exit 1
    fi
}

# An example with a broker, a program that only starts without one.
source_of() {
    if [ -n "${PULSAR_URL:-}" ]; then
        cp "$root/examples/$1/demo.$1" "$2"
    else
        printf '#include <stargate.%s>\nint main(void) { return stargate_version_compatible(STARGATE_VERSION_NUMBER) ? 0 : 1; }\n' \
            "$3" > "$2"
    fi
}
mkdir "$work/app"
source_of c "$work/app/demo.c" h
source_of cpp "$work/app/demo.cpp" hpp

check "install with DESTDIR and PREFIX" env DESTDIR="$work/stage" PREFIX=/opt/stargate "$root/ffi-c/install/install.sh" "$from"
mv "$work/stage/opt/stargate" "$work/moved"
soname=$(basename "$(readlink "$work/moved/lib/libstargate.so")")
check "the SONAME is a link to the library" test -f "$work/moved/lib/$soname"
check "the installed library has that SONAME" sh -c "readelf -d '$work/moved/lib/libstargate.so' | grep -q '\[$soname\]'"

cat > "$work/app/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
find_package(stargate 0.1 REQUIRED)
find_package(Threads REQUIRED)
foreach(kind stargate static)
  add_executable(c_${kind} demo.c)
  target_link_libraries(c_${kind} PRIVATE stargate::${kind} Threads::Threads)
  add_executable(cpp_${kind} demo.cpp)
  target_compile_features(cpp_${kind} PRIVATE cxx_std_17)
  target_link_libraries(cpp_${kind} PRIVATE stargate::${kind} Threads::Threads)
endforeach()
CMAKE
check "find_package after the move" cmake -S "$work/app" -B "$work/build" "-DCMAKE_PREFIX_PATH=$work/moved"
check "programs with stargate::stargate and stargate::static" cmake --build "$work/build"
for program in c_stargate c_static cpp_stargate cpp_static; do
    check "$program runs" "$work/build/$program"
done
sed 's/stargate 0.1/stargate 0.2/' "$work/app/CMakeLists.txt" > "$work/later.txt"
mkdir "$work/later" && cp "$work/app/"*.c "$work/app/"*.cpp "$work/later/" && cp "$work/later.txt" "$work/later/CMakeLists.txt"
check "another line of versions is refused" \
    sh -c "! cmake -S '$work/later' -B '$work/later/build' '-DCMAKE_PREFIX_PATH=$work/moved'"

PKG_CONFIG_PATH=$work/moved/lib/pkgconfig
export PKG_CONFIG_PATH
check "pkg-config has the version of the header" \
    grep -q "STARGATE_VERSION \"$(pkg-config --modversion stargate)\"" "$work/moved/include/stargate.h"
check "the ABI as JSON is of the same version" \
    grep -q "\"version\": \"$(pkg-config --modversion stargate)\"" "$work/moved/include/stargate.abi.json"
# shellcheck disable=SC2046 # words are wanted
check "pkg-config, shared" cc -o "$work/shared" "$work/app/demo.c" $(pkg-config --cflags --libs stargate) -lpthread
check "it runs with the shared library" env LD_LIBRARY_PATH="$work/moved/lib" "$work/shared"
# shellcheck disable=SC2046
check "pkg-config, shared, in a folder of its own" cc -o "$work/own" "$work/app/demo.c" $(pkg-config --cflags --libs stargate) \
    "-Wl,-rpath,$(pkg-config --variable=libdir stargate)" -lpthread
check "it finds the library by itself" "$work/own"
# shellcheck disable=SC2046
check "pkg-config, static" cc -o "$work/static" "$work/app/demo.c" $(pkg-config --cflags stargate) \
    "$work/moved/lib/libstargate.a" $(pkg-config --static --libs stargate | sed 's/-lstargate//')
check "it runs without the shared library" "$work/static"
python3 "$root/tests/c/generate.py" symbols "$work/symbols.c" "$work/moved/include/"*.h
# shellcheck disable=SC2046
check "every declared function is in the static library" cc -o "$work/symbols" "$work/symbols.c" "$root/tests/c/testing.c" \
    "-I$root/tests/c" $(pkg-config --cflags stargate) "$work/moved/lib/libstargate.a" \
    $(pkg-config --static --libs stargate | sed 's/-lstargate//') -lpthread
check "and has an address" "$work/symbols"
doc=$work/moved/share/doc/stargate
check "it comes with its licence, those of what is in it, and a bill of materials" sh -c \
    "grep -q 'Apache License' '$doc/LICENSE' && grep -q '^tokio .*, MIT,' '$doc/THIRD-PARTY-LICENSES' && grep -q pkg:cargo/tokio@ '$doc/stargate-ffi.cdx.json'"
check "it does not want the shared library" sh -c "! readelf -d '$work/static' | grep -q libstargate"
check "any language that can load a library, and unloads it" python3 "$root/tests/install/by_ctypes.py" "$work/moved/lib/$soname"

if command -v dpkg-deb > /dev/null && [ -n "$(cc -print-multiarch 2> /dev/null)" ]; then
    check "Debian packages" env OUT="$work/deb" DPKG_DEB_COMPRESSOR_TYPE=none "$root/ffi-c/install/deb.sh" "$from"
    system=$work/system
    lib=$system/usr/lib/$(cc -print-multiarch)
    if [ "$(id -u)" = 0 ]; then
        # Into a root of its own with a copy of this system's package list, so that dpkg checks the dependencies.
        mkdir -p "$system/var/lib/dpkg/info" "$system/var/lib/dpkg/updates"
        cp /var/lib/dpkg/status "$system/var/lib/dpkg/status"
        check "dpkg installs them" dpkg "--root=$system" --install "$work"/deb/*.deb
    else
        for package in "$work"/deb/*.deb; do
            check "$(basename "$package") unpacks" dpkg-deb --extract "$package" "$system"
        done
    fi
    check "the first is named after the SONAME" test -f "$work"/deb/"libstargate${soname#libstargate.so.}"_*.deb
    check "it has the licences of what is in it" grep -q '^tokio .*, MIT,' "$system/usr/share/doc/libstargate-dev/copyright"
    PKG_CONFIG_PATH=$lib/pkgconfig
    # shellcheck disable=SC2046
    check "pkg-config from the packages" cc -o "$work/packaged" "$work/app/demo.c" $(pkg-config --cflags --libs stargate) -lpthread
    check "it runs with the packaged library" env LD_LIBRARY_PATH="$lib" "$work/packaged"
    check "find_package from the packages" cmake -S "$work/app" -B "$work/build-deb" "-DCMAKE_PREFIX_PATH=$system/usr"
    check "a program with stargate::stargate" cmake --build "$work/build-deb" --target c_stargate
    check "it runs" "$work/build-deb/c_stargate"
else
    echo "left out: Debian packages; dpkg-deb and Debian's compiler are not here"
fi
echo "install: $passed passed"
