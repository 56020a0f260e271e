#!/bin/sh
# Builds what is released; `.ci/release --help` explains. Everything it creates is under target/.
set -eu

usage() {
    cat <<'USAGE'
usage: .ci/release [native | TARGET ...]

Builds what is released into target/dist, or the folder in DIST, with SHA256SUMS and a bill of materials. The same commit
and version of Rust give the same bytes. Without an argument: for every TARGET. `native`: for x86_64-linux-gnu.

  x86_64-linux-gnu      archive, Debian packages, wheel; for glibc 2.28 and later
  aarch64-linux-gnu     archive, wheel; for glibc 2.28 and later
  x86_64-linux-musl     archive, wheel
  x86_64-windows-gnu    archive

Each run also packs the sources, those of the Python package, and the Node.js package, which has the libraries for Linux of
all of these TARGETs. What is missing on a Debian machine is installed.
USAGE
}

all="x86_64-linux-gnu aarch64-linux-gnu x86_64-linux-musl x86_64-windows-gnu"
glibc=2.28
zigbuild=0.24.1
# As examples/python/pyproject.toml requires.
python_tools="hatchling==1.27.0 auditwheel==6.4.2 build==1.3.0 cyclonedx-python-lib[json-validation]==11.12.0"

say() {
    echo "--- $*"
}

# name_target TARGET: sets what Rust calls the target, and the folder of its libraries, which the package builds read.
name_target() {
    case $1 in
        *-windows-gnu) triple=${1%-windows-gnu}-pc-windows-gnu ;;
        *) triple=${1%%-*}-unknown-${1#*-} ;;
    esac
    libraries=$root/target/libraries/$1
}

build_library_for() {
    say "library for $1"
    name_target "$1"
    mkdir -p "$libraries"
    (compile "$1")
    case $1 in
        *-windows-gnu) set -- refold.dll librefold.dll.a ;;
        *) set -- librefold.so librefold.a ;;
    esac
    for file; do
        cp "target/cross/$triple/release/$file" "$libraries/"
    done
}

# compile TARGET: the compiler for C and the linker is zig, which has the symbols of every version of glibc, and an unwinder
# of its own; for Windows it is MinGW, as zig lacks a library that Rust asks for. Rust is the machine's for its own target, and
# that of toolchain.sh for others. Nothing contains a path of this machine: those of Rust's sources are replaced, and C code is
# compiled without debugging information.
compile() {
    export ZIG_GLOBAL_CACHE_DIR="$root/target/zig/cache" CARGO_ZIGBUILD_CACHE_DIR="$root/target/zig/cache" CFLAGS=-g0
    export CARGO_TARGET_DIR=target/cross
    unset CARGO_BUILD_TARGET SOURCE_DATE_EPOCH # which would compile C code again for each commit
    separator=$(printf '\037')
    flags=--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=cargo
    target=$1
    set --
    case $target in
        x86_64-linux-gnu) ;;
        *)
            use_toolchain
            export RUSTC_BOOTSTRAP=1
            # cargo gives the compiler paths relative to the project where it can.
            flags=$flags$separator--remap-path-prefix=$(readlink -f "$toolchain/usr")=rust
            flags=$flags$separator--remap-path-prefix=target/toolchain/usr=rust
            ;;
    esac
    case $target in
        *-linux-gnu) triple=$triple.$glibc ;;
        *-musl)
            flags=$flags$separator-Ctarget-feature=-crt-static
            set -- -Zbuild-std=std,panic_unwind
            ;;
        *-windows-gnu) flags=$flags$separator-Clink-arg=-Wl,--no-insert-timestamp ;;
    esac
    rustc --version | cut -d ' ' -f 2 >"$libraries/rust"
    export CARGO_ENCODED_RUSTFLAGS="$flags"
    case $target in
        *-windows-gnu)
            use_target "$triple"
            cargo_for "$triple" rustc --release --lib --crate-type cdylib,staticlib
            ;;
        *)
            PATH=$root/target/zig/venv/bin:$PATH cargo-zigbuild rustc --release --locked --lib \
                --crate-type cdylib,staticlib --target "$triple" "$@"
            ;;
    esac
}

# pack_for_c TARGET: the archive, and for Debian's target the Debian packages.
pack_for_c() {
    say "packages for C and C++ for $1"
    name_target "$1"
    (
        use_target "$triple"
        case $1 in
            x86_64-linux-*) set -- "$1" ;;
            *-linux-*) set -- "$1" -DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=${1%%-*}" ;;
            *-windows-*) set -- "$1" -DCMAKE_SYSTEM_NAME=Windows "-DCMAKE_SYSTEM_PROCESSOR=${1%%-*}" ;;
        esac
        target=$1
        shift
        set -- "-DCMAKE_C_COMPILER=$cross_cc" "-DCPACK_SYSTEM_NAME=$target" "$@"
        run_cpack "$target" "$@"
        [ "$target" != x86_64-linux-gnu ] || run_cpack debian -DCMAKE_INSTALL_PREFIX=/usr "$@"
    )
}

