# shellcheck shell=sh
# Shell functions, to be sourced in the project's folder: what a command needs of a Debian machine, installed where it is
# missing.

# need COMMAND PACKAGE...: makes sure that COMMAND is there; the Debian packages named bring it.
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
    # One at a time: scripts that run side by side may lack the same.
    if ! (flock 9 && fetch_packages "$@" 9>&-) 9>target/install.lock; then
        echo "$needed is missing and could not be installed: please try: apt-get install $*" >&2
        return 1
    fi
}

# The package lists of a fresh machine are empty or old: they are fetched only where they do not suffice.
fetch_packages() {
    install_packages "$@" >/dev/null 2>&1 || { $as_root apt-get update -qq && install_packages "$@" >/dev/null; }
}

install_packages() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}

# need_file FILE PACKAGE...: the same for a file.
need_file() {
    if [ ! -e "$1" ]; then
        shift
        need "a file of $*" "$@"
    fi
}

# need_rust: makes sure that cargo is found.
need_rust() {
    PATH=$PATH:${CARGO_HOME:-${HOME-}/.cargo}/bin:/usr/sbin
    if ! command -v cargo >/dev/null 2>&1; then
        echo "Rust is missing: please install it, see https://rustup.rs" >&2
        return 1
    fi
}

# need_component COMMAND COMPONENT: makes sure of a part of Rust that not every toolchain has. It is tried, as the command
# alone may be rustup's stand-in.
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

# need_library: makes sure that the library and the sandbox are in target/release. What is there is taken as it is.
need_library() {
    if [ ! -e target/release/librefold.so ] || [ ! -x target/release/examples/sandbox ]; then
        need_rust && need cc gcc libc6-dev &&
            env -u CARGO_BUILD_TARGET CARGO_TARGET_DIR=target \
                cargo build --release --locked --quiet --lib --example sandbox
    fi
}
