#!/bin/sh
# Builds the library and demonstrates it; see `sh examples/demo.sh --help`. All output goes to target/.
set -eu

usage() {
    cat <<'END'
usage: sh examples/demo.sh [EXECUTION_ID]

Builds the library and the two C programs in examples/c, and runs them against the sandbox, a local server that
behaves like the Refold API: with a finished run and a run in progress, or with EXECUTION_ID. On Debian, missing tools
are installed.

If EXECUTION_ID is given and the environment contains REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
REFOLD_SESSION_TOKEN, the programs fetch your execution from the real service (or from REFOLD_BASE_URL).
END
}

build() {
    echo "Building the library and the sandbox (a minute or two the first time)"
    build_library --quiet
    build_sandbox --quiet
    ln -sf ../release/librefold.so "$demo/librefold.so.0" # the name that programs load
}

# compile NAME: compiles examples/c/NAME.c, unless the program is up to date.
compile() {
    sources="examples/c/$1.c examples/c/printable.h include/refold.h target/release/librefold.so"
    # shellcheck disable=SC2086 # a list of names without spaces
    if [ -e "$demo/$1" ] && [ -z "$(find $sources -newer "$demo/$1")" ]; then
        return
    fi
    echo "Compiling examples/c/$1.c"
    cc -std=c11 -O2 -Wall -Wextra -Iinclude "examples/c/$1.c" \
        -Ltarget/release -lrefold -Wl,-rpath,"\$ORIGIN" -o "$demo/$1.new"
    mv "$demo/$1.new" "$demo/$1" # an interrupted compiler leaves an unfinished file
}

# show PROGRAM EXECUTION_ID
show() {
    printf '\n$ %s %s\n' "$1" "$2"
    "$demo/$1" "$2" 3>&- 4<&-
}

if [ $# -eq 1 ] && [ "$1" = --help ]; then
    usage
    exit
fi
case $#:${1-} in
    0: | 1:[!-]*) ;;
    *)
        usage >&2
        exit 2
        ;;
esac

cd "$(dirname "$0")/.."
demo=target/demo
. tests/support/install.sh
. tests/support/sandbox.sh
stop_sandbox_at_exit
need_rust
need cc gcc libc6-dev

export CARGO_TARGET_DIR=target
unset CARGO_BUILD_TARGET
if [ -z "${LC_ALL-}${LC_CTYPE-}${LANG-}" ]; then
    export LC_CTYPE=C.UTF-8 # no locale is set, but terminals display UTF-8
fi

mkdir -p "$demo"
build
compile get_execution
compile watch_execution

if [ $# -eq 1 ] && [ -n "${REFOLD_API_KEY-}${REFOLD_SESSION_TOKEN-}" ]; then
    echo "Fetching from ${REFOLD_BASE_URL:-https://app.refold.ai}"
    show get_execution "$1"
    show watch_execution "$1"
    exit
fi

echo "Starting the sandbox"
start_sandbox "$demo"
status=0
if [ $# -eq 1 ]; then
    show get_execution "$1"
    show watch_execution "$1" || status=$?
else
    show get_execution 6a106ba44480b80424a65289
    show watch_execution completed
    show watch_execution running
fi
cat <<'END'

Next steps:
  include/refold.h                          the documentation of every function
  examples/c/get_execution.c                the first program: one call, its result, its error
  examples/c/watch_execution.c              the second program: waiting, progress, cancellation, several runs
  examples/c/watch_libuv.c                  many runs in an event loop; watch_glib.c does the same with GLib
  sh examples/demo.sh failing               a run that fails
  sh examples/demo.sh --help                how to fetch an execution of your own
  target/debug/examples/sandbox --help    the local server, for development without an account
END
exit $status
