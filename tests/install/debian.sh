# shellcheck shell=sh
# Part of tests/install.sh: the Debian packages that cpack makes, or those in the folder ARTEFACT, unpacked into a folder.

. tests/install/debs.sh

need lintian lintian || exit 1
need dpkg-shlibdeps dpkg-dev || exit 1

# lintian accepts ldconfig in postinst, which cpack insists on, with a warning.
is_clean() {
    quietly lintian --allow-root --fail-on error "$runtime" "$development"
}

field_is() {
    got=$(dpkg-deb -f "$1" "$2")
    [ "$got" = "$3" ] || { echo "$2 is $got instead of $3" && return 1; }
}

# has_control FILE TEXT: the control file of the runtime package.
has_control() {
    dpkg-deb -I "$runtime" "$1" | grep -qxF "$2"
}

has_symbols() {
    list_functions && dpkg-deb -I "$runtime" symbols | sed -n 's/^ \(.*\)@Base .*/\1/p' | sort | diff "$work/functions" -
}

has_runtime_files() {
    dpkg-deb --fsys-tarfile "$runtime" | tar t | grep -v '/$' | sort >"$work/got"
    printf '%s\n' "./usr/lib/$multiarch/$soname" "./usr/lib/$multiarch/librefold.so.$version" \
        ./usr/share/doc/librefold0/changelog.gz ./usr/share/doc/librefold0/copyright | diff - "$work/got"
}

unpack_debs() {
    rm -rf "$work/debian-root"
    dpkg-deb -x "$runtime" "$work/debian-root" && dpkg-deb -x "$development" "$work/debian-root"
}

# A library that zig has linked has an unwinder of its own.
needs_the_system() {
    dpkg-deb -f "$runtime" Depends | grep -q '^libc6 (>= [0-9.]*)\(, libgcc-s1 (>= [0-9.]*)\)\?$'
}

multiarch=$(cc -print-multiarch)
check "librefold-dev depends on librefold0" field_is "$development" Depends "librefold0 (= $version)"
check "librefold0 needs the libraries of the system" needs_the_system
check "librefold0 has shlibs" has_control shlibs "librefold 0 librefold0 (>= $version)"
check "librefold0 has the symbols of the header" has_symbols
check "librefold0 has all files, and no others" has_runtime_files
check "lintian finds no error" is_clean
check "the packages are unpacked" unpack_debs
check "they have all files, and no others" has_files "$work/debian-root/usr" "lib/$multiarch" \
    share/doc/librefold0/changelog.gz share/doc/librefold0/copyright \
    share/doc/librefold-dev/changelog.gz share/doc/librefold-dev/copyright
check "they contain no path of this machine" contains_no_place "$work/debian-root"
export PKG_CONFIG_PATH="$work/debian-root/usr/lib/$multiarch/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/debian-root"
shared="$(pkg-config --libs refold) -L$work/debian-root/usr/lib/$multiarch -Wl,-rpath,$work/debian-root/usr/lib/$multiarch"
check "a C program compiles with them" compile "cc -std=c11" examples/c/get_execution.c "$work/debian-programs/c-shared" "$shared"
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
check "the program is linked with the shared library" is_linked shared "$work/debian-programs/c-shared"
check "the program works" works "$work/debian-programs/c-shared"
