# shellcheck shell=sh
# Part of tests/install.sh: `conan create .` with the prebuilt library, shared and static. It builds and runs the program in
# tests/conan. Conan is installed in target/conan.

need_conan() {
    [ -x target/conan/bin/conan ] && return
    need_file /usr/share/doc/python3-venv python3-venv && python3 -m venv target/conan && target/conan/bin/pip install -q "conan>=2,<3"
}

# conan COMMAND...: keeps its packages in target/conan, too.
conan() {
    quietly env CONAN_HOME="$root/target/conan/home" REFOLD_LIBRARY_DIR="$root/target/release" \
        "$root/target/conan/bin/conan" "$@"
}

create() {
    conan create . "$@" && grep -qx "$version" "$work/log"
}

need_conan || exit 1
check "Conan has a profile" conan profile detect --force
check "conan create ." create
check "conan create . makes a static package" create -o "refold/*:shared=False"
