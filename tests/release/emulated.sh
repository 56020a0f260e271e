#!/bin/sh
# Uses the archive for another processor or another C library, in an emulator where one is needed: programs in C, linked with
# the shared and with the static library, run against the sandbox. The last line is `N passed, M failed`.
#
#     sh tests/release/emulated.sh TARGET FOLDER      the target as Rust names it; the folder into which it was unpacked
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
. tests/support/sandbox.sh
. tests/support/toolchain.sh
need_library || exit 1
need pkg-config pkg-config || exit 1
target=$1
use_target "$target" || exit 1
shared=$(cd "$2" && pwd)
work=$(pwd)/target/release_test/$target
static=$work/static
kept=$work

# In the static copy, there is no shared library that linkers would prefer.
rm -rf "$work"
mkdir -p "$work"
cp -R "$shared" "$static"
rm "$static"/lib/librefold.so*

# compile PREFIX NAME KIND OPTION...: compiles an example program for a prefix. NAME-KIND is the name of the result.
compile() {
    prefix=$1
    source=$2
    result=$work/$2-$3
    shift 3
    # shellcheck disable=SC2046
    "$cross_cc" -std=c11 -Wall -Wextra -Werror $(flags --cflags) "examples/c/$source.c" "$@" -o "$result"
}

flags() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config "$@" refold
}

compile_shared() {
    prefix=$shared
    # shellcheck disable=SC2046
    compile "$shared" "$1" shared $(flags --libs) "-Wl,-rpath,$shared/lib"
}

# Debian has no unwinder for musl. That of zig becomes part of the program.
compile_static() {
    prefix=$static
    example=$1
    set --
    # shellcheck disable=SC2046
    (
        case $target in
            *-musl)
                use_zig && cross_cc=$(zig_cc x86_64-linux-musl) || exit
                set -- -static
                ;;
        esac
        compile "$static" "$example" static $(flags --static --libs) "$@"
    )
}

# shows PROGRAM: it prints a run.
shows() {
    # shellcheck disable=SC2086
    $cross_runner "$work/$1" 6a106ba44480b80424a65289 >"$work/out" 3>&- 4<&- && grep -qF COMPLETED "$work/out"
}

# If the system has no clock, the runtime panics, which the unwinder of the shared library has to catch. Here, that is so
# from the first connection on.
compile_clock() {
    cat >"$work/clock.c" <<'END' &&
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

static volatile int is_broken;

int connect(int socket, const void *address, unsigned length) {
    is_broken = 1;
    return (int)syscall(SYS_connect, socket, address, length);
}

int clock_gettime(int clock, void *now) { return is_broken ? -1 : (int)syscall(SYS_clock_gettime, clock, now); }
END
        "$cross_cc" -shared -fPIC "$work/clock.c" -o "$work/clock.so"
}

catches_panics() {
    case $cross_runner in
        qemu-*) set -- $cross_runner -E "LD_PRELOAD=$work/clock.so" "$work/$1" ;;
        *) set -- env "LD_PRELOAD=$work/clock.so" "$work/$1" ;;
    esac
    runs 1 "$@" 6a106ba44480b80424a65289 && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -qE '[a-z_]+\.rs:[0-9]+' "$work/err" ||
        { cat "$work/out" "$work/err" && return 1; }
}

stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 0.5
for program in get_execution watch_execution; do
    check "${target%%-*}: $program compiles with the shared library" compile_shared "$program"
    check "${target%%-*}: $program works with the shared library" shows "$program-shared"
    check "${target%%-*}: $program compiles with the static library" compile_static "$program"
    check "${target%%-*}: $program works with the static library" shows "$program-static"
done
check "${target%%-*}: a clock that fails is compiled" compile_clock
check "${target%%-*}: the shared library catches panics" catches_panics get_execution-shared
sum_up
