#define _GNU_SOURCE
#include "peers.h"
#include "check.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct peer {
    pid_t process; /* 0: ended */
    /* Reserves the port until peer_stop(). It does not listen, so a program that sets SO_REUSEADDR, as every
     * daemon does, can. */
    struct dead_port *port;
    char folder[40];
};

static void give_up(const char *why) {
    fprintf(stderr, "test peer: %s\n", why);
    abort();
}

/* The text with @PORT@ and @FOLDER@ replaced, freed by the caller. */
static char *filled_in(const struct peer *peer, const char *text) {
    char *whole = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&whole, &length);
    while (*text != '\0') {
        if (strncmp(text, "@PORT@", 6) == 0)
            text += fprintf(out, "%u", peer_port(peer)) > 0 ? 6 : 0;
        else if (strncmp(text, "@FOLDER@", 8) == 0)
            text += fprintf(out, "%s", peer->folder) > 0 ? 8 : 0;
        else
            fputc(*text++, out);
    }
    fclose(out);
    return whole;
}

static void write_configuration(const struct peer *peer, const char *text) {
    char path[PATH_MAX], *whole = filled_in(peer, text);
    snprintf(path, sizeof path, "%s/conf", peer->folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(whole, file) < 0 || fclose(file) != 0)
        give_up("its configuration cannot be written");
    free(whole);
}

/* The death signal follows the thread that forked, here the one that runs the tests. */
static void become(const struct peer *peer, char *command) {
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int log = chdir(peer->folder) == 0 ? open("log", O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    int nothing = open("/dev/null", O_RDONLY);
    if (log < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(127);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static bool has_ended(struct peer *peer) {
    if (waitpid(peer->process, NULL, WNOHANG) != peer->process)
        return false;
    peer->process = 0;
    return true;
}

static bool is_listening(const struct peer *peer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(peer_port(peer))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = connect(probe, (struct sockaddr *)&address, sizeof address);
    close(probe);
    return connected == 0;
}

static void await_listening(struct peer *peer) {
    int64_t until = now_ms() + 20000 * check_patience();
    while (!is_listening(peer)) {
        if (has_ended(peer)) {
            char *log = peer_file(peer, "log");
            give_up(log[0] == '\0' ? "it does not start" : log);
        }
        if (now_ms() > until)
            give_up("its port accepts no connection");
        pause_ms(5);
    }
}

struct peer *peer_start(const char *command, const char *configuration) {
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        abort();
    strcpy(peer->folder, "/tmp/peer-XXXXXX");
    if (mkdtemp(peer->folder) == NULL)
        give_up("no folder for it");
    peer->port = refusing_port(NULL);
    if (configuration != NULL)
        write_configuration(peer, configuration);
    char *whole = filled_in(peer, command);
    fflush(stdout);
    peer->process = fork();
    if (peer->process == 0)
        become(peer, whole);
    free(whole);
    if (peer->process < 0)
        give_up("no process for it");
    await_listening(peer);
    return peer;
}

uint16_t peer_port(const struct peer *peer) { return dead_port_number(peer->port); }

char *peer_file(const struct peer *peer, const char *name) {
    char path[PATH_MAX], *whole = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/%s", peer->folder, name);
    FILE *in = fopen(path, "r"), *out = open_memstream(&whole, &length);
    for (int byte; in != NULL && (byte = fgetc(in)) != EOF;)
        fputc(byte, out);
    if (in != NULL)
        fclose(in);
    fclose(out);
    return whole;
}

void peer_end(struct peer *peer) {
    if (peer->process == 0)
        return;
    kill(peer->process, SIGTERM);
    int64_t until = now_ms() + 10000 * check_patience();
    while (!has_ended(peer)) {
        if (now_ms() > until)
            kill(peer->process, SIGKILL);
        pause_ms(2);
    }
}

void peer_stop(struct peer *peer) {
    if (peer == NULL)
        return;
    peer_end(peer);
    char command[60];
    snprintf(command, sizeof command, "rm -rf '%s'", peer->folder);
    if (system(command) != 0)
        give_up("its folder cannot be removed");
    dead_port_free(peer->port);
    free(peer);
}
