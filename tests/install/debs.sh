# shellcheck shell=sh
# Part of debian.sh and chroot.sh: sets runtime and development, the Debian packages that cpack makes, or those in ARTEFACT.

make_debs() {
    [ -z "${ARTEFACT-}" ] || return 0
    debs=$work/debs
    rm -rf "$debs"
    quietly cmake -S . -B "$debs" -DCMAKE_INSTALL_PREFIX=/usr -DREFOLD_LIBRARY_DIR="$root/target/release" &&
        quietly cmake --build "$debs" && (cd "$debs" && quietly cpack)
}

same_debs() {
    [ -z "${ARTEFACT-}" ] || return 0
    packs_the_same "$debs" "${runtime##*/}" "${development##*/}"
}

need dpkg-shlibdeps dpkg-dev || exit 1
debs=${ARTEFACT-}
check "cpack makes Debian packages" make_debs
architecture=$(dpkg --print-architecture)
runtime=$debs/librefold0_${version}_$architecture.deb
development=$debs/librefold-dev_${version}_$architecture.deb
check "the same files give the same packages" same_debs
