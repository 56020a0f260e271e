/* Connecting to hosts with several addresses (RFC 8305), and failing lookups. */
#define _GNU_SOURCE
#include "client.h"
#include "lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DELAY_MS = 250 };

/* A client for http://server.invalid:port; lookups return `lookup`. */
static refold_client *client_by_name(uint16_t port, struct lookup lookup) {
    char *url = text_of("http://server.invalid:%u", port);
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    lookup_script(lookup);
    free(url);
    return client_of(options);
}

/* The environment ---------------------------------------------------------------------------------------- */

#ifdef __GLIBC__
/* The settings that a lookup on any thread would have. */
static int setting_of_lookups(void) {
    struct __res_state state = {0};
    if (res_ninit(&state) != 0)
        return -1;
    int dots = (int)state.ndots;
    res_nclose(&state);
    return dots;
}

/* The system reads what configures its lookups when the client is created, so that no call depends on what
 * the program does to the environment meanwhile. */
TEST(creating_a_client_reads_the_settings_of_lookups) {
    static const struct {
        const char *url, *proxy;
        bool reads;
    } rows[] = {{"https://name.invalid", "", true},
                {"https://127.0.0.1", "http://name.invalid:1", true},
                {"https://127.0.0.1", "", false},
                {"https://localhost", "socks5://[::1]:1", false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_case("%s by %s", rows[i].url, rows[i].proxy);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            setenv("RES_OPTIONS", "ndots:7", 1);
            refold_options *options = test_options(rows[i].url);
            refold_options_set_proxy(options, rows[i].proxy);
            refold_client_free(client_of(options));
            setenv("RES_OPTIONS", "ndots:3", 1);
            _exit(setting_of_lookups());
        }
        int status = -1;
        waitpid(child, &status, 0);
        CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, rows[i].reads ? 7 : 3);
    }
}
#endif

/* Several addresses -------------------------------------------------------------------------------------- */

/* All addresses share one port number; `live` is the address of the server. */
struct address_case {
    const char *name;
    const char *live;
    const char *silent;       /* does not respond */
    const char *addresses[8]; /* in the order of the name service; all others refuse */
    int64_t min_ms, max_ms;   /* the duration of a call */
};

static const struct address_case address_cases[] = {
    {"one", "127.0.0.1", NULL, {"127.0.0.1"}, 0, 100},
    {"IPv6", "::1", NULL, {"::1"}, 0, 100},
    {"the first of two", "127.0.0.1", "127.0.0.2", {"127.0.0.1", "127.0.0.2"}, 0, 100},
    {"after one that refuses", "127.0.0.1", NULL, {"127.0.0.3", "127.0.0.1"}, 0, 100},
    {"after five that refuse",
     "127.0.0.1",
     NULL,
     {"127.0.0.3", "127.0.0.4", "127.0.0.5", "::1", "127.0.0.6", "127.0.0.1"},
     0,
     100},
    {"after a dead IPv6 address", "127.0.0.1", "::1", {"::1", "127.0.0.1"}, DELAY_MS, 300},
    {"after a dead IPv4 address", "::1", "127.0.0.1", {"127.0.0.1", "::1"}, DELAY_MS, 300},
    {"after another dead address", "127.0.0.1", "127.0.0.2", {"127.0.0.2", "127.0.0.1"}, DELAY_MS, 300},
    {"families take turns", "127.0.0.1", "::1", {"::1", "::1", "::1", "::1", "127.0.0.1"}, DELAY_MS, 300},
    {"families take turns, the other way",
     "::1",
     "127.0.0.2",
     {"127.0.0.2", "127.0.0.2", "127.0.0.2", "::1"},
     DELAY_MS,
     300},
    {"after two dead ones",
     "127.0.0.1",
     "127.0.0.2",
     {"127.0.0.2", "127.0.0.2", "127.0.0.1"},
     2 * DELAY_MS,
     600},
    {"a refusal does not wait for a dead one",
     "127.0.0.1",
     "127.0.0.2",
     {"127.0.0.2", "127.0.0.3", "127.0.0.1"},
     DELAY_MS,
     300},
};

/* Opens the hole, if the row has a silent address, and the server on the same port; takes another port if
 * this one is in use at the server's address. */
