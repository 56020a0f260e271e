#!/bin/sh
# Builds the Python packages, a wheel and a source distribution, and installs and uses them in places that have nothing of
# the project. All output goes to target/ and to a temporary folder, which is removed. The last line is `N passed, M failed`.
#
#     ARTEFACT    a wheel or a source distribution (.tar.gz) to test, instead of those that this script builds
#     PYTHON      an interpreter other than python3
set -u
artefact=${ARTEFACT:+$(realpath "$ARTEFACT")}
cd "$(dirname "$0")/.." || exit 1
. tests/support/install.sh
. tests/support/sandbox.sh
. tests/support/check.sh
python=${PYTHON:-python3}
need "$python" python3 || exit 1
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "ensurepip of $python" python3-venv || exit 1
fi
need_library && need_rust || exit 1

work=target/tests/python_package
mkdir -p "$work"
work=$(cd "$work" && pwd)
# The build requirements are those of pyproject.toml; mypy as in tests/python.sh.
tools="hatchling==1.27.0 auditwheel==6.4.2 build==1.3.0 mypy==1.18.2"
if [ "$(cat "$work/tools/installed" 2>/dev/null)" != "$tools" ]; then
    rm -rf "$work/tools"
    # shellcheck disable=SC2086 # a list
    "$python" -m venv "$work/tools" &&
        "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check $tools || exit 1
    echo "$tools" >"$work/tools/installed"
fi
export PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=1577836800
unset REFOLD_LIBRARY REFOLD_LIBRARY_DIR

place=$(mktemp -d)
trap 'rm -rf "$place"; stop_sandbox' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
kept=$place

# build FOLDER KIND SOURCE: builds a wheel or an sdist of the Python package in SOURCE, and moves it to FOLDER.
build() {
    rm -rf "$1"
    "$work/tools/bin/python" -m build --no-isolation "--$2" --outdir "$1" "$3" >"$place/log" 2>&1 ||
        { cat "$place/log" && return 1; }
}

# has_tag WHEEL: whether the name has the platform tag that auditwheel finds, one of manylinux.
has_tag() {
    report=$("$work/tools/bin/python" -m auditwheel show "$1" 2>&1)
    tag=$(echo "$report" | tr -s '\n' ' ' | sed -nE 's/.*platform tag: "([a-z0-9_]+)".*/\1/p')
    case $tag in manylinux_*) ;; *) echo "$report" && return 1 ;; esac
    case $1 in *"-py3-none-$tag.whl") ;; *) echo "the tag is $tag" && return 1 ;; esac
}

# alone COMMAND...: runs the command outside of the project, without the environment.
alone() (
    cd "$place" && exec env -i PATH=/usr/bin:/bin HOME="$place" REFOLD_BASE_URL="$REFOLD_BASE_URL" \
        REFOLD_API_KEY="$REFOLD_API_KEY" REFOLD_LINKED_ACCOUNT_ID="$REFOLD_LINKED_ACCOUNT_ID" "$@" 3>&- 4<&-
)

# installs WHEEL: whether pip installs it into a fresh environment.
installs() {
    rm -rf "$place/venv"
    "$python" -m venv "$place/venv" &&
        alone venv/bin/python -m pip install --quiet --disable-pip-version-check "$1"
}

# shows COMMAND...: whether the command prints the documented run.
shows() {
    alone "$@" 6a106ba44480b80424a65289 >"$place/out" && grep -qF 'COMPLETED, 100 %' "$place/out"
}

# program_runs: whether the program works, with Python and native code of the installed package only.
program_runs() {
    cp tests/python_package/program.py "$place/"
    alone venv/bin/python program.py >"$place/out" || return 1
    [ "$(grep -c "^$place/venv/lib/python.*/site-packages/refold/" "$place/out")" -eq 2 ] &&
        [ "$(wc -l <"$place/out")" -eq 2 ] || { cat "$place/out" && return 1; }
}

