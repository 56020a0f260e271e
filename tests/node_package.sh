#!/bin/sh
# Packs the Node.js package in examples/node, and installs and uses it in a new npm project that has nothing of the source
# tree, without a compiler and a registry. Checks its types. With ARTEFACT=refold-VERSION.tgz in the environment, that
# file is tested instead. The last line is `N passed, M failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
need node nodejs || exit 1
need npm npm || exit 1
need git git || exit 1
need cc gcc libc6-dev || exit 1
need_library || exit 1

tree=$(pwd)
work=$tree/target/node_package
kept=$work/run
tools=$work/tools
tests=$tree/tests/node_package
version=$(library_version)
artefact=${ARTEFACT:+$(realpath "$ARTEFACT")}
released=$artefact
project=$(mktemp -d) || exit 1
project=$(realpath "$project")
mkdir -p "$kept" "$work/packs"
unset REFOLD_LIBRARY REFOLD_LIBRARY_DIR REFOLD_LOG LD_LIBRARY_PATH NODE_PATH NODE_OPTIONS CC CFLAGS ARTEFACT
clean_up() {
    stop_sandbox
    rm -rf "$project"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# install_locked FOLDER SOURCE: installs what the package-lock.json of SOURCE lists in FOLDER, unless it is there.
install_locked() {
    if ! cmp -s "$2/package-lock.json" "$1/node_modules/lock"; then
        rm -rf "$1"
        mkdir -p "$1"
        cp "$2/package.json" "$2/package-lock.json" "$2/.npmrc" "$1/"
        (cd "$1" && npm_config_cache=$tree/target/node/npm npm ci --ignore-scripts --no-audit --no-fund) || return 1
        cp "$2/package-lock.json" "$1/node_modules/lock"
    fi
}

# copy_sources FOLDER: makes FOLDER/examples/node as in a new clone, with what its addon is compiled with.
copy_sources() {
    rm -rf "$1"
    mkdir -p "$1/include"
    cp include/refold.h "$1/include/"
    git ls-files -co --exclude-standard examples/node | tar -cf - -T - | tar -xf - -C "$1" &&
        cp -R "$work/headers/node_modules" "$1/examples/node/"
}

# packs FOLDER: npm pack, in a copy of the sources, makes FOLDER/refold-VERSION.tgz.
packs() {
    rm -rf "$1"
    mkdir -p "$1"
    copy_sources "$1.sources" &&
        (cd "$1.sources/examples/node" && CFLAGS=-Werror REFOLD_LIBRARY_DIR=$tree/target/release runs 0 npm pack --pack-destination "$1")
}

# is_listed: the package consists of these files, and of an addon and a library for each platform.
is_listed() {
    tar -tzf "$artefact" | sort >"$kept/listed"
    {
        for file in LICENSE README.md calls.js client.js error.js execution.js get.mjs index.d.mts index.d.ts log.js \
            native.js package.json platform.js printable.js refold.js refold.mjs timings.js watch.js; do
            echo "package/$file"
        done
        sed -n 's|^\(package/prebuilds/[a-z0-9]*-[a-z0-9-]*/\).*|\1|p' "$kept/listed" | sort -u |
            while read -r folder; do
                echo "${folder}refold.node"
                case $folder in
                    *darwin*) echo "${folder}librefold.dylib" ;;
                    *win32*) echo "${folder}refold.dll" ;;
                    *) echo "${folder}librefold.so" ;;
                esac
            done
    } | sort | diff "$kept/listed" - && grep -q prebuilds "$kept/listed"
}

# names_no_place: no file contains a path of this machine.
names_no_place() {
    ! grep -rlF -e "$tree" -e "${CARGO_HOME:-$HOME/.cargo}" -e /registry/src/ "$work/unpacked"
}