static struct server *serve_beside_hole(const struct address_case *row, struct dead_port **hole) {
    struct server_options options = {
        .address = row->live, .responses = &(struct response){.body = COMPLETED}, .response_count = 1};
    struct server *server = NULL;
    *hole = NULL;
    while (server == NULL) {
        struct dead_port *before = *hole;
        if (row->silent != NULL) {
            *hole = black_hole(row->silent);
            options.port = dead_port_number(*hole);
        }
        dead_port_free(before);
        server = serve(&options);
    }
    return server;
}

static int64_t call_once(const struct address_case *row) {
    struct dead_port *hole;
    struct server *server = serve_beside_hole(row, &hole);
    struct lookup lookup = {0};
    memcpy(lookup.addresses, row->addresses, sizeof lookup.addresses);
    refold_client *client = client_by_name(server_port(server), lookup);
    int before = descriptor_count();
    int64_t began = now_us();
    CHECK_INT(get_code(client), REFOLD_OK);
    int64_t took = now_us() - began;
    /* The attempts that lost the race are closed. */
    CHECK_INT(descriptor_count(), before + 1);
    CHECK_INT(server_connections(server), 1);
    CHECK_INT(lookup_count(), 1);
    CHECK_STR(lookup_name(), "server.invalid");
    refold_client_free(client);
    server_stop(server);
    dead_port_free(hole);
    return took;
}

TEST(an_unresponsive_address_costs_a_quarter_of_a_second) {
    for (size_t i = 0; i < COUNT(address_cases); i++) {
        const struct address_case *row = &address_cases[i];
        struct timing timing = {.max_ms = row->max_ms, .allowed = 10};
        check_case("%s", row->name);
        while (CHECK_AGAIN(timing)) {
            timing.us = call_once(row);
            CHECK(timing.us >= row->min_ms * 1000);
        }
    }
    CHECK(!lookup_took_signals());
}

TEST(fails_at_once_when_all_addresses_refuse) {
    struct dead_port *port = refusing_port(NULL);
    refold_client *client = client_by_name(dead_port_number(port),
                                           (struct lookup){.addresses = {"127.0.0.1", "::1", "127.0.0.3"}});
    struct timing timing = {.max_ms = 200};
    while (CHECK_AGAIN(timing)) {
        refold_error *error = NULL;
        int64_t began = now_us();
        CHECK(get(client, &error) == NULL);
        timing.us = now_us() - began;
        EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, ": connection refused (127.0.0.1, ::1, 127.0.0.3)");
    }
    refold_client_free(client);
    dead_port_free(port);
}

TEST(connect_timeout_applies_when_no_address_responds) {
    struct dead_port *hole = black_hole("127.0.0.2");
    refold_client *client = client_by_name(
        dead_port_number(hole), (struct lookup){.addresses = {"127.0.0.2", "127.0.0.2", "127.0.0.2"}});
    refold_client_free(client);
    char *url = text_of("http://server.invalid:%u", dead_port_number(hole));
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_connect_timeout_ms(options, 400);
    client = client_of(options);
    refold_error *error = NULL;
    int before = descriptor_count();
    int64_t began = now_ms();
    CHECK(get(client, &error) == NULL);
    CHECK_TIME(now_ms() - began, 400, 800);
    EXPECT_ERROR(error, REFOLD_ERROR_CONNECT, "connect_timeout_ms");
    CHECK_INT(descriptor_count(), before);
    refold_client_free(client);
    dead_port_free(hole);
    free(url);
}

/* A slow address: a full backlog that is emptied after a while. The kernel drops the SYN of the attempt and
 * accepts its retransmission, one second later. */
struct slow_address {
    int listener, filler[3];
    uint16_t port;
    pthread_t thread;
    atomic_int responses;
};

static int socket_to(uint16_t port, bool listens) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (listens ? 0 : SOCK_NONBLOCK), 0);
    if (listens && (bind(made, (struct sockaddr *)&address, sizeof address) != 0 || listen(made, 0) != 0))
        abort();
    if (!listens)
        (void)connect(made, (struct sockaddr *)&address, sizeof address);
    return made;
}

