#!/bin/sh
# Builds every tests/c/*.c with the support code into target/ctests (or $OUT); rebuilds only what is out of date.
#
#     sh tests/support/build.sh [INCLUDE_FOLDER [LIBRARY_FOLDER]]      include, target/release
#
# Reads CC, AR, EXTRA_CFLAGS (such as sanitizers), LIBRARY (what to link instead of the shared library) and PROGRAMS (a list,
# if not all are wanted) from the environment.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
include=$(cd "${1:-$root/include}" && pwd)
library=$(cd "${2:-$root/target/release}" && pwd)
out=${OUT:-$root/target/ctests}
cc=${CC:-cc}
flags="-std=c11 -O1 -g -Wall -Wextra -Wpedantic -Werror -pthread ${EXTRA_CFLAGS:-}"

mkdir -p "$out/objects" "$out/lib"
out=$(cd "$out" && pwd)
# The loader looks for the library under its SONAME.
for name in librefold.so librefold.so.0; do
    ln -sf "$library/librefold.so" "$out/lib/$name"
done
# A change of compiler or flags rebuilds everything.
if [ "$(cat "$out/flags" 2>/dev/null)" != "$cc $flags" ]; then echo "$cc $flags" >"$out/flags"; fi

# Everything is built here, and moved when it is complete: an interrupted compiler leaves an unfinished file.
new=$out/new.$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM

# is_stale TARGET SOURCE...: whether the target is missing or older than a source.
is_stale() {
    target=$1
    shift
    [ -e "$target" ] || return 0
    [ -n "$(find "$@" "$out/flags" -newer "$target" -print 2>/dev/null | head -n 1)" ]
}

for source in "$here"/*.c; do
    object=$out/objects/$(basename "$source" .c).o
    if is_stale "$object" "$source" "$here"/*.h "$include/refold.h"; then
        # shellcheck disable=SC2086
        $cc $flags -DSUPPORT_DIR="\"$here\"" -I"$include" -c "$source" -o "$new"
        mv "$new" "$object"
    fi
done

if is_stale "$out/libsupport.a" "$out/objects"; then
    rm -f "$new"
    "${AR:-ar}" rcs "$new" "$out"/objects/*.o
    mv "$new" "$out/libsupport.a"
fi

for source in "$root"/tests/c/*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    case " ${PROGRAMS:-$name} " in
        *" $name "*) ;;
        *) continue ;;
    esac
    program=$out/$name
    if is_stale "$program" "$source" "$here"/*.c "$here"/*.h "$here/build.sh" "$include/refold.h"; then
        # shellcheck disable=SC2086
        $cc $flags -I"$here" -I"$include" "$source" -o "$new" "$out/libsupport.a" \
            -L"$out/lib" -Wl,--as-needed ${LIBRARY:--lrefold} -Wl,-rpath,"$out/lib" -lssl -lcrypto -lz -lm
        mv "$new" "$program"
    fi
done
