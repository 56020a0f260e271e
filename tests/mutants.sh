#!/bin/sh
# Breaks the code in small ways, one at a time, and looks whether a test notices: those of Rust, and where they do not,
# the C programs that bear on the file.
#
#     sh tests/mutants.sh [MINUTES [FILE ...]]      60; src/retry.rs and the others below
#
# What the time does not suffice for is left to the next run, which goes on from there until a file has changed. A
# mutant that nobody notices is a failure, unless tests/mutants/equivalent.txt gives the reason why it is no defect.
# The last line is `N passed, M failed`: mutants that were noticed, and that were not.
set -eu
cd "$(dirname "$0")/.."
. tests/support/install.sh
minutes=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- src/retry.rs src/options.rs src/cancel.rs src/status.rs src/execution.rs src/json.rs src/scan.rs
need_rust
need cc gcc libc6-dev
need git git
need openssl openssl
need_file /usr/include/openssl/ssl.h libssl-dev
need_file /usr/include/zlib.h zlib1g-dev
need nginx nginx-light
need tinyproxy tinyproxy-bin
need microsocks microsocks
work=$PWD/target/mutants
version=27.1.0
if ! grep -qsF "cargo-mutants $version " "$work/.crates.toml"; then
    cargo install cargo-mutants --version "$version" --locked --root "$work" --target-dir "$work/install"
    rm -rf "$work/install"
fi

# A copy, for mutants are made in place. What ran before counts as long as it was about the same files.
mkdir -p "$work/pristine"
git ls-files -z src tests/c tests/support tests/mutants | xargs -0 cat | git hash-object --stdin >"$work/state.new"
cmp -s "$work/state.new" "$work/state" || rm -rf "$work/mutants.out" "$work/noticed" "$work/missed"
mv "$work/state.new" "$work/state"
rm -rf "$work/tree" "$work/pristine/src"
mkdir "$work/tree"
git ls-files -z | tar -c --null -T - | tar -x -m -C "$work/tree" # as new: what was built of it before may be a mutant
cp -Rp src "$work/pristine/src"

export MUTANTS_PRISTINE="$work/pristine" OUT="$work/ctests" CARGO_TARGET_DIR="$work/build"
export CARGO="$PWD/tests/mutants/cargo.sh"
(cd "$work/tree" && cargo build --locked --lib)
sh tests/support/build.sh include "$work/build/debug"
CHECK_CERTIFICATES=$OUT/certificates
CHECK_PATIENCE=3
RUST_BACKTRACE=0
export CHECK_CERTIFICATES CHECK_PATIENCE RUST_BACKTRACE
sh tests/support/certificates.sh "$CHECK_CERTIFICATES"

# Notes what a run, perhaps one that was broken off, has told: the next one tells of its own mutants alone, and counts
# those that do not compile with what was noticed before.
note() {
    touch "$work/noticed" "$work/missed"
    for list in caught timeout missed; do
        [ -e "$work/mutants.out/$list.txt" ] || return 0
    done
    cd "$work/mutants.out"
    sort -u caught.txt timeout.txt "$work/noticed" -o "$work/noticed"
    sort -u missed.txt "$work/missed" | comm -23 - "$work/noticed" >"$work/missed.new"
    cd "$OLDPWD"
    mv "$work/missed.new" "$work/missed"
}

note
files=$*
for file; do
    set -- "$@" --file "$file"
    shift
done
status=0
# What nobody notices goes through more programs than the unmutated code, by which cargo-mutants would set its limit: it
# would be taken for what hangs. What hangs has limits of its own.
timeout "${minutes}m" "$work/bin/cargo-mutants" mutants --dir "$work/tree" --output "$work" --in-place --iterate --no-times \
    --timeout 900 --colors never "$@" || status=$?
# 2: some survived; 3: some took too long; 124: the time is up.
case $status in
    0 | 2 | 3 | 124) ;;
    *) exit "$status" ;;
esac

note

# Those of the files that were asked for.
asked() {
    awk -F: -v files=" $files " 'index(files, " " $1 " ")' "$1"
}

# Those for which no reason is given. Line and column, which change with every edit, are not part of a name there.
without_reason() {
    awk -v reasons=tests/mutants/equivalent.txt '
        BEGIN { while ((getline reason <reasons) > 0) known[reason] }
        { name = $0; sub(/:[0-9]+:[0-9]+: /, ": ", name) }
        !(name in known)'
}

caught=$(asked "$work/noticed" | grep -c . || true)
asked "$work/missed" | without_reason | sed 's/^/FAIL nobody notices: /' >"$work/failures"
cat "$work/failures"
[ "$status" -ne 124 ] || echo "The time is up: the next run goes on."
failed=$(grep -c . "$work/failures" || true)
printf '%s passed, %s failed\n' "$caught" "$failed"
[ "$failed" -eq 0 ] && [ "$caught" -gt 0 ]
