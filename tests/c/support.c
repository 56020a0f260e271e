/* The test support itself, over bare sockets: scripted servers follow their script, and checks report. */
#define _GNU_SOURCE
#include "check.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST "GET /a?b HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-one:2\r\n\r\n"

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connected, (struct sockaddr *)&address, sizeof address) == 0)
        return connected;
    int error = errno;
    close(connected);
    errno = error;
    return -1;
}

/* Reads into `text` until the end, an error (stored in errno), or its capacity. */
static size_t read_all(int connected, char *text, size_t size) {
    size_t length = 0;
    errno = 0;
    for (ssize_t count; length < size - 1 && (count = read(connected, text + length, size - 1 - length)) > 0;)
        length += (size_t)count;
    text[length] = '\0';
    return length;
}

/* Sends the request and reads until the server closes. */
static void request(struct server *server, char *text, size_t size) {
    int connected = connect_to(server_port(server));
    text[0] = '\0';
    REQUIRE(connected >= 0);
    CHECK(send(connected, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) == (ssize_t)strlen(REQUEST));
    read_all(connected, text, size);
    close(connected);
}

TEST(responses_follow_the_script) {
    static const struct {
        const char *name;
        struct response response;
        const char *want;
        int error;
    } cases[] = {
        {"by length",
         {.body = "{}", .ending = CLOSE},
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
         0},
        {"chunked",
         {.status = 404, .body = "body", .framing = CHUNKED, .type = "", .ending = CLOSE},
         "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
         0},
        {"until close",
         {.status = 502, .body = "<p>", .framing = UNTIL_CLOSE, .type = "text/html", .headers = "A: b\r\n"},
         "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/html\r\nA: b\r\n\r\n<p>",
         0},
        {"cut",
         {.body = "abc", .type = "", .is_cut = true, .cut = 1},
         "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na",
         0},
        {"cut chunk",
         {.body = "abc", .type = "", .framing = CHUNKED, .is_cut = true, .cut = 2},
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
         0},
        {"raw", {.body = "what\r\n", .raw = true, .ending = CLOSE}, "what\r\n", 0},
        {"nothing", {.silent = true, .ending = CLOSE}, "", 0},
        {"reset", {.silent = true, .ending = RESET}, "", ECONNRESET},
        {"half closed", {.raw = true, .body = "half", .ending = HALF_CLOSE}, "half", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[400];
        struct server *server = serve_responses(1, &cases[i].response);
        check_case("%s", cases[i].name);
        request(server, text, sizeof text);
        CHECK_INT(errno, cases[i].error);
        CHECK_STR(text, cases[i].want);
        CHECK(server_await_open(server, 0, 1000));
        CHECK_INT(server_sent(server), strlen(cases[i].want));
        server_stop(server);
    }
}

TEST(requests_are_counted_and_their_heads_kept) {
    struct server *server = serve_body("{}");
    int connected = connect_to(server_port(server));
    int64_t before = now_ms();
    CHECK_INT(server_requests(server), 0);
    CHECK(write(connected, REQUEST REQUEST "GET /third", 2 * strlen(REQUEST) + 10) > 0);
    CHECK(server_await_requests(server, 2, 1000));
    CHECK(!server_await_requests(server, 3, 20));
    CHECK_INT(server_connections(server), 1);
    CHECK_INT(server_open(server), 1);
    CHECK_STR(server_head(server, 1), REQUEST);
    CHECK(server_head(server, 2) == NULL);
    CHECK_INT(server_request_connection(server, 1), 0);
    CHECK_BETWEEN(server_request_ms(server, 1), before, now_ms());
    CHECK_STR(head_line(server_head(server, 0)), "GET /a?b HTTP/1.1");
    CHECK_STR(head_value(server_head(server, 0), "host"), "x");
    CHECK_STR(head_value(server_head(server, 0), "X-ONE"), "1");
    CHECK_INT(head_count(server_head(server, 0), "x-one"), 2);
    CHECK(head_value(server_head(server, 0), "one") == NULL);
    close(connected);
    CHECK(server_await_open(server, 0, 1000));
    server_stop(server);
}

TEST(an_occupied_port_yields_no_server) {
    struct server *server = serve_body("{}");
    int descriptors = descriptor_count();
    CHECK(serve(&(struct server_options){.port = server_port(server)}) == NULL);
    CHECK_INT(descriptor_count(), descriptors);
    server_stop(server);
}

static void drip(struct exchange *exchange) {
    exchange_drip(exchange, "four", 4, 1, 20);
    exchange_close(exchange);
    CHECK(!exchange_send_text(exchange, "late"));
}

TEST(bytes_are_sent_at_the_given_pace) {
    char text[80];
    struct server *server = serve(&(struct server_options){.handler = drip});
    int64_t before = now_ms();
    request(server, text, sizeof text);
    CHECK_TIME(now_ms() - before, 60, 1000);
    CHECK_STR(text, "four");
    server_stop(server);
}

static void await_close(struct exchange *exchange) {
    CHECK(exchange_await_close(exchange));
    event_add(exchange_data(exchange), 1);
}

TEST(a_closing_client_is_an_event) {
    struct event *closed = event_new();
    struct server *server = serve(&(struct server_options){.handler = await_close, .data = closed});
    int connected = connect_to(server_port(server));
    CHECK(write(connected, REQUEST "more", strlen(REQUEST) + 4) > 0);
    CHECK(server_await_requests(server, 1, 1000));
    CHECK(!event_await(closed, 1, 20));
    close(connected);
    CHECK(event_await(closed, 1, 1000));
    server_stop(server);
    event_free(closed);
}

TEST(held_exchanges_continue_when_released) {
    char text[80];
    struct server *server =
        serve_responses(2, (struct response[]){{.raw = true, .body = "one", .ending = HOLD},
                                               {.raw = true, .body = "two", .ending = CLOSE}});
    int connected = connect_to(server_port(server));
    CHECK(write(connected, REQUEST REQUEST, 2 * strlen(REQUEST)) > 0);
    CHECK(server_await_requests(server, 1, 1000));
    CHECK(!server_await_requests(server, 2, 20));
    server_release(server);
    CHECK_INT(read_all(connected, text, sizeof text), 6);
    CHECK_STR(text, "onetwo");
    close(connected);
    server_stop(server);
}

TEST(a_server_may_accept_late_or_never) {
    for (int i = 0; i < 2; i++) {
        struct server *server = serve(&(struct server_options){.unserved = true});
        int connected = connect_to(server_port(server));
        CHECK(connected >= 0);
        CHECK(!server_await_connections(server, 1, 20));
        if (i == 0)
            server_release(server);
        CHECK_INT(server_await_connections(server, 1, i == 0 ? 1000 : 20), i == 0);
        server_stop(server);
        close(connected);
    }
}

static void ignore_the_client(struct exchange *exchange) { exchange_pause(exchange, 60000); }

TEST(stopping_ends_every_wait) {
    static const struct response holding = {.silent = true, .ending = HOLD};
    static const struct server_options servers[] = {{.handler = ignore_the_client},
                                                    {.responses = &holding, .response_count = 1},
                                                    {.connected = ignore_the_client}};
    int threads = thread_count();
    for (size_t i = 0; i < COUNT(servers); i++) {
        struct server *server = serve(&servers[i]);
        int connected = connect_to(server_port(server));
        CHECK(write(connected, REQUEST, strlen(REQUEST)) > 0);
        CHECK(server_await_connections(server, 1, 1000));
        if (servers[i].connected == NULL)
            CHECK(server_await_requests(server, 1, 1000));
        int64_t before = now_ms();
        server_stop(server);
        CHECK_TIME(now_ms() - before, 0, 500);
        close(connected);
    }
    CHECK(await_threads(threads, 1000));
}

TEST(dead_ports_do_not_respond) {
    struct dead_port *port = refusing_port(NULL);
    CHECK_INT(connect_to(dead_port_number(port)), -1);
    CHECK_INT(errno, ECONNREFUSED);
    dead_port_free(port);
    port = black_hole(NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(dead_port_number(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connecting = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(connecting, (struct sockaddr *)&address, sizeof address), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(poll(&(struct pollfd){.fd = connecting, .events = POLLOUT}, 1, 300), 0);
    close(connecting);
    dead_port_free(port);
}

static void talk_tls(struct server *server, const char *want, int maximum) {
    char text[200] = "";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    CHECK(SSL_CTX_load_verify_locations(context, certificate_path("ca.pem"), NULL) == 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_max_proto_version(context, maximum);
    int connected = connect_to(server_port(server));
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, connected);
    int result = SSL_connect(tls);
    CHECK_INT(result == 1, want != NULL);
    if (result == 1) {
        CHECK(SSL_write(tls, REQUEST, strlen(REQUEST)) > 0);
        for (int at = 0, count; (count = SSL_read(tls, text + at, (int)sizeof text - at - 1)) > 0;)
            at += count;
        CHECK_CONTAINS(text, want);
        CHECK_INT(SSL_get_shutdown(tls) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    close(connected);
}

TEST(servers_support_tls) {
    static const struct response response = {.body = "secret", .ending = CLOSE};
    struct server_options options = {
        .responses = &response, .response_count = 1, .minimum_tls = TLS1_3_VERSION};
    options.certificate = "good";
    struct server *server = serve(&options);
    CHECK(strncmp(server_url(server), "https://127.0.0.1:", 18) == 0);
    talk_tls(server, "\r\n\r\nsecret", TLS1_3_VERSION);
    CHECK_STR(server_head(server, 0), REQUEST);
    CHECK_INT(server_handshakes(server), 1);
    talk_tls(server, NULL, TLS1_2_VERSION);
    server_stop(server);
    options.certificate = "unknown";
    server = serve(&options);
    talk_tls(server, NULL, TLS1_3_VERSION);
    CHECK(server_await_open(server, 0, 1000));
    CHECK_INT(server_requests(server), 0);
    server_stop(server);
}

static void connect_often(void *data) {
    char text[200];
    for (int i = 0; i < 20; i++)
        request(data, text, sizeof text);
}

TEST(many_concurrent_connections_leak_nothing) {
    int descriptors = descriptor_count();
    int threads = thread_count();
    struct server *server = serve_responses(1, &(struct response){.body = "{}", .ending = CLOSE});
    run_on_threads(8, connect_often, server, 0);
    CHECK_INT(server_requests(server), 160);
    CHECK_INT(server_connections(server), 160);
    CHECK_INT(descriptor_count(), descriptors);
    CHECK(await_threads(threads, 1000));
    server_stop(server);
    CHECK_INT(descriptor_count(), descriptors);
}

static void *wait_for_event(void *event) {
    event_await(event, 1, 10000);
    return NULL;
}

TEST(threads_and_descriptors_are_counted) {
    struct event *done = event_new();
    int threads = thread_count(), descriptors = descriptor_count();
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, wait_for_event, done) == 0);
    int opened = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(thread_count(), threads + 1);
    CHECK_INT(descriptor_count(), descriptors + 1);
    close(opened);
    event_add(done, 1);
    pthread_join(thread, NULL);
    CHECK(await_threads(threads, 1000));
    CHECK_INT(descriptor_count(), descriptors);
    CHECK(resident_bytes() > 100000);
    event_free(done);
}

/* Runs this program with a test that fails on purpose, and reads its output. */
static void run_self(const char *test, char *output, size_t size, int *status) {
    char self[400];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = '\0';
    char command[800];
    snprintf(command, sizeof command, "CHECK_FAILING=1 '%s' %s", self, test);
    FILE *pipe = popen(command, "r");
    REQUIRE(pipe != NULL);
    output[fread(output, 1, size - 1, pipe)] = '\0';
    *status = pclose(pipe);
}

/* The first attempt is late, the second does not count, and the third of four is in time. */
TEST(one_attempt_in_time_is_enough) {
    int made = 0;
    for (struct timing timing = {.max_ms = 1, .allowed = 4}; CHECK_AGAIN(timing); made++) {
        CHECK_INT(timing.made, made);
        timing.us = made == 0 ? 1000 * check_patience() + 1 : 1000;
        if (made == 1)
            check_missed(&timing, "by chance");
    }
    CHECK_INT(made, 3);
}

static void fail_in_every_way(void) {
    check_case("row %d", 7);
    CHECK_STR("a\n", "b");
    CHECK_STR(NULL, "");
    CHECK_INT(1, 2);
    CHECK_BYTES("a", 1, "ab", 2);
    CHECK_CONTAINS("text", "y");
    CHECK_LACKS("text", "ex");
    CHECK_BETWEEN(3, 4, 5);
    CHECK_DOUBLE(0.5, 0.25);
    for (struct timing timing = {.max_ms = 1}; CHECK_AGAIN(timing);)
        timing.us = 1000 * check_patience() + 5 - timing.made;
    for (struct timing timing = {.max_ms = 1}; CHECK_AGAIN(timing);)
        check_missed(&timing, "number %d", timing.made);
    REQUIRE(1 == 2);
    FAIL("not reached");
}

static void hang(void) {
    check_limit(1);
    pause_ms(60000 * check_patience());
}

/* Tests that fail on purpose exist only in the processes that failed_checks_are_reported starts. */
__attribute__((constructor)) static void register_failing_tests(void) {
    static struct check_test failing = {"failing", fail_in_every_way, NULL};
    static struct check_test hanging = {"hanging", hang, NULL};
    if (getenv("CHECK_FAILING") == NULL)
        return;
    check_register(&failing);
    check_register(&hanging);
}

TEST(failed_checks_are_reported) {
    char output[4000];
    int status = 0;
    run_self("failing", output, sizeof output, &status);
    CHECK(status != 0);
    CHECK_CONTAINS(output, "FAIL failing: support.c:");
    CHECK_CONTAINS(output, "[row 7] \"a\\n\" is \"a\\x0a\", wanted \"b\"");
    CHECK_CONTAINS(output, "NULL is NULL, wanted \"\"");
    CHECK_CONTAINS(output, "1 is 1, wanted 2");
    CHECK_CONTAINS(output, "\"a\" is \"a\" (1 bytes), wanted \"ab\" (2 bytes)");
    CHECK_CONTAINS(output, "which lacks \"y\"");
    CHECK_CONTAINS(output, "which holds \"ex\"");
    CHECK_CONTAINS(output, "3 is 3, wanted 4 to 5");
    CHECK_CONTAINS(output, "0.5 is 0.5, wanted 0.25");
    CHECK_CONTAINS(output, "the best of 5 attempts took");
    CHECK_CONTAINS(output, "none of 5 attempts reached the operation to be timed: number 4");
    CHECK_CONTAINS(output, "1 == 2 is false");
    CHECK_LACKS(output, "not reached");
    CHECK_CONTAINS(output, "\n0 passed, 1 failed\n");
    run_self("hanging", output, sizeof output, &status);
    CHECK(status != 0);
    CHECK_CONTAINS(output, "FAIL hanging: hung\n0 passed, 1 failed\n");
    run_self("no_such_test", output, sizeof output, &status);
    CHECK(status != 0);
    CHECK_STR(output, "0 passed, 0 failed\n");
}
