#!/bin/sh
# Holds README.md and the header to the programs that they show: each is the file that is tested, compiles without a
# warning, and runs against the sandbox. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/sandbox.sh
. tests/support/check.sh
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

sum_up
