#!/bin/sh
# Compares the library with common alternatives; see `sh benches/run.sh --help`. All output is under target/benches/.
set -eu

usage() {
    cat <<'END'
usage: sh benches/run.sh [--quick | --build] [queue]

Gets executions from a server on this machine with the library, and with libcurl or Go and several JSON parsers. Prints
tables of medians, and of ratios to libcurl with simdjson On-Demand, the fastest alternative. All clients read the same
fields and must compute the same checksum. They take turns, each on one core, with the server on another one. Then come
instruction counts (valgrind), system call counts (strace), and what needs no server: parsing, reading, accessors.
It takes some minutes on an idle machine with at least two cores.

queue      measures the completion queue instead: many calls at a time, compared with libcurl's multi interface, Node.js's
           fetch, aiohttp and net/http; many waits; cancelling
--quick    few rounds, to check that everything works
--build    builds everything and runs nothing
END
}

rounds=7
scope=all
part=calls
for argument; do
    case $argument in
        --quick) rounds=3 ;;
        --build) scope=build ;;
        queue) part=queue ;;
        --help)
            usage
            exit
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
done

cd "$(dirname "$0")/.."
. tests/support/install.sh
. benches/build.sh
[ "$scope" = all ] || exit 0

. benches/measure.sh
# Settings of the host would change the result.
unset SSL_CERT_FILE SSL_CERT_DIR HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy NO_PROXY no_proxy
start_server
trap stop_server EXIT
trap 'exit 1' HUP INT TERM
machine
case $part in
    calls)
        vectors
        get_table
        counts_table
        parse_table
        other_table
        ;;
    queue)
        . benches/queue/measure.sh
        outstanding_table
        loops_table
        waits_table
        cancel_table
        ;;
esac
