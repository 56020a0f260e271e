#!/bin/sh
# Compares the library with what one would write by hand; `sh benches/run.sh --help` tells more. All it makes lies under
# target/benches/.
set -eu

usage() {
    cat <<'END'
usage: sh benches/run.sh [--quick | --build]

Gets executions from a server on this machine with the library, and with libcurl or Go and one of several JSON parsers;
prints tables of medians, and of ratios to libcurl with simdjson's On-Demand, the fastest of them. All read the same
fields and have to come to the same checksum. The clients take turns, each on one core, the server on another one.
Instructions (valgrind) and system calls (strace) follow, then what needs no server: parsing, reading, accessors.
It takes some minutes, and wants an idle machine with at least two cores.

--quick    few rounds: to see that all works
--build    builds all and runs nothing
END
}

rounds=7
scope=all
case $#:${1-} in
    0:) ;;
    1:--quick) rounds=3 ;;
    1:--build) scope=build ;;
    1:--help)
        usage
        exit
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac

cd "$(dirname "$0")/.."
. tests/support/install.sh
. benches/build.sh
[ "$scope" = all ] || exit 0

. benches/measure.sh
# A host's own settings would be measured with it.
unset SSL_CERT_FILE SSL_CERT_DIR HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy NO_PROXY no_proxy
start_server
trap stop_server EXIT
trap 'exit 1' HUP INT TERM
machine
get_table
counts_table
parse_table
other_table
