# shellcheck shell=sh
# Sourced in the root of the project: builds the library, the programs that it is compared with, the server, the payloads
# and the Rust benchmarks. $part is what run.sh measures.

made=target/benches
out=$PWD/$made
peers=benches/peers
c_flags="-std=c11 -O3 -Wall -Wextra -Wpedantic -Werror -Iinclude"
cpp_flags="-std=c++17 -O3"
library="-Ltarget/release -lrefold -Wl,-rpath,$PWD/target/release"

need_rust
need cc gcc libc6-dev
need c++ g++
need go golang-go
need openssl openssl
need taskset util-linux
need_file /usr/include/openssl/ssl.h libssl-dev
need_file /usr/include/zlib.h zlib1g-dev
need_file /usr/include/simdjson.h libsimdjson-dev
command -v curl-config >/dev/null || need curl-config libcurl4-openssl-dev

export CARGO_TARGET_DIR=$PWD/target
mkdir -p "$made"

# has_features NAME...: whether the processor has these features, by the kernel's names for them.
has_features() {
    for feature; do
        grep -qw "$feature" /proc/cpuinfo || return
    done
}

# The kinds of vectors of the library that this processor has. It uses the last one, unless it is built for another.
kinds=
! has_features sse2 || kinds="sse2"
! has_features avx2 bmi2 pclmulqdq || kinds="$kinds avx2"
! has_features avx2 avx512bw avx512vl avx512_vbmi2 || kinds="$kinds avx512"

need_for_calls() {
    need valgrind valgrind libc6-dbg
    need strace strace
    need_file /usr/include/cjson/cJSON.h libcjson-dev
    need_file /usr/include/nlohmann/json.hpp nlohmann-json3-dev
    need_file /etc/ssl/certs/ca-certificates.crt ca-certificates
}

need_for_queue() {
    need python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || need "ensurepip of python3" python3-venv
    need node nodejs
    need npm npm
    need pkg-config pkg-config
}

