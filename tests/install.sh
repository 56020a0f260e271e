#!/bin/sh
# Installs the library as its users do, and uses it from there: programs in C, C++ and Go run against the sandbox, with the
# shared and with the static library.
#
#     sh tests/install.sh [PART...]
#
#     prefix    cmake --install, under a prefix and a DESTDIR: files, names, pkg-config, CMake
#     tree      projects that contain the library: FetchContent and add_subdirectory
#     archive   the .tar.gz, unpacked elsewhere, and the .zip for Windows
#     debian    the Debian packages, unpacked; `chroot` installs them with apt-get in a Debian that has nothing else
#     conan     the Conan package
#
# Without a PART, runs all but `chroot`, which takes minutes; `all` runs it, too. ARTEFACT=FILE, a .tar.gz or .zip, lets
# `archive` test that file; a folder with both .debs, `debian` and `chroot`. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/library.sh
. tests/support/go.sh
. tests/install/programs.sh
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need c++ g++ || exit 1
need make make || exit 1
need cmake cmake || exit 1
need ninja ninja-build || exit 1
need pkg-config pkg-config || exit 1
need readelf binutils || exit 1
need file file || exit 1
need git git || exit 1
use_go || exit 1
need_library || exit 1

root=$(pwd)
work=$root/target/install
version=$(library_version)
soname=librefold.so.${version%%.*}
unset CARGO_BUILD_TARGET PKG_CONFIG_PATH PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR DESTDIR CMAKE_GENERATOR CMAKE_PREFIX_PATH
unset REFOLD_LIBRARY_DIR
export SOURCE_DATE_EPOCH=1700000000

[ $# -gt 0 ] || set -- prefix tree archive debian conan
[ "$*" != all ] || set -- prefix tree archive debian chroot conan
for part; do
    [ -e "tests/install/$part.sh" ] || { echo "sh tests/install.sh: there is no part $part" >&2 && exit 2; }
done

mkdir -p "$work"
stop_sandbox_at_exit
start_sandbox "$work"
for part; do
    . "tests/install/$part.sh"
done

sum_up
