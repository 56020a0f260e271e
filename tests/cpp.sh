#!/bin/sh
# Tests include/refold.hpp and the programs in examples/cpp. Compiles them with two compilers as three versions of C++,
# runs tests/cpp as is, under valgrind and with sanitizers, and runs the programs against the sandbox. With REFOLD_QUICK=1,
# compiles and runs the tests once. Writes only to target/. The last line is `N passed, M failed`.
# shellcheck disable=SC2086 # $strict, $memcheck and $sources are lists
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
need cc gcc libc6-dev || exit 1
need g++ g++ || exit 1
need clang++ clang || exit 1
need openssl openssl || exit 1
need_file /usr/include/openssl/ssl.h libssl-dev || exit 1
need_file /usr/include/zlib.h zlib1g-dev || exit 1
need valgrind valgrind libc6-dbg || exit 1
need_library || exit 1

work=target/tests/cpp
mkdir -p "$work"
work=$(cd "$work" && pwd)
kept=$work
strict="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Werror"
memcheck="-q --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
    --error-exitcode=99 --fair-sched=yes"

# unless_fresh FILE COMMAND...: runs the command unless FILE is newer than all sources. The command may create $file.new,
# which becomes FILE only on success: an interrupted compiler leaves an unfinished file.
unless_fresh() {
    file=$1
    shift
    [ -e "$file" ] && [ -z "$(find $sources -newer "$file" | head -n 1)" ] && return
    rm -f "$file.new"
    "$@" || return
    touch "$file.new"
    mv "$file.new" "$file"
}
sources="include tests/cpp tests/cpp.sh tests/support examples/cpp"

# compiles COMPILER VERSION: the public header alone.
compiles() {
    echo '#include <refold.hpp>' | $1 "-std=c++$2" $strict -Wsign-conversion -Iinclude -fsyntax-only -x c++ -
}

