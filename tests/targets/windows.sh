#!/bin/sh
# Builds the library for Windows and tests it under Wine.
#
#     sh tests/targets/windows.sh [STEP...]      all of them
#
#   integration  the integration tests
#   unit         the unit tests
#   programs     the C programs in tests/targets/windows, with refold.dll; what the DLL exports and needs
#
# The programs use the refold.dll and librefold.dll.a in the folder REFOLD_LIBRARY_DIR if that is set. Otherwise, the
# release library is built for them. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
. tests/support/library.sh
. tests/support/toolchain.sh
[ $# -gt 0 ] || set -- integration unit programs

target=x86_64-pc-windows-gnu
work=$(pwd)/target/windows
wine=/usr/lib/wine/wine64
# Unoptimized dependencies without debug information compile fastest.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0
export WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$wine"
case " $* ${REFOLD_LIBRARY_DIR:+given}" in
    ' programs given') ;;
    *) use_toolchain || exit 1 ;;
esac
use_target "$target" || exit 1
need_file "$wine" wine64 || exit 1
mkdir -p "$work"

compile_c() {
    "$cross_cc" -std=c11 -O1 -g -Wall -Wextra -Wpedantic -Werror -Iinclude "$@"
}

# Wine's own processes would end a few seconds after the last program.
stop_all() {
    "${wine%64}server" -k 2>/dev/null
    "${wine%64}server" -w 2>/dev/null
    [ -z "${tls_server-}" ] || kill "$tls_server" 2>/dev/null
    rm -rf "${scratch-}"
}
trap stop_all EXIT
trap 'exit 1' HUP INT TERM

make_wine_prefix() {
    [ -e "$WINEPREFIX/complete" ] && return
    echo "Preparing Wine ..."
    rm -rf "$WINEPREFIX"
    "$wine" wineboot -i >"$work/wineboot.log" 2>&1 || { cat "$work/wineboot.log" && return 1; }
    compile_c -shared tests/targets/windows/bcryptprimitives.c \
        -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" && : >"$WINEPREFIX/complete"
}

# rust_tests COMMAND...: runs Rust tests and adds their results.
rust_tests() {
    "$@" >"$work/tests.log" 2>&1
    status=$?
    [ "$status" -eq 0 ] || cat "$work/tests.log"
    count_log "$work/tests.log" "$status"
}

build_dll() {
    if [ -n "${REFOLD_LIBRARY_DIR-}" ]; then
        library=$REFOLD_LIBRARY_DIR
    else
        cargo_for "$target" rustc --release --lib --crate-type cdylib,staticlib && library=target/cross/$target/release
    fi
}

build_programs() {
    compile_c -c tests/targets/windows/support.c -o "$work/support.o" &&
        compile_c tests/targets/windows/calls.c "$work/support.o" "$library/librefold.dll.a" -lws2_32 \
            -o "$work/calls.exe" &&
        compile_c tests/targets/windows/unload.c "$work/support.o" -lws2_32 -o "$work/unload.exe" &&
        cp "$library/refold.dll" "$work/refold.dll"
}

# The functions of the header, and no other symbol.
dll_exports_the_header() {
    x86_64-w64-mingw32-objdump -p "$work/refold.dll" | sed -n '/^\[Ordinal\/Name Pointer\]/,/^$/s/^\t.* //p' | sort -u >"$work/got"
    list_functions && diff "$work/functions" "$work/got"
}

# What every Windows 10 has: no library of the compiler.
needs_only_windows() {
    x86_64-w64-mingw32-objdump -p "$work/refold.dll" | sed -n 's/^\tDLL Name: //p' | tr A-Z a-z | sort -u >"$work/got"
    [ -s "$work/got" ] && ! grep -vxE '(advapi32|bcrypt|bcryptprimitives|crypt32|kernel32|msvcrt|ncrypt|ntdll|secur32|user32|userenv|ws2_32|api-ms-win-[a-z0-9-]*)\.dll' \
        "$work/got"
}

# run_program NAME ARGUMENTS...: counts the checks of a program.
run_program() {
    name=$1
    shift
    timeout 120 "$wine" "$work/$name.exe" "$@" </dev/null >"$work/output" 2>&1
    status=$?
    tr -d '\r' <"$work/output" >"$work/$name.log"
    [ "$status" -eq 0 ] || grep -v '^ok ' "$work/$name.log"
    count_log "$work/$name.log" "$status"
}

# A server for one execution, with a certificate of an authority of its own.
start_tls_server() {
    sh tests/support/certificates.sh "$work/certificates" && scratch=$(mktemp -d) && mkfifo "$scratch/out" || return
    folder=$scratch/api/v2/public/execution
    body='{"status":"COMPLETED","name":"secure"}'
    mkdir -p "$folder"
    printf 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' \
        "${#body}" "$body" >"$folder/6a106ba44480b80424a65289"
    (cd "$scratch" && exec timeout 300 openssl s_server -HTTP -accept 127.0.0.1:0 -cert "$work/certificates/good.pem" \
        -key "$work/certificates/good.key" </dev/null >out 2>&1) &
    tls_server=$!
    exec 4<"$scratch/out"
    while IFS= read -r line <&4; do
        case $line in
            'ACCEPT '*) url=https://${line#ACCEPT } && return ;;
        esac
    done
    echo "openssl s_server did not start" && return 1
}

check "Wine is ready" make_wine_prefix
for step; do
    case $step in
        integration) rust_tests cargo_for "$target" test --test integration ;;
        unit) rust_tests cargo_for "$target" test --lib ;;
        programs)
            need openssl openssl || exit 1
            if build_dll && build_programs; then
                check "refold.dll exports the functions of the header, and nothing else" dll_exports_the_header
                check "refold.dll needs only what Windows has" needs_only_windows
                check "a TLS server starts" start_tls_server
                run_program calls "${url-}" "z:$work/certificates/ca.pem"
                run_program unload
            else
                check "the programs compile" false
            fi
            ;;
        *) echo "there is no step $step" >&2 && exit 2 ;;
    esac
done

sum_up
