/* Watches several runs from GLib's main loop, which stays free for other work: a timer ticks meanwhile.
 *
 *     cc -std=c11 watch_glib.c $(pkg-config --cflags --libs refold glib-2.0) -o watch_glib
 *     ./watch_glib EXECUTION_ID...
 *
 * Exit status: 0 if all runs completed; 1 on an error; 3 if a run ended otherwise; 130 if SIGINT (Ctrl-C) or
 * SIGTERM cancelled the waits.
 */
#define _GNU_SOURCE

#include "watched_runs.h"
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>

struct watch {
    struct watched_runs runs;
    gint64 begun_us;
};

static unsigned elapsed_ms(const struct watch *watch) {
    return (unsigned)((g_get_monotonic_time() - watch->begun_us) / 1000);
}

/* The queue has events. */
static gboolean on_readable(gint descriptor, GIOCondition condition, gpointer data) {
    (void)descriptor, (void)condition;
    struct watch *watch = data;
    take_events(&watch->runs);
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer data) {
    struct watch *watch = data;
    tick(&watch->runs, elapsed_ms(watch));
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer data) {
    struct watch *watch = data;
    refold_cancel_trigger(watch->runs.cancel);
    return G_SOURCE_CONTINUE;
}

/* Runs the main loop until all runs have ended. */
static void run_loop(struct watch *watch) {
    const guint sources[] = {
        g_unix_fd_add((gint)refold_queue_descriptor(watch->runs.queue), G_IO_IN, on_readable, watch),
        g_timeout_add(TICK_MS, on_tick, watch),
        g_unix_signal_add(SIGINT, on_signal, watch),
        g_unix_signal_add(SIGTERM, on_signal, watch),
    };
    while (refold_queue_pending(watch->runs.queue) > 0)
        g_main_context_iteration(NULL, TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
}

int main(int argc, char **argv) {
    struct watch watch;
    int status = EXIT_ERROR;
    if (open_runs(&watch.runs, argc, argv, "watch_glib")) {
        watch.begun_us = g_get_monotonic_time();
        submit_runs(&watch.runs);
        run_loop(&watch);
        show_ticks(&watch.runs, elapsed_ms(&watch));
        status = exit_status(&watch.runs);
    }
    close_runs(&watch.runs);
    return status;
}
