/* Watches several runs from GLib's main loop, which stays free for other work: a timer ticks meanwhile.
 *
 *     cc -std=c11 watch_glib.c $(pkg-config --cflags --libs refold glib-2.0) -o watch_glib
 *     ./watch_glib EXECUTION_ID...
 *
 * Exit status: 0 if all runs completed; 1 on an error; 3 if a run ended otherwise; 130 if SIGINT (Ctrl-C) or
 * SIGTERM cancelled the waits.
 */
#define _GNU_SOURCE

#include "progress_lines.h"
#include <glib-unix.h>
#include <glib.h>
#include <refold.h>
#include <signal.h>

enum { EXIT_ERROR = 1, EXIT_NOT_COMPLETED = 3, EXIT_CANCELLED = 130 };
enum { TICK_MS = 100 };

struct watch {
    refold_queue *queue;
    refold_cancel *cancel;
    char **ids;                  /* of the runs, which the line of the same index shows */
    struct progress_lines lines; /* and one for the timer */
    gint64 begun_us;
    unsigned ticks;
    int status;
};

static void worsen(struct watch *watch, int status) {
    if (watch->status != EXIT_CANCELLED && (watch->status != EXIT_ERROR || status == EXIT_CANCELLED))
        watch->status = status;
}

static void show_run(struct watch *watch, size_t index, const refold_execution *execution,
                     const refold_error *error) {
    bool is_shown;
    if (execution)
        is_shown =
            set_line(&watch->lines, index, "%s: %s, %.15g %%", watch->ids[index],
                     refold_execution_status(execution), refold_execution_completion_percentage(execution));
    else
        is_shown = set_line(&watch->lines, index, "%s: %s", watch->ids[index], refold_error_message(error));
    if (!is_shown) { /* without a reader, there is nothing to wait for */
        worsen(watch, EXIT_ERROR);
        refold_cancel_trigger(watch->cancel);
    }
}

static void end_run(struct watch *watch, const refold_execution *execution, const refold_error *error) {
    if (!execution)
        worsen(watch, refold_error_code(error) == REFOLD_ERROR_CANCELLED ? EXIT_CANCELLED : EXIT_ERROR);
    else if (refold_state_is_failure(refold_execution_state(execution)))
        worsen(watch, EXIT_NOT_COMPLETED);
}

/* The queue has events. */
static gboolean on_readable(gint descriptor, GIOCondition condition, gpointer data) {
    (void)descriptor, (void)condition;
    struct watch *watch = data;
    refold_event *event;
    while ((event = refold_queue_next(watch->queue, 0))) {
        char **id = refold_event_user_data(event);
        const refold_execution *execution = refold_event_execution(event);
        const refold_error *error = refold_event_error(event);
        if (refold_event_typeof(event) == REFOLD_EVENT_DONE)
            end_run(watch, execution, error);
        show_run(watch, (size_t)(id - watch->ids), execution, error);
        refold_event_free(event);
    }
    return G_SOURCE_CONTINUE;
}

static unsigned elapsed_ms(const struct watch *watch) {
    return (unsigned)((g_get_monotonic_time() - watch->begun_us) / 1000);
}

static gboolean on_tick(gpointer data) {
    struct watch *watch = data;
    watch->ticks++;
    if (watch->lines.redraws)
        set_line(&watch->lines, watch->lines.count - 1, "%.1f s", elapsed_ms(watch) / 1000.0);
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer data) {
    struct watch *watch = data;
    refold_cancel_trigger(watch->cancel);
    return G_SOURCE_CONTINUE;
}

static void submit(struct watch *watch, const refold_client *client) {
    for (char **id = watch->ids; *id; id++) {
        refold_error *error = NULL;
        if (!refold_queue_wait_execution(watch->queue, client, *id, 0, watch->cancel, id, &error)) {
            end_run(watch, NULL, error);
            show_run(watch, (size_t)(id - watch->ids), NULL, error);
            refold_error_free(error);
        }
    }
}

/* Runs the main loop until all runs have ended. */
static void run_loop(struct watch *watch) {
    const guint sources[] = {
        g_unix_fd_add((gint)refold_queue_descriptor(watch->queue), G_IO_IN, on_readable, watch),
        g_timeout_add(TICK_MS, on_tick, watch),
        g_unix_signal_add(SIGINT, on_signal, watch),
        g_unix_signal_add(SIGTERM, on_signal, watch),
    };
    while (refold_queue_pending(watch->queue) > 0)
        g_main_context_iteration(NULL, TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fputs("usage: watch_glib EXECUTION_ID...\n", stderr);
        return EXIT_ERROR;
    }
    struct watch watch = {.ids = argv + 1, .begun_us = g_get_monotonic_time()};
    watch.lines = new_lines((size_t)argc);
    refold_error *error = NULL;
    refold_options *options = refold_options_new_from_env(); /* REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID */
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client)
        watch.queue = refold_queue_new(0, &error);
    if (watch.queue && watch.lines.texts) {
        watch.cancel = refold_cancel_new();
        submit(&watch, client);
        run_loop(&watch);
        set_line(&watch.lines, watch.lines.count - 1, "%u ticks in %u ms", watch.ticks, elapsed_ms(&watch));
    } else {
        print_line(stderr, "watch_glib: %s", error ? refold_error_message(error) : "out of memory");
        watch.status = EXIT_ERROR;
    }
    refold_queue_free(watch.queue);
    refold_cancel_free(watch.cancel);
    refold_client_free(client);
    refold_error_free(error);
    free(watch.lines.texts);
    return watch.lines.has_failed ? EXIT_ERROR : watch.status;
}
