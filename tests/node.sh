#!/bin/sh
# Tests the Node.js package in examples/node and its programs against the sandbox, in a copy under target/ with its
# dependencies. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
need node nodejs || exit 1
need npm npm || exit 1
need cc gcc libc6-dev || exit 1
need_library || exit 1

work=target/node
kept=$work/run
mkdir -p "$kept"
make_prefix "$work/prefix" || exit 1
LD_LIBRARY_PATH=$(pwd)/$work/prefix/lib
export LD_LIBRARY_PATH
unset REFOLD_LIBRARY UV_THREADPOOL_SIZE

# Copies the package, installs what builds its addon unless that is up to date, and builds it.
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
    CFLAGS="-Werror -I$(pwd)/include" node "$work/package/build.js"
}

# installs_package: the package can be packed, and the pack be installed, without a registry or a compiler.
installs_package() {
    rm -rf "$work/installed"
    mkdir -p "$work/installed"
    (cd "$work/package" && npm pack --ignore-scripts --pack-destination ../installed) >"$kept/out" 2>&1 &&
        (cd "$work/installed" && echo '{ "private": true }' >package.json &&
            npm install --offline --no-audit --no-fund refold-*.tgz) >>"$kept/out" 2>&1 ||
        { cat "$kept/out" && return 1; }
}

# Runs the tests of the package and adds their numbers.
test_package() {
    (cd "$work/package" && node --expose-gc --test-reporter=tap --test test/*.test.js) >"$kept/package" 2>&1 \
        3>&- 4<&-
    status=$?
    grep -E '^ *not ok' -A 30 "$kept/package" | sed 's/^ *not ok/not ok/'
    package_passed=$(sed -n 's/^# pass //p' "$kept/package")
    package_failed=$(sed -n 's/^# fail //p' "$kept/package")
    count_tests "${package_passed:-0}" "${package_failed:-0}" "$status"
}

# reports WORDS ARGUMENT...: watch.js exits with 1 and one line on stderr that contains the words.
reports() {
    words=$1
    shift
    runs 1 node "$work/package/watch.js" "$@" && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

# prints_dashes: get.mjs prints neither null nor undefined for absent texts.
prints_dashes() {
    runs 0 node "$work/package/get.mjs" null-node-fields && ! grep -qE '^ *null|undefined' "$kept/out"
}

# logs_only: stderr has lines of the log, and nothing else; stdout has none.
logs_only() {
    grep -q "^refold [A-Z]* call [0-9]" "$kept/err" && ! grep -v "^refold [A-Z]* " "$kept/err" && ! grep "refold " "$kept/out"
}

# logs_no_more: stderr has warnings only.
logs_no_more() {
    ! grep -v "^refold WARN " "$kept/err"
}

install_package || exit 1
stop_sandbox_at_exit
start_sandbox "$kept" --run-seconds 1
test_package
check "get.mjs prints a finished run" runs 0 node "$work/package/get.mjs" 6a106ba44480b80424a65289
check "get.mjs prints the node" grep -q "^  Start: Success {" "$kept/out"
check "the package can be installed" installs_package
check "an installed package works" runs 0 node "$work/installed/node_modules/refold/get.mjs" completed
for program in get.mjs watch.js; do
    check "$program prints hostile texts harmlessly" prints_harmlessly node "$work/package/$program"
    check "$program logs hostile texts harmlessly" prints_harmlessly node "$work/package/$program" --verbose
    check "$program --verbose succeeds" runs 0 node "$work/package/$program" --verbose completed
    check "$program --verbose logs to stderr" logs_only
    check "$program --verbose logs all levels" grep -q "^refold DEBUG .*: received HTTP/1.1 200 OK$" "$kept/err"
    check "$program needs no stderr" runs 0 sh -c '"$@" 2>/dev/full' - node "$work/package/$program" --verbose completed
    check "$program prints the times" grep -q "attempts 1, totalMs [0-9.]*, connectMs [0-9.]*, firstByteMs [0-9.]*, transferMs [0-9.]*$" "$kept/out"
done
check "get.mjs prints a dash for what is absent" prints_dashes
check "watch.js waits for a run to complete" runs 0 node "$work/package/watch.js" running-program
check "watch.js prints the final status" grep -q ": COMPLETED, 100 %$" "$kept/out"
check "watch.js prints the nodes" grep -q "Wait for approval" "$kept/out"
check "watch.js exits with 3 for a failed run" runs 3 node "$work/package/watch.js" errored
check "watch.js waits in spite of a failure" runs 0 node "$work/package/watch.js" flaky-program
check "watch.js reports that an attempt is retried" grep -q "^refold WARN .*attempt 1 failed, retrying in [0-9]* ms: [A-Z_]* ([0-9]*), Something" "$kept/err"
check "watch.js keeps its progress apart" logs_only
check "watch.js logs no more than that" logs_no_more
REFOLD_LOG=INFO check "watch.js respects REFOLD_LOG" runs 0 node "$work/package/watch.js" completed
check "watch.js logs at the level of REFOLD_LOG" grep -q "^refold INFO .*: execution completed: OK" "$kept/err"
check "watch.js reports an error" reports "Execution not found" no-such-id
REFOLD_API_KEY='' check "watch.js reports invalid settings" reports "linked_account_id" no-such-id
check "watch.js requires one id" runs 2 node "$work/package/watch.js"
check "watch.js rejects unknown options" runs 2 node "$work/package/watch.js" --quiet completed
REFOLD_LIBRARY=nowhere/librefold.so check "a missing library is an error" runs 1 \
    node "$work/package/watch.js"
check "the error mentions REFOLD_LIBRARY" grep -q "cannot load nowhere/librefold.so; set REFOLD_LIBRARY" "$kept/err"
check "get.mjs misses its reader" misses_its_reader node "$work/package/get.mjs" completed
check "watch.js misses its reader" misses_its_reader node "$work/package/watch.js" completed
check "watch.js stops polling without a reader" misses_its_reader node "$work/package/watch.js" stuck
check "SIGINT cancels watch.js" is_interrupted node "$work/package/watch.js" stuck

sum_up
