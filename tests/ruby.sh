#!/bin/sh
# Runs examples/ruby/watch.rb against the sandbox. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
. tests/support/watch.sh
need ruby ruby || exit 1
if ! ruby -e 'require "ffi"' 2>/dev/null; then
    need "ffi of ruby" ruby-ffi || exit 1
fi
need_library || exit 1

kept=target/tests/ruby
rm -rf "$kept"
mkdir -p "$kept"
unset REFOLD_LIBRARY REFOLD_LOG
stop_sandbox_at_exit
start_sandbox "$kept" --run-seconds 1

make_prefix "$PWD/$kept/prefix"
LD_LIBRARY_PATH=$PWD/$kept/prefix/lib
export LD_LIBRARY_PATH
check_watch ruby -w examples/ruby/watch.rb
unset LD_LIBRARY_PATH
cp target/release/librefold.so "$kept/renamed.so"
REFOLD_LIBRARY=$PWD/$kept/renamed.so check "REFOLD_LIBRARY selects the library" runs 0 ruby examples/ruby/watch.rb completed
REFOLD_LIBRARY=$kept/missing.so check "a missing library is an error" runs 1 ruby examples/ruby/watch.rb completed
check "the error shows its path" grep -q "$kept/missing.so" "$kept/err"

sum_up
