# shellcheck shell=sh
# Shell functions, to be sourced after install.sh in the project's folder: compilers for other systems and processors. All
# that they need is installed from Debian or PyPI; Rust and zig are private, under target/, and change nothing else.
#
#     use_toolchain && use_target aarch64-unknown-linux-gnu && cargo_for aarch64-unknown-linux-gnu test --lib
#
# Rust is Debian's `rustc-web`, because rustup may be unable to download standard libraries for other targets. Debian has
# one for aarch64; for all other targets, cargo builds it from its sources.

toolchain=$(pwd)/target/toolchain
ziglang=0.17.1

# use_toolchain: puts the private Rust first in PATH.
use_toolchain() {
    mkdir -p "$toolchain"
    (flock 9 && make_toolchain 9>&-) 9>"$toolchain/lock" || {
        echo "Debian's Rust could not be downloaded into target/toolchain" >&2
        return 1
    }
    case :$PATH: in
        *:$toolchain/usr/bin:*) return ;;
    esac
    PATH=$toolchain/usr/bin:$PATH
    LD_LIBRARY_PATH=$toolchain/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export PATH LD_LIBRARY_PATH
    unset CARGO RUSTC RUSTDOC CARGO_BUILD_TARGET RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
}

make_toolchain() {
    need_file /usr/lib/x86_64-linux-gnu/libcurl.so.4 libcurl4 || return
    [ -e "$toolchain/complete" ] && return
    echo "Downloading Rust for other targets ..."
    update_lists || return
    std=$(depends libstd-rust-web-dev libstd-rust-web)
    # shellcheck disable=SC2046
    unpack "$toolchain" rustc-web cargo-web libstd-rust-web-dev "$std" $(depends "$std" libllvm) $(depends cargo-web libgit2) \
        libhttp-parser2.9 libmbedcrypto7 libmbedtls14 libmbedx509-1 rust-web-src \
        libstd-rust-web-dev:arm64 "$std:arm64" || return
    LD_LIBRARY_PATH=$toolchain/usr/lib/x86_64-linux-gnu "$toolchain/usr/bin/cargo" --version >/dev/null || return
    : >"$toolchain/complete"
}

# unpack_for_aarch64 FOLDER PACKAGE...: unpacks Debian packages for aarch64 once.
unpack_for_aarch64() {
    into=$1
    shift
    [ -e "$into/complete" ] && return
    update_lists || return
    # shellcheck disable=SC2046
    unpack "$into" $(printf '%s:arm64 ' "$@") && : >"$into/complete"
}

# Package lists of our own, of two architectures: those of the machine stay as they are.
debian() {
    APT_CONFIG=$toolchain/apt/configuration "$@"
}

update_lists() {
    [ -z "$(find "$toolchain/apt/updated" -mmin -720 2>/dev/null)" ] || return 0
    mkdir -p "$toolchain/apt/lists/partial" "$toolchain/apt/archives/partial"
    : >"$toolchain/apt/status"
    cat >"$toolchain/apt/configuration" <<END
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$toolchain/apt";
Dir::State::status "$toolchain/apt/status";
Dir::Cache "$toolchain/apt";
END
    debian apt-get update -qq && : >"$toolchain/apt/updated"
}

# depends PACKAGE PREFIX: the dependency of the package whose name begins with the prefix.
depends() {
    debian apt-cache depends "$1" | sed -n "s/^ *Depends: \($2.*\)\$/\1/p" | head -n 1
}

# unpack FOLDER PACKAGE[:ARCHITECTURE]...: of the sources of Rust, only those of the standard library.
unpack() {
    folder=$1
    shift
    rm -rf "$toolchain/apt/downloads"
    mkdir -p "$folder" "$toolchain/apt/downloads"
    (cd "$toolchain/apt/downloads" && debian apt-get download -qq "$@") || return
    for package in "$toolchain"/apt/downloads/*.deb; do
        case ${package##*/} in
            rust-web-src_*)
                dpkg --fsys-tarfile "$package" |
                    tar -x -C "$folder" --wildcards './usr/src/*/library' './usr/lib/rustlib/*'
                ;;
            *) dpkg -x "$package" "$folder" ;;
        esac || return
    done
    rm -rf "$toolchain/apt/downloads"
}

# use_zig: installs zig, a C compiler for many systems.
use_zig() {
    need python3 python3 && need_module ensurepip python3-venv || return
    mkdir -p target/zig
    (flock 9 && make_zig 9>&-) 9>target/zig/lock || {
        echo "PyPI's ziglang $ziglang could not be installed into target/zig" >&2
        return 1
    }
}

need_module() {
    python3 -c "import $1" 2>/dev/null || need "$1 of python3" "$2"
}

make_zig() {
    [ "$(cat target/zig/version 2>/dev/null)" != "$ziglang" ] || return 0
    echo "Installing zig ..."
    rm -rf target/zig/venv target/zig/bin target/zig/version
    python3 -m venv target/zig/venv &&
        target/zig/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "ziglang==$ziglang" &&
        echo "$ziglang" >target/zig/version
}

# zig_cc ZIG_TARGET, zig_ar: print the path of a wrapper, which can be used as a compiler, and as ar. Zig targets are such
# as aarch64-macos and x86_64-linux-gnu.2.28. Cargo's names of targets, which zig does not know, are dropped, and so is
# zig's own default, to instrument unoptimized code.
zig_cc() {
    zig_wrapper "cc-$1" <<END
for argument; do
    shift
    case \$argument in
        --target=*) ;;
        *) set -- "\$@" "\$argument" ;;
    esac
