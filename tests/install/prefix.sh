# shellcheck shell=sh
# Part of tests/install.sh: builds with CMake, and installs under a prefix and a DESTDIR.

prefix=/opt/refold
stage=$work/stage
installed=$stage$prefix

build_with_cmake() {
    quietly cmake --build "$work/build" && cp "$work/log" "$work/log.cargo"
}

# Cargo has built the library before, so it compiles nothing.
builds_nothing_twice() {
    before=$(stat -c %Y "$work/build/lib/librefold.so.$version" "$work/build/lib/librefold.a")
    build_with_cmake && ! grep -E "Compiling|Copying" "$work/log.cargo" &&
        [ "$before" = "$(stat -c %Y "$work/build/lib/librefold.so.$version" "$work/build/lib/librefold.a")" ]
}

install_library() {
    rm -rf "$stage"
    quietly env DESTDIR="$stage" cmake --install "$work/build" --prefix "$prefix"
}

# The library is used from the DESTDIR, which pkg-config calls the sysroot.
with_sysroot() {
    env PKG_CONFIG_PATH="$1$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$1" pkg-config refold "$2" ${3+"$3"}
}

flags_are() {
    wanted=$1
    shift
    got=$(with_sysroot "$stage" "$@" | sed 's/ *$//')
    [ "$got" = "$wanted" ] || { echo "got:    $got" && echo "wanted: $wanted" && return 1; }
}

# What rustc reports of a static library does not depend on the profile. Cargo repeats the report if nothing is compiled.
has_private_libraries() {
    CARGO_TARGET_DIR=target cargo rustc --locked --lib --crate-type staticlib -- --print native-static-libs 2>&1 |
        sed -n 's/^note: native-static-libs: //p' >"$work/wanted"
    sed -n 's/^Libs.private: //p' "$installed/lib/pkgconfig/refold.pc" >"$work/got"
    [ -s "$work/wanted" ] && diff "$work/wanted" "$work/got"
}

# A copy with the static library alone, because linkers prefer the shared one.
make_static_prefix() {
    rm -rf "$work/static"
    cp -R "$stage" "$work/static" && rm "$work/static$prefix"/lib/librefold.so*
}

# build_go FOLDER PROGRAM [FLAGS]
build_go() {
    (cd examples/go && PKG_CONFIG_PATH="$1$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR=$1 CGO_LDFLAGS=${3-} \
        go build -o "$work/programs/$2" ./cmd/refold-watch)
}

# pkg-config prints flags for a shell: spaces in paths are escaped.
compiles_with_spaces() {
    rm -rf "$work/with spaces"
    quietly cmake --install "$work/build" --prefix "$work/with spaces" || return 1
    flags=$(PKG_CONFIG_PATH="$work/with spaces/lib/pkgconfig" pkg-config --cflags --libs refold)
    eval "cc -std=c11 examples/c/get_execution.c $flags -o '$work/with spaces/program'"
}

# The project finds the installation again after it has moved.
configure_moved() {
    rm -rf "$work/moved" && cp -R "$installed" "$work/moved" && configure cmake package -DCMAKE_PREFIX_PATH="$work/moved"
}

check "CMake configures" quietly cmake -S . -B "$work/build"
check "CMake builds" build_with_cmake
check "a second build does nothing" builds_nothing_twice
check "cmake --install" install_library
check "all files are installed, and no others" has_files "$installed" lib share/doc/refold/LICENSE
check "nothing is installed outside of the prefix" \
    [ -z "$(find "$stage" ! -type d ! -path "$installed/*")" ]
check "librefold.so is $soname" is_link "$installed/lib/librefold.so" "$soname"
check "$soname is librefold.so.$version" is_link "$installed/lib/$soname" "librefold.so.$version"
check "the build folder has $soname" is_link "$work/build/lib/$soname" "librefold.so.$version"
check "the headers are ours" same_headers "$installed"
check "the installed library is $soname" has_soname "$soname" "$installed/lib/librefold.so"
check "the built library is $soname" has_soname "$soname" target/release/librefold.so
check "the built library exports the header" exports_the_header target/release/librefold.so
check "the installed library exports the header" exports_the_header "$installed/lib/librefold.so"
check "the static library has the header" has_the_header "$installed/lib/librefold.a"

check "pkg-config --modversion" flags_are "$version" --modversion
check "pkg-config --cflags" flags_are "-I$installed/include" --cflags
check "pkg-config --libs" flags_are "-L$installed/lib -lrefold" --libs
check "refold.pc has the prefix" grep -qxF "prefix=$prefix" "$installed/lib/pkgconfig/refold.pc"
check "a C program compiles with a prefix that has spaces" compiles_with_spaces
check "refold.pc has the private libraries" has_private_libraries
check "no file contains the build or staging folder" contains_no_place "$installed"

rm -rf "$work/programs"
make_static_prefix
# The programs run without LD_LIBRARY_PATH.
shared="$(with_sysroot "$stage" --libs) -Wl,-rpath,$installed/lib"
static=$(with_sysroot "$work/static" --static --libs)
export PKG_CONFIG_PATH="$installed/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage"
check "a C program compiles" compile "cc -std=c11" examples/c/get_execution.c "$work/programs/c-shared" "$shared"
check "a static C program does" compile "cc -std=c11" examples/c/get_execution.c "$work/programs/c-static" "$static"
check "a C++ program compiles" compile "c++ -std=c++17" examples/cpp/get.cpp "$work/programs/cpp-shared" "$shared"
check "a static C++ program does" compile "c++ -std=c++17" examples/cpp/get.cpp "$work/programs/cpp-static" "$static"
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
check "a Go program compiles" build_go "$stage" go-shared "-Wl,-rpath,$installed/lib"
check "a static Go program does" build_go "$work/static" go-static "$static"
check_programs "$work/programs" c cpp go
check "CMake finds the package, also after it has moved" configure_moved
check "programs compile through CMake" quietly cmake --build "$work/cmake"
check_programs "$work/cmake" c cpp
