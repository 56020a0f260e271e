#!/bin/sh
# Builds the library and shows it at work; `sh examples/demo.sh --help` tells more. All it makes lies under target/.
set -eu

usage() {
    cat <<'END'
usage: sh examples/demo.sh [EXECUTION_ID]

Builds the library and the two C programs of examples/c, and runs them against the sandbox, a local server that
behaves like the Refold API: on a finished run and on one in progress, or on the execution that you name. What is
missing on a Debian machine is installed.

With REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN, in the environment and an EXECUTION_ID:
your execution instead, from the real service (or from REFOLD_BASE_URL).
END
}

# One command for both: two would compile the library anew each time, as the sandbox's own dependencies switch on
# other features of those that the two share.
build() {
    echo "Building the library and the sandbox (the first time takes a minute or two)"
    cargo build --release --locked --quiet --lib --example sandbox
    ln -sf ../release/librefold.so "$demo/librefold.so.0" # the name under which programs look for it
}

# compile NAME: the C program of that name, unless it is newer than what it is made of.
compile() {
    made_of="examples/c/$1.c include/refold.h target/release/librefold.so"
    # shellcheck disable=SC2086 # a list of names without blanks
    if [ -e "$demo/$1" ] && [ -z "$(find $made_of -newer "$demo/$1")" ]; then
        return
    fi
    echo "Compiling examples/c/$1.c"
    cc -std=c11 -O2 -Wall -Wextra -Iinclude "examples/c/$1.c" \
        -Ltarget/release -lrefold -Wl,-rpath,"\$ORIGIN" -o "$demo/$1"
}

# Starts the sandbox and points the environment at it. It ends when its standard input does, which is a pipe that only
# this shell holds open: so it cannot outlive this shell, however that ends.
start_sandbox() {
    echo "Starting the sandbox"
    mkdir "$pipes"
    mkfifo "$pipes/in" "$pipes/out"
    target/release/examples/sandbox <"$pipes/in" >"$pipes/out" &
    sandbox=$!
    exec 3>"$pipes/in" 4<"$pipes/out"
    rm -rf "$pipes"
    if ! IFS= read -r line <&4; then
        echo "The sandbox did not start" >&2
        exit 1
    fi
    unset REFOLD_SESSION_TOKEN
    export REFOLD_API_KEY=tk_sandbox REFOLD_LINKED_ACCOUNT_ID=user_12345 REFOLD_BASE_URL="${line#listening on }"
}

stop_sandbox() {
    trap '' HUP INT TERM
    if [ -n "$sandbox" ]; then
        kill "$sandbox" 2>/dev/null || :
        wait "$sandbox" 2>/dev/null || :
    fi
    rm -rf "$pipes"
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
pipes=$demo/sandbox.$$
sandbox=
trap stop_sandbox EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

. tests/support/install.sh
PATH=$PATH:${CARGO_HOME:-${HOME-}/.cargo}/bin
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: please install it, see https://rustup.rs" >&2
    exit 1
fi
need cc gcc libc6-dev

export CARGO_TARGET_DIR=target
unset CARGO_BUILD_TARGET
if [ -z "${LC_ALL-}${LC_CTYPE-}${LANG-}" ]; then
    export LC_CTYPE=C.UTF-8 # no locale is set: all terminals show UTF-8 today
fi

mkdir -p "$demo"
build
compile get_execution
compile watch_execution

if [ $# -eq 1 ] && [ -n "${REFOLD_API_KEY-}${REFOLD_SESSION_TOKEN-}" ]; then
    echo "Asking ${REFOLD_BASE_URL:-https://app.refold.ai}"
    show get_execution "$1"
    show watch_execution "$1"
    exit
fi

start_sandbox
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

What to look at next:
  include/refold.h                          every function, documented
  examples/c/get_execution.c                the first of these programs: one call, its result, its error
  examples/c/watch_execution.c              the second: waiting, progress, cancelling
  sh examples/demo.sh failing               a run that fails
  sh examples/demo.sh --help                how to see an execution of your own
  target/release/examples/sandbox --help    the server behind this, to develop against
END
exit $status
