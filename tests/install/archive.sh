# shellcheck shell=sh
# Part of tests/install.sh: the archives that cpack makes, or ARTEFACT, unpacked elsewhere.

# make_archive FOLDER [OPTION...]: packs the prebuilt library.
make_archive() {
    packed=$work/$1
    shift
    rm -rf "$packed"
    quietly cmake -S . -B "$packed" "$@" && quietly cmake --build "$packed" && (cd "$packed" && quietly cpack)
}

unpack() {
    rm -rf "$work/unpacked"
    mkdir "$work/unpacked" && (cd "$work/unpacked" && quietly cmake -E tar xf "$1") &&
        unpacked=$(echo "$work/unpacked"/librefold-"$version"-*) && [ -d "$unpacked" ]
}

# A library that has the names of the real one, but does nothing: Windows programs are linked here, not run.
make_dll() {
    rm -rf "$work/dll"
    mkdir "$work/dll" && list_functions &&
        sed 's/.*/__declspec(dllexport) void &(void) {}/' "$work/functions" >"$work/dll/refold.c" &&
        $mingw -shared "$work/dll/refold.c" -o "$work/dll/refold.dll" -Wl,--out-implib,"$work/dll/librefold.dll.a"
}

has_windows_files() {
    printf '%s\n' bin/refold.dll include/refold.h include/refold.hpp lib/cmake/refold/refoldConfig.cmake \
        lib/cmake/refold/refoldConfigVersion.cmake lib/cmake/refold/refoldTargets.cmake lib/librefold.dll.a \
        lib/pkgconfig/refold.pc share/doc/refold/LICENSE >"$work/wanted"
    (cd "$1" && find . ! -type d | sed 's|^\./||') | sort >"$work/got"
    sort "$work/wanted" | diff - "$work/got"
}

loads_the_dll() {
    x86_64-w64-mingw32-objdump -p "$1" | grep -qF "DLL Name: refold.dll"
}

check_unix_archive() {
    check "the archive is unpacked" unpack "$1"
    check "it has all files, and no others" has_files "$unpacked" lib share/doc/refold/LICENSE
    check "its library is $soname" has_soname "$soname" "$unpacked/lib/librefold.so"
    check "its library exports the header" exports_the_header "$unpacked/lib/librefold.so"
    check "its static library has the header" has_the_header "$unpacked/lib/librefold.a"
    check "it contains no path of this machine" contains_no_place "$unpacked"
    export PKG_CONFIG_PATH="$unpacked/lib/pkgconfig"
    programs=$work/archive-programs
    rm -rf "$programs"
    check "a C program compiles with it" compile "cc -std=c11" examples/c/get_execution.c "$programs/c-shared" \
        "$(pkg-config --libs refold) -Wl,-rpath,$unpacked/lib"
    rm "$unpacked/lib/librefold.so"
    check "a static C program does" compile "cc -std=c11" examples/c/get_execution.c "$programs/c-static" \
        "$(pkg-config --static --libs refold)"
    unset PKG_CONFIG_PATH
    check_programs "$programs" c
    check "CMake finds it" configure archive-cmake package -DCMAKE_PREFIX_PATH="$unpacked"
    check "programs compile with it through CMake" quietly cmake --build "$work/archive-cmake"
    check_programs "$work/archive-cmake" c cpp
}

check_windows_archive() {
    check "the archive for Windows is unpacked" unpack "$1"
    check "the archive for Windows has all files" has_windows_files "$unpacked"
    check "CMake finds it when it compiles for Windows" configure windows-cmake package \
        -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=$mingw -DCMAKE_PREFIX_PATH="$unpacked"
    check "a program for Windows compiles" quietly cmake --build "$work/windows-cmake"
    check "the program loads refold.dll" loads_the_dll "$work/windows-cmake/c-shared.exe"
}

mingw=x86_64-w64-mingw32-gcc-win32
need $mingw gcc-mingw-w64-x86-64-win32 || exit 1
case ${ARTEFACT-} in
    *.zip) check_windows_archive "$ARTEFACT" ;;
    *.tar.gz) check_unix_archive "$ARTEFACT" ;;
    *)
        check "cpack makes an archive" make_archive archive -DREFOLD_LIBRARY_DIR="$root/target/release"
        archive=librefold-$version-$(cc -dumpmachine).tar.gz
        check "the same files give the same archive" packs_the_same "$packed" "$archive"
        check_unix_archive "$packed/$archive"
        check "a stand-in for refold.dll is built" make_dll
        check "cpack makes an archive for Windows" make_archive windows -DREFOLD_LIBRARY_DIR="$work/dll" \
            -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=x86_64 -DCMAKE_C_COMPILER=$mingw
        archive=librefold-$version-x86_64-windows-gnu.zip
        check "the same files give the same archive for Windows" packs_the_same "$packed" "$archive"
        check_windows_archive "$packed/$archive"
        ;;
esac
