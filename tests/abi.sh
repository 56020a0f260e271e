#!/bin/sh
# Checks that programs built against one librefold.so.N run with every later one: compares the library and its header with
# the files in tests/abi under its SONAME:
#
#     librefold.so.N.xml        the exported functions and all types that they reach, as abidw reads them from the library
#     librefold.so.N.symbols    the version in which each symbol appeared, in Debian's format
#     librefold.so.N.c          types, constants and signatures of the header, as assertions for a C compiler
#
# The last line is `N passed, M failed`. After an addition to the interface:
#
#     sh tests/abi.sh --update
#
# updates the first two; the third is written by hand. It refuses a change that breaks programs: such a change requires a
# new SONAME, and new files.
set -u

# soname LIBRARY: the name by which programs load it.
soname() {
    objdump -p "$1" | sed -n 's/^ *SONAME *//p'
}

dump() {
    printf '[suppress_function]\nname_not_regexp = ^refold_\ndrop = yes\n' >"$work/suppressions"
    abidw --suppressions "$work/suppressions" --no-show-locs --no-corpus-path --no-comp-dir-path --no-parameter-names \
        --no-elf-needed --type-id-style hash "$1" | python3 tests/abi/reduce.py
}

# compare OPTION BASELINE NOW: exits with 1 if there is a difference, which is printed.
compare() {
    abidiff "$1" "$2" "$3"
    status=$?
    # Bits: 1 and 2 for an error, 4 and 8 for a difference.
    case $status in
        0) return 0 ;;
        4 | 12) return 1 ;;
        *) return 2 ;;
    esac
}

# Nothing that programs rely on is gone or different; additions are allowed.
is_compatible() {
    compare --no-added-syms "$1" "$2"
}

is_up_to_date() {
    compare --redundant "$1" "$2"
}

# Every symbol has a version, and none is gone.
symbols_have_versions() {
    dpkg-gensymbols -c4 -q -plibrefold -v"$version" -I"$1" -e"$2" -O"$work/symbols"
}

# header_is_compatible ASSERTIONS FOLDER: the header in this folder has the asserted types, constants and signatures.
header_is_compatible() {
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$2" -fsyntax-only "$1"
}

functions_of() {
    sed -n 's/^ \(refold_[a-z0-9_]*\)@.*/\1/p' "$1" | sort
}

# A function without a type in the baseline would not be compared.
every_function_has_a_type() {
    functions_of "$1" >"$work/functions"
    sed -n 's/.*<function-decl name="\([^"]*\)".*/\1/p' "$2" | sort | diff "$work/functions" -
}

# Every function and every constant has an assertion.
all_is_asserted() {
    functions_of "$2" >"$work/functions"
    sed -n 's/^ *\(REFOLD_[A-Z0-9_]*\) = .*/\1/p' include/refold.h | sort >"$work/constants"
    sed -n 's/^TAKES(\([^,]*\),.*/\1/p' "$1" | sort | diff "$work/functions" - &&
        sed -n 's/^EQUALS(\([^,]*\),.*/\1/p' "$1" | sort | diff "$work/constants" -
}

# update FOLDER LIBRARY
update() {
    target=$1/$(soname "$2")
    dump "$2" >"$work/new.xml" || return 1
    if [ -e "$target.xml" ] && ! is_compatible "$target.xml" "$work/new.xml"; then
        echo "This breaks programs that use $(soname "$2"): it requires a new SONAME, see build.rs." >&2
        return 1
    fi
    known=
    [ ! -e "$target.symbols" ] || known=-I$target.symbols
    # shellcheck disable=SC2086
    dpkg-gensymbols -c0 -q -plibrefold -v"$version" $known -e"$2" -O"$work/symbols" || return 1
    mv "$work/symbols" "$target.symbols"
    mv "$work/new.xml" "$target.xml"
}

# The test of the test: changes of each kind are found. They are made in copies of the baseline, except for the SONAME,
# which is changed in a copy of the library.

differs() {
    "$@" >"$work/difference" 2>&1
    [ $? -eq 1 ]
}

fails() {
    ! "$@" >"$work/difference" 2>&1
}

a_function_that_is_gone_breaks() {
    sed 's/refold_version/refold_gone/g' "$baseline.xml" >"$work/gone.xml"
    differs is_compatible "$work/gone.xml" "$work/now.xml"
}

