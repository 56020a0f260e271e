# shellcheck shell=sh
# Sourced by run.sh after build.sh: runs the programs and prints Markdown tables.

certificates=$made/certificates
results=$made/results
# The library built for each kind of vectors.
kind_readers=
for kind in $kinds; do
    kind_readers="$kind_readers refold_$kind"
done

# The server ends at the end of its standard input. This shell holds it open, so the server ends with the shell.
start_server() {
    pipes=$(mktemp -d)
    mkfifo "$pipes/in" "$pipes/out"
    taskset -c 0 $made/server $made $certificates/good.pem $certificates/good.key <"$pipes/in" >"$pipes/out" &
    server=$!
    exec 3>"$pipes/in" 4<"$pipes/out"
    rm -rf "$pipes"
    read -r plain_port secure_port slow_port <&4
    plain=http://127.0.0.1:$plain_port
    slow=http://127.0.0.1:$slow_port
    secure=https://127.0.0.1:$secure_port
}

stop_server() {
    exec 3>&-
    wait "$server" || :
}

# on_one_core SECONDS COMMAND...: runs the command on the core that the server does not use, for at most this long.
on_one_core() {
    limit=$1
    shift
    timeout "$limit" taskset -c 1 "$@"
}

machine() {
    echo
    echo "$(date -u +%Y-%m-%d), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
        "Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg); medians of $rounds rounds"
}

# Which vectors each parser uses here.
vectors() {
    newest=${kinds##* }
    echo
    echo "Vectors: librefold ${newest:-for the target} (of: ${kinds:-these alone}); simdjson as packaged:" \
        "$($made/vectors_plain); with -march=native: $($made/vectors)"
}

# calls ID: the number of warm-up calls and of measured calls in a round.
calls() {
    case $1 in
        small) echo 200 3000 ;;
        medium) echo 100 1000 ;;
        large | packed) echo 1 7 ;;
        huge) echo 1 3 ;;
    esac
}

# measure_get URL ID CLIENT...: the clients take turns. Lines of $results: ID@SCHEME CLIENT P50 CPU PEAK CHECKSUM.
measure_get() {
    url=$1
    id=$2
    shift 2
    scheme=${url%%:*}
    for round in $(seq "$rounds"); do
        for client in "$@"; do
            set_trust "$scheme"
            # shellcheck disable=SC2046,SC2086
            line=$(on_one_core 120 "$made/get_$client" "$url" "$id" $(calls "$id") $trust)
            echo "$id@$scheme $client $line" >>"$results"
        done
        printf '\r%s %s: round %s of %s ' "$scheme" "$id" "$round" "$rounds" >&2
    done
    printf '\r%60s\r' '' >&2
    check_sums "$id@$scheme" 6
}

set_trust() {
    trust=
    [ "$1" = http ] || trust=$certificates/ca.pem
}

# check_sums CASE COLUMN: fails unless all clients that parse computed the same checksum, which is in this column.
check_sums() {
    awk -v row="$1" -v sum="$2" '$1 == row && $2 !~ /^floor/ && !seen[$sum]++ { sums++ } END { exit sums != 1 }' \
        "$results" && return
    echo "The checksums of the clients differ:" >&2
    awk -v row="$1" -v sum="$2" '$1 == row { print $2, $sum }' "$results" | sort -u >&2
    exit 1
}

# An awk function: the median of a column in values[CLIENT, COLUMN, ROUND], of which CLIENT has count[CLIENT] rounds.
median='
    function median(client, column,    list, n, i, j, value) {
        n = count[client]
        for (i = 1; i <= n; i++) list[i] = values[client, column, i] + 0
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                value = list[j]; list[j] = list[j - 1]; list[j - 1] = value
            }
        return list[int((n + 1) / 2)]
    }'

# Prints a row for each client of a case: medians, and ratios to On-Demand.
show_case() {
    awk -v row="$1" -v unit="$2" -v scale="$3" "$median"'
        $1 == row {
            if (!count[$2]++) order[++clients] = $2
            for (column = 3; column <= 5; column++) values[$2, column, count[$2]] = $column
        }
        END {
            wall = median("simdjson", 3); cpu = median("simdjson", 4)
            for (i = 1; i <= clients; i++) {
                client = order[i]
                printf "| %s | %s | %.1f | %.1f | %.1f | %.2f | %.2f |\n", row, client, median(client, 3) / scale,
                    median(client, 4) / scale, median(client, 5) / 1024, median(client, 3) / wall, median(client, 4) / cpu
            }
        }' "$results"
}

