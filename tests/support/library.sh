# shellcheck shell=sh
# Shell functions, to be sourced in the project's folder: what a shared library for Linux, of any processor, must be like.
# $work is a folder.

# needs_only_glibc VERSION LIBRARY: it needs no symbol of a later version of glibc, and none of another library.
needs_only_glibc() {
    needed=$(readelf -VW "$2" | sed -n 's/.* Name: \([^ ]*\) .*/\1/p' | sort -Vu)
    newest=$(printf '%s\n' "$needed" "GLIBC_$1" | sort -V | tail -n 1)
    [ -n "$needed" ] && [ "$newest" = "GLIBC_$1" ] && ! printf '%s\n' "$needed" | grep -v '^GLIBC_[0-9][0-9.]*$' ||
        { echo "$2 needs" $needed && return 1; }
}

# needs_only_libraries LIBRARY NAME...: it loads no other libraries than these.
needs_only_libraries() {
    library=$1
    shift
    for loaded in $(readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        case " $* " in
            *" $loaded "*) ;;
            *) echo "$library loads $loaded" && return 1 ;;
        esac
    done
}

# list_functions: writes the functions of the header to $work/functions.
list_functions() {
    cc -E -P include/refold.h | grep -oE '\brefold_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/functions"
    [ -s "$work/functions" ]
}

# exports_the_header LIBRARY: the functions of the header, and no other symbol.
exports_the_header() {
    readelf --dyn-syms -W "$1" | awk '$5 != "LOCAL" && $7 ~ /^[0-9A-Z]+$/ && $7 != "UND" { print $8 }' | sort -u >"$work/exported"
    list_functions && diff "$work/functions" "$work/exported"
}

# has_soname NAME LIBRARY
has_soname() {
    readelf -dW "$2" | grep -qF "Library soname: [$1]"
}

# stays_loaded LIBRARY: dlclose() does not unmap it, because its threads may still run.
stays_loaded() {
    readelf -dW "$1" | grep -qE '\(FLAGS_1\).* NODELETE'
}

# is_hardened LIBRARY: all addresses are resolved when it is loaded, and read-only from then on; nothing is both writable and
# executable; the code has no relocations.
is_hardened() {
    readelf -dW "$1" >"$work/dynamic" && readelf -lW "$1" >"$work/segments" &&
        grep -qE '\(FLAGS_1\).* NOW' "$work/dynamic" && ! grep TEXTREL "$work/dynamic" &&
        grep -q GNU_RELRO "$work/segments" && grep -qE 'GNU_STACK .* RW +0' "$work/segments" &&
        ! grep -E '^ *LOAD .* RWE ' "$work/segments"
}

# is_stripped LIBRARY
is_stripped() {
    ! readelf -SW "$1" | grep -E ' \.(symtab|debug_)'
}
