/* `curl_multi WAY URL ID CALLS OUTSTANDING`: what gets.c does, with libcurl's multi interface in one thread,
 * and the same output. WAY is `epoll`, which is curl_multi_socket_action() for the sockets that epoll
 * reports, or `perform`, which is curl_multi_perform() and curl_multi_poll(). */
#define _GNU_SOURCE
#include "../peers/curl.h"
#include "../peers/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop {
    CURLM *multi;
    const char *id;
    size_t submitted, done, calls;
    uint64_t sums;
    int epoll;
    /* When libcurl wants to be called, in ns; 0: never. */
    uint64_t due;
};

static void check(bool is_good, const char *what) {
    if (!is_good) {
        fprintf(stderr, "curl_multi: %s failed\n", what);
        exit(1);
    }
}

static void submit(struct loop *loop, struct client *client) {
    client_begin(client, loop->id);
    check(curl_multi_add_handle(loop->multi, client->curl) == CURLM_OK, "curl_multi_add_handle");
    loop->submitted++;
}

/* Reads what has come, and submits the next call in place of each one that has ended. */
static void take_done(struct loop *loop) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        struct client *client;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&client);
        curl_multi_remove_handle(loop->multi, client->curl);
        uint64_t sum = 0;
        check(client_end(client, code, &sum), "a call");
        loop->sums += sum;
        loop->done++;
        if (loop->submitted < loop->calls)
            submit(loop, client);
    }
}

/* Called by libcurl: watches a socket from now on, or not any more. */
static int watch(CURL *easy, curl_socket_t socket, int what, void *argument, void *is_watched) {
    (void)easy;
    struct loop *loop = argument;
    struct epoll_event event = {.data.fd = socket};
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, socket, NULL);
    else
        check(epoll_ctl(loop->epoll, is_watched == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) == 0,
              "epoll_ctl");
    curl_multi_assign(loop->multi, socket, what == CURL_POLL_REMOVE ? NULL : loop);
    return 0;
}

/* Called by libcurl: sets its timer. */
static int set_timer(CURLM *multi, long milliseconds, void *argument) {
    (void)multi;
    struct loop *loop = argument;
    loop->due = milliseconds < 0 ? 0 : wall_time() + (uint64_t)milliseconds * 1000000;
    return 0;
}

static void turn_with_epoll(struct loop *loop) {
    struct epoll_event events[64];
    int running, timeout = -1;
    uint64_t now = loop->due == 0 ? 0 : wall_time();
    if (loop->due != 0)
        timeout = loop->due <= now ? 0 : (int)((loop->due - now) / 1000000) + 1;
    int count = epoll_wait(loop->epoll, events, 64, timeout);
    for (int index = 0; index < count; index++) {
        int what = (events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
                   (events[index].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
        curl_multi_socket_action(loop->multi, events[index].data.fd, what, &running);
    }
    if (loop->due != 0 && loop->due <= wall_time()) {
        loop->due = 0;
        curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

static void turn_with_perform(struct loop *loop) {
    int running;
    check(curl_multi_perform(loop->multi, &running) == CURLM_OK, "curl_multi_perform");
    take_done(loop);
    if (loop->done < loop->calls)
        curl_multi_poll(loop->multi, NULL, 0, 1000, NULL);
}

static void run(struct loop *loop, bool uses_epoll, struct client **clients, size_t outstanding,
                size_t calls) {
    loop->submitted = loop->done = 0;
    loop->sums = 0;
    loop->calls = calls;
    for (size_t index = 0; index < outstanding && index < calls; index++)
        submit(loop, clients[index]);
    while (loop->done < calls) {
        if (uses_epoll)
            turn_with_epoll(loop);
        else
            turn_with_perform(loop);
        take_done(loop);
    }
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: %s epoll|perform URL ID CALLS OUTSTANDING\n", arguments[0]);
        return 2;
    }
    bool uses_epoll = strcmp(arguments[1], "epoll") == 0;
    size_t calls = number_of(arguments[4]), outstanding = number_of(arguments[5]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct loop loop = {.multi = curl_multi_init(), .id = arguments[3]};
    /* Every connection can stay open. */
    curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, (long)outstanding);
    if (uses_epoll) {
        loop.epoll = epoll_create1(EPOLL_CLOEXEC);
        curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, watch);
        curl_multi_setopt(loop.multi, CURLMOPT_SOCKETDATA, &loop);
        curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(loop.multi, CURLMOPT_TIMERDATA, &loop);
    }
    struct client **clients = allocate(outstanding * sizeof *clients);
    for (size_t index = 0; index < outstanding; index++)
        if ((clients[index] = client_open(arguments[2], NULL)) == NULL)
            return 1;
    run(&loop, uses_epoll, clients, outstanding, 10 * outstanding);
    uint64_t before = wall_time(), processor_before = processor_time();
    run(&loop, uses_epoll, clients, outstanding, calls);
    uint64_t time = wall_time() - before, processor = processor_time() - processor_before;
    printf("%.2f %.2f %ld %016" PRIx64 " %ld\n", (double)time / 1e3 / (double)calls,
           (double)processor / 1e3 / (double)calls, peak_memory(), loop.sums, thread_count());
    for (size_t index = 0; index < outstanding; index++)
        client_close(clients[index]);
    free(clients);
    curl_multi_cleanup(loop.multi);
    if (uses_epoll)
        close(loop.epoll);
    return 0;
}
