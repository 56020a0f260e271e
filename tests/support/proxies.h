/* Scripted proxies: HTTP (with CONNECT) or SOCKS5. They connect to 127.0.0.1 whatever the requested host
 * is. */
#ifndef PROXIES_H
#define PROXIES_H

#include "server.h"

struct proxy;

struct proxy_options {
    bool is_socks;
    const char *user, *password; /* the required login; NULL: none, and requests with a login are rejected */
};

struct proxy *proxy_start(struct proxy_options options);
void proxy_stop(struct proxy *proxy);
/* "http://127.0.0.1:40000", with the given scheme and, unless `login` is NULL, with "login@" before the host;
 * valid for the next 3 calls on the same thread. */
const char *proxy_url(const struct proxy *proxy, const char *scheme, const char *login);
/* The server that counts its connections and, for HTTP, its requests. */
struct server *proxy_server(struct proxy *proxy);
/* The requested targets, in order: "host:port" of a tunnel, the absolute URL of a plaintext request. NULL: no
 * such target. */
const char *proxy_target(struct proxy *proxy, size_t index);
size_t proxy_targets(struct proxy *proxy);
/* The address type of the last SOCKS5 request: 1 IPv4, 3 host name, 4 IPv6. */
int proxy_address_type(struct proxy *proxy);

/* The start of a SOCKS5 dialogue, for handlers of a server: selects the authentication method and checks the
 * login. Returns false if the client is rejected or gone. */
bool socks5_greet(struct exchange *exchange, const struct proxy_options *options);

#endif