# Without a Debian package, yyjson's source comes from a crate, whose checksum is in Cargo.lock.
find_yyjson() {
    if [ -e /usr/include/yyjson.h ]; then
        yyjson_include=/usr/include
        yyjson_library=-lyyjson
        return
    fi
    manifest=$(cargo metadata --locked --format-version 1 --all-features --manifest-path $peers/Cargo.toml |
        grep -o '"[^"]*/yyjson-sys-[^"/]*/Cargo.toml"' | head -n 1 | tr -d '"')
    yyjson_include=${manifest%/*}/yyjson/src
    cc -O3 -c "$yyjson_include/yyjson.c" -o $made/yyjson.o
    yyjson_library=$made/yyjson.o
}

# reader NAME LIBRARY...: links the two programs of a reader, which parse what libcurl got, and a file.
reader() {
    parser "$@"
    shift
    c++ $made/get.o $made/measure.o $made/curl.o "$made/read_$name.o" "$@" -lcurl -o "$made/get_$name"
}

# parser NAME LIBRARY...: links the program that only parses a file.
parser() {
    name=$1
    shift
    c++ $made/parse.o $made/measure.o "$made/read_$name.o" "$@" -o "$made/parse_$name"
}

# build_kind KIND: builds the library for one kind of vectors, and the program that parses a file with it.
build_kind() {
    folder=$made/kinds/$1
    cargo rustc --release --locked --lib --crate-type cdylib --target-dir $made/kinds/cargo -- \
        --cfg "refold_vectors=\"$1\""
    mkdir -p "$folder"
    cp $made/kinds/cargo/release/librefold.so "$folder/"
    ln -sf librefold.so "$folder/librefold.so.0"
    cc $made/parse.o $made/refold.o $made/measure.o -L"$folder" -lrefold -Wl,-rpath,"$PWD/$folder" \
        -o "$made/parse_refold_$1"
}

# The server, and what the clients of both parts consist of. The flags are word lists.
# shellcheck disable=SC2086
build_common() {
    for source in get parse measure curl refold; do
        cc $c_flags -c $peers/$source.c -o $made/$source.o
    done
    # On-Demand selects its vectors at compile time.
    c++ $cpp_flags -march=native -c $peers/simdjson.cpp -o $made/read_simdjson.o
    cc $c_flags benches/server.c -lssl -lcrypto -lz -lpthread -o $made/server
    cc $c_flags benches/payloads.c -o $made/payloads
    $made/payloads $made
    if [ ! -e $made/certificates/good.pem ]; then
        sh tests/support/certificates.sh $made/certificates
    fi
}

# shellcheck disable=SC2086
build_calls() {
    CARGO_TARGET_DIR=$out/cargo cargo build --release --locked --manifest-path $peers/Cargo.toml
    cargo bench --locked --bench parse --no-run
    find_yyjson
    cc $c_flags -DLOG_LEVEL=REFOLD_LOG_DEBUG -c $peers/refold.c -o $made/refold_log.o
    cc $c_flags -c $peers/cjson.c -o $made/read_cjson.o
    cc $c_flags -I"$yyjson_include" -c $peers/yyjson.c -o $made/read_yyjson.o
    c++ $cpp_flags -c $peers/nlohmann.cpp -o $made/read_nlohmann.o
    c++ $cpp_flags -c $peers/simdjson.cpp -o $made/read_simdjson_plain.o
    c++ $cpp_flags -march=native -c $peers/simdjson_dom.cpp -o $made/read_simdjson_dom.o
    c++ $cpp_flags -c $peers/simdjson_dom.cpp -o $made/read_simdjson_dom_plain.o
    reader cjson -lcjson
    reader yyjson "$yyjson_library"
    reader simdjson -lsimdjson
    reader simdjson_dom -lsimdjson
    reader simdjson_plain -lsimdjson
    parser simdjson_dom_plain -lsimdjson
    reader nlohmann
    c++ $cpp_flags -march=native benches/vectors.cpp -lsimdjson -o $made/vectors
    c++ $cpp_flags benches/vectors.cpp -lsimdjson -o $made/vectors_plain
    GO111MODULE=off GOCACHE=$out/go go build -o $made/get_go $peers/main.go

    cc $c_flags $peers/socket.c $made/get.o $made/measure.o -o $made/get_floor
    cc $c_flags -DKEEP $peers/socket.c $made/get.o $made/measure.o -o $made/get_floor_keep
    cc $made/get.o $made/refold.o $made/measure.o $library -o $made/get_refold
    cc $made/get.o $made/refold_log.o $made/measure.o $library -o $made/get_refold_log
    cc $made/parse.o $made/refold.o $made/measure.o $library -o $made/parse_refold
    for kind in $kinds; do
        build_kind "$kind"
    done
    cc $c_flags benches/step.c -o $made/step

    cc $c_flags benches/spawn.c $made/measure.o -o $made/spawn
    cc $c_flags benches/accessors.c $made/measure.o $library -o $made/accessors
    cc $c_flags benches/scaling.c $made/measure.o $library -lpthread -o $made/scaling
    cc $c_flags -I"$yyjson_include" benches/outputs.c $made/measure.o "$yyjson_library" $library -o $made/outputs
}

# shellcheck disable=SC2086
build_queue() {
    for source in gets waits cancel; do
        cc $c_flags benches/queue/$source.c $made/refold.o $made/measure.o $library -o $made/queue_$source
    done
    cc $c_flags -c benches/queue/curl_multi.c -o $made/curl_multi.o
    c++ $made/curl_multi.o $made/curl.o $made/measure.o $made/read_simdjson.o -lsimdjson -lcurl -o $made/queue_curl_multi
    build_go_clients
    install_node_package
    install_aiohttp
}

build_go_clients() (
    . tests/support/go.sh
    . tests/support/prefix.sh
    use_go
    make_prefix "$out/prefix"
    cd benches/queue/go_clients
    PKG_CONFIG_PATH="$out/prefix/lib/pkgconfig" go build -o "$out/queue_go" .
)

# A copy of the Node.js package, with its addon.
install_node_package() {
    mkdir -p $made/node
    cp -R examples/node/. $made/node/
    (cd $made/node && npm_config_cache=../npm npm ci --ignore-scripts --no-audit --no-fund --silent)
    CFLAGS="-I$PWD/include" node $made/node/build.js
}

install_aiohttp() {
    aiohttp=3.14.5
    if [ ! -e "$made/venv/aiohttp-$aiohttp" ]; then
        rm -rf $made/venv
        python3 -m venv $made/venv
        $made/venv/bin/python -m pip install --quiet --disable-pip-version-check "aiohttp==$aiohttp"
        touch "$made/venv/aiohttp-$aiohttp"
    fi
}

need_for_"$part"
build_library
ln -sf librefold.so target/release/librefold.so.0
build_common
build_"$part"
