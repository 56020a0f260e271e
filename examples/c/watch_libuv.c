/* Watches several runs from libuv's loop, which stays free for other work: a timer ticks meanwhile.
 *
 *     cc -std=c11 watch_libuv.c $(pkg-config --cflags --libs refold libuv) -o watch_libuv
 *     ./watch_libuv EXECUTION_ID...
 *
 * Exit status: 0 if all runs completed; 1 on an error; 3 if a run ended otherwise; 130 if SIGINT (Ctrl-C) or
 * SIGTERM cancelled the waits.
 */
#define _GNU_SOURCE /* what uv.h uses */

#include "progress_lines.h"
#include <refold.h>
#include <signal.h>
#include <uv.h>

enum { EXIT_ERROR = 1, EXIT_NOT_COMPLETED = 3, EXIT_CANCELLED = 130 };
enum { TICK_MS = 100 };

struct watch {
    refold_queue *queue;
    refold_cancel *cancel;
    char **ids;                  /* of the runs, which the line of the same index shows */
    struct progress_lines lines; /* and one for the timer */
    uint64_t begun_ms;
    unsigned ticks;
    int status;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_signal_t interrupt, terminate;
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

/* Closes the handles, which ends the loop, once nothing is left to wait for. */
static void close_when_done(struct watch *watch) {
    if (refold_queue_pending(watch->queue) > 0 || uv_is_closing((uv_handle_t *)&watch->poll))
        return;
    uv_close((uv_handle_t *)&watch->poll, NULL);
    uv_close((uv_handle_t *)&watch->timer, NULL);
    uv_close((uv_handle_t *)&watch->interrupt, NULL);
    uv_close((uv_handle_t *)&watch->terminate, NULL);
}

/* The queue has events. */
static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct watch *watch = poll->data;
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
    close_when_done(watch);
}

static void on_tick(uv_timer_t *timer) {
    struct watch *watch = timer->data;
    watch->ticks++;
    if (watch->lines.redraws)
        set_line(&watch->lines, watch->lines.count - 1, "%.1f s",
                 (double)(uv_now(timer->loop) - watch->begun_ms) / 1000);
}

static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    struct watch *watch = signal->data;
    refold_cancel_trigger(watch->cancel);
}

static void start_handles(struct watch *watch, uv_loop_t *loop) {
    watch->poll.data = watch->timer.data = watch->interrupt.data = watch->terminate.data = watch;
    uv_poll_init(loop, &watch->poll, (int)refold_queue_descriptor(watch->queue));
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    uv_timer_init(loop, &watch->timer);
    uv_timer_start(&watch->timer, on_tick, TICK_MS, TICK_MS);
    uv_signal_init(loop, &watch->interrupt);
    uv_signal_start(&watch->interrupt, on_signal, SIGINT);
    uv_signal_init(loop, &watch->terminate);
    uv_signal_start(&watch->terminate, on_signal, SIGTERM);
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

int main(int argc, char **argv) {
    if (argc < 2) {
        fputs("usage: watch_libuv EXECUTION_ID...\n", stderr);
        return EXIT_ERROR;
    }
    uv_loop_t *loop = uv_default_loop();
    struct watch watch = {.ids = argv + 1};
    watch.lines = new_lines((size_t)argc);
    refold_error *error = NULL;
    refold_options *options = refold_options_new_from_env(); /* REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID */
    refold_client *client = refold_client_new(options, &error);
    refold_options_free(options);
    if (client)
        watch.queue = refold_queue_new(0, &error);
    if (watch.queue && watch.lines.texts) {
        watch.cancel = refold_cancel_new();
        watch.begun_ms = uv_now(loop);
        start_handles(&watch, loop);
        submit(&watch, client);
        close_when_done(&watch);
        uv_run(loop, UV_RUN_DEFAULT);
        set_line(&watch.lines, watch.lines.count - 1, "%u ticks in %u ms", watch.ticks,
                 (unsigned)(uv_now(loop) - watch.begun_ms));
    } else {
        print_line(stderr, "watch_libuv: %s", error ? refold_error_message(error) : "out of memory");
        watch.status = EXIT_ERROR;
    }
    uv_loop_close(loop);
    refold_queue_free(watch.queue);
    refold_cancel_free(watch.cancel);
    refold_client_free(client);
    refold_error_free(error);
    free(watch.lines.texts);
    return watch.lines.has_failed ? EXIT_ERROR : watch.status;
}
