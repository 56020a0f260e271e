/* Gets with libcurl, into one buffer of the announced size. */
#include "curl.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>

static size_t take(char *bytes, size_t size, size_t count, void *argument) {
    struct client *client = argument;
    size_t more = size * count;
    if (client->capacity - client->length < more) {
        curl_off_t announced = -1;
        curl_easy_getinfo(client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        size_t capacity =
            client->body == NULL && announced > 0 ? (size_t)announced : 2 * client->capacity + more;
        char *larger = realloc(client->body, capacity + PADDING);
        if (larger == NULL)
            return 0;
        client->body = larger;
        client->capacity = capacity;
    }
    memcpy(client->body + client->length, bytes, more);
    client->length += more;
    return more;
}

struct client *client_open(const char *base_url, const char *ca_file) {
    struct client *client = allocate(sizeof *client);
    *client = (struct client){.curl = curl_easy_init()};
    if (client->curl == NULL) {
        fprintf(stderr, "curl: no handle\n");
        free(client);
        return NULL;
    }
    client->base_length =
        (size_t)snprintf(client->url, sizeof client->url, "%s/api/v2/public/execution/", base_url);
    client->headers = curl_slist_append(client->headers, "x-api-key: tk_benchmark");
    client->headers = curl_slist_append(client->headers, "linked_account_id: user_12345");
    client->headers = curl_slist_append(client->headers, "Accept: application/json");
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(client->curl, CURLOPT_PRIVATE, client);
    if (ca_file != NULL)
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, ca_file);
    return client;
}

void client_begin(struct client *client, const char *id) {
    snprintf(client->url + client->base_length, sizeof client->url - client->base_length, "%s", id);
    curl_easy_setopt(client->curl, CURLOPT_URL, client->url);
    client->body = NULL;
    client->length = client->capacity = 0;
}

bool client_end(struct client *client, CURLcode code, uint64_t *sum) {
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    bool is_good = code == CURLE_OK && status == 200 && client->body != NULL;
    if (is_good) {
        memset(client->body + client->length, 0, PADDING);
        is_good = read_execution(client->body, client->length, sum);
    } else {
        fprintf(stderr, "curl: %s, status %ld\n", curl_easy_strerror(code), status);
    }
    free(client->body);
    return is_good;
}

bool client_get(struct client *client, const char *id, uint64_t *sum) {
    client_begin(client, id);
    return client_end(client, curl_easy_perform(client->curl), sum);
}

void client_close(struct client *client) {
    curl_slist_free_all(client->headers);
    curl_easy_cleanup(client->curl);
    free(client);
}
