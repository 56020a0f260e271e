#!/bin/sh
# cargo-mutants calls this instead of cargo, in a folder with one mutant, or with none at first: then all tests run.
set -eu

# programs_for FILE: the C programs that test a file, the fastest first; PROGRAM:TEST is a single test.
programs_for() {
    case $1 in
        src/retry.rs) echo retries errors waiting ;;
        src/options.rs)
            echo arguments requests errors tls
            echo deadline:all_attempts_share_the_timeout deadline:the_earlier_of_both_timeouts_counts
            echo retries proxy waiting
            ;;
        src/cancel.rs)
            echo fork:a_token_triggered_in_a_child_has_no_effect_in_the_parent
            echo fork:a_token_triggered_in_the_parent_has_no_effect_in_a_child
            echo fork:a_childs_own_token_cancels_its_calls
            echo cancel deadline
            ;;
        src/state.rs) echo snapshot waiting ;;
        src/execution/* | src/json/*) echo null errors lifetimes snapshot allocations ;;
    esac
}

# module_of FILE: the prefix of the names of its unit tests, such as `http::url::` for src/http/url.rs. The unit tests of
# src/execution are in one module.
module_of() {
    echo "$1" | sed -e 's|^src/||' -e 's|^execution/.*|execution|' -e 's|/mod\.rs$||' -e 's|\.rs$||' -e 's|/|::|g' \
        -e 's|$|::|'
}

case $* in
    test*--no-run*)
        # Only the unit tests: the shared library is built later, for mutants that they do not catch.
        exec cargo test --no-run --locked --lib
        ;;
    test*) set -- test --locked --lib ;;
    *) exec cargo "$@" ;;
esac

for file in $(find src -name '*.rs'); do
    if ! cmp -s "$file" "$MUTANTS_PRISTINE/$file"; then
        # Only the unit tests of the file and of the modules that depend on it.
        case $file in
            src/json/*) set -- "$@" -- execution:: json:: ;;
            *)
                set -- "$@" -- "$(module_of "$file")"
                # They take a second or two. Without a limit, a mutant that hangs would use up the time of all tests.
                limit=60
                ;;
        esac
        programs=$(programs_for "$file")
    fi
done
# timeout(1) starts a process group, which signals to this one do not reach.
timeout "${limit:-0}" cargo "$@" &
trap 'kill $!' TERM
wait $!
cargo build --locked --lib
for program in ${programs:-arguments requests null errors snapshot retries tls cancel}; do
    case $program in
        *:*) "$OUT/${program%%:*}" "${program#*:}" ;;
        *) "$OUT/$program" ;;
    esac
done