done
exec "\$here/venv/bin/python" -m ziglang cc -target $1 -fno-sanitize=undefined "\$@"
END
}

zig_ar() {
    zig_wrapper ar <<'END'
exec "$here/venv/bin/python" -m ziglang ar "$@"
END
}

zig_wrapper() {
    mkdir -p target/zig/bin
    {
        printf '#!/bin/sh\nhere=%s\nexport ZIG_GLOBAL_CACHE_DIR="$here/cache" ZIG_LOCAL_CACHE_DIR="$here/cache"\n' \
            "'$(pwd)/target/zig'"
        cat
    } >"target/zig/bin/$1.$$"
    chmod +x "target/zig/bin/$1.$$"
    mv "target/zig/bin/$1.$$" "target/zig/bin/$1"
    printf '%s\n' "$(pwd)/target/zig/bin/$1"
}

# use_target TARGET: installs the C compiler, and the emulator where one is needed, and points cargo at them. For C programs
# it sets cross_cc, and cross_runner, which is empty where programs run as they are.
use_target() {
    cross_runner=
    case $1 in
        x86_64-unknown-linux-gnu)
            need cc gcc libc6-dev || return
            cross_cc=cc
            ;;
        aarch64-unknown-linux-gnu)
            need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross && need qemu-aarch64 qemu-user || return
            cross_cc=aarch64-linux-gnu-gcc
            cross_runner="qemu-aarch64 -L /usr/aarch64-linux-gnu"
            ;;
        s390x-unknown-linux-gnu)
            need s390x-linux-gnu-gcc gcc-s390x-linux-gnu libc6-dev-s390x-cross && need qemu-s390x qemu-user || return
            cross_cc=s390x-linux-gnu-gcc
            cross_runner="qemu-s390x -L /usr/s390x-linux-gnu"
            ;;
        i686-unknown-linux-gnu)
            need i686-linux-gnu-gcc gcc-i686-linux-gnu libc6-dev-i386-cross && need_file /lib/ld-linux.so.2 libc6-i386 &&
                need_file /usr/lib32/libgcc_s.so.1 lib32gcc-s1 || return
            cross_cc=i686-linux-gnu-gcc
            ;;
        x86_64-unknown-linux-musl)
            need musl-gcc musl-tools && need_file /usr/lib/llvm-19/lib/libunwind.a libunwind-19-dev || return
            cross_cc=musl-gcc
            [ -e "$toolchain/musl/libgcc_s.a" ] || make_musl_unwinder || return
            set_for_cargo "$1" RUSTFLAGS \
                "-C target-feature=-crt-static -C link-self-contained=no -L native=$toolchain/musl"
            ;;
        x86_64-pc-windows-gnu)
            need x86_64-w64-mingw32-gcc-win32 gcc-mingw-w64-x86-64-win32 || return
            cross_cc=x86_64-w64-mingw32-gcc-win32
            ;;
        aarch64-apple-darwin | x86_64-apple-darwin)
            use_zig || return
            cross_cc=$(zig_cc "${1%%-*}-macos") && set_for "$1" AR "$(zig_ar)" || return
            ;;
        *)
            echo "there is no compiler for $1" >&2
            return 1
            ;;
    esac
    set_for "$1" CC "$cross_cc"
    set_for_cargo "$1" LINKER "$cross_cc"
    [ -z "$cross_runner" ] || set_for_cargo "$1" RUNNER "$cross_runner"
}

# make_musl_unwinder: Debian has none for musl. That of LLVM takes the place of GCC's, with the only function of glibc that it
# calls.
make_musl_unwinder() {
    mkdir -p "$toolchain/musl" &&
        musl-gcc -O2 -c -x c - -o "$toolchain/musl/fprintf_chk.o" <<'END' &&
#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
    (void)flag;
    va_list arguments;
    va_start(arguments, format);
    int result = vfprintf(file, format, arguments);
    va_end(arguments);
    return result;
}
END
        cp /usr/lib/llvm-19/lib/libunwind.a "$toolchain/musl/unwinder.a" &&
        ar r "$toolchain/musl/unwinder.a" "$toolchain/musl/fprintf_chk.o" 2>/dev/null &&
        mv "$toolchain/musl/unwinder.a" "$toolchain/musl/libgcc_s.a"
}

# set_for TARGET VARIABLE VALUE: sets a variable that the builds of C code read for one target.
set_for() {
    export "$2_$(printf %s "$1" | tr - _)=$3"
}

# set_for_cargo TARGET VARIABLE VALUE: sets a variable that cargo reads for one target.
set_for_cargo() {
    export "CARGO_TARGET_$(printf %s "$1" | tr a-z- A-Z_)_$2=$3"
}

# cargo_for TARGET COMMAND [ARGUMENT...]: runs cargo for the target. Warnings about this package are errors. The output is in
# target/cross/TARGET unless CARGO_TARGET_DIR is set.
cargo_for() {
    triple=$1
    command=$2
    shift 2
    case $triple in
        x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) ;;
        *) set -- -Zbuild-std=std,panic_unwind,test "$@" ;;
    esac
    env RUSTC_BOOTSTRAP=1 CARGO_BUILD_WARNINGS=deny "CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/cross}" \
        cargo "$command" --locked -Zwarnings --target "$triple" "$@"
}
