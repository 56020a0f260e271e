#!/bin/sh
# Tests the fallback for systems that are not Unix and lack poll(2): builds the library with it in target/portable and runs
# the integration tests and most of the C programs against that. The last line is `N passed, M failed`.
#
# Left out are tests of what the fallback cannot do: tell a lookup that failed for now from a name that does not exist,
# handle signals, abandon an attempt to connect, or offer the descriptor of a queue. So is the test of the stack that a
# handshake needs, because this build is not optimized and needs twice as much.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need openssl openssl || exit 1
need_file /usr/include/openssl/ssl.h libssl-dev || exit 1
need_file /usr/include/zlib.h zlib1g-dev || exit 1
need nginx nginx-light || exit 1
need tinyproxy tinyproxy-bin || exit 1
need microsocks microsocks || exit 1

CARGO_TARGET_DIR=target/portable
OUT=target/portable/ctests
RUSTFLAGS='--cfg refold_portable'
export CARGO_TARGET_DIR OUT RUSTFLAGS
mkdir -p target/portable

# This builds the shared library, too, in the folder deps.
log=target/portable/integration.log
cargo test --locked --test integration >"$log" 2>&1
status=$?
[ "$status" -eq 0 ] || cat "$log"
count_log "$log" "$status"
echo "integration: $passed passed, $failed failed"

sh tests/support/build.sh include target/portable/debug/deps || exit 1

# Such systems have no SIGPIPE, either.
trap '' PIPE
log=target/portable/c.log
sh tests/support/run_c.sh requests bodies redirects errors retries waiting queue proxy tls arguments lifetimes \
    headers timings log \
    "handshakes:$(all_but handshakes tls_needs_at_most_128_kib_of_stack)" \
    "deadline:$(all_but deadline timeouts_leak_nothing)" \
    "cancel:$(all_but cancel 'every_phase_of_a_.*')" \
    "queue_cancel:$(all_but queue_cancel '.*_in_every_phase.*\|triggering_is_safe_.*')" \
    "reuse:$(all_but reuse a_call_on_a_reused_connection_makes_four_system_calls)" >"$log"
status=$?
grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$log"
count_log "$log" "$status"
sum_up
