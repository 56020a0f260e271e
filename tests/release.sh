#!/bin/sh
# Builds what is released, checks it, and installs and uses each of it in a place that has nothing of the project.
#
#     sh tests/release.sh          what .ci/release native builds
#     sh tests/release.sh all      what .ci/release builds, for other systems in emulators, and that another clone gives the
#                                  same bytes
#
# The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/check.sh
. tests/support/library.sh
. tests/support/toolchain.sh
. tests/release/sources.sh
case $#:${1-} in
    0:) scope=native targets=x86_64-linux-gnu ;;
    1:all) scope= targets="x86_64-linux-gnu aarch64-linux-gnu x86_64-linux-musl x86_64-windows-gnu" ;;
    *)
        echo "usage: sh tests/release.sh [all]" >&2
        exit 2
        ;;
esac
need_rust || exit 1
need cc gcc libc6-dev || exit 1
need readelf binutils || exit 1
need unzip unzip || exit 1
need git git || exit 1
need_library || exit 1

root=$(pwd)
dist=$root/target/dist
work=$root/target/release_test
version=$(library_version)
kept=$work
unset DIST ARTEFACT REFOLD_LIBRARY_DIR

# has_only_these_artefacts: the names of all files.
has_only_these_artefacts() {
    {
        printf '%s\n' SHA256SUMS "librefold-$version.cdx.json" "librefold-$version.tar.gz" "refold-$version.tar.gz" \
            "refold-$version.tgz"
        for target in $targets; do
            case $target in
                x86_64-linux-gnu)
                    printf '%s\n' "librefold-$version-$target.tar.gz" "librefold0_${version}_amd64.deb" \
                        "librefold-dev_${version}_amd64.deb" "refold-$version-py3-none-manylinux_2_28_x86_64.whl"
                    ;;
                aarch64-linux-gnu)
                    printf '%s\n' "librefold-$version-$target.tar.gz" "refold-$version-py3-none-manylinux_2_28_aarch64.whl"
                    ;;
                x86_64-linux-musl)
                    printf '%s\n' "librefold-$version-$target.tar.gz" "refold-$version-py3-none-musllinux_1_2_x86_64.whl"
                    ;;
                x86_64-windows-gnu) printf '%s\n' "librefold-$version-$target.zip" ;;
            esac
        done
    } | sort >"$work/names"
    ls "$dist" | sort | diff "$work/names" -
}

# sums_are_right: SHA256SUMS has each other file.
sums_are_right() {
    (cd "$dist" && sha256sum --quiet --strict -c SHA256SUMS) &&
        ls "$dist" | grep -vx SHA256SUMS | diff - "$work/summed"
}

# unpack_all: unpacks each artefact into a folder of its name.
unpack_all() {
    rm -rf "$work/unpacked"
    for file in "$dist"/*; do
        folder=$work/unpacked/${file##*/}
        mkdir -p "$folder"
        case $file in
            *.tar.gz | *.tgz) tar -xzf "$file" -C "$folder" ;;
            *.deb) dpkg-deb -x "$file" "$folder" && dpkg-deb -e "$file" "$folder/DEBIAN" ;;
            *.whl | *.zip) unzip -q "$file" -d "$folder" ;;
            *) rmdir "$folder" ;;
        esac || return 1
    done
}

# contains_no_path FOLDER: no file that was built contains a path of this machine.
contains_no_path() {
    ! grep -rlF --exclude-dir="librefold-$version.tar.gz" -e "$root" -e "${CARGO_HOME:-$HOME/.cargo}/" -e /registry/src/ "$1"
}

# unpacked_archive TARGET: the folder into which its archive is unpacked.
unpacked_archive() {
    case $1 in
        *-windows-*) extension=zip ;;
        *) extension=tar.gz ;;
    esac
    echo "$work/unpacked/librefold-$version-$1.$extension/librefold-$version-$1"
}

# collect_dll: the DLL and its import library in one folder.
collect_dll() {
    rm -rf "$work/dll"
    mkdir "$work/dll" && cp "$(unpacked_archive x86_64-windows-gnu)/bin/refold.dll" \
        "$(unpacked_archive x86_64-windows-gnu)/lib/librefold.dll.a" "$work/dll/"
}

