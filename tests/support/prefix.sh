# shellcheck shell=sh
# A shell function, to be sourced: presents the library of target/release as if it were installed.

# make_prefix FOLDER: creates FOLDER/lib with refold.pc and links to the library.
make_prefix() {
    version=$(library_version)
    mkdir -p "$1/lib/pkgconfig"
    for name in librefold.so "librefold.so.${version%%.*}"; do
        ln -sf "$(pwd)/target/release/librefold.so" "$1/lib/$name"
    done
    ln -sf "$(pwd)/target/release/librefold.a" "$1/lib/librefold.a"
    cat >"$1/lib/pkgconfig/refold.pc" <<PC
Name: refold
Description: The library in the build folder
Version: $version
Cflags: -I$(pwd)/include
Libs: -L$1/lib -lrefold
Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
PC
}
