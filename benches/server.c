/* A server that costs as little as possible: it sends prepared responses from memory, on connections that
 * stay open, with one thread for each.
 *
 * `server FOLDER CERTIFICATE KEY` responds to GET /.../NAME with FOLDER/NAME.json, on loopback, in plaintext,
 * over TLS, and in plaintext with 200 ms of latency. It prints the three ports when it is ready, and ends at
 * the end of its standard input.
 *
 * packed is the large one, compressed with gzip as servers do it.
 *
 * run-0, run-1 ... are executions that run for five seconds, from the first request for them on. While they
 * run, each response differs from the one before. Any other NAME is the same as small. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define END_OF_HEAD "\r\n\r\n"

struct response {
    const char *name;
    const char *file; /* NULL: the name */
    bool is_packed;
    char head[512];
    size_t head_length;
    char *body;
    size_t body_length;
};

static struct response responses[] = {{.name = "small"},
                                      {.name = "medium"},
                                      {.name = "large"},
                                      {.name = "huge"},
                                      {.name = "packed", .file = "large", .is_packed = true}};

enum { RESPONSES = sizeof responses / sizeof *responses };

/* The response about a run, written anew for each request. */
struct run {
    struct response response;
    char body[1024];
};

enum { RUNS = 1000000, LATENCY_MS = 200 };

static const uint64_t run_ns = 5000000000;

/* When each run began; 0: not yet. */
static atomic_uint_least64_t runs[RUNS];

/* Where clients are waited for, or one of them is. Without TLS: NULL. */
struct endpoint {
    int socket;
    SSL_CTX *tls;
    int latency_ms;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void write_head(struct response *response) {
    int length = snprintf(response->head, sizeof response->head,
                          "HTTP/1.1 200 OK\r\n"
                          "Date: Fri, 17 May 2024 09:30:00 GMT\r\n"
                          "Content-Type: application/json; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "%s"
                          "Connection: keep-alive\r\n"
                          "X-Powered-By: Express\r\n"
                          "X-Request-Id: 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\r\n"
                          "Vary: Origin, Accept-Encoding\r\n"
                          "ETag: W/\"1e5-Zr2cVYk0mJv9cXyUzT3b1QnLw4o\"\r\n"
                          "Strict-Transport-Security: max-age=15552000; includeSubDomains\r\n"
                          "X-Content-Type-Options: nosniff\r\n\r\n",
                          response->body_length, response->is_packed ? "Content-Encoding: gzip\r\n" : "");
    response->head_length = (size_t)length;
}

/* Compresses the body at the level that servers use by default. */
static void compress_body(struct response *response) {
    z_stream stream = {.next_in = (Bytef *)response->body, .avail_in = (uInt)response->body_length};
    enum { GZIP = 16 };
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        fail("deflateInit2");
    uLong capacity = deflateBound(&stream, (uLong)response->body_length);
    char *packed = malloc(capacity);
    if (packed == NULL)
        fail("malloc");
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)capacity;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
        fail("deflate");
    munmap(response->body, response->body_length);
    response->body = packed;
    response->body_length = stream.total_out;
    deflateEnd(&stream);
}