static void *accept_later(void *data) {
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n" COMPLETED;
    struct slow_address *slow = data;
    char request[4096];
    own_thread();
    pause_ms(2 * DELAY_MS + 100);
    for (;;) {
        int connection = accept(slow->listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        ssize_t count = recv(connection, request, sizeof request, 0);
        if (count > 1 && send(connection, response, sizeof response - 1, MSG_NOSIGNAL) > 0)
            slow->responses++;
        close(connection);
    }
}

TEST(earlier_attempts_continue_beside_later_ones) {
    struct slow_address slow = {.listener = socket_to(0, true)};
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;
    getsockname(slow.listener, (struct sockaddr *)&bound, &size);
    slow.port = ntohs(bound.sin_port);
    for (size_t i = 0; i < COUNT(slow.filler); i++)
        slow.filler[i] = socket_to(slow.port, false);
    refold_client *client =
        client_by_name(slow.port, (struct lookup){.addresses = {"127.0.0.2", "127.0.0.3"}});
    for (size_t i = 0; i < COUNT(slow.filler); i++) {
        pause_ms(5); /* so that they reach the backlog before anything leaves it */
        shutdown(slow.filler[i], SHUT_WR);
    }
    pthread_create(&slow.thread, NULL, accept_later, &slow);
    CHECK_INT(get_code(client), REFOLD_OK);
    shutdown(slow.listener, SHUT_RDWR);
    pthread_join(slow.thread, NULL);
    CHECK_INT(slow.responses, 1);
    for (size_t i = 0; i < COUNT(slow.filler); i++)
        close(slow.filler[i]);
    close(slow.listener);
    refold_client_free(client);
}

/* Names without a lookup --------------------------------------------------------------------------------- */

TEST(localhost_and_numeric_addresses_need_no_lookup) {
    static const struct {
        const char *host, *address;
    } rows[] = {
        {"localhost", "127.0.0.1"}, {"localhost", "::1"},
        {"LocalHost", "127.0.0.1"}, {"localhost.", "127.0.0.1"},
        {"127.0.0.1", "127.0.0.1"}, {"127.0.0.9", "127.0.0.9"},
        {"[::1]", "::1"},
    };
    lookup_script((struct lookup){.addresses = {"127.0.0.66"}});
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct server *server =
            serve(&(struct server_options){.address = rows[i].address,
                                           .responses = &(struct response){.body = COMPLETED},
                                           .response_count = 1});
        char *url = text_of("http://%s:%u", rows[i].host, server_port(server));
        check_case("%s at %s", rows[i].host, rows[i].address);
        refold_client *client = client_of(test_options(url));
        CHECK_INT(get_code(client), REFOLD_OK);
        CHECK_INT(server_connections(server), 1);
        refold_client_free(client);
        server_stop(server);
        free(url);
    }
    CHECK_INT(lookup_count(), 0);
}

/* Lookups that fail -------------------------------------------------------------------------------------- */