# are_the_same LIBRARY...: whether all have the same bytes.
are_the_same() {
    first=$1
    for other; do
        cmp "$first" "$other" || return 1
    done
}

bill_is_right() {
    target/release_build/tools/bin/python tests/release/check_bom.py "$1"
}

# a_wrong_bill_is_found: a bill of materials that is changed in any of these ways is not right.
a_wrong_bill_is_found() {
    for change in '/"name": "ring"/d' 's/"name": "ring"/"name": "rang"/' 's/"version": "1",/"version": 1/' \
        's/"content": "[0-9a-f]\{8\}/"content": "00000000/' 's/"ref": "pkg:cargo\/ring/"ref": "pkg:cargo\/rang/'; do
        sed "$change" "$bill" >"$work/bill.json"
        ! cmp -s "$bill" "$work/bill.json" || continue
        ! bill_is_right "$work/bill.json" >/dev/null || { echo "not found: $change" && return 1; }
    done
}

finds_newer_glibc() {
    ! needs_only_glibc 2.17 "$1" >/dev/null
}

refuses_an_unknown_target() {
    .ci/release x86_64-linux-gun >"$work/out" 2>&1
    [ $? -eq 2 ] && grep -q 'there is no target x86_64-linux-gun' "$work/out"
}

# gives_the_same FOLDER: what is there has the same bytes.
gives_the_same() {
    diff -rq "$dist" "$1"
}

# A second run packs the same libraries again.
packs_again() {
    # shellcheck disable=SC2086
    DIST=$work/again .ci/release $scope >"$work/again.log" 2>&1 || { tail -n 40 "$work/again.log" && return 1; }
}

# changed_sources_are_the_same: packs the sources of a clone that has changes twice, with different dates for git.
changed_sources_are_the_same() (
    rm -rf "$work/changed"
    git clone -q . "$work/changed" && mkdir "$work/changed/now" "$work/changed/then" && cd "$work/changed" || return 1
    echo changed >>README.md
    export_sources now unpacked &&
        GIT_AUTHOR_DATE="@1000000000 +0000" GIT_COMMITTER_DATE="@1000000000 +0000" export_sources then unpacked || return 1
    diff -rq now then && [ "$(tail -n 1 unpacked/README.md)" = changed ]
) 2>/dev/null

# builds_elsewhere: builds everything in another clone, with downloads of its own; compilers are shared.
builds_elsewhere() {
    rm -rf "$work/another clone"
    git clone -q . "$work/another clone" && mkdir "$work/another clone/target" || return 1
    ln -s "$root/target/zig" "$root/target/toolchain" "$work/another clone/target/" &&
        (cd "$work/another clone" && CARGO_HOME="$work/another clone/target/cargo" .ci/release) >"$work/elsewhere.log" 2>&1 ||
        { tail -n 40 "$work/elsewhere.log" && return 1; }
}

# count_tests_of COMMAND...: runs a script of tests, shows its output, and adds its results up.
count_tests_of() {
    "$@" >"$work/script" 2>&1 </dev/null
    status=$?
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$work/script"
    count_log "$work/script" "$status"
}

# build_c_tests FOLDER PROGRAM...: the C tests for the library in the folder.
build_c_tests() {
    folder=$1
    shift
    OUT=$work/ctests PROGRAMS=$* sh tests/support/build.sh include "$folder"
}

mkdir -p "$work"
check "a target that does not exist is an error" refuses_an_unknown_target
# shellcheck disable=SC2086
.ci/release $scope || exit 1
sed 's/^[0-9a-f]*  //' "$dist/SHA256SUMS" >"$work/summed"
bill=$dist/librefold-$version.cdx.json
check "all artefacts are there, and nothing else" has_only_these_artefacts
check "SHA256SUMS is right" sums_are_right
check "the bill of materials is right" bill_is_right "$bill"
check "a wrong bill of materials is found" a_wrong_bill_is_found
check "every artefact can be unpacked" unpack_all
check "no artefact contains a path of this machine" contains_no_path "$work/unpacked"