get_table() {
    : >"$results"
    measure_get "$plain" small floor refold refold_log cjson yyjson simdjson nlohmann go
    measure_get "$plain" medium floor refold cjson yyjson simdjson simdjson_dom nlohmann go
    measure_get "$plain" large floor floor_keep refold cjson yyjson simdjson simdjson_dom nlohmann go
    measure_get "$plain" huge floor floor_keep refold yyjson simdjson
    measure_get "$plain" packed refold simdjson simdjson_dom
    for id in small medium large huge; do
        measure_get "$secure" "$id" refold simdjson
    done
    echo
    echo "| case | client | p50 | CPU | peak MB | wall to On-Demand | CPU to it |"
    echo "|---|---|---|---|---|---|---|"
    for scheme in http https; do
        show_case small@$scheme us 1
        show_case medium@$scheme us 1
        show_case large@$scheme ms 1000
        show_case huge@$scheme ms 1000
    done
    show_case packed@http ms 1000
    echo
    echo "p50 and CPU of a call: in us for small and medium, in ms for the others. packed is large with gzip." \
        "refold_log has a log at DEBUG."
}

# instructions COMMAND...: the instructions of the whole process.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null | sed -n 's/.*Collected : //p'
}

# system_calls COMMAND...: the number of system calls of all threads.
system_calls() {
    strace -f -c -o $made/strace "$@" >/dev/null
    awk '$NF == "total" { print $4 }' $made/strace
}

# per_call COUNTER FEW MANY COMMAND...: the count per call, from the difference between FEW and MANY calls. @ in the
# command is replaced by the number of calls.
per_call() {
    counter=$1 few=$2 many=$3
    shift 3
    with_few=$("$counter" $(printf '%s\n' "$@" | sed "s/^@$/$few/"))
    with_many=$("$counter" $(printf '%s\n' "$@" | sed "s/^@$/$many/"))
    echo $(((with_many - with_few) / (many - few)))
}

counts_table() {
    echo
    echo "| client | instructions: small | medium | large | system calls: small | medium | large |"
    echo "|---|---|---|---|---|---|---|"
    for client in floor refold refold_log cjson yyjson simdjson_plain nlohmann; do
        row="| $client |"
        for counter in instructions system_calls; do
            for id in small medium large; do
                [ $id = large ] && few=1 many=2 || few=20 many=120
                row="$row $(per_call $counter $few $many "$made/get_$client" "$plain" $id 1 @) |"
            done
        done
        echo "$row"
    done
}

# best_of COMMAND...: the minimum of the rounds.
best_of() {
    for _ in $(seq "$rounds"); do
        on_one_core 120 "$@"
    done | sort -n | head -n 1 | cut -d ' ' -f 1
}

# parse READER FILE CALLS
parse() {
    case $1 in
        serde_*) on_one_core 120 $made/cargo/release/serde "${1#serde_}" "$2" "$3" ;;
        *) on_one_core 120 "$made/parse_$1" "$2" "$3" ;;
    esac
}

# measure_parse ID CALLS READER...: the readers take turns. Lines of $results: ID READER TIME CHECKSUM.
measure_parse() {
    id=$1
    times=$2
    shift 2
    for round in $(seq "$rounds"); do
        for reader in "$@"; do
            echo "$id $reader $(parse "$reader" "$made/$id.json" "$times")" >>"$results"
        done
        printf '\r%s: round %s of %s ' "$id" "$round" "$rounds" >&2
    done
    printf '\r%60s\r' '' >&2
    check_sums "$id" 4
}

# Prints a row for each reader: medians, and ratios to simdjson's interfaces.
show_parse() {
    awk "$median"'
        function ratio(reader, size, peer) { return median(reader " " size, 3) / median(peer " " size, 3) }
        {
            if (!known[$2]++) order[++readers] = $2
            values[$2 " " $1, 3, ++count[$2 " " $1]] = $3
        }
        END {
            for (i = 1; i <= readers; i++) {
                reader = order[i]
                printf "| %s | %.1f | %.2f | %.1f |", reader, median(reader " medium", 3), median(reader " large", 3) / 1000,
                    median(reader " huge", 3) / 1000
                printf " %.2f, %.2f |", ratio(reader, "medium", "simdjson"), ratio(reader, "large", "simdjson")
                printf " %.2f, %.2f |\n", ratio(reader, "medium", "simdjson_dom"), ratio(reader, "large", "simdjson_dom")
            }
        }' "$results"
}