TEST(only_transient_lookup_failures_are_retried) {
    static const struct {
        const char *name;
        int error, number;
        bool is_retried;
        refold_code code;
        const char *message; /* NULL: any */
    } rows[] = {
        {"EAI_AGAIN", EAI_AGAIN, 0, true, REFOLD_ERROR_RESOLVE, NULL},
        {"EAI_NONAME", EAI_NONAME, 0, false, REFOLD_ERROR_RESOLVE, "server.invalid: the name does not exist"},
        {"EAI_NONAME without descriptors", EAI_NONAME, 0, false, REFOLD_ERROR_RESOURCE,
         "server.invalid: this process has no file descriptor left"},
        {"EAI_NODATA", EAI_NODATA, 0, false, REFOLD_ERROR_RESOLVE, "server.invalid: the name has no address"},
        {"EAI_ADDRFAMILY", EAI_ADDRFAMILY, 0, false, REFOLD_ERROR_RESOLVE,
         "server.invalid: the name has no address"},
        {"EAI_FAIL", EAI_FAIL, 0, false, REFOLD_ERROR_RESOLVE, NULL},
        {"EAI_MEMORY", EAI_MEMORY, 0, false, REFOLD_ERROR_RESOURCE, NULL},
        {"EAI_SYSTEM, EMFILE", EAI_SYSTEM, EMFILE, false, REFOLD_ERROR_RESOURCE, NULL},
        {"EAI_SYSTEM, EIO", EAI_SYSTEM, EIO, true, REFOLD_ERROR_RESOLVE, NULL},
        {"no address", 0, 0, false, REFOLD_ERROR_RESOLVE, "server.invalid: the name has no address"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_options *options = test_options("https://server.invalid");
        refold_options_set_max_retries(options, 1);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        bool exhausts = strstr(rows[i].name, "without descriptors") != NULL;
        struct rlimit before;
        getrlimit(RLIMIT_NOFILE, &before);
        lookup_script(
            (struct lookup){.error = rows[i].error, .number = rows[i].number, .exhausts = exhausts});
        check_case("%s", rows[i].name);
        CHECK(get(client, &error) == NULL);
        setrlimit(RLIMIT_NOFILE, &before);
        CHECK_INT(lookup_count(), rows[i].is_retried ? 2 : 1);
        CHECK_INT(refold_error_attempts(error), rows[i].is_retried ? 2 : 1);
        CHECK_INT(refold_error_is_retryable(error), rows[i].is_retried);
        EXPECT_ERROR(error, rows[i].code, rows[i].message == NULL ? "server.invalid" : rows[i].message);
        refold_client_free(client);
    }
}

/* A client recovers as soon as the name service does. */
TEST(a_retried_lookup_may_succeed) {
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_by_name(server_port(server), (struct lookup){.error = EAI_NONAME});
    CHECK_INT(get_code(client), REFOLD_ERROR_RESOLVE);
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    server_stop(server);
}

/* Unfinished lookups ------------------------------------------------------------------------------------- */

enum { CALLERS = 64, ROUNDS = 2, MAX_LOOKUPS = 64 };

static refold_options *options_by_name(const char *name, uint16_t port) {
    char *url = text_of("http://%s:%u", name, port);
    refold_options *options = test_options(url);
    refold_options_set_allow_plaintext(options, true);
    free(url);
    return options;
}

static void call_until_timeout(void *client) {
    for (int i = 0; i < ROUNDS; i++)
        CHECK_INT(get_code(client), REFOLD_ERROR_TIMEOUT);
}

/* A name that is never resolved occupies one thread, however many calls ask for it, and stops no other name.
 */
TEST(a_dead_name_stops_no_other_lookup) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = options_by_name("dead.invalid", server_port(server));
    refold_options_set_timeout_ms(options, 100);
    refold_client *dead = client_of(options);
    refold_client *good = client_of(options_by_name("good.invalid", server_port(server)));
    lookup_script((struct lookup){.silent = true});
    int descriptors = descriptor_count(), threads = thread_count();
    int64_t began = now_ms();
    run_on_threads(CALLERS, call_until_timeout, dead, 0);
    CHECK_TIME(now_ms() - began, ROUNDS * 100, ROUNDS * 100 + 1500);
    CHECK_INT(lookup_running(), 1);
    CHECK_INT(lookup_count(), 1);
    CHECK(await_threads(threads + 1, 5000));
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    struct timing timing = {.max_ms = 100};
    while (CHECK_AGAIN(timing)) {
        began = now_us();
        CHECK_INT(get_code(good), REFOLD_OK);
        timing.us = now_us() - began;
    }
    CHECK_INT(get_code(dead), REFOLD_ERROR_TIMEOUT); /* it waits for the first lookup */
    CHECK_INT(lookup_running(), 1);
    lookup_release();
    CHECK(await_threads(threads, 5000));
    CHECK_INT(get_code(dead), REFOLD_OK); /* a new lookup */
    CHECK_INT(lookup_count(), 2);
    refold_client_free(dead);
    refold_client_free(good);
    CHECK_INT(descriptor_count(), descriptors);
    server_stop(server);
}

struct joining {
    refold_client *client;
    refold_code code;
};

static void join_lookup(void *data) {
    struct joining *joining = data;
    joining->code = get_code(joining->client);
}

static void *run_joining(void *joining) {
    run_on_threads(CALLERS, join_lookup, joining, sizeof(struct joining));
    return NULL;
}

