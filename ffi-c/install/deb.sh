#!/bin/sh
# Makes Debian packages of what install.sh installs: libstargate0.1, named after the SONAME, with the shared library, and
# libstargate-dev with the rest.
#
#     ffi-c/install/deb.sh [FOLDER WITH libstargate.so, by default target/release]
#
# They are written into OUT (default dist). MAINTAINER is "NAME <ADDRESS>" of who answers for them. They are dated
# SOURCE_DATE_EPOCH, by default the last commit, so that the same library gives the same packages.
set -eu
umask 022

root=$(cd "$(dirname "$0")/../.." && pwd)
from=${1:-$root/target/release}
out=${OUT:-$root/dist}
maintainer=${MAINTAINER:-stargate <stargate@localhost>}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH

triplet=$(cc -print-multiarch 2> /dev/null) || triplet=
if [ -z "$triplet" ] || ! command -v dpkg-deb > /dev/null; then
    echo "deb: this takes dpkg-deb and the C compiler of Debian, or of a system made from it" >&2
    exit 1
fi
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/dev PREFIX=/usr LIBDIR=/usr/lib/$triplet "$root/ffi-c/install/install.sh" "$from" > /dev/null
set -- "$work/dev/usr/lib/$triplet"/libstargate.so.*.*.*
version=${1##*/libstargate.so.}
# Before a release comes what has a tilde there.
debian_version=$(echo "$version" | sed 's/-/~/')
soname=$(objdump -p "$1" | sed -n 's/^ *SONAME *//p')
abi=${soname#libstargate.so.}
runtime=libstargate$abi

install -d "$work/$runtime/usr/lib/$triplet" "$work/$runtime/usr/share/doc" "$work/$runtime/DEBIAN" "$work/dev/DEBIAN"
mv "$work/dev/usr/lib/$triplet"/libstargate.so.* "$work/$runtime/usr/lib/$triplet/"
chmod 644 "$work/$runtime/usr/lib/$triplet/libstargate.so.$version"
doc=$work/$runtime/usr/share/doc/$runtime
mv "$work/dev/usr/share/doc/stargate" "$doc"
ln -s "$runtime" "$work/dev/usr/share/doc/libstargate-dev"
# One file, since it is the only one there that every system keeps.
{
    echo "stargate is distributed under the Apache License 2.0, whose text is in /usr/share/common-licenses/Apache-2.0 too."
    echo "Copyright: its contributors."
    echo
    cat "$doc/THIRD-PARTY-LICENSES"
} > "$doc/copyright"
rm "$doc/THIRD-PARTY-LICENSES"

# The newest version that the library wants of a library's symbols.
newest() {
    objdump -T "$work/$runtime/usr/lib/$triplet/$soname" | sed -n "s/.*[( ]$1_\([0-9.]*\)[) ].*/\1/p" | sort -Vu | tail -n 1
}

# package FOLDER NAME SECTION DEPENDS SYNOPSIS, with the description on standard input
package() {
    cat > "$work/$1/DEBIAN/control" <<CONTROL
Package: $2
Source: stargate
Version: $debian_version
Architecture: $architecture
Multi-Arch: same
Maintainer: $maintainer
Section: $3
Priority: optional
Installed-Size: $(du -sk "$work/$1/usr" | cut -f1)
Depends: $4
Description: $5
$(sed 's/^/ /')
CONTROL
    (cd "$work/$1" && find usr -type f | LC_ALL=C sort | xargs md5sum) > "$work/$1/DEBIAN/md5sums"
    dpkg-deb --root-owner-group --build "$work/$1" "$out/$2_${debian_version}_$architecture.deb"
}

mkdir -p "$out"
# What packages of programs depend on, and the cache of the loader.
echo "libstargate $abi $runtime (>= $debian_version)" > "$work/$runtime/DEBIAN/shlibs"
echo "activate-noawait ldconfig" > "$work/$runtime/DEBIAN/triggers"
package "$runtime" "$runtime" libs "libc6 (>= $(newest GLIBC)), libgcc-s1 (>= $(newest GCC))" \
    "client of Apache Pulsar over WebSocket" <<'DESCRIPTION'
Producers, consumers and readers over Pulsar's WebSocket API, with
reconnects that lose nothing, administration over REST, end-to-end
encryption, and a mock broker for tests.
DESCRIPTION
package dev libstargate-dev libdevel "$runtime (= $debian_version)" \
    "client of Apache Pulsar over WebSocket (development files)" <<'DESCRIPTION'
Headers for C and C++, the ABI as JSON, the static library, a pkg-config
file and a CMake package of libstargate.
DESCRIPTION