# can_be_used COMPILER VERSION: the tests, which use all of it. Only the macros of check.h have old-style casts.
can_be_used() {
    $1 "-std=c++$2" $strict -Wno-old-style-cast -Iinclude -Itests/support -fsyntax-only tests/cpp/*.cpp
}

# Each file includes the header twice, and linking them shows that the header has no duplicate definitions.
build_tests() { # compiler flags...
    "$@" $strict -Wno-old-style-cast -gdwarf-4 -pthread -Iinclude -Itests/support tests/cpp/*.cpp -o "$file.new" target/ctests/libsupport.a \
        -Ltarget/ctests/lib -lrefold -Wl,-rpath,"$PWD/target/ctests/lib" -lssl -lcrypto
}

build_example() {
    c++ -std=c++17 -O2 $strict -Iinclude "examples/cpp/$1.cpp" -Ltarget/ctests/lib -lrefold \
        -Wl,-rpath,"$PWD/target/ctests/lib" -o "$file.new"
}

# tests NAME PROGRAM...: adds up the results of the program. Any output on standard error is a failure.
tests() {
    name=$1
    shift
    SANDBOX_URL=$REFOLD_BASE_URL "$@" >"$work/$name.out" 2>"$work/$name.err" 3>&- 4<&- </dev/null
    status=$?
    grep -v '^ok \|passed, ' "$work/$name.out"
    passed=$((passed + $(grep -c '^ok ' "$work/$name.out")))
    wrong=$(sed -nE 's/^[0-9]+ passed, ([0-9]+) failed$/\1/p' "$work/$name.out")
    if [ "${wrong:-0}" -eq 0 ] && { [ "$status" -ne 0 ] || [ -s "$work/$name.err" ] || [ -z "$wrong" ]; }; then
        echo "FAIL $name: status $status, on standard error:"
        head -n 60 "$work/$name.err"
        wrong=1
    fi
    failed=$((failed + ${wrong:-0}))
}

leaks_nothing() {
    program=$1
    shift
    valgrind $memcheck "$work/$program" "$@" >"$kept/out" 2>"$kept/err" 3>&- 4<&-
    [ $? -le 1 ] || { cat "$kept/err" && return 1; }
}

prints() {
    words=$1
    shift
    runs "$@" && cat "$kept/out" "$kept/err" | grep -qF -- "$words"
}

# Whether everything is tested.
is_complete() {
    [ -z "${REFOLD_QUICK-}" ]
}

for compiler in g++ clang++; do
    is_complete || break
    for version in 17 20 2b; do
        check "$compiler as C++$version" unless_fresh "$work/$compiler-$version" compiles "$compiler" "$version"
        case $compiler$version in
            clang++17 | g++20) ;; # these build the tests below
            *) check "$compiler as C++$version, in use" unless_fresh "$work/$compiler-$version-use" \
                can_be_used "$compiler" "$version" ;;
        esac
    done
done

sh tests/support/build.sh || exit 1
check "tests build" unless_fresh "$work/plain" build_tests clang++ -std=c++17 -O1
is_complete && check "tests build with sanitizers" unless_fresh "$work/sanitized" build_tests \
    g++ -std=c++20 -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
for program in get watch; do
    check "$program builds" unless_fresh "$work/$program" build_example "$program"
done

# logs STATUS COMMAND...: the command exits with that status, and logs the phases of its calls, but no secret.
logs() {
    runs "$@" && grep -q "^call 1 .* sent GET /api/v2/public/execution/" "$kept/err" &&
        ! grep -F tk_sandbox "$kept/out" "$kept/err"
}

unset REFOLD_LOG
stop_sandbox_at_exit
start_sandbox "$work" --run-seconds 1
tests plain "$work/plain"
if is_complete; then
    tests sanitized env CHECK_PATIENCE=4 "$work/sanitized"
    tests valgrind env CHECK_PATIENCE=10 valgrind $memcheck "$work/plain"
fi

check "get shows an execution" prints "Start: Success" 0 "$work/get" 6a106ba44480b80424a65289
check "get reports an error" prints "get: Execution not found" 1 "$work/get" unknown
check "get without an id" prints "execution_id" 1 "$work/get"
check "watch shows a run to its end" prints "COMPLETED, 100 %, " 0 "$work/watch" running-watch
check "watch shows earlier snapshots" grep -q '^RUNNING, ' "$kept/out"
check "watch reports a failed run" prints "Errored" 3 "$work/watch" errored
check "watch gives up in time" prints "1000 ms" 1 "$work/watch" stuck 1
check "watch reports an error" prints "watch: Execution not found" 1 "$work/watch" unknown

times="took [0-9]+ ms: connect [0-9]+, first byte [0-9]+, transfer [0-9]+; attempts: 1"
runs 0 "$work/get" completed
check "get shows the time and the attempts" grep -qxE "took [0-9]+ ms; attempts: 1; request id: -" "$kept/out"
runs 0 "$work/watch" completed
check "watch shows the times of the last poll" grep -qxE "The last poll $times; request id: -" "$kept/out"
check "watch logs nothing by default" [ ! -s "$kept/err" ]
runs 1 "$work/watch" unknown
check "watch shows the times of an error" grep -qxE "watch: Execution not found; $times" "$kept/err"
check "watch reports a failed poll" prints ": poll failed, no time for another: TOO_MANY_REQUESTS (429), " 1 "$work/watch" rate-limited-61 1
REFOLD_LOG='' check "an empty REFOLD_LOG replaces nothing" prints "call 1 poll 1 " 1 "$work/watch" rate-limited-61 1
REFOLD_LOG=info check "REFOLD_LOG replaces the reports" prints "refold INFO call 1 " 1 "$work/watch" rate-limited-61 1

for program in get watch; do
    check "$program logs no secret" logs 0 "$work/$program" --verbose completed
    check "$program logs no secret of a call that fails" logs 1 "$work/$program" --verbose unknown
    check "$program logs hostile texts harmlessly" prints_harmlessly "$work/$program" --verbose
    check "$program leaks nothing while it logs" leaks_nothing "$program" --verbose completed
    check "$program prints hostile texts harmlessly" prints_harmlessly "$work/$program"
    check "$program leaks nothing" leaks_nothing "$program" completed
    check "$program leaks nothing on an error" leaks_nothing "$program" unknown
done

check "watch shows 100 % for 100 alone" prints "STOPPED, 99.9999996 %" 3 "$work/watch" nearly-complete
check "get misses its reader" misses_its_reader "$work/get" completed
check "watch misses its reader" misses_its_reader "$work/watch" completed
check "get misses its output" misses_its_output "$work/get" completed
check "watch misses its output" misses_its_output "$work/watch" completed
check "watch stops polling without a reader" misses_its_reader "$work/watch" stuck
check "watch is cancelled by SIGINT" is_interrupted "$work/watch" stuck

sum_up
