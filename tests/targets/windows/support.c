#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;

void check(bool held, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf(held ? "ok " : "FAIL ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    *(held ? &passed : &failed) += 1;
    fflush(stdout);
}

int sum_up(void) {
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

void must(bool held, const char *file, int line, const char *condition) {
    if (held)
        return;
    printf("FAIL %s:%d: %s: error %lu\n", file, line, condition, GetLastError());
    fflush(stdout);
    _exit(1);
}

int64_t now_ms(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return count.QuadPart * 1000 / frequency.QuadPart;
}

HANDLE start_thread(DWORD(WINAPI *run)(void *data), void *data) {
    HANDLE thread = CreateThread(NULL, 0, run, data, 0, NULL);
    MUST(thread != NULL);
    return thread;
}

void join_thread(HANDLE thread) {
    MUST(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CloseHandle(thread);
}

struct connection {
    struct server *server;
    SOCKET socket;
};

/* Sends a part of a response. The peer may have gone away. */
static void send_all(SOCKET to, const char *bytes, size_t length) {
    while (length > 0) {
        int sent = send(to, bytes, (int)length, 0);
        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Responds to requests until the peer has gone away. No request is longer than the buffer, or has a body. */
static DWORD WINAPI serve_connection(void *data) {
    struct connection connection = *(struct connection *)data;
    struct server *server = connection.server;
    char request[4096];
    int length = 0, received;
    free(data);
    while ((received = recv(connection.socket, request + length, (int)sizeof request - 1 - length, 0)) > 0) {
        length += received;
        request[length] = '\0';
        SetEvent(server->received);
        if (server->count == 0)
            length = 0;
        else if (strstr(request, "\r\n\r\n") != NULL) {
            size_t number = (size_t)InterlockedIncrement(&server->requests) - 1;
            const struct step *step = &server->steps[number < server->count ? number : server->count - 1];
            char head[160];
            size_t size = strlen(step->body);
            int head_size = snprintf(head, sizeof head,
                                     "HTTP/1.1 %d Status\r\ncontent-type: application/json\r\n"
                                     "content-length: %u\r\n\r\n",
                                     step->status, (unsigned)size);
            send_all(connection.socket, head, (size_t)head_size);
            send_all(connection.socket, step->body, size - step->is_cut);
            length = 0;
        }
    }
    closesocket(connection.socket);
    return 0;
}

static DWORD WINAPI serve(void *data) {
    struct server *server = data;
    SOCKET accepted;
    while ((accepted = accept(server->listener, NULL, NULL)) != INVALID_SOCKET) {
        struct connection *connection = malloc(sizeof *connection);
        MUST(connection != NULL);
        *connection = (struct connection){server, accepted};
        InterlockedIncrement(&server->connections);
        CloseHandle(start_thread(serve_connection, connection));
    }
    return 0;
}

/* Listens on a free port of 127.0.0.1, whose address is returned. */
static struct sockaddr_in listen_on_loopback(struct server *server, int backlog) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof address;
    WSADATA winsock;
    MUST(WSAStartup(MAKEWORD(2, 2), &winsock) == 0);
    server->listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    server->received = CreateEventW(NULL, FALSE, FALSE, NULL);
    MUST(server->listener != INVALID_SOCKET && server->received != NULL);
    MUST(bind(server->listener, (struct sockaddr *)&address, size) == 0);
    MUST(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
    MUST(listen(server->listener, backlog) == 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    snprintf(server->https_url, sizeof server->https_url, "https://127.0.0.1:%d", ntohs(address.sin_port));
    return address;
}

void server_start(struct server *server, const struct step *steps, size_t count) {
    *server = (struct server){.steps = steps, .count = count};
    listen_on_loopback(server, SOMAXCONN);
    CloseHandle(start_thread(serve, server));
}

/* Nothing accepts the connections, and the backlog is full. */
void server_start_full(struct server *server) {
    *server = (struct server){.steps = NULL};
    struct sockaddr_in address = listen_on_loopback(server, 0);
    for (int i = 0; i < 3; i++) {
        u_long non_blocking = 1;
        SOCKET filler = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
        MUST(filler != INVALID_SOCKET && ioctlsocket(filler, FIONBIO, &non_blocking) == 0);
        connect(filler, (struct sockaddr *)&address, sizeof address);
    }
}

void server_stop(struct server *server) { closesocket(server->listener); }