static void prepare(struct response *response, const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", folder, response->file ? response->file : response->name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0)
        fail(path);
    response->body_length = (size_t)status.st_size;
    response->body = mmap(NULL, response->body_length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (response->body == MAP_FAILED)
        fail(path);
    close(file);
    if (response->is_packed)
        compress_body(response);
    write_head(response);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The state of a run, which this request starts if it is the first one. `end_ns` is the time at which the run
 * ends, by the clock that all processes share. */
static const struct response *find_run(size_t number, struct run *run) {
    uint64_t now = now_ns(), begin = 0;
    if (atomic_compare_exchange_strong(&runs[number], &begin, now))
        begin = now;
    uint64_t elapsed = now - begin;
    bool has_ended = elapsed >= run_ns;
    int length = snprintf(run->body, sizeof run->body,
                          "{\"name\":\"Execution for workflow 6a106ba44480b80424a65289\","
                          "\"org_id\":\"6500a1b2c3d4e5f6a7b8c9d0\",\"environment\":\"test\","
                          "\"status\":\"%s\",\"completion_percentage\":%" PRIu64 ",\"end_ns\":%" PRIu64
                          ",\"nodes\":[{\"node_id\":\"1\",\"node_name\":\"Start\",\"node_type\":\"start\","
                          "\"node_status\":\"Success\",\"is_batch\":false,\"attempts_made\":1,"
                          "\"execution_time\":403,\"latest_output\":{\"message\":\"Workflow started "
                          "successfully\",\"elapsed_us\":%" PRIu64 "}}]}",
                          has_ended ? "COMPLETED" : "RUNNING", has_ended ? 100 : elapsed * 100 / run_ns,
                          begin + run_ns, elapsed / 1000);
    run->response.body = run->body;
    run->response.body_length = (size_t)length;
    write_head(&run->response);
    return &run->response;
}

/* The response to the request whose head this is. */
static const struct response *find(char *head, struct run *run) {
    char *path = strchr(head, ' ');
    char *end = path == NULL ? NULL : strchr(path + 1, ' ');
    if (end == NULL)
        return NULL;
    *end = '\0';
    const char *name = strrchr(path, '/');
    if (name == NULL)
        return NULL;
    name++;
    for (size_t index = 0; index < RESPONSES; index++)
        if (strcmp(name, responses[index].name) == 0)
            return &responses[index];
    size_t number = strncmp(name, "run-", 4) == 0 ? strtoul(name + 4, NULL, 10) : RUNS;
    return number < RUNS ? find_run(number, run) : &responses[0];
}

static bool send_plain(int socket, const struct response *response) {
    struct iovec parts[] = {{(void *)response->head, response->head_length},
                            {response->body, response->body_length}};
    struct iovec *part = parts;
    while (part < parts + 2) {
        ssize_t sent = writev(socket, part, (int)(parts + 2 - part));
        if (sent <= 0)
            return false;
        while (part < parts + 2 && (size_t)sent >= part->iov_len) {
            sent -= (ssize_t)part->iov_len;
            part++;
        }
        if (part < parts + 2) {
            part->iov_base = (char *)part->iov_base + sent;
            part->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static bool send_secure(SSL *session, const struct response *response) {
    enum { RECORD = 16384 };
    char first[RECORD];
    size_t sent, taken = RECORD - response->head_length;
    if (taken > response->body_length)
        taken = response->body_length;
    memcpy(first, response->head, response->head_length);
    memcpy(first + response->head_length, response->body, taken);
    if (SSL_write_ex(session, first, response->head_length + taken, &sent) != 1)
        return false;
    while (taken < response->body_length) {
        if (SSL_write_ex(session, response->body + taken, response->body_length - taken, &sent) != 1)
            return false;
        taken += sent;
    }
    return true;
}

static ssize_t receive(int socket, SSL *session, char *buffer, size_t capacity) {
    return session == NULL ? recv(socket, buffer, capacity, 0) : SSL_read(session, buffer, (int)capacity);
}

/* Requests have no bodies, and one follows the response to the one before. */
static void serve(int socket, SSL *session, int latency_ms) {
    char head[8192];
    struct run run = {.response = {.name = "run"}};
    size_t length = 0;
    for (;;) {
        ssize_t received = receive(socket, session, head + length, sizeof head - 1 - length);
        if (received <= 0)
            return;
        length += (size_t)received;
        head[length] = '\0';
        if (strstr(head, END_OF_HEAD) == NULL)
            continue;
        const struct response *response = find(head, &run);
        if (latency_ms > 0)
            nanosleep(&(struct timespec){.tv_nsec = latency_ms * 1000000l}, NULL);
        if (response == NULL ||
            !(session == NULL ? send_plain(socket, response) : send_secure(session, response)))
            return;
        length = 0;
    }
}

static void *handle(void *argument) {
    struct endpoint connection = *(struct endpoint *)argument;
    free(argument);
    if (connection.tls == NULL) {
        serve(connection.socket, NULL, connection.latency_ms);
    } else {
        SSL *session = SSL_new(connection.tls);
        if (session != NULL && SSL_set_fd(session, connection.socket) == 1 && SSL_accept(session) == 1)
            serve(connection.socket, session, 0);
        SSL_free(session);
    }
    close(connection.socket);
    return NULL;
}

static void *accept_all(void *argument) {
    const struct endpoint *listener = argument;
    pthread_attr_t small_stacks;
    pthread_attr_init(&small_stacks);
    pthread_attr_setstacksize(&small_stacks, 128 << 10);
    pthread_attr_setdetachstate(&small_stacks, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int socket = accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC);
        if (socket < 0)
            continue;
        int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct endpoint *connection = malloc(sizeof *connection);
        pthread_t thread;
        if (connection == NULL)
            fail("malloc");
        *connection = (struct endpoint){socket, listener->tls, listener->latency_ms};
        if (pthread_create(&thread, &small_stacks, handle, connection) != 0)
            fail("pthread_create");
    }
    return NULL;
}

/* Returns the port. */
static int begin_to_listen(struct endpoint *listener) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    listener->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->socket < 0 || bind(listener->socket, (struct sockaddr *)&name, size) < 0 ||
        listen(listener->socket, 1024) < 0 ||
        getsockname(listener->socket, (struct sockaddr *)&name, &size) < 0)
        fail("listen");
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_all, listener) != 0)
        fail("pthread_create");
    return ntohs(name.sin_port);
}

static SSL_CTX *tls_with(const char *certificate, const char *key) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "server: %s or %s cannot be used\n", certificate, key);
        exit(1);
    }
    return tls;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: server FOLDER CERTIFICATE KEY\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t index = 0; index < RESPONSES; index++)
        prepare(&responses[index], arguments[1]);
    static struct endpoint plain, secure, slow = {.latency_ms = LATENCY_MS};
    secure.tls = tls_with(arguments[2], arguments[3]);
    int plain_port = begin_to_listen(&plain), secure_port = begin_to_listen(&secure);
    printf("%d %d %d\n", plain_port, secure_port, begin_to_listen(&slow));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    /* Nothing is left to be cleaned up. */
    _exit(0);
}
