/* Watches several runs from libuv's loop, which stays free for other work: a timer ticks meanwhile.
 *
 *     cc -std=c11 watch_libuv.c $(pkg-config --cflags --libs refold libuv) -o watch_libuv
 *     ./watch_libuv EXECUTION_ID...
 *
 * Exit status: 0 if all runs completed; 1 on an error; 3 if a run ended otherwise; 130 if SIGINT (Ctrl-C) or
 * SIGTERM cancelled the waits.
 */
#define _GNU_SOURCE /* what uv.h uses */

#include "watched_runs.h"
#include <signal.h>
#include <uv.h>

struct watch {
    struct watched_runs runs;
    uint64_t begun_ms;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_signal_t interrupt, terminate;
};

static unsigned elapsed_ms(const struct watch *watch, const uv_loop_t *loop) {
    return (unsigned)(uv_now(loop) - watch->begun_ms);
}

/* Closes the handles, which ends the loop, once nothing is left to wait for. */
static void close_when_done(struct watch *watch) {
    if (refold_queue_pending(watch->runs.queue) > 0 || uv_is_closing((uv_handle_t *)&watch->poll))
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
    take_events(&watch->runs);
    close_when_done(watch);
}

static void on_tick(uv_timer_t *timer) {
    struct watch *watch = timer->data;
    tick(&watch->runs, elapsed_ms(watch, timer->loop));
}

static void on_signal(uv_signal_t *signal, int number) {
    (void)number;
    struct watch *watch = signal->data;
    refold_cancel_trigger(watch->runs.cancel);
}

static void start_handles(struct watch *watch, uv_loop_t *loop) {
    watch->poll.data = watch->timer.data = watch->interrupt.data = watch->terminate.data = watch;
    uv_poll_init(loop, &watch->poll, (int)refold_queue_descriptor(watch->runs.queue));
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    uv_timer_init(loop, &watch->timer);
    uv_timer_start(&watch->timer, on_tick, TICK_MS, TICK_MS);
    uv_signal_init(loop, &watch->interrupt);
    uv_signal_start(&watch->interrupt, on_signal, SIGINT);
    uv_signal_init(loop, &watch->terminate);
    uv_signal_start(&watch->terminate, on_signal, SIGTERM);
}

int main(int argc, char **argv) {
    struct watch watch;
    int status = EXIT_ERROR;
    if (open_runs(&watch.runs, argc, argv, "watch_libuv")) {
        uv_loop_t *loop = uv_default_loop();
        watch.begun_ms = uv_now(loop);
        start_handles(&watch, loop);
        submit_runs(&watch.runs);
        close_when_done(&watch);
        uv_run(loop, UV_RUN_DEFAULT);
        show_ticks(&watch.runs, elapsed_ms(&watch, loop));
        status = exit_status(&watch.runs);
        uv_loop_close(loop);
    }
    close_runs(&watch.runs);
    return status;
}
