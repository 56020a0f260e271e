# shellcheck shell=sh
# Shell functions, to be sourced in the project's folder: install what a command needs on a Debian machine, and build the
# library.

# need COMMAND PACKAGE...: installs the Debian packages unless COMMAND exists.
need() {
    needed=$1
    shift
    if command -v "$needed" >/dev/null 2>&1; then
        return
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "$needed is missing: please install it (on Debian: $*)" >&2
        return 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    else
        echo "$needed is missing: please install it as root: apt-get install $*" >&2
        return 1
    fi
    echo "Installing $* ..."
    mkdir -p target
    # One at a time: scripts that run side by side may need the same package.
    if ! (flock 9 && fetch_packages "$@" 9>&-) 9>target/install.lock; then
        echo "$needed is missing and could not be installed: please try: apt-get install $*" >&2
        return 1
    fi
}

# On a fresh machine the package lists are empty or old: they are updated only if an installation fails.
fetch_packages() {
    install_packages "$@" >/dev/null 2>&1 || { $as_root apt-get update -qq && install_packages "$@" >/dev/null; }
}

install_packages() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}

# need_file FILE PACKAGE...: installs the Debian packages unless FILE exists.
need_file() {
    if [ ! -e "$1" ]; then
        shift
        need "a file of $*" "$@"
    fi
}

# need_rust: fails unless cargo exists.
need_rust() {
    PATH=$PATH:${CARGO_HOME:-${HOME-}/.cargo}/bin:/usr/sbin
    if ! command -v cargo >/dev/null 2>&1; then
        echo "Rust is missing: please install it, see https://rustup.rs" >&2
        return 1
    fi
}

# need_component COMMAND COMPONENT: installs a component of Rust unless COMMAND works. It is run, because rustup puts a
# proxy in place of a missing component.
need_component() {
    if "$1" --version >/dev/null 2>&1; then
        return
    fi
    echo "Installing Rust's $2 ..."
    if ! rustup component add "$2" >/dev/null 2>&1; then
        echo "$1 is missing: please install the component $2 of Rust (with rustup: rustup component add $2)" >&2
        return 1
    fi
}

# library_version: prints the version of the library.
library_version() {
    sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1
}

# build_library: builds target/release/librefold.so and librefold.a. Nothing else is built along with the library:
# the sandbox's dependencies would enable further features of the dependencies that they share. The library does not
# contain the paths of this machine, which are those of the sources of the dependencies. Cargo cannot leave them out by
# itself: trim-paths is not stable.
build_library() {
    sources=--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=cargo
    if [ -n "${RUSTFLAGS-}" ]; then
        RUSTFLAGS="$RUSTFLAGS $sources" build_release "$@"
    else
        build_release --config "build.rustflags=['$sources']" "$@"
    fi
}

build_release() {
    env -u CARGO_BUILD_TARGET CARGO_TARGET_DIR=target cargo rustc --release --locked "$@" --lib --crate-type cdylib,staticlib
}

# build_sandbox: builds target/debug/examples/sandbox as `cargo test` does, so that neither has to rebuild anything
# after the other.
build_sandbox() {
    env -u CARGO_BUILD_TARGET CARGO_TARGET_DIR=target cargo build --profile test --locked "$@" --lib --example sandbox
}

# need_library: builds the library and the sandbox unless they exist. It does not check whether they are up to date.
need_library() {
    if [ ! -e target/release/librefold.so ] || [ ! -x target/debug/examples/sandbox ]; then
        need_rust && need cc gcc libc6-dev && build_library --quiet && build_sandbox --quiet
    fi
}
