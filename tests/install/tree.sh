# shellcheck shell=sh
# Part of tests/install.sh: projects that contain the library. The clone gets it prebuilt, because it would build it anew.

# install_project PROJECT
install_project() {
    rm -rf "$work/tree-stage"
    quietly env DESTDIR="$work/tree-stage" cmake --install "$work/$1" --prefix / --config Release
}

installs_itself_only() {
    install_project "$1" && [ "$(cd "$work/tree-stage" && find . ! -type d)" = ./bin/c-shared ]
}

installs_all() {
    install_project "$1" && has_files "$work/tree-stage" lib bin/c-shared share/doc/refold/LICENSE
}

REFOLD_LIBRARY_DIR=$root/target/release
export REFOLD_LIBRARY_DIR
check "FetchContent gets a clone" configure fetched clone -G Ninja
check "programs compile with the clone" quietly cmake --build "$work/fetched"
check_programs "$work/fetched" c cpp
check "the project installs only itself" installs_itself_only fetched

unset REFOLD_LIBRARY_DIR
check "add_subdirectory" configure contained tree -G "Ninja Multi-Config" -DREFOLD_INSTALL=ON -DCMAKE_INSTALL_LIBDIR=lib \
    -DREFOLD_CARGO_TARGET_DIR="$root/target"
check "programs compile with the tree" quietly cmake --build "$work/contained" --config Release
check_programs "$work/contained/Release" c cpp
check "the project installs refold on request" installs_all contained
