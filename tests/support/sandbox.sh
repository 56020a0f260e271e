# shellcheck shell=sh
# Shell functions, to be sourced: start and stop the sandbox.

# start_sandbox FOLDER [OPTION...]: starts target/debug/examples/sandbox and points the environment at it. Its standard
# input is a pipe that only this shell holds open, so that it exits when this shell does, for whatever reason. The pipes
# are created in FOLDER and removed at once.
start_sandbox() {
    pipes=$1/sandbox.$$
    shift
    mkdir "$pipes"
    mkfifo "$pipes/in" "$pipes/out"
    target/debug/examples/sandbox "$@" <"$pipes/in" >"$pipes/out" &
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
    if [ -n "${sandbox-}" ]; then
        kill "$sandbox" 2>/dev/null || :
        wait "$sandbox" 2>/dev/null || :
    fi
    rm -rf "${pipes-}"
}

# Stops the sandbox when the shell exits, by a signal too.
stop_sandbox_at_exit() {
    trap stop_sandbox EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
