/* The client of curl.c, for those who let libcurl make several calls at a time. */
#ifndef CURL_H
#define CURL_H

#include "peer.h"

#include <curl/curl.h>

struct client {
    /* Its private pointer is the client. */
    CURL *curl;
    struct curl_slist *headers;
    char url[1024];
    size_t base_length;
    char *body;
    size_t length, capacity;
};

/* client_get() is client_begin(), a transfer, and client_end(), which reads what has come. */
void client_begin(struct client *client, const char *id);
bool client_end(struct client *client, CURLcode code, uint64_t *sum);

#endif
