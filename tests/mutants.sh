#!/bin/sh
# Breaks the code in small ways, one at a time, and checks that a test fails: a unit test, or else one of the C programs
# that test the file.
#
#     sh tests/mutants.sh [MINUTES [FILE ...]]      60; src/retry.rs and the others below
#
# A run that is out of time is continued by the next one, until a file changes. A mutant that no test catches is a failure,
# unless tests/mutants/equivalent.txt gives the reason why it is not a defect. The last line is `N passed, M failed`: the
# mutants that were caught, and those that were not.
set -eu
cd "$(dirname "$0")/.."
. tests/support/install.sh
minutes=${1:-60}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046
    set -- $(git ls-files src/retry.rs src/options.rs src/cancel.rs src/state.rs src/execution src/json |
        grep -Ev '/tests(/|\.rs$)')
fi
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

# Mutants are made in place, in a copy. Earlier results count as long as the files are the same.
mkdir -p "$work/pristine"
git ls-files -z src tests/c tests/support tests/mutants | xargs -0 cat | git hash-object --stdin >"$work/state.new"
cmp -s "$work/state.new" "$work/state" || rm -rf "$work/mutants.out" "$work/caught" "$work/missed"
mv "$work/state.new" "$work/state"
rm -rf "$work/tree" "$work/pristine/src"
mkdir "$work/tree"
git ls-files -z | tar -c --null -T - | tar -x -m -C "$work/tree" # with new times: the last build may be of a mutant
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

# Saves the results of a run, which may have been interrupted: the next run reports only its own mutants, and counts
# those that do not compile as caught before.
note() {
    touch "$work/caught" "$work/missed"
    for list in caught timeout missed; do
        [ -e "$work/mutants.out/$list.txt" ] || return 0
    done
    cd "$work/mutants.out"
    sort -u caught.txt timeout.txt "$work/caught" -o "$work/caught"
    sort -u missed.txt "$work/missed" | comm -23 - "$work/caught" >"$work/missed.new"
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
# cargo-mutants would derive its time limit from the unmutated code. A mutant that no test catches runs more programs than
# that, and would count as hung. Tests that hang have limits of their own.
timeout "${minutes}m" "$work/bin/cargo-mutants" mutants --dir "$work/tree" --output "$work" --in-place --iterate --no-times \
    --timeout 900 --colors never "$@" || status=$?
# 2: some survived; 3: some timed out; 124: out of time.
case $status in
    0 | 2 | 3 | 124) ;;
    *) exit "$status" ;;
esac

note

# of_files LIST: the mutants in the given files.
of_files() {
    awk -F: -v files=" $files " 'index(files, " " $1 " ")' "$1"
}

# Those without a reason. The reasons are given without line and column, which change with every edit.
without_reason() {
    awk -v reasons=tests/mutants/equivalent.txt '
        BEGIN { while ((getline reason <reasons) > 0) known[reason] }
        { name = $0; sub(/:[0-9]+:[0-9]+: /, ": ", name) }
        !(name in known)'
}

caught=$(of_files "$work/caught" | grep -c . || true)
of_files "$work/missed" | without_reason | sed 's/^/FAIL no test catches: /' >"$work/failures"
cat "$work/failures"
[ "$status" -ne 124 ] || echo "Out of time: the next run continues."
failed=$(grep -c . "$work/failures" || true)
printf '%s passed, %s failed\n' "$caught" "$failed"
[ "$failed" -eq 0 ] && [ "$caught" -gt 0 ]
