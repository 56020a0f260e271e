#!/bin/sh
# Tests the Node.js package in examples/node against the sandbox, in a copy under target/ with what it depends on, and
# its program. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
need node nodejs || exit 1
need npm npm || exit 1
need_library || exit 1

work=target/node
kept=$work/run
mkdir -p "$kept"
make_prefix "$work/prefix" || exit 1
LD_LIBRARY_PATH=$(pwd)/$work/prefix/lib
export LD_LIBRARY_PATH
unset REFOLD_LIBRARY UV_THREADPOOL_SIZE

# Copies the package, and installs what it depends on unless that is there: koffi's scripts are not needed, as it
# brings what they would compile.
install_package() {
    mkdir -p "$work/package"
    if ! cmp -s examples/node/package-lock.json "$work/package/node_modules/lock"; then
        rm -rf "$work/package"
        mkdir -p "$work/package"
        cp examples/node/package.json examples/node/package-lock.json examples/node/.npmrc "$work/package/"
        (cd "$work/package" && npm_config_cache=../npm npm ci --ignore-scripts --no-audit --no-fund) || return 1
        cp examples/node/package-lock.json "$work/package/node_modules/lock"
    fi
    find "$work/package" -name node_modules -prune -o -name '*.*js' -exec rm {} +
    cp -R examples/node/. "$work/package/"
}

# Counts the tests of the package, each by itself.
test_package() {
    (cd "$work/package" && node --expose-gc --test-reporter=tap --test test/*.test.js) >"$kept/package" 2>&1 \
        3>&- 4<&-
    status=$?
    grep -E '^ *not ok' -A 30 "$kept/package" | sed 's/^ *not ok/not ok/'
    package_passed=$(sed -n 's/^# pass //p' "$kept/package")
    package_failed=$(sed -n 's/^# fail //p' "$kept/package")
    count_tests "${package_passed:-0}" "${package_failed:-0}" "$status"
}

# One line on standard error that holds the words.
complains() {
    words=$1
    shift
    runs 1 node "$work/package/watch.js" "$@" && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

install_package || exit 1
stop_sandbox_at_exit
start_sandbox "$kept" --run-seconds 1
test_package
check "the program in the README shows a finished run" runs 0 node "$work/package/get.mjs" 6a106ba44480b80424a65289
check "and its node" grep -q "^  Start: Success {" "$kept/out"
check "the program shows a run to its end" runs 0 node "$work/package/watch.js" running-program
check "the program shows the end" grep -q ": COMPLETED, 100 %$" "$kept/out"
check "the program shows its nodes" grep -q "Wait for approval" "$kept/out"
check "the program tells a failed run" runs 3 node "$work/package/watch.js" errored
check "the program tells an error" complains "Execution not found" nobody
REFOLD_API_KEY='' check "the program tells wrong settings" complains "linked_account_id" nobody
check "the program takes one id" runs 2 node "$work/package/watch.js"
REFOLD_LIBRARY=nowhere/librefold.so check "the package tells where it looks for the library" runs 1 \
    node "$work/package/watch.js"
check "and how to help" grep -q "nowhere/librefold.so cannot be loaded; REFOLD_LIBRARY" "$kept/err"

check "the program is interrupted by SIGINT" is_interrupted node "$work/package/watch.js" stuck

sum_up
