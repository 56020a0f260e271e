#!/bin/sh
# cargo-mutants calls this in place of cargo, in a folder with one mutant (or none at first: then everything runs).
set -eu

# programs_for FILE: the C programs that bear on a file, the quickest first; only these tests of them, after a colon.
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
        src/status.rs) echo snapshot waiting ;;
        src/execution.rs | src/json.rs | src/scan.rs) echo null errors lifetimes snapshot allocations ;;
    esac
}

case $* in
    test*--no-run*)
        # Not all tests, as it would; and the shared library only where those of Rust notice nothing.
        exec cargo test --no-run --locked --lib
        ;;
    test*) set -- test --locked --lib ;;
    *) exec cargo "$@" ;;
esac

for file in src/*.rs; do
    if ! cmp -s "$file" "$MUTANTS_PRISTINE/$file"; then
        # Of the Rust tests those that bear on it as well.
        case $file in
            src/json.rs) set -- "$@" -- execution:: json:: ;;
            src/scan.rs) set -- "$@" -- execution:: json:: scan:: ;;
            *)
                set -- "$@" -- "$(basename "$file" .rs)::"
                # They take a second or two. What hangs would be waited for as long as all tests together may take.
                limit=60
                ;;
        esac
        programs=$(programs_for "$file")
    fi
done
# In a group of its own, which no signal to this one's reaches.
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