# Another number of parameters, and another type.
another_signature_breaks() {
    sed '/<function-decl name="refold_state_name"/,/<\/function-decl>/ { /<parameter/d; }' "$baseline.xml" \
        >"$work/parameter.xml"
    other=$(sed -n 's/.*<type-decl name="i64".* id="\([0-9a-f]*\)".*/\1/p' "$baseline.xml")
    sed '/<function-decl name="refold_json_bool"/,/<\/function-decl>/ s/<return type-id="[^"]*"/<return type-id="'"$other"'"/' \
        "$baseline.xml" >"$work/type.xml"
    differs is_compatible "$work/parameter.xml" "$work/now.xml" && differs is_compatible "$work/type.xml" "$work/now.xml"
}

an_addition_is_compatible_and_needs_an_update() {
    sed -e '/<elf-symbol name="refold_version"/d' -e '/<function-decl name="refold_version"/,/<\/function-decl>/d' \
        "$baseline.xml" >"$work/less.xml"
    sed '/refold_version/d' "$baseline.symbols" >"$work/less.symbols"
    is_compatible "$work/less.xml" "$work/now.xml" && differs is_up_to_date "$work/less.xml" "$work/now.xml" &&
        fails symbols_have_versions "$work/less.symbols" "$library"
}

another_header_breaks() {
    for change in 's/REFOLD_ERROR_RESOURCE = -11/REFOLD_ERROR_RESOURCE = -12/' 's/^typedef int32_t refold_code;/typedef int64_t refold_code;/' \
        's/^const char \*refold_version(void)/char *refold_version(void)/' '/^bool refold_state_is_final/d' \
        's/^typedef struct refold_node refold_node;/typedef struct { int x; } refold_node;/'; do
        mkdir -p "$work/header"
        sed "$change" include/refold.h >"$work/header/refold.h"
        ! cmp -s include/refold.h "$work/header/refold.h" || return 1
        fails header_is_compatible "$baseline.c" "$work/header" || return 1
    done
}

# A change that breaks programs is refused under the same SONAME, and accepted under a new one.
an_update_that_breaks_needs_a_new_soname() {
    folder=$work/folder
    mkdir -p "$folder"
    sed 's/refold_version/refold_gone/g' "$baseline.xml" >"$folder/$current.xml"
    cp "$baseline.symbols" "$folder"
    fails update "$folder" "$library" || return 1
    LC_ALL=C sed 's/librefold\.so\.[0-9]/librefold.so.9/g' "$library" >"$work/librefold.so"
    update "$folder" "$work/librefold.so" && grep -q '<function-decl name="refold_version"' "$folder/librefold.so.9.xml" &&
        symbols_have_versions "$folder/librefold.so.9.symbols" "$work/librefold.so"
}

cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need objdump binutils || exit 1
need abidw abigail-tools || exit 1
need dpkg-gensymbols dpkg-dev || exit 1
need python3 python3 || exit 1

# The library as `cargo test` builds it: not stripped, with the types in its debug information.
build_sandbox || exit 1
library=target/debug/librefold.so
version=$(library_version)
current=$(soname "$library")
baseline=tests/abi/$current
work=target/abi
rm -rf "$work"
mkdir -p "$work"

case $#:${1-} in
    0:) ;;
    1:--update)
        update tests/abi "$library"
        exit
        ;;
    *)
        echo "usage: sh tests/abi.sh [--update]" >&2
        exit 2
        ;;
esac
dump "$library" >"$work/now.xml" || exit 1
check "the library is compatible with $current" is_compatible "$baseline.xml" "$work/now.xml"
check "nothing is new, or sh tests/abi.sh --update has to run" is_up_to_date "$baseline.xml" "$work/now.xml"
check "every symbol has the version in which it appeared" symbols_have_versions "$baseline.symbols" "$library"
check "every function has a type" every_function_has_a_type "$baseline.symbols" "$baseline.xml"
check "the header is compatible with $current" header_is_compatible "$baseline.c" include
check "all of the header has assertions" all_is_asserted "$baseline.c" "$baseline.symbols"
check "a function that is gone breaks" a_function_that_is_gone_breaks
check "another signature breaks" another_signature_breaks
check "an addition is compatible, and needs an update" an_addition_is_compatible_and_needs_an_update
check "another header breaks" another_header_breaks
check "an update that breaks needs a new SONAME" an_update_that_breaks_needs_a_new_soname
sum_up
