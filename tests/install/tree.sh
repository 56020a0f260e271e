# shellcheck shell=sh
# Part of tests/install.sh: projects that contain the library. They get it prebuilt, because they build it in a folder of
# their own.

# installs PROJECT FILE...: the project installs these files and no others.
installs() {
    rm -rf "$work/tree-stage"
    quietly env DESTDIR="$work/tree-stage" cmake --install "$work/$1" --prefix / --config Release || return 1
    (cd "$work/tree-stage" && find . ! -type d | sed 's|^\./||') | sort >"$work/got"
    shift
    printf '%s\n' "$@" | sort >"$work/wanted"
    diff "$work/wanted" "$work/got"
}

REFOLD_LIBRARY_DIR=$root/target/release
export REFOLD_LIBRARY_DIR
check "FetchContent gets a clone" configure fetched clone -G Ninja
check "programs compile with the clone" quietly cmake --build "$work/fetched"
check_programs "$work/fetched" c cpp
check "only the project itself is installed" installs fetched bin/c-shared

check "add_subdirectory" configure contained tree -G "Ninja Multi-Config"
check "programs compile with the tree" quietly cmake --build "$work/contained" --config Release
check_programs "$work/contained/Release" c cpp
check "refold is installed on request" configure contained tree -DREFOLD_INSTALL=ON -DCMAKE_INSTALL_LIBDIR=lib
check "the project compiles" quietly cmake --build "$work/contained" --target all refold_library
quietly env DESTDIR="$work/tree-stage" cmake --install "$work/contained" --prefix /
unset REFOLD_LIBRARY_DIR
