/* Several runs that a queue watches, with a line for each: the part of a program that does not depend on its
 * event loop.
 */
#ifndef WATCHED_RUNS_H
#define WATCHED_RUNS_H

#include "progress_lines.h"
#include <refold.h>

enum { EXIT_ERROR = 1, EXIT_NOT_COMPLETED = 3, EXIT_CANCELLED = 130 };
enum { TICK_MS = 100 };

struct watched_runs {
    refold_client *client;
    refold_queue *queue;
    refold_cancel *cancel;
    char **ids;                  /* which the line of the same index shows */
    struct progress_lines lines; /* and one for the timer */
    unsigned ticks;
    int status;
};

static inline void worsen_status(struct watched_runs *runs, int status) {
    if (runs->status != EXIT_CANCELLED && (runs->status != EXIT_ERROR || status == EXIT_CANCELLED))
        runs->status = status;
}

static inline void show_run(struct watched_runs *runs, size_t index, const refold_execution *execution,
                            const refold_error *error) {
    bool is_shown;
    if (execution)
        is_shown =
            set_line(&runs->lines, index, "%s: %s, %.15g %%", runs->ids[index],
                     refold_execution_status(execution), refold_execution_completion_percentage(execution));
    else
        is_shown = set_line(&runs->lines, index, "%s: %s", runs->ids[index], refold_error_message(error));
    if (!is_shown) { /* without a reader, there is nothing to wait for */
        worsen_status(runs, EXIT_ERROR);
        refold_cancel_trigger(runs->cancel);
    }
}

static inline void end_run(struct watched_runs *runs, const refold_execution *execution,
                           const refold_error *error) {
    if (!execution)
        worsen_status(runs, refold_error_code(error) == REFOLD_ERROR_CANCELLED ? EXIT_CANCELLED : EXIT_ERROR);
    else if (refold_state_is_failure(refold_execution_state(execution)))
        worsen_status(runs, EXIT_NOT_COMPLETED);
}

/* Takes all events: call it when the descriptor of the queue is readable. */
static inline void take_events(struct watched_runs *runs) {
    refold_event *event;
    while ((event = refold_queue_next(runs->queue, 0))) {
        char **id = refold_event_user_data(event);
        const refold_execution *execution = refold_event_execution(event);
        const refold_error *error = refold_event_error(event);
        if (refold_event_typeof(event) == REFOLD_EVENT_DONE)
            end_run(runs, execution, error);
        show_run(runs, (size_t)(id - runs->ids), execution, error);
        refold_event_free(event);
    }
}

/* Shows the time, on a terminal. */
static inline void tick(struct watched_runs *runs, unsigned elapsed_ms) {
    runs->ticks++;
    if (runs->lines.redraws)
        set_line(&runs->lines, runs->lines.count - 1, "%.1f s", elapsed_ms / 1000.0);
}

/* Prepares to watch the runs that the arguments name. Returns false after printing why that is impossible. */
static inline bool open_runs(struct watched_runs *runs, int argc, char **argv, const char *program) {
    *runs = (struct watched_runs){.ids = argv + 1};
    if (argc < 2) {
        fprintf(stderr, "usage: %s EXECUTION_ID...\n", program);
        return false;
    }
    runs->lines = new_lines((size_t)argc);
    refold_error *error = NULL;
    refold_options *options = refold_options_new_from_env(); /* REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID */
    runs->client = refold_client_new(options, &error);
    refold_options_free(options);
    if (runs->client)
        runs->queue = refold_queue_new(0, &error);
    runs->cancel = refold_cancel_new();
    bool is_open = runs->queue && runs->lines.texts;
    if (!is_open)
        print_line(stderr, "%s: %s", program, error ? refold_error_message(error) : "out of memory");
    refold_error_free(error);
    return is_open;
}

static inline void submit_runs(struct watched_runs *runs) {
    for (char **id = runs->ids; *id; id++) {
        refold_error *error = NULL;
        if (!refold_queue_wait_execution(runs->queue, runs->client, *id, 0, runs->cancel, id, &error)) {
            end_run(runs, NULL, error);
            show_run(runs, (size_t)(id - runs->ids), NULL, error);
            refold_error_free(error);
        }
    }
}

/* Shows how often the timer ticked. */
static inline void show_ticks(struct watched_runs *runs, unsigned elapsed_ms) {
    set_line(&runs->lines, runs->lines.count - 1, "%u ticks in %u ms", runs->ticks, elapsed_ms);
}

/* Frees what open_runs() made, also after it failed. */
static inline void close_runs(struct watched_runs *runs) {
    refold_queue_free(runs->queue);
    refold_cancel_free(runs->cancel);
    refold_client_free(runs->client);
    free(runs->lines.texts);
}

/* The exit status, once all runs have ended. */
static inline int exit_status(const struct watched_runs *runs) {
    return runs->lines.has_failed ? EXIT_ERROR : runs->status;
}

#endif