# needs_old_glibc: a released package needs nothing newer than the glibc that Node.js 18 requires.
needs_old_glibc() {
    needed=$(cat "$work"/unpacked/package/prebuilds/linux-*-glibc/* | grep -aoE 'GLIBC_[0-9]+[.][0-9.]*[0-9]' | sort -Vu | tail -n 1)
    [ "$(printf '%s\n' "${needed:-GLIBC_none}" GLIBC_2.28 | sort -V | tail -n 1)" = GLIBC_2.28 ] || { echo "$needed" && return 1; }
}

# runs_no_script: npm does nothing but unpack the package.
runs_no_script() {
    node -p 'Object.keys(require(process.argv[1]).scripts).join()' "$work/unpacked/package/package.json" >"$kept/out" &&
        ! grep -E 'install|prepare|publish' "$kept/out" && [ ! -e "$work/unpacked/package/binding.gyp" ]
}

# In the project: a command without compilers, and npm without a registry.
isolated() {
    (cd "$project" && env PATH="$project/bin" CC=false npm_config_registry=http://127.0.0.1:1/ npm_config_fetch_retries=0 \
        npm_config_cache="$project/cache" npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false "$@")
}

# keeps_package COMMAND...: the command leaves the installed package complete, as it was packed.
keeps_package() {
    runs 0 isolated "$@" && diff -r "$work/unpacked/package" "$project/node_modules/refold"
}

prints() {
    [ "$(cat "$kept/out")" = "$1" ] || { cat "$kept/out" "$kept/err" && return 1; }
}

# reports_platform: without a folder for this platform, one sentence names the others and how to add one.
reports_platform() {
    folder=$(node -p "require('$project/node_modules/refold/platform.js').platform")
    mv "$project/node_modules/refold/prebuilds" "$project/prebuilds"
    for other in linux-z80-musl linux-6502-glibc; do
        mkdir -p "$project/node_modules/refold/prebuilds/$other"
        : >"$project/node_modules/refold/prebuilds/$other/refold.node"
    done
    runs 1 isolated node -e "require('refold')" && grep -qE "^Error: this package of refold has no build for $folder, only for \
linux-6502-glibc, linux-z80-musl; to add one, run .npm ci && npm pack. on this platform in examples/node " "$kept/err"
    reported=$?
    rm -r "$project/node_modules/refold/prebuilds"
    mv "$project/prebuilds" "$project/node_modules/refold/prebuilds"
    return $reported
}

# compiles OPTION... FILE: tsc accepts a file of the project. The options that are the same for all come first.
compiles() {
    (cd "$project" && runs 0 node "$tools/node_modules/typescript/bin/tsc" --strict --noUnusedLocals --exactOptionalPropertyTypes false \
        --target es2022 --typeRoots "$tools/node_modules/@types" --outDir made "$@")
}

install_locked "$tools" "$tests" || exit 1
install_locked "$work/headers" examples/node || exit 1
if [ -z "$artefact" ]; then
    artefact=$work/packs/first/refold-$version.tgz
    check "npm pack makes the package" packs "$work/packs/first"
    check "npm pack makes it a second time" packs "$work/packs/second"
    check "both have the same bytes" cmp "$artefact" "$work/packs/second/refold-$version.tgz"
fi
rm -rf "$work/unpacked"
mkdir -p "$work/unpacked"
check "the package is an archive" tar -xzf "$artefact" -C "$work/unpacked"
check "the package has the files that it needs" is_listed
check "the package has the licence of the project" cmp LICENSE "$work/unpacked/package/LICENSE"
check "the package has no path of this machine" names_no_place
[ -z "$released" ] || check "the package needs no new glibc" needs_old_glibc
check "the package runs no script when it is installed" runs_no_script

mkdir -p "$project/bin"
for tool in node npm sh env; do
    ln -s "$(command -v "$tool")" "$project/bin/$tool"
done
echo '{ "name": "project", "private": true }' >"$project/package.json"
cp "$artefact" "$project/refold-$version.tgz"
check "npm install installs the tarball" keeps_package npm install "./refold-$version.tgz"
check "a second npm install keeps the package" keeps_package npm install
rm -rf "$project/node_modules"
check "npm ci installs the package" keeps_package npm ci
check "the project depends on the tarball" grep -q "file:refold-$version.tgz" "$project/package.json"

start_sandbox "$kept" --run-seconds 1
cp "$tests/shared.cjs" "$tests/declared.cjs" "$project/"
check "import works" runs 0 isolated node --input-type=module -e "import { version } from 'refold'; console.log(version())"
check "import loads the library of the release" prints "$version"
check "require works" runs 0 isolated node -e "console.log(require('refold').version())"
check "require loads the library of the release" prints "$version"
check "import and require share one implementation" runs 0 isolated node shared.cjs "$tree"
check "the manifest can be read" runs 0 isolated node -p "require('refold/package.json').version"
check "get.mjs prints a run" runs 0 isolated node node_modules/refold/get.mjs completed
check "watch.js waits for a run" runs 0 isolated node node_modules/refold/watch.js running-package
check "watch.js prints the final status" grep -q ": COMPLETED, 100 %$" "$kept/out"
check "a missing platform is an error" reports_platform

for file in program.mts program.cts program.ts; do
    cp "$tests/program.ts" "$project/$file"
done
echo "import * as refold from 'refold'; export const { Code } = refold;" >"$project/bare.mts"
check "tsc accepts an ECMAScript module" compiles --types node --module node16 program.mts
check "tsc accepts a CommonJS module" compiles --types node --module node16 --exactOptionalPropertyTypes true program.cts
check "tsc accepts a program for a bundler" compiles --types node --noEmit --module esnext --moduleResolution bundler program.ts
check "tsc accepts a program with classic resolution" compiles --types node --noEmit --module commonjs --moduleResolution node10 program.ts
check "the types need no other types" compiles --noEmit --lib es2022 --typeRoots "$project/none" --module node16 bare.mts
for program in program.mjs program.cjs; do
    check "the compiled $program works" runs 0 isolated node "made/$program" completed
    check "the compiled $program prints what it tests" [ "$(grep -c true "$kept/out")" -ge 5 ]
done
isolated node declared.cjs "$tools" "$tree/include/refold.h" >"$kept/declared" 2>&1 3>&- 4<&-
status=$?
sed '$d' "$kept/declared"
count_log "$kept/declared" "$status"

sum_up
