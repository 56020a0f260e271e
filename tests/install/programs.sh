# shellcheck shell=sh
# Shell functions, to be sourced by tests/install.sh: check an installation, and programs that use it.

# quietly COMMAND...: shows the output of the command only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 3>&- 4<&- || { cat "$work/log" && return 1; }
}

# has_files FOLDER LIBRARY_FOLDER [FILE...]: the folder has the files of an installation, these, and no others.
has_files() {
    folder=$1
    lib=$2
    shift 2
    printf '%s\n' include/refold.h include/refold.hpp "$lib/librefold.a" "$lib/librefold.so" "$lib/$soname" \
        "$lib/librefold.so.$version" "$lib/pkgconfig/refold.pc" "$lib/cmake/refold/refoldConfig.cmake" \
        "$lib/cmake/refold/refoldConfigVersion.cmake" "$lib/cmake/refold/refoldTargets.cmake" "$@" | sort >"$work/wanted"
    (cd "$folder" && find . ! -type d | sed 's|^\./||') | sort >"$work/got"
    diff "$work/wanted" "$work/got"
}

is_link() {
    [ "$(readlink "$1")" = "$2" ] || { echo "$1 is $(readlink "$1") instead of $2" && return 1; }
}

same_headers() {
    for header in include/*.h*; do
        cmp "$header" "$1/$header" || return 1
    done
}

# has_the_header ARCHIVE: readelf reads the machine code; nm may read the bitcode that is beside it.
has_the_header() {
    readelf -sW "$1" 2>/dev/null | awk '$5 == "GLOBAL" && $7 != "UND" { print $8 }' | sort -u >"$work/got"
    list_functions && [ -z "$(comm -23 "$work/functions" "$work/got")" ]
}

# packs_the_same FOLDER FILE...: cpack makes these packages in the folder; from the same files, it makes the same bytes.
packs_the_same() {
    folder=$1
    shift
    (cd "$folder" && cksum "$@" && rm -r _CPack_Packages "$@" && quietly cpack && cksum "$@") >"$work/sums" &&
        [ "$(sort -u "$work/sums" | wc -l)" -eq $# ]
}

# contains_no_place FOLDER: no text in the folder contains a path of this machine.
contains_no_place() {
    ! grep -rIF "$root" "$1"
}

# compile COMPILER SOURCE PROGRAM LIBRARIES: through pkg-config.
compile() {
    mkdir -p "$(dirname "$3")"
    # shellcheck disable=SC2046,SC2086
    $1 -Wall -Wextra -Werror $(pkg-config --cflags refold) "$2" $4 -o "$3"
}

# configure FOLDER FROM [OPTION...]: the project of tests/install.
configure() {
    configured=$work/$1
    from=$2
    shift 2
    rm -rf "$configured"
    quietly cmake -S tests/install -B "$configured" -DFROM="$from" -DTREE="$root" -DWANTED_VERSION="$version" "$@"
}

# is_linked shared|static PROGRAM: whether the program loads the shared library by its SONAME, or not at all.
is_linked() {
    readelf -d "$2" >"$work/dynamic" || return 1
    case $1 in
        shared) grep -qF "Shared library: [$soname]" "$work/dynamic" ;;
        static) ! grep -F "librefold" "$work/dynamic" ;;
    esac
}

works() {
    "$1" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" && grep -qF COMPLETED "$work/out" && grep -qF Start "$work/out"
}

# check_programs FOLDER LANGUAGE...: its programs are linked as they should be, and work.
check_programs() {
    programs=$1
    shift
    for language; do
        for linkage in shared static; do
            program=$(basename "$programs")/$language-$linkage
            check "$program is linked with the $linkage library" is_linked "$linkage" "$programs/$language-$linkage"
            check "$program works" works "$programs/$language-$linkage"
        done
    done
}
