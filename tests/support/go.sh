# shellcheck shell=sh
# A shell function, to be sourced: Go as the tests use it.

# use_go: makes sure that Go is there. It uses what is in the module and in Go itself, and leaves nothing outside of
# target/.
use_go() {
    need go golang-go || return 1
    export GOCACHE="$(pwd)/target/go/cache" GOPATH="$(pwd)/target/go/path" GOENV=off GOFLAGS=-mod=mod GOPROXY=off
    export GOSUMDB=off GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=1
}
