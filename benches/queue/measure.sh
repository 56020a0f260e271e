# shellcheck shell=sh
# Sourced by run.sh after measure.sh: measures the queue and prints Markdown tables.

outstanding=64

# The tables of the queue that need seconds for each round, or whose results hardly differ.
few_rounds=3

# take_turns TABLE URL CLIENT...: lines of $results: TABLE CLIENT and what the function run_TABLE prints.
take_turns() {
    table=$1 url=$2 turns=$3
    shift 3
    for round in $(seq "$turns"); do
        for client in "$@"; do
            line=$(run_"$table" "$client" "$url")
            echo "$table $client $line" >>"$results"
        done
        printf '\r%s: round %s of %s ' "$table" "$round" "$turns" >&2
    done
    printf '\r%60s\r' '' >&2
}

# What awk needs to print the lines of a table.
medians=$median'
    function minimum(one, other) { return one < other ? one : other }
    $1 == table {
        if (!count[$2]++) order[++clients] = $2
        for (column = 3; column <= NF; column++) values[$2, column, count[$2]] = $column
    }'

run_outstanding() {
    case $1 in
        refold/*) on_one_core 120 $made/queue_gets "$2" small 20000 $outstanding "${1#*/}" ;;
        curl/*) on_one_core 120 $made/queue_curl_multi "${1#*/}" "$2" small 20000 $outstanding ;;
    esac
}

outstanding_table() {
    : >"$results"
    take_turns outstanding "$plain" "$rounds" curl/epoll curl/perform refold/8 refold/16 refold/32 refold/64
    check_sums outstanding
    echo
    echo "$outstanding gets of 0.5 KB at any time, no latency, one thread that submits and reads. curl is libcurl's multi" \
        "interface with On-Demand, by epoll or by curl_multi_perform(); the ratios are to the better one of the two. The" \
        "number after refold is max_concurrent."
    echo
    echo "| client | calls a second | CPU of a call, us | threads | peak MB | calls a second to curl | CPU to it |"
    echo "|---|---|---|---|---|---|---|"
    awk -v table=outstanding "$medians"'
        END {
            wall = minimum(median("curl/epoll", 3), median("curl/perform", 3))
            cpu = minimum(median("curl/epoll", 4), median("curl/perform", 4))
            for (i = 1; i <= clients; i++) {
                client = order[i]
                printf "| %s | %.0f | %.1f | %d | %.1f | %.2f | %.2f |\n", client, 1e6 / median(client, 3),
                    median(client, 4), median(client, 7), median(client, 5) / 1024, wall / median(client, 3),
                    median(client, 4) / cpu
            }
        }' "$results"
}

# The programs print the wall and the CPU time in seconds; that in Go also the number of threads.
run_node() {
    LD_LIBRARY_PATH=$PWD/target/release REFOLD_PACKAGE=$out/node/refold.js \
        timeout 120 node benches/queue/node_clients.js "$1" "$2" 200
}

run_asyncio() {
    REFOLD_LIBRARY=$PWD/target/release/librefold.so \
        timeout 120 $made/venv/bin/python benches/queue/asyncio_clients.py "$1" "$2" 500
}

run_go() {
    LD_LIBRARY_PATH=$PWD/target/release timeout 120 $made/queue_go "$1" "$2" 500
}

# show_loop TABLE PEER: the medians of both clients, and the ratios.
show_loop() {
    awk -v table="$1" -v peer="$2" "$medians"'
        END {
            for (i = 1; i <= clients; i++) {
                client = order[i]
                printf "| %s | %s | %.0f | %.0f | %s | %.2f | %.2f |\n", table, client, 1000 * median(client, 3),
                    1000 * median(client, 4), table == "go" ? median(client, 5) : "",
                    median(client, 3) / median(peer, 3), median(client, 4) / median(peer, 4)
            }
        }' "$results"
}

loops_table() {
    take_turns node "$slow" "$rounds" refold fetch
    take_turns asyncio "$slow" "$rounds" refold aiohttp
    take_turns go "$slow" "$rounds" refold nethttp
    echo
    echo "Gets that begin at the same time, with 200 ms of latency: 200 in Node.js, 500 in Python and in Go; max_concurrent" \
        "is 256."
    echo
    echo "| language | client | wall ms | CPU ms | threads | wall to the peer | CPU to it |"
    echo "|---|---|---|---|---|---|---|"
    show_loop node fetch
    show_loop asyncio aiohttp
    show_loop go nethttp
}

# The first run that no client has asked for.
next_run=0

run_waits() {
    timeout 120 $made/queue_waits "$2" 10000 "$1" "$next_run"
}

run_cancel() {
    timeout 120 $made/queue_cancel "$2" "$slow" 10000 "$1" "$next_run"
}

# few_turns COMMAND: for each round and max_concurrent, that and what the command prints.
few_turns() {
    for _ in $(seq $few_rounds); do
        for concurrent in 32 256; do
            echo "$concurrent $("$1" $concurrent "$plain")"
            next_run=$((next_run + 10000))
        done
    done
}

# Each line is one round.
waits_table() {
    echo
    echo "10,000 concurrent waits for runs of five seconds, poll interval one second:"
    echo
    echo "| max_concurrent | completed | threads | peak MB | latest event after the end of its run, ms | CPU of a wait, us |"
    echo "|---|---|---|---|---|---|"
    few_turns run_waits | awk '{ printf "| %d | %d | %d | %.1f | %.0f | %.0f |\n", $1, $2, $3, $4 / 1024, $5, $6 }'
}

cancel_table() {
    # The runs of the waits are over.
    next_run=500000
    echo
    echo "10,000 submissions that pause, are queued or are in flight, cancelled with one token:"
    echo
    echo "| max_concurrent | ms until the last event | cancelled | ended before | threads |"
    echo "|---|---|---|---|---|"
    few_turns run_cancel | awk '{ printf "| %d | %s | %d | %d | %d |\n", $1, $2, $3, $4, $5 }'
}
