/**
 * \mainpage refold for C
 *
 * One workflow execution of Refold by its id, with the detail of every node: a library to debug a run and to
 * show its progress, from inside programs that must not crash, hang, leak or print because of it. The header
 * refold.h is its manual. A whole program:
 *
 * \code{.c}
 * #include <refold.h>
 * #include <stdio.h>
 *
 * int main(int argc, char **argv) {
 *     refold_error *error = NULL;
 *     refold_options *options = refold_options_new_from_env();
 *     refold_client *client = refold_client_new(options, &error);
 *     refold_options_free(options);
 *
 *     refold_execution *execution = NULL;
 *     if (client != NULL)
 *         execution = refold_get_execution(client, argc > 1 ? argv[1] : NULL, NULL, &error);
 *     if (execution != NULL)
 *         printf("%s: %s\n", refold_execution_id(execution), refold_execution_status(execution));
 *     else
 *         fprintf(stderr, "%s\n", refold_error_message(error));
 *
 *     int status = execution != NULL ? 0 : 1;
 *     refold_execution_free(execution);
 *     refold_error_free(error);
 *     refold_client_free(client);
 *     return status;
 * }
 * \endcode
 *
 * What follows holds for every function, and is not said again there.
 *
 * Ownership
 * ---------
 * Who calls a function that returns a pointer without const, or sets one through `error`, owns the object,
 * and frees it once with the function of its type, refold_..._free(). Freeing NULL does nothing. Objects may
 * be freed in any order: executions and errors outlive the client that made them, clients outlive their
 * options, and freeing has no effect but on memory and idle connections. refold_execution_retain() adds an
 * owner to an execution.
 *
 * Pointers to const that are returned, nodes, JSON values and strings, are borrowed: never freed by
 * themselves, they live as long as the object that they came from, unless the function says otherwise. What
 * is handed to a function is copied when it is needed for longer than the call.
 *
 * NULL
 * ----
 * Every pointer may be NULL. An accessor that is given NULL for its object returns what it returns for
 * something absent, so that look-ups can be chained without a check at each step; a setter and a free
 * function do nothing; a call fails with REFOLD_ERROR_INVALID_ARGUMENT. `error` may be NULL when you do not
 * want to know why, and `cancel` when there is nothing to cancel by.
 *
 * Strings
 * -------
 * Strings that you hand in end with a NUL and must be UTF-8; one that is not is an invalid argument. Strings
 * that you get are UTF-8 and end with a NUL. Absent is NULL, which is not the same as empty. A field that is
 * null in the document, or has a type that it should not have, counts as absent; the JSON view shows it as it
 * came. A string that holds the character U+0000 ends there for a C program; refold_json_string() tells its
 * true length. Only refold_error_body() is raw bytes.
 *
 * Errors
 * ------
 * A call that fails returns NULL and sets `*error` to a new object, yours to free. A call that succeeds sets
 * `*error` to NULL. What stood in `*error` before is not looked at: free an old object before you hand in its
 * place again. An error has a code (refold_code): positive if the server answered, and then the HTTP status
 * of that answer; negative if there was no usable answer. Redirects are never followed, as the key must not
 * travel: they are errors with their status. Numbers for codes, states and types are integers, and every
 * number may be handed in.
 *
 * Threads
 * -------
 * Clients, tokens, executions, nodes, JSON values and errors may be used by any number of threads at the same
 * time; options by one at a time. A client or a token may be freed while calls that were handed it are under
 * way, but not at the moment at which another use of the pointer begins. Whatever else is freed must not be
 * in use then: where threads share an execution, refold_execution_retain() makes each of them an owner.
 * Nothing is kept per thread. A calling thread needs no more than 128 KiB of stack. No background thread
 * lives between calls, except that a name lookup which the system has not finished when its call gives up
 * ends later, by itself.
 *
 * Time-outs, retries and limits
 * -----------------------------
 * Every call has a deadline, 30 seconds unless set otherwise, that bounds everything it waits for. Failures
 * that can pass by themselves are tried again, twice unless set otherwise, within the deadline. Answers are
 * bounded to 256 MiB unless set otherwise. The setters of refold_options say more. Only parsing, once the
 * last byte is there, and your own callback are not interrupted.
 *
 * Cancelling and signals
 * ----------------------
 * refold_cancel_trigger() ends every call that was handed the token within 50 ms, in any phase: resolving,
 * connecting, proxy, TLS handshake, transfer, pause. It may be called from any thread and from a signal
 * handler. The library installs no signal handler and raises no SIGPIPE; handlers of yours, with or without
 * SA_RESTART, never make a call fail. A thread that pthread_cancel() asks to end, with the usual deferred
 * type, does so when the function of the library that it is in has returned.
 *
 * Fork
 * ----
 * A client survives fork(), also of a process with threads inside calls: the child may go on using clients,
 * options, executions and errors, gets connections of its own, and never touches one of its parent's. A token
 * belongs to the process that made it. What calls of other threads held at the moment of the fork is lost to
 * the child: a bounded leak.
 *
 * Trust, proxies and secrets
 * --------------------------
 * TLS 1.2 and later, against the roots that the system trusts, which a process reads once, or those of
 * SSL_CERT_FILE and SSL_CERT_DIR; bundled ones where a system has none. Verification cannot be switched off.
 * Proxies come from the environment unless set: CONNECT and SOCKS5. Keys, tokens and passwords of proxies
 * stand in no message; where a server sends one back, `***` stands for it. They are wiped from memory when
 * they are replaced and when their object is freed.
 *
 * The environment
 * ---------------
 * refold_options_new_from_env() reads REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID, REFOLD_SESSION_TOKEN and
 * REFOLD_BASE_URL. refold_client_new() reads HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper and lower case,
 * SSL_CERT_FILE and SSL_CERT_DIR. Nothing else is read, nothing at any other time, and nothing at all by a
 * program that runs set-uid or set-gid.
 *
 * In your process
 * ---------------
 * The library prints nothing and changes no state of the process. A defect of its own does not end your
 * program: it is caught, and the call fails with REFOLD_ERROR_INTERNAL or the function returns what it
 * returns for something absent. Memory whose amount an answer decides is asked for with care, and a call that
 * cannot have it fails with REFOLD_ERROR_RESOURCE; only a process that cannot have another 128 KiB, or a copy
 * of what it has handed in, is ended, with a line on standard error. The shared library may be loaded at any
 * time with dlopen() and closed with dlclose(); it then stays mapped, because threads may still have to leave
 * it.
 *
 * From other languages
 * --------------------
 * What a binding for Java, C#, Ruby, Lua or any other language has to know beside what stands above. The
 * library comes with ones for C++ (refold.hpp), Go, Python and Node.js, which may serve as patterns.
 *
 * - Types: objects are opaque pointers, and no structure crosses the border. refold_code, refold_state and
 *   refold_json_type are int32_t; bool is one byte, and any value of it but 0 is true; sizes are size_t,
 *   times int64_t or uint64_t. The library to load is librefold.so.0 (on Linux): its functions keep their
 *   form and meaning as long as that is its name, and later versions add to them.
 * - Ownership: give every pointer that is yours to one object of your language, which frees it once: by a
 *   function that users call (close, Dispose, with), and by the collector for those who forget. A free
 *   function may run on any thread, a collector's too, and in any order; it waits for nothing and calls
 *   nobody back. A collector may take an object whose method is still inside C: refer to it once more
 *   behind the call (Go's runtime.KeepAlive, GC.KeepAlive, reachabilityFence). A borrowed pointer keeps
 *   nothing alive: let what wraps a node refer to its execution, or copy all you need at once.
 * - Text: hand in real UTF-8, which that of JNI is not, and refuse text that holds U+0000, because it
 *   would end there. Copy what you get. For outputs of any type take refold_json_raw(), one call for the
 *   whole value, to a JSON parser of your language: it may meet halves of surrogate pairs, numbers beyond
 *   its range, keys that were sent twice, and any depth.
 * - Errors: start with a NULL, hand in its address, copy what the error says, free it, and only then raise
 *   an exception. As nothing is kept per thread, it does not matter on which thread that happens, and
 *   threads that move between carriers (goroutines, virtual threads) need not be pinned.
 * - Threads: refold_get_execution() and refold_wait_execution() block their thread. Release the lock of an
 *   interpreter around them: Python's ctypes does, and takes it again for a callback; in Ruby
 *   rb_thread_call_without_gvl() does, with refold_cancel_trigger() to unblock. Go lets other goroutines
 *   run meanwhile, and gives every call under way a thread of its own. Keep them away from an event loop
 *   and from small pools: make them on threads for blocking work, whose stacks may be small.
 *   refold_client_new() reads certificates from the disk; all other functions wait for nothing, though a
 *   first look into a large value takes the time to parse it.
 * - Cancelling: make a token for each call and trigger it from what your users cancel by (a context, a
 *   CancellationToken, an interruption, an AbortSignal). Free it when the call has returned and nothing
 *   can trigger it any more; report what is usual in your language then, such as the context's own error.
 * - Callbacks: `on_progress` runs on the thread that waits, while it waits, and at no other time. Nothing
 *   may leave it but a bool: catch every exception (in Lua and Ruby errors are longjmps: lua_pcall(),
 *   rb_protect()), keep it, return false, and raise it when the call has returned. Keep the function that
 *   C was handed alive until then. `user_data` comes back as it was handed in: make it a number that you
 *   look up (cgo.Handle, GCHandle) rather than the address of an object that a collector may move. Who
 *   cannot be called back polls with refold_get_execution() and pauses in their own way.
 * - Signals: interpreters run handlers on one thread, and not before C has returned, so that Ctrl-C would
 *   have to wait for the call. Make the call of that thread on a helper thread that blocks all signals,
 *   wait for it in the language, and trigger the token when that wait is interrupted.
 * - Fork: clients and executions go on working in the children of a server that forks its workers; make
 *   tokens in the process that uses them. Locks and helper threads of the binding are its own to look
 *   after.
 * - The end: nothing needs to be freed when the process ends. An interpreter that ends under threads
 *   inside calls (daemon threads) triggers their tokens first and waits for them, as a callback must not
 *   come back into what is no longer there.
 */

