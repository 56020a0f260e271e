#!/bin/sh
# Holds README.md and the header to the programs that they show: each is the file that is tested, compiles without a
# warning, and runs against the sandbox. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/sandbox.sh
. tests/support/check.sh
. tests/support/install.sh
. tests/support/prefix.sh
need go golang-go || exit 1
need pkg-config pkg-config || exit 1
need python3 python3 || exit 1
work=target/tests/readme
rm -rf "$work"
mkdir -p "$work"
ln -sf ../../release/librefold.so "$work/librefold.so.0"
# block LANGUAGE: the first block of that language in README.md.
block() {
    awk -v begin="\`\`\`$1" '$0 == "```" && inside { exit } inside; $0 == begin { inside = 1 }' README.md
}

# shows LANGUAGE FILE: README.md prints the file as it is.
shows() {
    block "$1" >"$work/block"
    [ -s "$work/block" ] && cmp "$work/block" "$2"
}

# The program in the header's introduction, whose lines have the margin of a comment.
program_of_header() {
    awk '/\\endcode/ { exit } inside; /\\code\{.c\}/ { inside = 1 }' include/refold.h | sed 's/^ \* \{0,1\}//'
}

compile() {
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude "$work/$1.c" -Ltarget/release -lrefold \
        -Wl,-rpath,"\$ORIGIN" -o "$work/$1"
}

prints() {
    "$work/$1" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" && grep -qF COMPLETED "$work/out"
}

check "README shows examples/c/get_execution.c" shows c examples/c/get_execution.c
block c >"$work/readme.c"
program_of_header >"$work/header.c"
stop_sandbox_at_exit
start_sandbox "$work"
for program in readme header; do
    check "the program in the $program compiles" compile "$program"
    check "the program in the $program works" prints "$program"
done
cc -std=c11 -Iinclude "$work/readme.c" target/release/librefold.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -o "$work/static"
check "it works with the static library" prints static

check "README shows examples/cpp/get.cpp" shows cpp examples/cpp/get.cpp
check "the program in C++ compiles" c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude examples/cpp/get.cpp \
    -Ltarget/release -lrefold -Wl,-rpath,"\$ORIGIN" -o "$work/cpp"
check "it works" prints cpp

check "README shows examples/python/get.py" shows python examples/python/get.py
python() {
    PYTHONDONTWRITEBYTECODE=1 python3 examples/python/get.py completed 3>&- 4<&- >"$work/out" &&
        grep -qF COMPLETED "$work/out"
}
check "the program in Python works" python

check "README shows examples/go/cmd/refold-get/main.go" shows go examples/go/cmd/refold-get/main.go
make_prefix "$(pwd)/$work/prefix"
go_build() {
    (cd examples/go && PKG_CONFIG_PATH=$OLDPWD/$work/prefix/lib/pkgconfig \
        CGO_LDFLAGS="-Wl,-rpath,$OLDPWD/$work" go build -o "$OLDPWD/$work/go" ./cmd/refold-get)
}
check "the program in Go compiles" go_build
check "it works" prints go

sum_up
