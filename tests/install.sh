#!/bin/sh
# Installs the library with cargo-c, under a prefix and a DESTDIR, and uses it from there: files, names, pkg-config,
# CMake; runs programs in C, C++ and Go against the sandbox, with the shared and with the static library. The first run
# builds cargo-c, which takes many minutes. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/go.sh
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need c++ g++ || exit 1
need make make || exit 1
need cmake cmake || exit 1
need pkg-config pkg-config || exit 1
need readelf binutils || exit 1
use_go || exit 1
need_library || exit 1

root=$(pwd)
work=$root/target/install
prefix=/opt/refold
cargo_c=0.10.24+cargo-0.98.0
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
soname=librefold.so.${version%%.*}
stage=$work/stage
installed=$stage$prefix
unset CARGO_BUILD_TARGET PKG_CONFIG_PATH PKG_CONFIG_LIBDIR DESTDIR

has_cargo_c() {
    cargo cinstall --version 2>/dev/null | grep -qF "$cargo_c"
}

# Uses the machine's cargo-c if it has the version that README names. Another version is left alone, and the right one
# installed in target/.
need_cargo_c() {
    has_cargo_c && return
    need_file /usr/include/openssl/ssl.h libssl-dev || return 1
    if command -v cargo-cinstall >/dev/null; then
        set -- --root target/cargo-c
        PATH=$root/target/cargo-c/bin:$PATH
        has_cargo_c && return
    fi
    cargo install cargo-c --version "$cargo_c" --locked --target-dir target/cargo-c-build "$@" &&
        rm -rf target/cargo-c-build && has_cargo_c
}

# In a target folder of its own, because cargo-c brings its own cargo.
install_library() {
    rm -rf "$stage"
    CARGO_TARGET_DIR=$work/build cargo cinstall --release --locked --destdir="$stage" --prefix="$prefix" --libdir=lib
}

is_link() {
    [ "$(readlink "$installed/lib/$1")" = "$2" ]
}

# These files and no others.
has_all_files() {
    {
        (cd include && find . -type f ! -path './cmake/*' | sed 's|^\.|include|')
        printf '%s\n' lib/librefold.a lib/librefold.so "lib/$soname" "lib/librefold.so.$version" \
            lib/pkgconfig/refold.pc share/refold/cmake/refoldConfig.cmake share/refold/cmake/refoldConfigVersion.cmake
    } | sort >"$work/wanted"
    (cd "$installed" && find . ! -type d | sed 's|^\./||') | sort >"$work/got"
    diff "$work/wanted" "$work/got"
}

# And no file outside of the prefix.
stays_in_prefix() {
    [ -z "$(find "$stage" ! -type d ! -path "$installed/*")" ]
}

same_headers() {
    for header in include/*.h*; do
        cmp "$header" "$installed/$header" || return 1
    done
}

soname_is() {
    readelf -d "$1" | grep -qF "Library soname: [$soname]"
}

# The functions of the header, and no other symbol.
exports_the_header() {
    cc -E -P "$installed/include/refold.h" | grep -oE '\brefold_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/wanted"
    nm -D --defined-only "$1" | awk '{ print $3 }' | sort -u >"$work/got"
    [ -s "$work/wanted" ] && diff "$work/wanted" "$work/got"
}

has_the_header() {
    nm -g --defined-only "$installed/lib/librefold.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$work/got"
    [ -z "$(comm -23 "$work/wanted" "$work/got")" ]
}

# The library is used from the DESTDIR, which pkg-config calls the sysroot.
export PKG_CONFIG_PATH="$installed/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage"
flags_are() {
    wanted=$1
    shift
    got=$(pkg-config "$@" refold | sed 's/ *$//')
    [ "$got" = "$wanted" ] || { echo "got:    $got" && echo "wanted: $wanted" && return 1; }
}

contains_no_place() {
    grep -qxF "prefix=$prefix" "$PKG_CONFIG_PATH/refold.pc" && ! grep -qF "$root" "$PKG_CONFIG_PATH/refold.pc" \
        "$installed"/share/refold/cmake/*
}

has_private_libraries() {
    static=$(pkg-config --static --libs refold)
    for library in -lrefold -lm -lgcc_s; do
        case " $static " in
            *" $library "*) ;;
            *) echo "$library is not in: $static" && return 1 ;;
        esac
    done
}

# compile COMPILER SOURCE PROGRAM LIBRARIES: through pkg-config.
compile() {
    # shellcheck disable=SC2046,SC2086
    $1 -Wall -Wextra -Werror $(pkg-config --cflags refold) "$2" $4 -o "$work/programs/$3"
}

# A copy with the static library alone, because linkers prefer the shared one.
make_static_prefix() {
    rm -rf "$work/static"
    cp -R "$stage" "$work/static" && rm "$work/static$prefix"/lib/librefold.so*
}

with_static_prefix() {
    PKG_CONFIG_SYSROOT_DIR=$work/static "$@"
}

build_go() {
    (cd examples/go && go build -o "$work/programs/$1" ./cmd/refold-watch)
}

build_static_go() {
    libraries=$(pkg-config --static --libs refold) || return 1
    CGO_LDFLAGS=$libraries build_go "$1"
}

# The files of an installation for Windows are empty: only their names matter here.
configure_for_windows() {
    windows=$work/windows
    rm -rf "$windows"
    mkdir -p "$windows/prefix/bin" "$windows/prefix/lib" "$windows/project" &&
        cp -R "$installed/include" "$installed/share" "$windows/prefix/" &&
        : >"$windows/prefix/bin/refold.dll" && : >"$windows/prefix/lib/$1" &&
        cat >"$windows/project/CMakeLists.txt" <<'END' &&
cmake_minimum_required(VERSION 3.16)
project(windows LANGUAGES NONE)
find_package(refold 0.1 CONFIG REQUIRED)
get_target_property(dll refold::refold IMPORTED_LOCATION)
get_target_property(import refold::refold IMPORTED_IMPLIB)
message(STATUS "found ${dll} and ${import}")
END
        cmake -S "$windows/project" -B "$windows/build" -DCMAKE_SYSTEM_NAME=Windows \
            -DCMAKE_PREFIX_PATH="$windows/prefix" | grep -q "/bin/refold.dll and .*/$1\$"
}

configure_cmake() {
    cmake -S tests/install -B "$work/cmake" -DCMAKE_PREFIX_PATH="$installed" -DCMAKE_BUILD_TYPE=Release \
        -DWANTED_VERSION="$version"
}

# is_linked shared|static PROGRAM: whether the program loads the shared library by its SONAME, or not at all.
is_linked() {
    readelf -d "$2" >"$work/dynamic" || return 1
    case $1 in
        shared) grep -qF "Shared library: [$soname]" "$work/dynamic" ;;
        static) ! grep -F "librefold" "$work/dynamic" ;;
    esac
}

