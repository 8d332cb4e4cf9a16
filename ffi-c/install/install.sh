#!/bin/sh
# Installs libstargate: shared and static library, headers, the ABI as JSON, pkg-config file, CMake package, licences,
# bill of materials.
#
#     ffi-c/install/install.sh [FOLDER WITH libstargate.so, by default target/release]
#
# PREFIX (default /usr/local), LIBDIR (default $PREFIX/lib) and INCLUDEDIR (default $PREFIX/include) say where to, and
# DESTDIR is put before them for packagers. What is installed finds its parts from where it stands, so it may be moved.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
from=${1:-$root/target/release}
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
includedir=${INCLUDEDIR:-$prefix/include}
destdir=${DESTDIR:-}

for file in libstargate.so libstargate.a; do
    if [ ! -f "$from/$file" ]; then
        echo "install: $from/$file does not exist; build it with: cargo build --release -p stargate-ffi" >&2
        exit 1
    fi
done
case $prefix in
/*) ;;
*) echo "install: PREFIX is $prefix: expected an absolute path" >&2; exit 1 ;;
esac

version=$(sed -n 's/^#define STARGATE_VERSION "\(.*\)"$/\1/p' "$root/include/stargate.h")
soname=$(readelf -d "$from/libstargate.so" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')

# The way from one installed folder to another, so that files can name it without knowing where they are.
relative() {
    python3 -c 'import os, sys; print(os.path.relpath(sys.argv[2], sys.argv[1]))' "$1" "$2"
}

# Fills in a template of this folder.
fill() {
    sed -e "s|@VERSION@|$version|g" -e "s|@SONAME@|$soname|g" \
        -e "s|@PREFIX_FROM_PKGCONFIG@|$(relative "$libdir/pkgconfig" "$prefix")|g" \
        -e "s|@LIBDIR_FROM_PREFIX@|$(relative "$prefix" "$libdir")|g" \
        -e "s|@INCLUDEDIR_FROM_PREFIX@|$(relative "$prefix" "$includedir")|g" \
        -e "s|@LIBDIR_FROM_CMAKE@|$(relative "$libdir/cmake/stargate" "$libdir")|g" \
        -e "s|@INCLUDEDIR_FROM_CMAKE@|$(relative "$libdir/cmake/stargate" "$includedir")|g" \
        "$root/ffi-c/install/$1" > "$2"
    chmod 644 "$2"
}

install -d "$destdir$libdir/pkgconfig" "$destdir$libdir/cmake/stargate" "$destdir$includedir" \
    "$destdir$prefix/share/doc/stargate"
install -m 755 "$from/libstargate.so" "$destdir$libdir/libstargate.so.$version"
ln -sf "libstargate.so.$version" "$destdir$libdir/$soname"
ln -sf "$soname" "$destdir$libdir/libstargate.so"
install -m 644 "$from/libstargate.a" "$destdir$libdir/libstargate.a"
for header in "$root"/include/*.h "$root"/include/*.hpp; do
    case $header in
    *_mock.*) nm -D "$from/libstargate.so" | grep -q stargate_mock_start || continue ;; # `make small` has none
    esac
    install -m 644 "$header" "$destdir$includedir/"
done
install -m 644 "$root/include/stargate.abi.json" "$destdir$includedir/"
fill stargate.pc.in "$destdir$libdir/pkgconfig/stargate.pc"
fill stargateConfig.cmake.in "$destdir$libdir/cmake/stargate/stargateConfig.cmake"
fill stargateConfigVersion.cmake.in "$destdir$libdir/cmake/stargate/stargateConfigVersion.cmake"
install -m 644 "$root/LICENSE" "$root/ffi-c/THIRD-PARTY-LICENSES" "$root/ffi-c/stargate-ffi.cdx.json" \
    "$destdir$prefix/share/doc/stargate/"
echo "installed stargate $version in $destdir$prefix"
