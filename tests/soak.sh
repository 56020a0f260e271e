#!/bin/sh
# Runs many threads with shared and own clients and queues against servers that misbehave at random, and cancels calls at
# random moments. In the end, memory, descriptors and threads must be back where they were after the first minute (after the
# first third, if the run takes less than two minutes). Prints a line of figures every ten seconds; the last line is
# `N passed, M failed`.
#
#     sh tests/soak.sh [MINUTES [SEED]]      1, and a random one, which is printed
set -eu
minutes=${1:-1}
seed=${2:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
cd "$(dirname "$0")/.."
. tests/support/install.sh
need_rust
need cc gcc libc6-dev
need openssl openssl
need_file /usr/include/openssl/ssl.h libssl-dev
need_file /usr/include/zlib.h zlib1g-dev

build_library
sh tests/support/build.sh
built=$PWD/target/ctests
out=$PWD/target/soak
mkdir -p "$out"
if [ ! -e "$out/soak" ] || [ -n "$(find tests/soak tests/support include/refold.h -newer "$out/soak")" ]; then
    cc -std=c11 -O1 -g -Wall -Wextra -Wpedantic -Werror -pthread -Itests/support -Iinclude tests/soak/*.c \
        -o "$out/soak.new" "$built/libsupport.a" -L"$built/lib" -Wl,--as-needed -lrefold -Wl,-rpath,"$built/lib" \
        -lssl -lcrypto -lz -lm
    mv "$out/soak.new" "$out/soak" # an interrupted compiler leaves an unfinished file
fi
# In a folder of its own: other tests may be making theirs at the same time.
sh tests/support/certificates.sh "$out/certificates"

echo "sh tests/soak.sh $minutes $seed"
CHECK_CERTIFICATES=$out/certificates SOAK_SECONDS=$((minutes * 60)) SOAK_SEED=$seed exec "$out/soak"