for target in $targets; do
    library=$(unpacked_archive "$target")/lib/librefold.so.$version
    case $target in
        *-linux-gnu)
            check "$target: needs glibc 2.28 at most" needs_only_glibc 2.28 "$library"
            check "$target: a newer glibc would be found" finds_newer_glibc "$library"
            check "$target: loads glibc only" needs_only_libraries "$library" libc.so.6 libpthread.so.0 libdl.so.2 libm.so.6 \
                ld-linux-x86-64.so.2 ld-linux-aarch64.so.1
            ;;
        *-linux-musl) check "$target: loads musl only" needs_only_libraries "$library" libc.so libc.musl-x86_64.so.1 ;;
        *-windows-*) continue ;;
    esac
    check "$target: exports the header" exports_the_header "$library"
    check "$target: has its name" has_soname "librefold.so.${version%%.*}" "$library"
    check "$target: stays loaded" stays_loaded "$library"
    check "$target: is hardened" is_hardened "$library"
    check "$target: is stripped" is_stripped "$library"
done

native=$(unpacked_archive x86_64-linux-gnu)/lib
check "x86_64-linux-gnu: all packages have the same library" are_the_same "$native/librefold.so.$version" \
    "$work/unpacked/librefold0_${version}_amd64.deb"/usr/lib/x86_64-linux-gnu/librefold.so."$version" \
    "$work/unpacked/refold-$version-py3-none-manylinux_2_28_x86_64.whl/refold/librefold.so" \
    "$work/unpacked/refold-$version.tgz/package/prebuilds/linux-x64-glibc/librefold.so"
set -- panics reuse waiting tls cancel unload fork
check "C tests are linked with the library" build_c_tests "$native" "$@"
count_tests_of env OUT="$work/ctests" JOBS=2 sh tests/support/run_c.sh "$@"

count_tests_of env ARTEFACT="$dist/librefold-$version-x86_64-linux-gnu.tar.gz" sh tests/install.sh archive
# shellcheck disable=SC2046
count_tests_of env ARTEFACT="$dist" sh tests/install.sh debian $([ -n "$scope" ] || echo chroot)
count_tests_of env ARTEFACT="$dist/refold-$version-py3-none-manylinux_2_28_x86_64.whl" sh tests/python_package.sh
count_tests_of env ARTEFACT="$dist/refold-$version.tgz" sh tests/node_package.sh

if [ -z "$scope" ]; then
    count_tests_of sh tests/release/emulated.sh aarch64-unknown-linux-gnu "$(unpacked_archive aarch64-linux-gnu)"
    count_tests_of sh tests/release/emulated.sh x86_64-unknown-linux-musl "$(unpacked_archive x86_64-linux-musl)"
    count_tests_of env ARTEFACT="$dist/librefold-$version-x86_64-windows-gnu.zip" sh tests/install.sh archive
    check "x86_64-windows-gnu: has a DLL" collect_dll
    count_tests_of env REFOLD_LIBRARY_DIR="$work/dll" sh tests/targets/windows.sh programs
    check "aarch64-linux-gnu: all packages have the same library" are_the_same \
        "$(unpacked_archive aarch64-linux-gnu)/lib/librefold.so.$version" \
        "$work/unpacked/refold-$version-py3-none-manylinux_2_28_aarch64.whl/refold/librefold.so" \
        "$work/unpacked/refold-$version.tgz/package/prebuilds/linux-arm64-glibc/librefold.so"
    check "x86_64-linux-musl: all packages have the same library" are_the_same \
        "$(unpacked_archive x86_64-linux-musl)/lib/librefold.so.$version" \
        "$work/unpacked/refold-$version-py3-none-musllinux_1_2_x86_64.whl/refold/librefold.so" \
        "$work/unpacked/refold-$version.tgz/package/prebuilds/linux-x64-musl/librefold.so"
fi

check "sources with changes are the same at any time" changed_sources_are_the_same
check "packing again" packs_again
check "packing again gives the same bytes" gives_the_same "$work/again"
if [ -z "$scope" ]; then
    count_tests_of env ARTEFACT="$dist/refold-$version.tar.gz" sh tests/python_package.sh
    check "building in another clone" builds_elsewhere
    check "building in another clone gives the same bytes" gives_the_same "$work/another clone/target/dist"
fi

sum_up
