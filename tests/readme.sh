#!/bin/sh
# Checks the programs and commands that README.md, the pages of the languages and the headers show: each program on a
# page is the file that is tested, every other block compiles or parses, and the programs run against the sandbox. The
# last line is `N passed, M failed`.
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
need cmake cmake || exit 1
need make make || exit 1
need python3 python3 || exit 1
need node nodejs || exit 1
use_go || exit 1
need_library || exit 1

work=target/tests/readme
rm -rf "$work"
mkdir -p "$work/tree"
work=$(cd "$work" && pwd)
make_prefix "$work/prefix"

# page_blocks PAGE LANGUAGE FILE: writes the blocks of that language to FILE, with 1, 2 and so on in place of %.
page_blocks() {
    awk -v begin="\`\`\`$2" -v file="$work/$3" '
        $0 == "```" { name = "" }
        name { print >name }
        $0 == begin { name = file; sub("%", ++count, name) }' "$1"
}

# header_blocks HEADER LANGUAGE FILE: the same for a header, where blocks have the margin of a comment.
header_blocks() {
    awk -v begin="\\\\\\\\code{.$2}" -v file="$work/$3" '
        /\\endcode/ { name = "" }
        name { sub("^ *[*] ?", ""); print >name }
        $0 ~ begin { name = file; sub("%", ++count, name) }' "include/$1"
}

# program LANGUAGE: prints the path of the program that a page shows in its first block of that language.
program() {
    case $1 in
        c) echo examples/c/get_execution.c ;;
        cpp) echo examples/cpp/get.cpp ;;
        go) echo examples/go/cmd/refold-get/main.go ;;
        python) echo examples/python/get.py ;;
        js) echo examples/node/get.mjs ;; # tests/node.sh runs it
    esac
}

# check_page PAGE LANGUAGE...: its first block of each language is the program, and the others parse.
check_page() {
    page=$1
    shift
    for language in "$@"; do
        page_blocks "$page" "$language" "block-%.$language"
        check "$page shows $(program "$language")" cmp "$work/block-1.$language" "$(program "$language")"
        for block in "$work"/block-*; do
            check "$page: $(basename "$block") parses" "parses_as_$language" "$block"
        done
        rm -f "$work"/block-* # the programs below are complete
    done
}

# complete FILE PROLOGUE: prints the file, as the body of the function that the prologue opens unless it is a program.
complete() {
    if grep -q '^int main' "$1"; then
        cat "$1"
    else
        echo "$2"
        cat "$1"
        echo "}"
    fi
}

parses_as_c() {
    complete "$1" '
        #include "printable.h"
        #include <refold.h>
        #include <stdio.h>
        extern const refold_client *client;
        void fragment(refold_error *error);
        void fragment(refold_error *error) {' | cc -std=c11 -Wall -Wextra -Werror -Iinclude -Iexamples/c -fsyntax-only -x c -
}

is_a_function() {
    cc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -Iexamples/c -include refold.h -include printable.h \
        -include poll.h -fsyntax-only -x c "$1"
}

parses_as_cpp() {
    complete "$1" '
        #include <iostream>
        #include <refold.hpp>
        void fragment(const refold::client &client) {' | c++ -std=c++17 -Iinclude -fsyntax-only -x c++ -
}

parses_as_go() {
    gofmt -e <"$1" | cmp - "$1"
}

parses_as_python() {
    python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$1"
}

parses_as_js() {
    cp "$1" "$1.mjs" && node --check "$1.mjs"
}

# prints PROGRAM...: prints the documented run.
prints() {
    "$@" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" && grep -qF COMPLETED "$work/out"
}

# compiles COMPILER SOURCE PROGRAM
compiles() {
    $1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude "$2" -Ltarget/release -lrefold \
        -Wl,-rpath,"$work/prefix/lib" -o "$3"
}

# The commands of examples/c/README.md that link against the build folder, in a tree with the same layout.
links_as_documented() {
    grep -E '^    cc -Iinclude ' examples/c/README.md >"$work/commands" && [ "$(wc -l <"$work/commands")" -eq 2 ] || return 1
    ln -s "$(pwd)/include" "$work/tree/include"
    cmake -S . -B "$work/tree/build" -DREFOLD_LIBRARY_DIR="$(pwd)/target/release" >/dev/null 3>&- 4<&- &&
        cmake --build "$work/tree/build" >/dev/null 3>&- 4<&- || return 1
    cp "$(program c)" "$work/tree/program.c"
    cp examples/c/printable.h "$work/tree/"
    while read -r command <&5; do
        (cd "$work/tree" && rm -f program && eval "$command") || return 1
        prints "$work/tree/program" || return 1
    done 5<"$work/commands"
}

python() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=examples/python python3 "$@"
}

build_go() {
    (cd examples/go && PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig CGO_LDFLAGS="-Wl,-rpath,$work/prefix/lib" \
        go build -o "$work/go" ./cmd/refold-get)
}

# README.md shows the programs of some languages, and each page that of its own.
for language in c cpp go python js; do
    ! grep -qx "\`\`\`$language" README.md || check_page README.md "$language"
done
check_page examples/c/README.md c
check_page examples/go/README.md go
check_page examples/python/README.md python
check_page examples/node/README.md js
[ ! -e examples/cpp/README.md ] || check_page examples/cpp/README.md cpp

cp "$(program c)" "$work/program.c"
cp examples/c/printable.h "$work/"
cp "$(program cpp)" "$work/program.cpp"
header_blocks refold.h c header-%.c
header_blocks refold.hpp cpp header-%.cpp
mv "$work/header-2.c" "$work/function"
check "refold.h shows a program" [ -s "$work/header-1.c" ]
check "the function that refold.h shows compiles" is_a_function "$work/function"
check "refold.hpp shows a program" [ -s "$work/header-1.cpp" ]

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
check "the link commands of README.md work" links_as_documented
check "the Go program compiles" build_go
check "the Go program works" prints "$work/go"
check "the Python program works" prints python "$(program python)"
check "the Python module works as a program" prints python -m refold

sum_up
