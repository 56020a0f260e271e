#!/bin/sh
# Tests the Go package in examples/go and its programs against the sandbox, with the race detector and cgo's pointer
# checks, unless REFOLD_QUICK=1. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/prefix.sh
. tests/support/go.sh
use_go || exit 1
need cc gcc libc6-dev || exit 1
need pkg-config pkg-config || exit 1
need readelf binutils || exit 1
need_library || exit 1

root=$(pwd)
work=$root/target/go
kept=$work/run
PATH=$kept:$PATH
rm -rf "$kept"
mkdir -p "$kept"
make_prefix "$work/prefix" || exit 1
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"
race=
if [ -z "${REFOLD_QUICK-}" ]; then
    race=-race
    case $(go env GOVERSION) in
        go1.19* | go1.20*) export GODEBUG=cgocheck=2 ;;
        *) export GOEXPERIMENT=cgocheck2 ;;
    esac
fi

is_formatted() {
    [ -z "$(gofmt -l examples/go)" ] || { gofmt -d examples/go && return 1; }
}

# Runs the tests of the package and adds their numbers.
test_package() {
    # shellcheck disable=SC2086 # may be empty
    go test $race -count=1 -timeout=300s -v . >"$kept/package" 2>&1
    status=$?
    grep -vE '^(=== |--- PASS)' "$kept/package" | sed 's/^--- FAIL: /FAIL /'
    count_tests "$(grep -c '^--- PASS' "$kept/package")" "$(grep -c '^--- FAIL' "$kept/package")" "$status"
}

# reports WORDS ARGUMENT...: refold-watch exits with 1 and one line on stderr that contains the words.
reports() {
    words=$1
    shift
    runs 1 refold-watch "$@" && [ "$(wc -l <"$kept/err")" -eq 1 ] && grep -qF "$words" "$kept/err"
}

# prints_no_numbers PROGRAM: for an execution without a percentage and execution times, except for the times of the call.
prints_no_numbers() {
    runs 0 "$1" null-node-fields && [ "$(grep -c '[0-9]' "$kept/out")" -eq 1 ] && prints_times
}

# prints_times: the last line of the output.
prints_times() {
    tail -n 1 "$kept/out" | grep -qE "^(fetched|last poll) in [0-9.]+(m|µ)?s \(.*first byte [0-9.]+(m|µ)?s, .*\), attempts [0-9]+$"
}

# logs PATTERN COMMAND...: the command succeeds, and a line of stderr matches the pattern.
logs() {
    pattern=$1
    shift
    runs 0 "$@" && grep -qE "$pattern" "$kept/err"
}

# fails_without_cgo COMMAND...: with the name of the package, and one line that names what is missing.
fails_without_cgo() {
    CGO_ENABLED=0 "$@" >"$kept/out" 2>"$kept/err"
    [ $? -ne 0 ] && [ "$(wc -l <"$kept/err")" -eq 2 ] && grep -qx "# example.com/refold" "$kept/err" &&
        grep -q 'nocgo.go:.*"refold requires cgo: set CGO_ENABLED=1 and install a C compiler"' "$kept/err"
}

# links_shared PROGRAM, links_static PROGRAM: whether the program needs the shared library or contains the archive.
links_shared() {
    readelf -d "$1" | grep -q 'NEEDED.*\[librefold\.so\.[0-9]*\]'
}
links_static() {
    readelf -d "$1" >"$kept/dynamic" && grep -q 'NEEDED.*\[libc\.' "$kept/dynamic" && ! grep librefold "$kept/dynamic"
}

# vendors FOLDER: makes a module in the folder, as README.md describes, which needs nothing else of the package.
vendors() (
    cp -R . "$1/refold" && mkdir "$1/program" && cp cmd/refold-watch/main.go "$1/program" && cd "$1/program" &&
        go mod init example.com/program 2>"$kept/err" &&
        go mod edit -require=example.com/refold@v0.1.0 -replace=example.com/refold="$1/refold" &&
        go mod vendor && rm -rf "$1/refold"
)