# mypy PROGRAM: checks a program that imports the installed package.
mypy() {
    cp "tests/python_package/$1" "$place/"
    alone "$work/tools/bin/python" -m mypy --strict --python-executable "$place/venv/bin/python" \
        --cache-dir "$place/mypy" "$1" >"$place/out"
}

types_are_correct() {
    mypy program.py || { cat "$place/out" && return 1; }
}

wrong_types_are_found() {
    mypy wrong.py
    [ "$(grep -c '^wrong.py:[5-7]: error:' "$place/out")" -eq 3 ] || { cat "$place/out" && return 1; }
}

test_wheel() {
    check "auditwheel finds the tag of the wheel" has_tag "$1"
    check "pip installs the wheel" installs "$1"
    check "python -m refold works" shows venv/bin/python -m refold
    check "a failed run is exit status 3" runs 3 alone venv/bin/python -m refold errored
    check "a program works, without a file of the project" program_runs
    check "mypy --strict accepts the program" types_are_correct
    check "mypy --strict finds wrong types" wrong_types_are_found
}

# builds_with_cargo: builds a wheel from the unpacked source distribution. Dependencies are not compiled again if those in
# target/release are up to date.
builds_with_cargo() {
    rm -rf "$work/rust"
    mkdir -p "$work/rust/release"
    for folder in .fingerprint build deps; do
        cp -al "target/release/$folder" "$work/rust/release/" || return 1
    done
    CARGO_TARGET_DIR=$work/rust build "$place/compiled" wheel "$place/unpacked"
    built=$?
    rm -rf "$work/rust"
    return $built
}

# has_no_path LIBRARY: whether the library has no path of this machine.
has_no_path() {
    ! LC_ALL=C grep -aoE "($place|$HOME|${CARGO_HOME:-$HOME/.cargo})/[[:print:]]*" "$1" | head -n 3 | grep .
}

# test_sdist SDIST: also sets `compiled` to the wheel that it builds.
test_sdist() {
    mkdir "$place/unpacked"
    check "the source distribution can be unpacked" tar -xzf "$1" -C "$place/unpacked" --strip-components 1
    check "it builds with cargo" builds_with_cargo
    compiled=$(echo "$place"/compiled/*.whl)
    check "pip installs what it builds" installs "$compiled"
    check "python -m refold works with it" shows venv/bin/python -m refold
    check "its library has no path of this machine" has_no_path "$place"/venv/lib/python*/site-packages/refold/librefold.so
}

# are_reproduced: whether the unpacked source distribution gives the same files as the project.
are_reproduced() {
    build "$place/again" sdist "$place/unpacked" && cmp "$sdist" "$place/again/${sdist##*/}" &&
        REFOLD_LIBRARY_DIR=$library build "$place/again" wheel "$place/unpacked" && cmp "$wheel" "$place/again/${wheel##*/}"
}

rejects_a_folder_without_the_library() {
    for folder in "$place" target/release; do
        ! REFOLD_LIBRARY_DIR=$folder build "$place/none" wheel examples/python >"$place/out" &&
            grep -q "REFOLD_LIBRARY_DIR .*: $folder\$" "$place/out" || return 1
    done
}

build_hook_is_typed() {
    "$work/tools/bin/python" -m mypy --strict --cache-dir "$place/mypy" examples/python/hatch_build.py
}

start_sandbox "$place" --run-seconds 0.5
case $artefact in
    *.whl) test_wheel "$artefact" ;;
    *.tar.gz) test_sdist "$artefact" ;;
    *)
        library=$(pwd)/target/release
        REFOLD_LIBRARY_DIR=$library check "a wheel is built" build "$work/wheel" wheel examples/python
        wheel=$(echo "$work"/wheel/*.whl)
        test_wheel "$wheel"
        check "a source distribution is built" build "$work/sdist" sdist examples/python
        sdist=$(echo "$work"/sdist/*.tar.gz)
        test_sdist "$sdist"
        check "both are reproduced from the source distribution" are_reproduced
        check "a wheel without a library is not built" rejects_a_folder_without_the_library
        check "mypy --strict accepts the build hook" build_hook_is_typed
        ;;
esac

sum_up