/* Calls that begin while a name is looked up get the result of that lookup, whichever client they use. */
TEST(calls_for_one_name_share_a_lookup) {
    static const struct lookup lookups[] = {{.silent = true, .addresses = {"127.0.0.1"}}, {.silent = true}};
    static const char *const names[] = {"name.invalid", "NAME.Invalid"};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(lookups); i++) {
        struct joining all[CALLERS];
        pthread_t thread;
        check_case("%s", i == 0 ? "found" : "failed for now");
        int threads = thread_count();
        lookup_script(lookups[i]);
        for (size_t call = 0; call < CALLERS; call++)
            all[call].client = client_of(options_by_name(names[call % COUNT(names)], server_port(server)));
        pthread_create(&thread, NULL, run_joining, all);
        CHECK(lookup_await_running(1, 5000));
        CHECK(!lookup_await_running(2, 100));
        lookup_release();
        pthread_join(thread, NULL);
        for (size_t call = 0; call < CALLERS; call++) {
            CHECK_INT(all[call].code, i == 0 ? REFOLD_OK : REFOLD_ERROR_RESOLVE);
            refold_client_free(all[call].client);
        }
        CHECK(await_threads(threads, 5000));
    }
    server_stop(server);
}

/* Occupies all lookups with names that are never resolved. */
static void exhaust_lookups(uint16_t port) {
    lookup_script((struct lookup){.silent = true});
    for (int i = 0; i < MAX_LOOKUPS; i++) {
        char name[30];
        snprintf(name, sizeof name, "dead-%d.invalid", i);
        refold_options *options = options_by_name(name, port);
        refold_options_set_timeout_ms(options, 1);
        refold_client *client = client_of(options);
        while (lookup_count() <= i)
            CHECK_INT(get_code(client), REFOLD_ERROR_TIMEOUT);
        refold_client_free(client);
    }
    CHECK(lookup_await_running(MAX_LOOKUPS, 5000));
}

/* Lookups that the system has not finished are bounded in number. A call that would need one more waits
 * within its limits, and reports why. */
TEST(the_number_of_unfinished_lookups_is_bounded) {
    static const struct {
        uint64_t timeout_ms, connect_timeout_ms;
        refold_code code;
    } rows[] = {{200, 0, REFOLD_ERROR_TIMEOUT}, {0, 200, REFOLD_ERROR_CONNECT}};
    struct server *server = serve_body(COMPLETED);
    int descriptors = descriptor_count(), threads = thread_count();
    exhaust_lookups(server_port(server));
    for (size_t i = 0; i < COUNT(rows); i++) {
        refold_options *options = options_by_name("good.invalid", server_port(server));
        refold_options_set_timeout_ms(options, rows[i].timeout_ms);
        refold_options_set_connect_timeout_ms(options, rows[i].connect_timeout_ms);
        refold_client *client = client_of(options);
        refold_error *error = NULL;
        int64_t began = now_ms();
        CHECK(get(client, &error) == NULL);
        CHECK_TIME(now_ms() - began, 200, 400);
        CHECK_CONTAINS(refold_error_message(error), "while waiting to look up the host name");
        EXPECT_ERROR(error, rows[i].code, "64 unfinished lookups");
        CHECK_INT(lookup_count(), MAX_LOOKUPS);
        refold_client_free(client);
    }
    lookup_release();
    CHECK(await_threads(threads, 5000));
    CHECK_INT(descriptor_count(), descriptors);
    /* Finished lookups no longer count towards the limit. */
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    must_complete(client_of(options_by_name("good.invalid", server_port(server))));
    server_stop(server);
}

static void *call_in_queue(void *client) {
    refold_code *code = malloc(sizeof *code);
    *code = get_code(client);
    return code;
}

/* A call that waits for another lookup to end begins its own as soon as one has. */
TEST(a_queued_lookup_begins_when_another_ends) {
    struct server *server = serve_body(COMPLETED);
    pthread_t caller;
    void *code = NULL;
    exhaust_lookups(server_port(server));
    lookup_script((struct lookup){.addresses = {"127.0.0.1"}});
    refold_client *client = client_of(options_by_name("good.invalid", server_port(server)));
    pthread_create(&caller, NULL, call_in_queue, client);
    CHECK_INT(lookup_count(), 0);
    lookup_release();
    pthread_join(caller, &code);
    CHECK_INT(*(refold_code *)code, REFOLD_OK);
    CHECK_INT(lookup_count(), 1);
    free(code);
    refold_client_free(client);
    server_stop(server);
}