parse_table() {
    : >"$results"
    readers="refold $kind_readers simdjson simdjson_plain simdjson_dom simdjson_dom_plain yyjson cjson nlohmann"
    readers="$readers serde_borrow serde_value"
    # shellcheck disable=SC2086
    {
        measure_parse medium 499 $readers
        measure_parse large 9 $readers
        measure_parse huge 1 $readers
    }
    echo
    echo "Parsing from memory, processor time. refold copies the text first, the others work in place or borrow. simdjson is" \
        "On-Demand; its parsers keep their memory. plain: without -march=native. A suffix of refold: built for these vectors."
    echo
    echo "| reader | medium us | large ms | huge ms | to On-Demand: medium, large | to the DOM: medium, large |"
    echo "|---|---|---|---|---|---|"
    show_parse
    parse_counts
    echo
    echo "| reading every output as JSON | medium us | large ms | huge ms |"
    echo "|---|---|---|---|"
    for way in refold yyjson yyjson-walk; do
        echo "| $way |" "$(best_of $made/outputs $way $made/medium.json 99)" "|" \
            "$(best_of $made/outputs $way $made/large.json 3 | in_milliseconds) |" \
            "$(best_of $made/outputs $way $made/huge.json 1 | in_milliseconds) |"
    done
}

# step COMMAND...: like instructions, for AVX-512. The C library copies without string instructions,
# of which each repetition would count.
step() {
    GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffff \
        $made/step "$@"
}

parse_counts() {
    echo
    echo "Without AVX-512, which valgrind does not have, except for refold_avx512:"
    echo
    echo "| parsing, instructions | medium | large |"
    echo "|---|---|---|"
    for reader in ${kind_readers:-refold} simdjson_plain simdjson_dom_plain; do
        case $reader in
            # Step by step, the large one would take many minutes.
            *avx512) counts="$(per_call step 1 3 $made/parse_$reader $made/medium.json @) | |" ;;
            *)
                counts="$(per_call instructions 1 3 $made/parse_$reader $made/medium.json @) |"
                counts="$counts $(per_call instructions 1 3 $made/parse_$reader $made/large.json @) |"
                ;;
        esac
        echo "| $reader | $counts"
    done
}

in_milliseconds() {
    awk '{ printf "%.1f\n", $1 / 1000 }'
}

other_table() {
    echo
    echo "| an accessor | ns |"
    echo "|---|---|"
    on_one_core 120 $made/accessors $made/medium.json | awk '{ ns = $(NF - 1); NF -= 2; print "| " $0 " | " ns " |" }'
    cat /etc/ssl/certs/ca-certificates.crt $certificates/ca.pem >$made/all-roots.pem
    echo
    echo "| other | |"
    echo "|---|---|"
    echo "| a cold process with one HTTPS request, ms: refold |" \
        "$(on_one_core 120 $made/spawn 21 $made/get_refold "$secure" small 0 1 $certificates/ca.pem | in_milliseconds) |"
    echo "| the same: libcurl, the same roots |" \
        "$(on_one_core 120 $made/spawn 21 $made/get_simdjson "$secure" small 0 1 $made/all-roots.pem | in_milliseconds) |"
    for threads in 1 2 8 64; do
        echo "| calls a second, $threads threads, server on the same cores |" \
            "$(timeout 120 $made/scaling threads "$plain" $threads 20000) |"
    done
    echo "| an idle connection, kB |" "$(timeout 120 $made/scaling idle "$plain" '' 100) |"
    echo "| an idle TLS connection, kB, its client's roots and configuration included |" \
        "$(timeout 120 $made/scaling idle "$secure" $certificates/ca.pem 100) |"
    timeout 120 $made/scaling clients 10000 |
        awk '{ print "| a client made and freed, us; growth after 10,000, kB | " $1 "; " $2 " |" }'
    timeout 120 $made/scaling nodes 10 100 1000 10000 100000 |
        awk '{ print "| parsing, ns a node; finding it by id: " $1 " nodes | " $2 "; " $3 " |" }'
}