works() {
    "$1" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" && grep -qF COMPLETED "$work/out" && grep -qF Start "$work/out"
}

# check_program shared|static PROGRAM: it is linked in this way, and works. LD_LIBRARY_PATH is set only if needed.
check_program() {
    program=$(basename "$(dirname "$2")")/$(basename "$2")
    check "$program is linked with the $1 library" is_linked "$1" "$2"
    if [ "$1" = shared ]; then
        LD_LIBRARY_PATH=$installed/lib check "$program works" works "$2"
    else
        check "$program works" works "$2"
    fi
}

mkdir -p "$work"
rm -rf "$work/programs" "$work/cmake"
mkdir -p "$work/programs"
need_cargo_c || exit 1
check "cargo cinstall" install_library
check "all files are installed" has_all_files
check "nothing is installed outside of the prefix" stays_in_prefix
check "librefold.so.$version has its names: $soname" is_link "$soname" "librefold.so.$version"
check "librefold.so.$version has its names: librefold.so" is_link librefold.so "librefold.so.$version"
check "the headers are ours" same_headers
check "the installed library is $soname" soname_is "$installed/lib/librefold.so"
check "the built library is $soname" soname_is target/release/librefold.so
check "the built library exports the header" exports_the_header target/release/librefold.so
check "the installed library exports the header" exports_the_header "$installed/lib/librefold.so"
check "the static library has the header" has_the_header

check "pkg-config --modversion" flags_are "$version" --modversion
check "pkg-config --cflags" flags_are "-I$installed/include" --cflags
check "pkg-config --libs" flags_are "-L$installed/lib -lrefold" --libs
check "pkg-config --static --libs" has_private_libraries
check "no file contains the build or staging folder" contains_no_place

stop_sandbox_at_exit
start_sandbox "$work"
make_static_prefix
shared=$(pkg-config --libs refold)
static=$(with_static_prefix pkg-config --static --libs refold)
check "a C program compiles through pkg-config" compile "cc -std=c11" examples/c/get_execution.c c-shared "$shared"
check "a static C program does" compile "cc -std=c11" examples/c/get_execution.c c-static "$static"
check "a C++ program compiles through pkg-config" compile "c++ -std=c++17" examples/cpp/get.cpp cpp-shared "$shared"
check "a static C++ program does" compile "c++ -std=c++17" examples/cpp/get.cpp cpp-static "$static"
check "a Go program compiles through pkg-config" build_go go-shared
check "a static Go program does" with_static_prefix build_static_go go-static
for import in refold.lib refold.dll.lib librefold.dll.a; do
    check "CMake finds the DLL for Windows by $import" configure_for_windows "$import"
done
check "CMake finds the package" configure_cmake
check "programs compile through CMake" cmake --build "$work/cmake"
for folder in programs cmake; do
    for language in c cpp go; do
        if [ "$folder-$language" != cmake-go ]; then # Go has its own build system
            check_program shared "$work/$folder/$language-shared"
            check_program static "$work/$folder/$language-static"
        fi
    done
done

sum_up
