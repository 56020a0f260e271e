#!/bin/sh
# Holds README.md and the headers to the programs and commands that they show: each program of README is the file that
# is tested, every block compiles without a warning, and programs run against the sandbox. The last line is
# `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/go.sh
. tests/support/prefix.sh
need cc gcc libc6-dev || exit 1
need c++ g++ || exit 1
need pkg-config pkg-config || exit 1
need python3 python3 || exit 1
use_go || exit 1
need_library || exit 1

work=target/tests/readme
rm -rf "$work"
mkdir -p "$work/tree/target/release"
work=$(cd "$work" && pwd)
make_prefix "$work/prefix"

# readme_blocks LANGUAGE FILE: writes the blocks of that language to FILE, with 1, 2 ... for its %.
readme_blocks() {
    awk -v begin="\`\`\`$1" -v file="$work/$2" '
        $0 == "```" { name = "" }
        name { print >name }
        $0 == begin { name = file; sub("%", ++count, name) }' README.md
}

# header_blocks HEADER LANGUAGE FILE: the same for a header, where they have the margin of a comment.
header_blocks() {
    awk -v begin="\\\\\\\\code{.$2}" -v file="$work/$3" '
        /\\endcode/ { name = "" }
        name { sub("^ *[*] ?", ""); print >name }
        $0 ~ begin { name = file; sub("%", ++count, name) }' "include/$1"
}

# prints PROGRAM...: shows the documented run.
prints() {
    "$@" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" && grep -qF COMPLETED "$work/out"
}

# compiles COMPILER SOURCE PROGRAM
compiles() {
    $1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude "$2" -Ltarget/release -lrefold \
        -Wl,-rpath,"$work/prefix/lib" -o "$3"
}

# What README says of linking from the build folder, in a tree that looks like this one.
links_as_told() {
    grep -E '^    (ln|cc -Iinclude) ' README.md >"$work/commands" && [ "$(wc -l <"$work/commands")" -eq 3 ] || return 1
    ln -s "$(pwd)/include" "$work/tree/include"
    ln -s "$(pwd)/target/release/librefold.so" "$(pwd)/target/release/librefold.a" "$work/tree/target/release/"
    cp "$work/readme-1.c" "$work/tree/program.c"
    while read -r command <&5; do
        (cd "$work/tree" && rm -f program && eval "$command") || return 1
        case $command in
            cc*) prints "$work/tree/program" || return 1 ;;
        esac
    done 5<"$work/commands"
}

python() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=examples/python python3 "$@"
}

build_go() {
    (cd examples/go && PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig CGO_LDFLAGS="-Wl,-rpath,$work/prefix/lib" \
        go build -o "$work/go" ./cmd/refold-get)
}

readme_blocks c readme-%.c
readme_blocks cpp readme-%.cpp
readme_blocks go readme-%.go
readme_blocks python readme-%.py
readme_blocks js readme-%.mjs
header_blocks refold.h c header-%.c
header_blocks refold.hpp cpp header-%.cpp
check "README shows examples/c/get_execution.c" cmp "$work/readme-1.c" examples/c/get_execution.c
check "README shows examples/cpp/get.cpp" cmp "$work/readme-1.cpp" examples/cpp/get.cpp
check "README shows examples/go/cmd/refold-get/main.go" cmp "$work/readme-1.go" examples/go/cmd/refold-get/main.go
check "README shows examples/python/get.py" cmp "$work/readme-1.py" examples/python/get.py
check "README shows examples/node/get.mjs" cmp "$work/readme-1.mjs" examples/node/get.mjs # which tests/node.sh runs
check "the header shows a program" [ -s "$work/header-1.c" ]
check "the header for C++ shows a program" [ -s "$work/header-1.cpp" ]

stop_sandbox_at_exit
start_sandbox "$work"
for source in "$work"/*.c "$work"/*.cpp; do
    case $source in
        *.c) compiler="cc -std=c11" ;;
        *) compiler="c++ -std=c++17" ;;
    esac
    check "$(basename "$source") compiles" compiles "$compiler" "$source" "$source.program"
    check "$(basename "$source") works" prints "$source.program"
done
check "programs are linked as README says" links_as_told
check "the program in Go compiles" build_go
check "it works" prints "$work/go"
check "the program in Python works" prints python "$work/readme-1.py"
check "the module is a program" prints python -m refold

sum_up
