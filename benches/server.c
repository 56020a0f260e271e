/* A server that costs as little as possible: it sends prepared responses from memory, on connections that
 * stay open, with one thread for each.
 *
 * `server FOLDER CERTIFICATE KEY` responds to GET /.../NAME with FOLDER/NAME.json, on loopback, in plaintext
 * and over TLS. It prints both ports when it is ready, and ends at the end of its standard input. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define END_OF_HEAD "\r\n\r\n"

struct response {
    const char *name;
    char head[512];
    size_t head_length;
    char *body;
    size_t body_length;
};

static struct response responses[] = {
    {.name = "small"}, {.name = "medium"}, {.name = "large"}, {.name = "huge"}};

enum { RESPONSES = sizeof responses / sizeof *responses };

/* Where clients are waited for, or one of them is. Without TLS: NULL. */
struct endpoint {
    int socket;
    SSL_CTX *tls;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void prepare(struct response *response, const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", folder, response->name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0)
        fail(path);
    response->body_length = (size_t)status.st_size;
    response->body = mmap(NULL, response->body_length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (response->body == MAP_FAILED)
        fail(path);
    close(file);
    int length = snprintf(response->head, sizeof response->head,
                          "HTTP/1.1 200 OK\r\n"
                          "Date: Fri, 17 May 2024 09:30:00 GMT\r\n"
                          "Content-Type: application/json; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "Connection: keep-alive\r\n"
                          "X-Powered-By: Express\r\n"
                          "X-Request-Id: 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\r\n"
                          "Vary: Origin, Accept-Encoding\r\n"
                          "ETag: W/\"1e5-Zr2cVYk0mJv9cXyUzT3b1QnLw4o\"\r\n"
                          "Strict-Transport-Security: max-age=15552000; includeSubDomains\r\n"
                          "X-Content-Type-Options: nosniff\r\n\r\n",
                          response->body_length);
    response->head_length = (size_t)length;
}

/* The response to the request whose head this is. */
static const struct response *find(char *head) {
    char *path = strchr(head, ' ');
    char *end = path == NULL ? NULL : strchr(path + 1, ' ');
    if (end == NULL)
        return NULL;
    *end = '\0';
    const char *name = strrchr(path, '/');
    for (size_t index = 0; name != NULL && index < RESPONSES; index++)
        if (strcmp(name + 1, responses[index].name) == 0)
            return &responses[index];
    return NULL;
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
static void serve(int socket, SSL *session) {
    char head[8192];
    size_t length = 0;
    for (;;) {
        ssize_t received = receive(socket, session, head + length, sizeof head - 1 - length);
        if (received <= 0)
            return;
        length += (size_t)received;
        head[length] = '\0';
        if (strstr(head, END_OF_HEAD) == NULL)
            continue;
        const struct response *response = find(head);
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
        serve(connection.socket, NULL);
    } else {
        SSL *session = SSL_new(connection.tls);
        if (session != NULL && SSL_set_fd(session, connection.socket) == 1 && SSL_accept(session) == 1)
            serve(connection.socket, session);
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
        *connection = (struct endpoint){socket, listener->tls};
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
    static struct endpoint plain, secure;
    secure.tls = tls_with(arguments[2], arguments[3]);
    int plain_port = begin_to_listen(&plain), secure_port = begin_to_listen(&secure);
    printf("%d %d\n", plain_port, secure_port);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    /* Nothing is left to be cleaned up. */
    _exit(0);
}
