/* Scripted proxies: HTTP with CONNECT, and SOCKS5, on one port each. They lead to 127.0.0.1, whatever the
 * name. */
#ifndef PROXIES_H
#define PROXIES_H

#include "server.h"

struct proxy;

struct proxy_options {
    bool is_socks;
    const char *user, *password; /* wanted; NULL: none, and none is taken */
};

struct proxy *proxy_start(struct proxy_options options);
void proxy_stop(struct proxy *proxy);
/* "http://127.0.0.1:40000", with "socks5" or the like instead of "http", and with "user:word@" where a login
 * is given; valid until the thread's next 4 such calls. */
const char *proxy_url(const struct proxy *proxy, const char *scheme, const char *login);
/* Its connections and, for HTTP, its requests. */
struct server *proxy_server(struct proxy *proxy);
/* What was asked for, in order: "host:port" of a tunnel, the whole URL of a plain request. NULL: not there.
 */
const char *proxy_target(struct proxy *proxy, size_t index);
size_t proxy_targets(struct proxy *proxy);
/* How the last target of a SOCKS5 request was written: 1 IPv4, 3 name, 4 IPv6. */
int proxy_address_type(struct proxy *proxy);

#endif