# run_cpack FOLDER OPTION...: CPack chooses archives or Debian packages by the options.
run_cpack() {
    folder=$work/$1
    shift
    rm -rf "$folder"
    cmake -S "$sources" -B "$folder" -DCMAKE_BUILD_TYPE=Release "-DREFOLD_LIBRARY_DIR=$libraries" "$@"
    cmake --build "$folder"
    cpack --config "$folder/CPackConfig.cmake" -B "$folder/packages"
    find "$folder/packages" -maxdepth 1 -type f -exec mv {} "$dist/" \;
}

pack_for_python() {
    [ "$1" != sdist ] || set -- sdist --sdist
    case $1 in
        sdist) say "Python sources" ;;
        *-windows-*) return ;;
        *)
            say "wheel for $1"
            name_target "$1"
            set -- "$1" --wheel
            ;;
    esac
    REFOLD_LIBRARY_DIR=$libraries PYTHONDONTWRITEBYTECODE=1 \
        "$work/tools/bin/python" -m build --no-isolation "$2" --outdir "$dist" "$sources/examples/python"
}

# pack_for_node TARGET...: one package for all.
pack_for_node() {
    say "Node.js package"
    folder=$sources/examples/node
    (cd "$folder" && npm_config_cache=$root/target/node/npm npm ci --ignore-scripts --no-audit --no-fund)
    for target; do
        name_target "$target"
        processor=$(printf %s "${target%%-*}" | sed 's/x86_64/x64/; s/aarch64/arm64/')
        case $target in
            *-linux-gnu) platform=linux-$processor-glibc compiler=$target.$glibc ;;
            *-linux-musl) platform=linux-$processor-musl compiler=$target ;;
            *) continue ;;
        esac
        compiler=$(zig_cc "$compiler")
        (cd "$folder" && PATH=$root/target/zig/bin:$PATH CC=${compiler##*/} REFOLD_LIBRARY_DIR=$libraries \
            node build.js --platform "$platform")
    done
    (cd "$folder" && npm pack --ignore-scripts --pack-destination "$dist")
}

# write_bill TARGET...
write_bill() {
    say "bill of materials"
    for target; do
        shift
        name_target "$target"
        set -- "$@" "$triple=$(cat "$libraries/rust")"
    done
    "$work/tools/bin/python" tests/release/bom.py "$dist/librefold-$version.cdx.json" "$ziglang" "$@"
}

install_tools() {
    need_rust && need cc gcc libc6-dev && need git git && need cmake cmake && need dpkg-shlibdeps dpkg-dev &&
        need file file && need node nodejs && need npm npm && use_zig
    if [ "$(target/zig/venv/bin/cargo-zigbuild --version 2>/dev/null)" != "cargo-zigbuild $zigbuild" ]; then
        target/zig/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "cargo-zigbuild==$zigbuild"
    fi
    if [ "$(cat "$work/tools/installed" 2>/dev/null)" != "$python_tools" ]; then
        rm -rf "$work/tools"
        python3 -m venv "$work/tools"
        # shellcheck disable=SC2086 # a list
        "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check $python_tools
        echo "$python_tools" >"$work/tools/installed"
    fi
}

# Options of the command line, checked before anything is built.
case ${1-} in
    --help)
        usage
        exit
        ;;
esac
[ $# -gt 0 ] || set -- $all
[ "$*" != native ] || set -- x86_64-linux-gnu
for target; do
    case " $all " in
        *" $target "*) ;;
        *)
            echo ".ci/release: there is no target $target" >&2
            usage >&2
            exit 2
            ;;
    esac
done

cd "$(dirname "$0")/../.."
. tests/support/install.sh
. tests/support/toolchain.sh
. tests/release/sources.sh
root=$(pwd)
umask 022
export LC_ALL=C TZ=UTC
work=$root/target/release_build
sources=$work/sources
mkdir -p "$work" "${DIST:-target/dist}"
dist=$(cd "${DIST:-target/dist}" && pwd)
version=$(library_version)
exec 8>"$work/lock"
flock 8 # one release at a time
install_tools
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

if [ -n "$(ls -A "$dist")" ] && [ ! -e "$dist/SHA256SUMS" ]; then
    echo ".ci/release: $dist is neither empty nor a former release" >&2
    exit 1
fi
rm -rf "$dist"
mkdir "$dist"
: >"$dist/SHA256SUMS"
say "sources of $(git log -1 --format=%h)"
export_sources "$dist" "$sources"
for target; do
    build_library_for "$target"
done
for target; do
    pack_for_c "$target"
    pack_for_python "$target"
done
pack_for_python sdist
pack_for_node "$@"
write_bill "$@"
rm "$dist/SHA256SUMS"
(cd "$dist" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
say "done"
(cd "$dist" && cat SHA256SUMS)
