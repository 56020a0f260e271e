#!/bin/sh
# Builds the API reference of the headers with Doxygen into target/docs, whose first page is index.html. A warning is a
# failure: something public without documentation, a reference to nothing. The last line is `N passed, M failed`.
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
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)

# build INPUTS OUTPUT: Doxygen is told by its environment.
build() {
    INPUTS=$1 OUTPUT=$2 VERSION=$version doxygen tests/docs/Doxyfile
}

# refuses WORDS ADDITION: with this at its end, the header gets no reference but a warning with these words.
refuses() {
    mkdir -p "$work/include"
    cp include/refold.h "$work/include/refold.h"
    printf '%s\n' "$2" >>"$work/include/refold.h"
    ! build "$work/include" "$work/refused" >"$work/warnings" 2>&1 && grep -q "^FAIL .*$1" "$work/warnings"
}

# names_exist FILE...: the functions and numbers that the text speaks of are declared in the header.
names_exist() {
    grep -hoE '\brefold_[a-z0-9_]+\(|\bREFOLD_(ERROR|STATE|JSON)_[A-Z_]*[A-Z]\b' "$@" | tr -d '(' | sort -u >"$work/spoken"
    comm -23 "$work/spoken" "$work/declared" >"$work/unknown"
    [ -s "$work/spoken" ] && [ ! -s "$work/unknown" ] || { cat "$work/unknown" && return 1; }
}

# Each has a place of its own in the reference.
all_are_described() {
    sed -nE 's|^<h2 class="memtitle">.*[;>](refold_[a-z0-9_]+)\(\)</h2>$|\1|p' "$docs"/group__*.html |
        sort -u >"$work/described"
    comm -23 "$work/functions" "$work/described" >"$work/missing"
    [ -s "$work/described" ] && [ ! -s "$work/missing" ] || { cat "$work/missing" && return 1; }
}

cc -E -P include/refold.h >"$work/declarations"
grep -oE '\brefold_[a-z0-9_]+ *\(' "$work/declarations" | tr -d ' (' | sort -u >"$work/functions"
grep -oE '\bREFOLD_[A-Z_]+\b' "$work/declarations" | sort -u | sort -mu - "$work/functions" >"$work/declared"

check "the reference builds without a warning" build include "$docs"
check "its first page is the manual for C" grep -qx 'From other languages</h2>' "$docs/index.html"
check "that for C++ is a page, too" grep -qx 'Views</h2>' "$docs/cpp.html"
check "every function is described" all_are_described
check "a function without documentation is refused" refuses \
    'refold_addition.* is not documented' 'void refold_addition(void);'
check "a reference to nothing is refused" refuses \
    'REFOLD_ERROR_ADDITION.* could not be resolved' '/** See REFOLD_ERROR_ADDITION. */ void refold_addition(void);'
check "the headers speak of what there is" names_exist include/refold.h include/refold.hpp
check "README speaks of what there is" names_exist README.md

sum_up