# builds_vendored FOLDER [FLAG...]: builds the module of `vendors`.
builds_vendored() (
    cd "$1/program" && shift && GOFLAGS= go build "$@" -o "$kept/vendored" . && GOFLAGS=-mod=vendor go vet "$@" .
)

# builds_in_workspace FOLDER
builds_in_workspace() (
    mkdir "$1/workspace" && cp cmd/refold-get/main.go "$1/workspace" && package=$PWD && cd "$1/workspace" &&
        export GOWORK= GOFLAGS= && go mod init example.com/program 2>"$kept/err" && go work init . "$package" &&
        go build -o "$kept/in-workspace" . && links_shared "$kept/in-workspace"
)

stop_all() {
    stop_sandbox
    rm -rf "${elsewhere-}"
}

stop_sandbox_at_exit
trap stop_all EXIT
elsewhere=$(mktemp -d) || exit 1
start_sandbox "$kept" --run-seconds 1
check "gofmt" is_formatted
cd examples/go || exit 1
check "go vet" go vet ./...
check "go vet with the tag static" go vet -tags static ./...
check "go build without cgo names it" fails_without_cgo go build ./...
check "go vet without cgo names it" fails_without_cgo go vet .
test_package
for program in refold-get refold-watch; do
    check "$program compiles" go build -o "$kept/$program" "./cmd/$program"
    check "$program prints hostile texts harmlessly" prints_harmlessly "$program"
    check "$program logs hostile texts harmlessly" prints_harmlessly "$program" -verbose
    check "$program logs all phases" logs "DEBUG call .* connection [0-9]+ .* sent GET " "$program" -verbose completed
    check "$program leaves REFOLD_LOG to the library" logs "^refold INFO call " env REFOLD_LOG=info "$program" completed
    check "$program prints no numbers where none were sent" prints_no_numbers "$program"
done
check "refold-watch waits for a run to complete" runs 0 refold-watch running-program
check "refold-watch prints the final status" grep -q ": COMPLETED, 100 %$" "$kept/out"
check "refold-watch prints the times of the last poll" prints_times
check "refold-watch reports retries" logs "^refold-watch: WARN call .* attempt 1 failed, retrying in " refold-watch flaky-watch
check "refold-watch reports nothing else" [ "$(grep -vc "retrying in" "$kept/err")" -eq 0 ]
check "refold-watch accepts a finished run" runs 0 refold-watch 6a106ba44480b80424a65289
check "refold-watch prints the node" grep -q "^Start *Success *403ms$" "$kept/out"
check "refold-watch exits with 3 for a failed run" runs 3 refold-watch errored
check "refold-watch reports an error" reports "Execution not found" no-such-id
check "refold-watch times out" reports "deadline exceeded" -timeout 300ms stuck
check "refold-watch requires one id" runs 2 refold-watch
check "refold-get requires one id" runs 1 refold-get
check "refold-get reports that in one line" grep -q "usage: refold-get \[-verbose\] EXECUTION_ID" "$kept/err"
check "refold-get misses its reader" misses_its_reader refold-get completed
check "refold-watch misses its reader" misses_its_reader refold-watch completed
check "refold-watch stops polling without a reader" misses_its_reader refold-watch stuck
check "SIGINT cancels refold-watch" is_interrupted refold-watch stuck

check "the program links the shared library" links_shared "$kept/refold-get"
check "the tag static compiles" go build -tags static -o "$kept/static" ./cmd/refold-watch
check "the tag static leaves out the shared library" links_static "$kept/static"
check "the static program runs" runs 0 env -u LD_LIBRARY_PATH "$kept/static" completed
check "go mod vendor" vendors "$elsewhere"
check "the vendored module compiles" builds_vendored "$elsewhere"
check "the vendored program runs" runs 0 vendored completed
check "the vendored module compiles with the tag static" builds_vendored "$elsewhere" -tags static
check "the vendored static program runs" runs 0 env -u LD_LIBRARY_PATH "$kept/vendored" completed
check "a workspace needs no replace" builds_in_workspace "$elsewhere"

sum_up