/**
 * \file refold.h
 * \brief The interface for C, and for every language that can call C.
 */

#ifndef REFOLD_H
#define REFOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup types Types
 * \brief The objects that functions take and give, each known by its pointer alone.
 * \{
 */

/**
 * Settings from which clients are made: how to authenticate, where to, limits and time-outs.
 *
 * Made by refold_options_new() or refold_options_new_from_env(), freed by refold_options_free(), any time
 * after the clients were made: these keep nothing of it. One thread at a time may use it.
 */
typedef struct refold_options refold_options;

/**
 * What calls go through: settings that were checked, and a pool of connections that its calls share.
 *
 * Made by refold_client_new(), freed by refold_client_free(). Any number of threads may call through one
 * client at the same time, and one client for a whole program is best: N threads never need more than N
 * connections. Calls that have begun when the client is freed run to their end. Executions and errors
 * outlive it.
 */
typedef struct refold_client refold_client;

/**
 * A token that cancels every call it was handed to, now and later. Once triggered it stays so.
 *
 * Made by refold_cancel_new(), freed by refold_cancel_free(). Any number of calls on any threads may share
 * it, any thread may trigger it, and so may a signal handler. Calls that have begun when it is freed keep
 * what they need. One that was made before a fork belongs to the parent: in the child it cancels nothing of
 * the parent's.
 */
typedef struct refold_cancel refold_cancel;

/**
 * Why a call failed.
 *
 * Made by a call that fails, through its parameter `error`; freed by refold_error_free(). It never changes,
 * so any number of threads may read it; it outlives the client. Every string that it hands out is its own
 * and lives until it is freed.
 */
typedef struct refold_error refold_error;

/**
 * A snapshot of one execution: its fields, its nodes, and the whole document that the server sent.
 *
 * Made by refold_get_execution(), refold_wait_execution() and refold_parse_execution();
 * refold_execution_retain() adds an owner. Each owner frees once, with refold_execution_free(), and the last
 * one frees the snapshot. It never changes, so any number of threads may read it; it outlives the client.
 */
typedef struct refold_execution refold_execution;

/**
 * One node of an execution.
 *
 * Borrowed from its execution and never freed by itself: it lives until the execution is freed. Any number
 * of threads may read it.
 */
typedef struct refold_node refold_node;

/**
 * One JSON value of any type, somewhere in the document of an execution.
 *
 * Borrowed from its execution and never freed by itself: it lives until the execution is freed. Any number
 * of threads may read it. A value is looked into when somebody asks, so what nobody asks for costs nothing.
 */
typedef struct refold_json refold_json;

/** \} */

/* Library ------------------------------------------------------------------------------------------------ */

/**
 * \defgroup library Library
 * \brief Which version it is, and the codes that tell how a call went.
 * \{
 */

/** The first number of the version of this header. It changes when a program must be changed. */
#define REFOLD_VERSION_MAJOR 0

/** The second number of the version of this header. */
#define REFOLD_VERSION_MINOR 1

/** The third number of the version of this header. */
#define REFOLD_VERSION_PATCH 0

/** The version of this header; refold_version() tells that of the library which is loaded. */
#define REFOLD_VERSION "0.1.0"

/**
 * How a call went: REFOLD_OK, a positive number, or a negative one.
 *
 * - 0: success.
 * - Positive: the server answered, and this is the HTTP status of its answer, whatever it is: 404, and also
 *   302 or 599. The enumerators name the common ones.
 * - Negative: there was no usable answer, for the reason that the enumerator tells.
 *
 * Later versions may add negative numbers, so treat one you do not know as a failure of an unknown kind.
 */
typedef int32_t refold_code;

/** The values of refold_code that have a name. */
typedef enum refold_code_value {
    /** Success. */
    REFOLD_OK = 0,
    /** The server found fault with the request. */
    REFOLD_ERROR_BAD_REQUEST = 400,
    /** The key, the linked account or the session token was not accepted. */
    REFOLD_ERROR_UNAUTHORIZED = 401,
    /** The credentials are good, but not for this. */
    REFOLD_ERROR_FORBIDDEN = 403,
    /** No execution with this id can be seen with these credentials. */
    REFOLD_ERROR_NOT_FOUND = 404,
    /** The server gave up waiting for the request. Not to be confused with REFOLD_ERROR_TIMEOUT. */
    REFOLD_ERROR_REQUEST_TIMEOUT = 408,
    /** The request contradicts the state of what it is about. */
    REFOLD_ERROR_CONFLICT = 409,
    /** The server understood the request and cannot act on it. */
    REFOLD_ERROR_UNPROCESSABLE_ENTITY = 422,
    /** Too many requests in too short a time; see refold_error_retry_after_ms(). */
    REFOLD_ERROR_TOO_MANY_REQUESTS = 429,
    /** The server failed. */
    REFOLD_ERROR_INTERNAL_SERVER_ERROR = 500,
    /** The server does not know how to do this. */
    REFOLD_ERROR_NOT_IMPLEMENTED = 501,
    /** A gateway got no usable answer from the server behind it. */
    REFOLD_ERROR_BAD_GATEWAY = 502,
    /** The server cannot serve at the moment. */
    REFOLD_ERROR_SERVICE_UNAVAILABLE = 503,
    /** A gateway got no answer in time from the server behind it. */
    REFOLD_ERROR_GATEWAY_TIMEOUT = 504,
    /** An argument or a setting is wrong: the message names it, and nothing was sent. */
    REFOLD_ERROR_INVALID_ARGUMENT = -1,
    /** A cancel token was triggered, or a progress callback returned false. */
    REFOLD_ERROR_CANCELLED = -2,
    /** The time-out of the call itself passed. */
    REFOLD_ERROR_TIMEOUT = -3,
    /** The host name has no address, or none could be found out. */
    REFOLD_ERROR_RESOLVE = -4,
    /** Nobody answered at the address in time, or the proxy refused. */
    REFOLD_ERROR_CONNECT = -5,
    /** No TLS session that can be trusted: the certificate or the handshake. */
    REFOLD_ERROR_TLS = -6,
    /** The connection broke before the whole answer came, or what came is not HTTP. */
    REFOLD_ERROR_TRANSPORT = -7,
    /** The server said success, but the body is not an execution. */
    REFOLD_ERROR_INVALID_RESPONSE = -8,
    /**
     * The body of the answer, or the memory for its nodes, is larger than
     * refold_options_set_max_response_bytes() allows, or its header larger than 64 KiB or 128 fields.
     */
    REFOLD_ERROR_RESPONSE_TOO_LARGE = -9,
    /** A defect of the library, caught before it could do harm. Please report it. */
    REFOLD_ERROR_INTERNAL = -10,
    /** The process is out of descriptors, threads or memory. */
    REFOLD_ERROR_RESOURCE = -11,
} refold_code_value;

/**
 * The version of the library that is loaded, such as "0.1.0"; REFOLD_VERSION is that of this header.
 *
 * Never NULL. The string lives as long as the process.
 */
const char *refold_version(void);

/**
 * The name of a code for people and logs: "OK", "NOT_FOUND", "TIMEOUT" and so on, like the enumerator
 * without its prefix; "HTTP_ERROR" for any other HTTP status, "UNKNOWN" for any other number.
 *
 * Takes any number and is never NULL. The string lives as long as the process.
 */
const char *refold_code_name(refold_code code);

/** \} */

/* Options ------------------------------------------------------------------------------------------------ */

/**
 * \defgroup options Options
 * \brief Settings from which clients are made.
 * 
 * Setters copy what they are given. A bad value is remembered, and reported by refold_client_new(); a later
 * good one replaces it. NULL restores the default.
 * \{
 */

/**
 * New options, with every setting at its default.
 *
 * Never NULL but when a defect of the library was caught. To be freed with refold_options_free().
 */
refold_options *refold_options_new(void);

/**
 * New options, with what the environment says and every other setting at its default.
 *
 * Read are REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID (see refold_options_set_api_key()),
 * REFOLD_SESSION_TOKEN (refold_options_set_session_token()) and REFOLD_BASE_URL
 * (refold_options_set_base_url()). An empty variable counts as one that is not set. A program that runs
 * set-uid or set-gid reads none of them. As getenv() does, this must not run while another thread changes
 * the environment.
 *
 * Never NULL but when a defect of the library was caught. To be freed with refold_options_free().
 */
refold_options *refold_options_new_from_env(void);

/** Frees options, and wipes the secrets in them. NULL is ignored. Clients made from them live on. */
void refold_options_free(refold_options *options);

/**
 * Authenticates with an API key of the organisation and the id of the linked account to act for.
 *
 * Both must be non-empty UTF-8 without control characters, and without blanks at their ends; keys of
 * production begin with "pk", those for tests with "tk". They travel in the header fields x-api-key and
 * linked_account_id. Some gateways drop names with an underscore unless told otherwise (nginx:
 * underscores_in_headers on).
 *
 * A client needs exactly one way to authenticate: this one or refold_options_set_session_token(). NULL for
 * both takes the key back.
 */
void refold_options_set_api_key(refold_options *options, const char *api_key, const char *linked_account_id);

/**
 * Authenticates with a session token, which names the linked account itself.
 *
 * It must be non-empty UTF-8 without control characters, and without blanks at its ends. Tokens expire:
 * refold_client_set_session_token() gives a client a new one. NULL takes the token back.
 */
void refold_options_set_session_token(refold_options *options, const char *session_token);

/**
 * Where the API is. Default, and after NULL: "https://app.refold.ai".
 *
 * An https URL; http is accepted for a loopback host (localhost, 127.0.0.0/8, [::1]), and for others only
 * after refold_options_set_allow_plaintext(). A port (1 to 65535) and a path in front of the API's own may
 * follow, with or without a slash at the end. No user name, query or fragment; no segment of the path that is
 * empty, "." or ".."; at most 2,000 bytes. A host name outside ASCII must come as punycode.
 */
void refold_options_set_base_url(refold_options *options, const char *base_url);

/**
 * The time-out of one call in milliseconds. Default: 30,000. 0: none.
 *
 * It bounds everything the caller waits for: name resolution, connecting, TLS, sending, every byte of the
 * answer, retries and the pauses between them. The call returns with REFOLD_ERROR_TIMEOUT within 100 ms of
 * it, however slowly a server drips.
 */
void refold_options_set_timeout_ms(refold_options *options, uint64_t milliseconds);

/**
 * The time-out of each try to connect in milliseconds: name resolution, connecting, proxy and TLS together.
 * Default: 10,000. 0: none but that of the call.
 *
 * When it passes, the try has failed with REFOLD_ERROR_CONNECT, which is retried.
 */
void refold_options_set_connect_timeout_ms(refold_options *options, uint64_t milliseconds);

/**
 * How often a call may be tried again after a failure that can pass by itself. Default: 2, so three tries in
 * all. 0: never.
 *
 * Tried again are: no connection, a connection lost before the whole answer came, a name lookup that failed
 * for now, and the statuses 408, 429, 500, 502, 503 and 504; not a proxy that wants another login or answers
 * with another status. The pauses are 1 s, 2 s, 4 s and so on, shortened at random by up to a half, or what
 * the server names in Retry-After. A pause that would pass the time-out of the call, or a Retry-After above
 * 60 s, is not begun: the last failure is returned at once.
 */
void refold_options_set_max_retries(refold_options *options, uint32_t max_retries);

/**
 * The largest answer to accept in bytes, after decompression. Default: 268,435,456 (256 MiB). 0: no limit.
 *
 * A larger one ends in REFOLD_ERROR_RESPONSE_TOO_LARGE as soon as the limit is passed, and has cost no more
 * memory than the limit. So does one with more nodes than fit into so much memory, however short their text:
 * a node takes 256 bytes.
 */
void refold_options_set_max_response_bytes(refold_options *options, uint64_t bytes);

/**
 * The pause between two polls of refold_wait_execution() in milliseconds. Default: 1,000. At least 10.
 *
 * Each time the answer is the same as before, the next pause is half as long again, up to ten times this
 * value; after a change it is this value again.
 */
void refold_options_set_poll_interval_ms(refold_options *options, uint64_t milliseconds);

/**
 * The proxy to go through. Default, and after NULL: what the environment says. "": none.
 *
 * One of http://host:port, socks5://host:port (the name of the server is looked up here) and
 * socks5h://host:port (the proxy looks it up), with user:password@ before the host if the proxy asks for it,
 * where %40 stands for an @ and so on. Without a port: 80 for http, 1080 for the others.
 * From the environment: HTTPS_PROXY, else ALL_PROXY, but for the hosts in NO_PROXY, in upper or lower case;
 * a base URL with http uses none of these.
 */
void refold_options_set_proxy(refold_options *options, const char *url);

/**
 * A file of certificates (PEM) to trust in addition to the default ones. Default, and after NULL: none.
 *
 * It is read by refold_client_new(), must be a plain file, hold at least one certificate, and none that
 * cannot be understood.
 */
void refold_options_set_ca_file(refold_options *options, const char *path);

/**
 * Certificates to trust in addition to the default ones, as refold_options_set_ca_file(), but from memory:
 * `length` bytes of PEM text at `pem`. Default, and after NULL: none.
 */
void refold_options_set_ca_pem(refold_options *options, const char *pem, size_t length);

/**
 * What your program calls itself, such as "monitor/2.1". Default, and after NULL: nothing.
 *
 * It stands in the header field User-Agent, before the library's own name and version. No control characters,
 * at most 1,024 bytes.
 */
void refold_options_set_user_agent(refold_options *options, const char *product);

/**
 * Whether a base URL with http is accepted for every host, and with a proxy on every host. Default: false,
 * only for loopback hosts.
 *
 * The key or token and all answers then travel in clear text, for everybody on the way to read and to
 * change.
 */
void refold_options_set_allow_plaintext(refold_options *options, bool allow);

/** \} */

/* Client ------------------------------------------------------------------------------------------------- */

/**
 * \defgroup client Client
 * \brief What calls go through.
 * \{
 */

/**
 * Checks all settings at once and makes a client from them. Nothing is sent.
 *
 * The options are read, not kept. The environment is read here for the proxy (HTTPS_PROXY, ALL_PROXY,
 * NO_PROXY) and for the certificates to trust (SSL_CERT_FILE, SSL_CERT_DIR), and not at all in a program
 * that runs set-uid or set-gid. No other thread may change it meanwhile, as for getenv().
 *
 * Returns a client to be freed with refold_client_free(), or NULL and an error:
 * REFOLD_ERROR_INVALID_ARGUMENT names the setting that is wrong, REFOLD_ERROR_RESOURCE tells that the
 * process is out of something.
 */
refold_client *refold_client_new(const refold_options *options, refold_error **error);

/**
 * Gives the client a new session token, for calls, and polls of a wait, that begin later.
 *
 * Any thread may do so at any time. The old token is wiped. Returns REFOLD_OK, or
 * REFOLD_ERROR_INVALID_ARGUMENT when a pointer is NULL, the token is none that
 * refold_options_set_session_token() takes, or the client was made with an API key, or
 * REFOLD_ERROR_INTERNAL, in a child that was forked while a token was being set; the client then goes on as
 * before.
 */
refold_code refold_client_set_session_token(const refold_client *client, const char *session_token);

/**
 * Frees a client: its idle connections are closed and its secrets wiped. NULL is ignored.
 *
 * Calls that have begun run to their end and hold what they need until then. No call may begin with this
 * pointer at the same moment or later, and a progress callback must not free the client of its wait.
 */
void refold_client_free(refold_client *client);

/** \} */

/* Cancelling --------------------------------------------------------------------------------------------- */

/**
 * \defgroup cancelling Cancelling
 * \brief Ending calls from other threads and from signal handlers.
 * \{
 */

/**
 * A new token, not triggered.
 *
 * Never NULL: a process that has run out of descriptors gets a token all the same. To be freed with
 * refold_cancel_free().
 */
refold_cancel *refold_cancel_new(void);

/**
 * Triggers a token: every call that it was handed to returns within 50 ms with REFOLD_ERROR_CANCELLED, in
 * whatever phase it is, and every call that it is handed to later returns at once.
 *
 * Any thread may do so, any number of times, and so may a signal handler: it allocates nothing, takes no
 * lock and keeps errno. NULL is ignored.
 */
void refold_cancel_trigger(refold_cancel *cancel);

/** Whether a token has been triggered. false for NULL. */
bool refold_cancel_is_triggered(const refold_cancel *cancel);

/**
 * Frees a token. NULL is ignored.
 *
 * Calls that have begun with it run on and are no longer cancelled by anything. No call may begin with this
 * pointer at the same moment or later, and no signal handler may trigger it any more.
 */
void refold_cancel_free(refold_cancel *cancel);

/** \} */

/* Getting an execution ----------------------------------------------------------------------------------- */

/**
 * \defgroup getting Getting an execution
 * \brief From the server, once or until it has ended, or from memory.
 * \{
 */

/**
 * Is shown each snapshot that refold_wait_execution() gets, on the thread that waits; returns false to stop
 * waiting.
 *
 * `execution` is borrowed: it lives until the function returns, and with refold_execution_retain() for
 * longer. `user_data` is what was handed to refold_wait_execution(). The function may call everything in
 * this header, with the same client and token too, but must not free that client, and must neither throw an
 * exception nor leave by longjmp() nor end its thread, as by pthread_exit().
 */
typedef bool (*refold_progress_fn)(const refold_execution *execution, void *user_data);

/**
 * Gets one execution, with the detail of every node.
 *
 * `execution_id` is 1 to 256 characters of A-Z a-z 0-9 - _ . ~ :, and neither "." nor ".."; any other is
 * refused and nothing is sent. `cancel` may be NULL; a token that was triggered before ends the call at
 * once. The call blocks the calling thread, at most for the time-out of the options, and retries as the
 * options say.
 *
 * Returns an execution to be freed with refold_execution_free(), or NULL and an error: the HTTP status of
 * the server's answer, or any of the negative codes. A run that ended badly is an execution, not an error:
 * see refold_execution_state().
 */
refold_execution *refold_get_execution(const refold_client *client,
                                       const char *execution_id,
                                       refold_cancel *cancel,
                                       refold_error **error);

/**
 * Polls an execution until it has ended, and returns its last snapshot.
 *
 * It has ended when refold_state_is_final() says so of its state. The pause between two polls begins with
 * refold_options_set_poll_interval_ms(), grows while nothing changes, and is never shorter than what the
 * server asks for. `timeout_ms` bounds the wait as a whole, in milliseconds; 0: none, and then a wait may
 * never end, if the run does not or ends in a way that this version does not know. Each poll is one call
 * under the options, with their time-out and retries; a poll that fails in a way that can pass by itself is
 * waited out, up to five in a row.
 *
 * `on_progress` may be NULL; else it sees every snapshot, the last one included. When it returns false the
 * wait ends with REFOLD_ERROR_CANCELLED, except at a last snapshot, where there is nothing left to stop. The
 * execution returned is the object that it saw last. `user_data` is handed to it and not looked at.
 * `execution_id` and `cancel` are as for refold_get_execution().
 *
 * Returns an execution to be freed with refold_execution_free(), or NULL and an error: REFOLD_ERROR_TIMEOUT
 * when `timeout_ms` has passed, otherwise as refold_get_execution().
 */
refold_execution *refold_wait_execution(const refold_client *client,
                                        const char *execution_id,
                                        uint64_t timeout_ms,
                                        refold_progress_fn on_progress,
                                        void *user_data,
                                        refold_cancel *cancel,
                                        refold_error **error);

/**
 * Makes an execution from JSON text in memory: `length` bytes at `json`, such as a stored answer of the
 * server.
 *
 * The text is copied. It must be one JSON object, valid UTF-8, with a string `status`. Nothing is sent.
 *
 * Returns an execution to be freed with refold_execution_free(), or NULL and an error:
 * REFOLD_ERROR_INVALID_RESPONSE says what is wrong with the text and where, REFOLD_ERROR_INVALID_ARGUMENT
 * that `json` is NULL, REFOLD_ERROR_RESOURCE that memory is short, REFOLD_ERROR_RESPONSE_TOO_LARGE that
 * its nodes would take more than 256 MiB of memory and more than the text: 256 bytes each.
 */
refold_execution *refold_parse_execution(const char *json, size_t length, refold_error **error);

/** \} */

/* Error -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup error Error
 * \brief Why a call failed.
 * \{
 */

/** Frees an error and its strings. NULL is ignored. */
void refold_error_free(refold_error *error);

/**
 * What kind of failure it is: the HTTP status of the server's answer, or a negative code. REFOLD_OK for
 * NULL.
 */
refold_code refold_error_code(const refold_error *error);

/**
 * The HTTP status that the answer tells in its field `status_code`, else that of the answer itself. 0 when
 * there was no answer, and for NULL. An answer that was of no use, with a negative code, has a status too.
 */
int32_t refold_error_http_status(const refold_error *error);

/**
 * The answer's field `http_error_type`, such as "NOT_FOUND". NULL when the answer has none, and for NULL.
 *
 * The string lives until the error is freed.
 */
const char *refold_error_http_error_type(const refold_error *error);

/**
 * The answer's field `error_code`, such as "RESOURCE_NOT_FOUND"; without one, its field `error`. NULL when
 * the answer has neither, and for NULL.
 *
 * The string lives until the error is freed.
 */
const char *refold_error_api_code(const refold_error *error);

/**
 * One sentence for people: the answer's field `message`, else what happened, where, and what to do about it.
 *
 * Never NULL; "" for NULL. No secret stands in it. The string lives until the error is freed.
 */
const char *refold_error_message(const refold_error *error);

/**
 * The id of the request, to quote to the vendor's support: the answer's field `request_id`, else its header
 * field x-request-id. NULL when the answer has neither, and for NULL.
 *
 * The string lives until the error is freed.
 */
const char *refold_error_request_id(const refold_error *error);

/**
 * The body of the answer as the server meant it, unpacked, its first 65,536 bytes at most: whatever a gateway
 * sent, so perhaps not UTF-8, and perhaps with NUL bytes inside. `***` stands where it held one of your
 * secrets. Of a body that was cut off this is what had come. NULL when there is none, and for NULL.
 *
 * `length`, which may be NULL, is set to the number of bytes, 0 when there is no body; one NUL byte more
 * follows them. The bytes live until the error is freed.
 */
const char *refold_error_body(const refold_error *error, size_t *length);

/**
 * How long the server asks to wait before the next try, in milliseconds from when its answer came
 * (Retry-After). -1 when it named no time, and for NULL.
 */
int64_t refold_error_retry_after_ms(const refold_error *error);

/**
 * Whether the same call may succeed later without a change: failures that are retried, and
 * REFOLD_ERROR_TIMEOUT. false for NULL.
 */
bool refold_error_is_retryable(const refold_error *error);

/**
 * How many tries the call began, one that got no further than connecting included; for a wait those of all
 * its polls. 0 when none was begun, and for NULL.
 */
uint32_t refold_error_attempts(const refold_error *error);

/** \} */

/* State -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup state State
 * \brief What the status of an execution or a node means.
 * \{
 */

/**
 * What the server's texts `status` (of an execution) and `node_status` (of a node) mean, on one scale.
 *
 * The server may use texts that this version does not know; they read as REFOLD_STATE_UNKNOWN, and
 * refold_execution_status() and refold_node_status() give the text itself.
 */
typedef int32_t refold_state;

/** The values of refold_state. */
typedef enum refold_state_value {
    /** Absent, or a text that this version does not know. */
    REFOLD_STATE_UNKNOWN = 0,
    /** Not begun. Node: "Ready". */
    REFOLD_STATE_READY = 1,
    /** Under way. Execution: "RUNNING". */
    REFOLD_STATE_RUNNING = 2,
    /** Waits for something. Node: "Waiting". */
    REFOLD_STATE_WAITING = 3,
    /** Asked to stop, and not stopped yet. Execution: "STOPPING". */
    REFOLD_STATE_STOPPING = 4,
    /** Ended well; final. Execution: "COMPLETED"; node: "Success". */
    REFOLD_STATE_COMPLETED = 5,
    /** Ended with an error; final. Execution: "ERRORED"; node: "Errored". */
    REFOLD_STATE_ERRORED = 6,
    /** Ended with an error, and the run went on without it; final. Node: "Errored_and_Skipped". */
    REFOLD_STATE_SKIPPED = 7,
    /** Was stopped; final. Execution: "STOPPED"; node: "Stopped". */
    REFOLD_STATE_STOPPED = 8,
    /** Took too long; final. Execution: "TIMED_OUT"; node: "Timed_Out". */
    REFOLD_STATE_TIMED_OUT = 9,
    /** Was rejected; final. Node: "Rejected". */
    REFOLD_STATE_REJECTED = 10,
} refold_state_value;

/** Whether a state will not change any more. false for REFOLD_STATE_UNKNOWN and for any other number. */
bool refold_state_is_final(refold_state state);

/**
 * The name of a state for people and logs, like the enumerator without its prefix: "COMPLETED", "TIMED_OUT".
 * "UNKNOWN" for any other number.
 *
 * Never NULL. The string lives as long as the process.
 */
const char *refold_state_name(refold_state state);

/** \} */

/* Execution and node ------------------------------------------------------------------------------------- */

/**
 * \defgroup execution Execution and node
 * \brief What a snapshot holds.
 * 
 * Strings live until the execution is freed; they are NULL where the document does not have the field, where
 * it is null or not a string there, and for NULL.
 * \{
 */

/**
 * Adds an owner to an execution: the same snapshot, not a copy, to be freed once more with
 * refold_execution_free().
 *
 * This keeps an execution that a progress callback was shown. Returns `execution`, or NULL for NULL.
 */
refold_execution *refold_execution_retain(const refold_execution *execution);

/**
 * Gives up one owner's hold on an execution; the last one frees it, with its nodes, JSON values and strings.
 * NULL is ignored.
 */
void refold_execution_free(refold_execution *execution);

/**
 * The field `_id`; when the document has none, the id that was asked for. NULL when there is neither, as
 * there can be after refold_parse_execution().
 */
const char *refold_execution_id(const refold_execution *execution);

/** The field `name`, such as "Execution for workflow 6a106ba44480b80424a65289". */
const char *refold_execution_name(const refold_execution *execution);

/** The field `org_id`: the organisation. */
const char *refold_execution_org_id(const refold_execution *execution);

/** The field `environment`: "test" or "production". */
const char *refold_execution_environment(const refold_execution *execution);

/** The field `status`, in the server's own words, such as "RUNNING". NULL only for NULL. */
const char *refold_execution_status(const refold_execution *execution);

/**
 * What the field `status` means. REFOLD_STATE_UNKNOWN for a text that this version does not know, and for
 * NULL.
 */
refold_state refold_execution_state(const refold_execution *execution);

/**
 * The field `completion_percentage`: 0 to 100, possibly with decimals, or whatever number the server sends.
 * -1.0 when it is absent, and for NULL.
 */
double refold_execution_completion_percentage(const refold_execution *execution);

/** The field `config_id`: the configuration of the workflow. */
const char *refold_execution_config_id(const refold_execution *execution);

/** The field `linked_account_id`: the account that the run acted for. */
const char *refold_execution_linked_account_id(const refold_execution *execution);

/** The field `createdAt`: when the run began, as RFC 3339 text in UTC. */
const char *refold_execution_created_at(const refold_execution *execution);

/**
 * The number of nodes, in the order in which the run entered them. 0 for NULL.
 *
 * A node enters the list when the run reaches it, so a later snapshot may have more.
 */
size_t refold_execution_node_count(const refold_execution *execution);

/**
 * The node at a position counted from 0. NULL when there is none.
 *
 * The node lives until the execution is freed. Positions are those of the array `nodes` in the document; an
 * element that is not an object is a node with nothing in it.
 */
const refold_node *refold_execution_node(const refold_execution *execution, size_t index);

/**
 * The node with an id; of several with the same id, the first. NULL when there is none, and when `node_id`
 * is NULL.
 *
 * The node lives until the execution is freed. Fast in large executions, too.
 */
const refold_node *refold_execution_node_by_id(const refold_execution *execution, const char *node_id);

/**
 * The whole document, with the fields that this header has no function for. NULL only for NULL.
 *
 * It lives until the execution is freed.
 */
const refold_json *refold_execution_json(const refold_execution *execution);

/** The field `node_id`, which is unique in its execution. */
const char *refold_node_id(const refold_node *node);

/** The field `node_name`, for people. */
const char *refold_node_name(const refold_node *node);

/** The field `node_type`, such as "start". */
const char *refold_node_type(const refold_node *node);

/** The field `node_status`, in the server's own words, such as "Success". */
const char *refold_node_status(const refold_node *node);

/**
 * What the field `node_status` means. REFOLD_STATE_UNKNOWN when it is absent or a text that this version
 * does not know, and for NULL.
 */
refold_state refold_node_state(const refold_node *node);

/** The field `is_batch`. false when it is absent, and for NULL. */
bool refold_node_is_batch(const refold_node *node);

/** The field `attempts_made`. -1 when it is absent or no such count, and for NULL. */
int64_t refold_node_attempts_made(const refold_node *node);

/** The field `maximum_attempts`. -1 when it is absent or no such count, and for NULL. */
int64_t refold_node_maximum_attempts(const refold_node *node);

/**
 * The field `execution_time`: how long the node ran, in milliseconds. -1 when it is absent or no such count,
 * and for NULL.
 */
int64_t refold_node_execution_time_ms(const refold_node *node);

/**
 * The field `latest_output`: what the node returned last, JSON of any type and size. NULL when it is absent,
 * and for NULL.
 *
 * The value lives until the execution is freed.
 */
const refold_json *refold_node_latest_output(const refold_node *node);

/**
 * The field `input_data`: what the node was given, JSON of any type and size. NULL when it is absent, and
 * for NULL.
 *
 * The value lives until the execution is freed.
 */
const refold_json *refold_node_input_data(const refold_node *node);

/**
 * The whole node, with the fields that this header has no function for. NULL only for NULL.
 *
 * The value lives until the execution is freed.
 */
const refold_json *refold_node_json(const refold_node *node);

/** \} */

/* JSON --------------------------------------------------------------------------------------------------- */

/**
 * \defgroup json JSON
 * \brief Values of any type and depth.
 * 
 * Every function takes NULL and values of other types, and then returns 0, false or NULL.
 * \{
 */

/** What a JSON value is. */
typedef int32_t refold_json_type;

/** The values of refold_json_type. */
typedef enum refold_json_type_value {
    /** null, or no value at all. */
    REFOLD_JSON_NULL = 0,
    /** true or false. */
    REFOLD_JSON_BOOL = 1,
    /** A number. */
    REFOLD_JSON_NUMBER = 2,
    /** A string. */
    REFOLD_JSON_STRING = 3,
    /** An array: elements in order. */
    REFOLD_JSON_ARRAY = 4,
    /** An object: members, each with a key and a value, in the order in which they were sent. */
    REFOLD_JSON_OBJECT = 5,
} refold_json_type_value;

/** What a value is. REFOLD_JSON_NULL for null, and for NULL, which is no value. */
refold_json_type refold_json_typeof(const refold_json *value);

/** Whether a value is true. false for false and for anything else. */
bool refold_json_bool(const refold_json *value);

/**
 * A number as an integer: truncated towards zero, and the nearest that there is when it is out of range. 0
 * for anything else.
 */
int64_t refold_json_int64(const refold_json *value);

/**
 * A number as a double: the nearest that there is, and infinite when it is out of range. 0 for anything
 * else.
 */
double refold_json_double(const refold_json *value);

/**
 * A string, unescaped. NULL for anything else.
 *
 * `length`, which may be NULL, is set to its length in bytes without the NUL at its end, 0 when there is no
 * string. A string that holds U+0000 goes on behind it. Half of a surrogate pair reads as U+FFFD. The string
 * lives until the execution is freed.
 */
const char *refold_json_string(const refold_json *value, size_t *length);

/** The number of an array's elements or an object's members. 0 for anything else. */
size_t refold_json_length(const refold_json *value);

/**
 * The element of an array, or the value of an object's member, at a position counted from 0. NULL when there
 * is none.
 *
 * A key that was sent twice has two positions.
 */
const refold_json *refold_json_at(const refold_json *value, size_t index);

/**
 * The key of an object's member at a position counted from 0, unescaped. NULL when there is none.
 *
 * `length` and the string are as for refold_json_string().
 */
const char *refold_json_key_at(const refold_json *value, size_t index, size_t *length);

/**
 * The value of an object's member with a key; of a key that was sent twice, the last one. NULL when there is
 * none, and when `key` is NULL.
 */
const refold_json *refold_json_get(const refold_json *value, const char *key);

/**
 * The value that a JSON pointer (RFC 6901) leads to, such as "/nodes/0/node_name". NULL when it leads
 * nowhere, is not one, or is NULL.
 *
 * "" is the value itself; in a key, ~1 stands for / and ~0 for ~.
 */
const refold_json *refold_json_pointer(const refold_json *value, const char *pointer);

/**
 * The JSON text of a value of any type, byte for byte as the server sent it, without a copy, and so without
 * a NUL at its end. NULL for NULL.
 *
 * `length` is set to its length in bytes, 0 when there is no value. It is needed: without it (NULL) the
 * function returns NULL. The text lives until the execution is freed.
 */
const char *refold_json_raw(const refold_json *value, size_t *length);

/**
 * The JSON text of a value of any type as refold_json_raw(), with a NUL at its end: a copy that is made when
 * it is first asked for, and kept. NULL for NULL, and when memory is too short.
 *
 * `length`, which may be NULL, is set to its length in bytes without the NUL, 0 when there is no text. The
 * text lives until the execution is freed.
 */
const char *refold_json_text(const refold_json *value, size_t *length);

/** \} */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* REFOLD_H */
