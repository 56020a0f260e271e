# shellcheck shell=sh
# Part of tests/install.sh: apt-get installs the Debian packages in a fresh Debian that has nothing else of the project, and a
# program is compiled there with pkg-config and with CMake.

. tests/install/debs.sh

need mmdebstrap mmdebstrap || exit 1
fresh=$work/chroot

# The fresh Debian comes from the sources of this machine, with the settings of its apt.
make_chroot() {
    rm -rf "$fresh"
    apt-config dump Acquire >"$work/apt.conf"
    cat /etc/apt/sources.list.d/debian.sources >"$work/debian.sources" 2>/dev/null || rm "$work/debian.sources"
    for sources in "$work/debian.sources" /etc/apt/sources.list; do
        [ ! -e "$sources" ] || break
    done
    quietly mmdebstrap --variant=apt --include=gcc,libc6-dev,pkg-config,cmake,make --aptopt="$work/apt.conf" \
        bookworm "$fresh" "$sources"
}

in_chroot() {
    quietly chroot "$fresh" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}

install_debs() {
    mkdir "$fresh/debs" "$fresh/program" && cp "$runtime" "$development" "$fresh/debs/" &&
        cp examples/c/get_execution.c examples/c/printable.h "$fresh/program/" &&
        in_chroot sh -c 'apt-get install -y --no-install-recommends /debs/librefold*.deb'
}

write_project() {
    cat >"$fresh/program/CMakeLists.txt" <<'END_OF_PROJECT'
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(refold 0.1 REQUIRED)
add_executable(cmake-shared get_execution.c)
add_executable(cmake-static get_execution.c)
target_link_libraries(cmake-shared PRIVATE refold::refold)
target_link_libraries(cmake-static PRIVATE refold::refold_static)
END_OF_PROJECT
}

works_in_chroot() {
    chroot "$fresh" env -i REFOLD_API_KEY="$REFOLD_API_KEY" REFOLD_LINKED_ACCOUNT_ID="$REFOLD_LINKED_ACCOUNT_ID" \
        REFOLD_BASE_URL="$REFOLD_BASE_URL" "/program/$1" 6a106ba44480b80424a65289 3>&- 4<&- >"$work/out" &&
        grep -qF COMPLETED "$work/out"
}

check "a fresh Debian is made" make_chroot
check "apt-get installs the packages" install_debs
write_project
check "cc compiles with pkg-config" in_chroot sh -c 'cd /program &&
    cc get_execution.c $(pkg-config --cflags --libs refold) -o pkg-config-shared'
check "CMake compiles" in_chroot sh -c 'cd /program && cmake . && cmake --build .'
for program in pkg-config-shared cmake-shared cmake-static; do
    check "$program works" works_in_chroot "$program"
done
check "apt-get removes the packages" in_chroot apt-get remove -y librefold0
rm -rf "$fresh"
