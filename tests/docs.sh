#!/bin/sh
# Builds the API reference of the headers with Doxygen. Its first page is target/docs/index.html. Warnings are failures:
# undocumented items, unresolved references. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
need doxygen doxygen || exit 1
need cc gcc libc6-dev || exit 1

docs=target/docs
work=target/tests/docs
rm -rf "$docs" "$work"
mkdir -p "$docs" "$work"
version=$(library_version)

# build INPUTS OUTPUT: runs Doxygen, whose configuration reads these from the environment.
build() {
    INPUTS=$1 OUTPUT=$2 VERSION=$version doxygen tests/docs/Doxyfile
}

# rejects WORDS ADDITION: with ADDITION appended, the header causes a warning that contains WORDS.
rejects() {
    mkdir -p "$work/include"
    cp include/refold.h "$work/include/refold.h"
    printf '%s\n' "$2" >>"$work/include/refold.h"
    ! build "$work/include" "$work/refused" >"$work/warnings" 2>&1 && grep -q "^FAIL .*$1" "$work/warnings"
}

# names_exist FILE...: the functions and constants that the files mention are declared in the header.
names_exist() {
    grep -hoE '\brefold_[a-z0-9_]+\(|\bREFOLD_(ERROR|STATE|JSON)_[A-Z_]*[A-Z]\b' "$@" | tr -d '(' | sort -u >"$work/mentioned"
    comm -23 "$work/mentioned" "$work/declared" >"$work/unknown"
    [ -s "$work/mentioned" ] && [ ! -s "$work/unknown" ] || { cat "$work/unknown" && return 1; }
}

# Each function has an entry in the reference.
all_are_described() {
    sed -nE 's|^<h2 class="memtitle">.*[;>](refold_[a-z0-9_]+)\(\)</h2>$|\1|p' "$docs"/group__*.html |
        sort -u >"$work/described"
    comm -23 "$work/functions" "$work/described" >"$work/missing"
    [ -s "$work/described" ] && [ ! -s "$work/missing" ] || { cat "$work/missing" && return 1; }
}

# The first program in the README of the C++ examples is the one that tests/cpp.sh runs.
cpp_readme_shows_the_program() {
    sed -n '/^```cpp$/,/^```$/ { /^```cpp$/d; /^```$/q; p; }' examples/cpp/README.md | diff - examples/cpp/get.cpp
}

cc -E -P include/refold.h >"$work/declarations"
grep -oE '\brefold_[a-z0-9_]+ *\(' "$work/declarations" | tr -d ' (' | sort -u >"$work/functions"
grep -oE '\bREFOLD_[A-Z_]+\b' "$work/declarations" | sort -u | sort -mu - "$work/functions" >"$work/declared"

check "the reference builds without a warning" build include "$docs"
check "its first page is the C manual" grep -qx 'From other languages</h2>' "$docs/index.html"
check "it has a page for C++" grep -qx 'Views</h2>' "$docs/cpp.html"
check "every function is described" all_are_described
check "an undocumented function is rejected" rejects \
    'refold_addition.* is not documented' 'void refold_addition(void);'
check "an unresolved reference is rejected" rejects \
    'REFOLD_ERROR_ADDITION.* could not be resolved' '/** See REFOLD_ERROR_ADDITION. */ void refold_addition(void);'
check "names in the headers exist" names_exist include/refold.h include/refold.hpp
check "names in README exist" names_exist README.md
check "README of the C++ examples shows get.cpp" cpp_readme_shows_the_program

sum_up
