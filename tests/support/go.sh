# shellcheck shell=sh
# A shell function, to be sourced: sets up Go for the tests.

# use_go: installs Go if it is missing, and configures it to download nothing and to write only to target/.
use_go() {
    need go golang-go || return 1
    export GOCACHE="$(pwd)/target/go/cache" GOPATH="$(pwd)/target/go/path" GOENV=off GOFLAGS=-mod=mod GOPROXY=off
    export GOSUMDB=off GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=1
}
