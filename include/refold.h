/**
 * \mainpage refold for C
 *
 * Given the id of a workflow execution of Refold, librefold fetches the status of the run and of each of its
 * nodes, or waits for the run to finish and reports progress along the way. It is made for debugging runs and
 * showing their progress from inside programs that must not crash, hang, leak or print because of it. This
 * header is the manual. A complete program:
 *
 * \code{.c}
 * #include "printable.h" // from examples/c: makes texts safe to print
 * #include <refold.h>
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
 *         print_line(stdout, "%s: %s", refold_execution_id(execution), refold_execution_status(execution));
 *     else
 *         print_line(stderr, "%s", refold_error_message(error));
 *
 *     int status = execution != NULL ? 0 : 1;
 *     refold_execution_free(execution);
 *     refold_error_free(error);
 *     refold_client_free(client);
 *     return status;
 * }
 * \endcode
 *
 * The following conventions apply to every function and are not repeated there.
 *
 * Ownership
 * ---------
 * A function that returns a non-const pointer, or stores one through `error`, transfers ownership to the
 * caller, who frees the object once with the function of its type, refold_..._free(). Freeing NULL does
 * nothing. Objects may be freed in any order: executions and errors outlive the client that created them, and
 * clients outlive their options. Freeing has no side effects other than releasing memory and closing idle
 * connections; only refold_queue_free() also ends calls. refold_execution_retain() adds an owner to an
 * execution.
 *
 * A const pointer that is returned (a node, a JSON value, a string, the cause of an error) is borrowed. It
 * must not be freed, and is valid as long as the object it came from, unless documented otherwise. Arguments
 * that are needed after a function has returned are copied.
 *
 * NULL
 * ----
 * Any pointer may be NULL. An accessor returns the same for a NULL object as for something absent, so lookups
 * can be chained without checking each step. Setters and free functions do nothing. Calls fail with
 * REFOLD_ERROR_INVALID_ARGUMENT. `error` and `cancel` may be NULL if they are not needed.
 *
 * Strings
 * -------
 * String arguments are NUL-terminated and must be valid UTF-8; otherwise they are invalid arguments. Returned
 * strings are NUL-terminated UTF-8. NULL means absent, which is not the same as empty. A field that is null
 * in the document, or has an unexpected type, counts as absent; the JSON view shows it as sent. A string that
 * contains the character U+0000 appears to end there in C; refold_json_string() returns its full length. Only
 * refold_error_body() returns raw bytes.
 *
 * Names, statuses, messages, outputs and all other texts of a server are returned as it sent them. They may
 * contain escape sequences that control a terminal, ends of lines that forge further lines, and controls that
 * reorder what a line shows. Replace these before you print or log a text. examples/c/printable.h does so for
 * C; the bindings for C++, Go, Python and Node.js have a function `printable`.
 *
 * Errors
 * ------
 * A call that fails returns NULL (a submission to a queue, false) and sets `*error` to a new object, which
 * the caller frees. A call that succeeds sets `*error` to NULL. The previous value of `*error` is not read,
 * so free an old error before passing its variable again. Every error has a code (refold_code): the HTTP
 * status of the server's response if positive; if negative, there was no usable response. Redirects are
 * never followed, because the API key must not be sent elsewhere; they are errors with their status. Codes,
 * states and types are integers, and functions accept any number.
 *
 * Threads
 * -------
 * Any number of threads may use the same client, token, queue, event, execution, node, JSON value or error
 * at the same time; options must be used by one thread at a time. A client or token may be freed while
 * calls that use it are running, but not while another use of the pointer begins. All other objects must
 * not be in use when they are freed: threads that share an execution can each become an owner with
 * refold_execution_retain(). No state is kept per thread. A calling thread needs at most 128 KiB of stack.
 * There are no background threads between calls, except those of a queue, and of a name lookup that
 * outlives its call: it ends when the system completes it.
 *
 * Timeouts, retries and limits
 * ----------------------------
 * Every call has a deadline, 30 seconds by default, which covers everything it waits for. Transient
 * failures are retried within the deadline, twice by default. A wait consists of such calls and has a
 * timeout of its own. Responses are limited to 256 MiB by default. See the setters of refold_options for
 * details. Only parsing, once the last byte has arrived, and your own callbacks are not interrupted.
 *
 * An execution takes about as much memory as its body, at most once more for the strings with an accessor of
 * their own, and 256 bytes for each node. Accessing a JSON value takes less than 40 bytes for each byte of
 * its text, usually less than 20, and refold_json_text() takes a copy of the text. All of this is kept until
 * the execution is freed.
 *
 * Many calls at a time
 * --------------------
 * refold_get_execution() and refold_wait_execution() block their thread. That is right for a program that
 * makes one call after another. A program with an event loop, or with more calls than it wants threads,
 * submits them to a queue, and takes what has become of them as events:
 *
 * \code{.c}
 * // Watches many runs from one thread. Yours is the loop that also handles windows, sockets and timers.
 * void watch(refold_client *client, const char *const *ids, size_t count) {
 *     refold_error *error = NULL;
 *     refold_queue *queue = refold_queue_new(0, &error);
 *     for (size_t i = 0; queue != NULL && error == NULL && i < count; i++)
 *         refold_queue_wait_execution(queue, client, ids[i], 0, NULL, (void *)ids[i], &error);
 *     struct pollfd polled = {.fd = (int)refold_queue_descriptor(queue), .events = POLLIN};
 *     while (error == NULL && refold_queue_pending(queue) > 0) {
 *         poll(&polled, 1, -1);
 *         for (refold_event *event; (event = refold_queue_next(queue, 0)) != NULL;) {
 *             const refold_execution *execution = refold_event_execution(event);
 *             print_line(stdout, "%s: %s", (const char *)refold_event_user_data(event),
 *                        execution != NULL ? refold_execution_status(execution)
 *                                          : refold_error_message(refold_event_error(event)));
 *             refold_event_free(event);
 *         }
 *     }
 *     if (error != NULL)
 *         print_line(stderr, "%s", refold_error_message(error));
 *     refold_error_free(error);
 *     refold_queue_free(queue);
 * }
 * \endcode
 *
 * A get ends in one event of type REFOLD_EVENT_DONE. A wait has events of type REFOLD_EVENT_PROGRESS before
 * that; while it pauses, it occupies neither a thread nor a connection, so ten thousand waits need no more
 * than the threads of the calls in flight. A loop that cannot poll a descriptor is woken by a function: see
 * refold_queue_set_notify(). A program without a loop blocks in refold_queue_next(). One queue per loop is
 * best; it can serve any number of clients.
 *
 * Why does my call fail, or take so long?
 * ---------------------------------------
 * Start with refold_error_message(), which is one sentence about what happened, where, and what to do, and
 * with the times: refold_error_timing_us() and refold_execution_timing_us(). For more, read the log.
 * REFOLD_LOG=debug in the environment writes it to standard error, if the options come from
 * refold_options_new_from_env(); refold_options_set_log() passes it to a function. Here is a first call
 * and its retry, with long lines folded:
 *
 *     call 1 +0.004 ms: get run-7, timeout 30000 ms
 *     call 1 connection 1 +0.031 ms: looking up app.refold.ai
 *     call 1 connection 1 +18.202 ms: app.refold.ai has the addresses 2001:db8::7, 192.0.2.7
 *     call 1 connection 1 +18.240 ms: connecting to [2001:db8::7]:443
 *     call 1 connection 1 +268.301 ms: connecting to 192.0.2.7:443
 *     call 1 connection 1 +289.013 ms: connected to 192.0.2.7:443
 *     call 1 connection 1 +312.870 ms: TLS 1.3, TLS13_AES_256_GCM_SHA384, ALPN http/1.1, full handshake
 *     call 1 connection 1 +312.904 ms: certificate of refold.ai from R11, expires 2027-02-01 09:30:00 UTC,
 *         for refold.ai, *.refold.ai
 *     call 1 connection 1 +312.941 ms: sent GET /api/v2/public/execution/run-7 HTTP/1.1 with the fields
 *         host, user-agent, accept, accept-encoding, x-api-key, linked_account_id
 *     call 1 connection 1 +401.377 ms: received HTTP/1.1 503 Service Unavailable
 *     call 1 connection 1 +401.420 ms: received content-length: 0
 *     call 1 connection 1 +401.511 ms: kept for the next call
 *     call 1 +401.630 ms: attempt 1 failed, retrying in 731 ms: SERVICE_UNAVAILABLE (503),
 *         HTTP 503 Service Unavailable from app.refold.ai:443 for execution run-7
 *     call 1 connection 1 +1132.802 ms: reused
 *     call 1 +1401.966 ms: execution run-7: OK, COMPLETED; attempts 2; total 1401.962 ms (resolve -,
 *         connect -, TLS -, first byte 268.250, transfer 0.701); received 4382 bytes, unpacked 4257;
 *         reused connection 1; request id 7c0e...
 *
 * Each line begins with the number of its call, of its poll if the call is a wait, and of its connection,
 * followed by the time since the call began. Within a process, each call and each connection has a number
 * of its own. These are the lines, by level:
 *
 * - WARN, problems that calls recover from: "attempt N failed, retrying in T ms: CODE, MESSAGE"; "poll
 *   failed, polling again in T ms: CODE, MESSAGE" or, if the wait ends before that, "poll failed, no time
 *   for another: CODE, MESSAGE"; "lost while idle, replaced by another connection".
 * - INFO, the end of each call and of each poll of a wait: the last line above. A failure has the name and
 *   the number of its code instead of OK and the status, and its message at the end. Times are in
 *   milliseconds, and "-" for a part that was not gone through. The bytes received include the header.
 * - DEBUG, each phase: "get ID, timeout T ms" or "wait for ID, timeout T ms"; "proxy HOST:PORT, PROTOCOL,
 *   set by SETTING"; "looking up HOST"; "HOST has the addresses LIST"; "connecting to ADDRESS"; "no
 *   connection to ADDRESS: REASON"; "connected to ADDRESS"; "requesting a tunnel to HOST:PORT"; "no
 *   tunnel: REASON"; "the tunnel is open"; "VERSION, CIPHER SUITE, ALPN PROTOCOL, full handshake" or
 *   "resumed session"; "certificate of NAME from ISSUER, expires TIME, for HOSTS"; "reused"; "sent GET
 *   PATH HTTP/1.1 with the fields NAMES"; "received LINE", for each line of a response header; "kept for
 *   the next call" or "closed".
 *
 * What to look for:
 *
 * - The total exceeds the sum of the parts: earlier attempts and the pauses after them, or a connection
 *   that was lost while idle. The WARN lines have the reasons.
 * - The first call is slow, later ones are not: the lookup, the connection and the TLS handshake, which
 *   later calls reuse. If every call has these parts, no connection is kept: the log has "closed" after
 *   each response, as with a server that sends "connection: close", or calls are more than 60 seconds apart.
 * - A slow lookup (resolve): the name service of this machine. Compare with `getent hosts`.
 * - A slow or failing connect: addresses that do not respond. The next address is attempted after 250 ms,
 *   so a network with broken IPv6 costs that much.
 * - The wrong machine responds, or a certificate is not trusted: see the addresses, the proxy and what set
 *   it, and the issuer of the certificate. The log has only certificates that are trusted; for others, see
 *   the message of the error.
 * - A slow first byte: the server. Quote the request id to Refold's support.
 * - A slow transfer: the size of the outputs, or the network. Compare the bytes with the time.
 * - 401 or 403: see which fields were sent. A gateway that removes linked_account_id does so after that.
 *
 * Cancellation and signals
 * ------------------------
 * refold_cancel_trigger() ends every call that uses the token within 50 ms, in any phase: resolving,
 * connecting, proxy, TLS handshake, transfer, pause. It may be called from any thread and from a signal
 * handler. It ends a submission to a queue in the same time, also one that is queued or pauses. The library
 * installs no signal handlers and raises no SIGPIPE. Your own handlers, with or without SA_RESTART, never
 * make a call fail. They do not run on the library's threads, except for those of signals that a fault
 * raises there, such as SIGSEGV. A thread that receives a pthread_cancel() request, of the default deferred
 * type, ends once the library function that it is executing has returned. The asynchronous type of
 * pthread_cancel() ends the process.
 *
 * Fork
 * ----
 * A client survives fork(), even if other threads are inside calls. The child may continue to use clients,
 * options, executions, errors and events; it opens its own connections and never touches those of its
 * parent. A token and a queue belong to the process that created them. The child leaks what calls of other
 * threads held at the time of the fork, which is a bounded amount.
 *
 * Trust, proxies and secrets
 * --------------------------
 * Connections use TLS 1.2 or later. Certificates are verified against the root certificates of the system,
 * which are read once per process, or those of SSL_CERT_FILE and SSL_CERT_DIR; bundled roots are used if a
 * system has none. Verification cannot be disabled. Keys may be RSA of 2,048 to 8,192 bits, ECDSA on the
 * curves P-256 and P-384, and Ed25519, with SHA-256, SHA-384 or, for RSA, SHA-512. Certificates of servers
 * must name the host as a subject alternative name. That of an authority (CA:TRUE, the default of `openssl
 * req -x509`) is never accepted for a server, even if it is trusted: have the authority issue one, or make a
 * self-signed one with `-addext basicConstraints=critical,CA:FALSE`. Client certificates are not supported.
 *
 * The proxy comes from the environment unless set; CONNECT and SOCKS5 are supported. API keys, tokens,
 * proxy passwords and the values of further header fields appear in no message and no line of the log;
 * where a server echoes one, it is redacted as `***`. They are wiped when they are replaced and when their
 * object is freed.
 *
 * The environment
 * ---------------
 * refold_options_new_from_env() reads REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID, REFOLD_SESSION_TOKEN,
 * REFOLD_BASE_URL and REFOLD_LOG. refold_client_new() reads HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper
 * and lower case, and SSL_CERT_FILE and SSL_CERT_DIR. The library reads no other variable, none at any
 * other time, and none at all in a set-uid or set-gid program. Name lookups by the system have variables
 * of their own. With glibc, the first refold_client_new() with the name of a server or proxy makes the
 * system read RES_OPTIONS, LOCALDOMAIN and RESOLV_..., which it repeats only if /etc/resolv.conf changes;
 * a lookup may still read LOCALDOMAIN and HOSTALIASES, and modules of the name service may read more. So
 * no thread should change the environment while another creates a client or makes a call that may have to
 * connect.
 *
 * In your process
 * ---------------
 * The library prints nothing, unless REFOLD_LOG asks for it, and changes no process-wide state. A defect
 * in the library does not end your program: it is caught, and the call fails with REFOLD_ERROR_INTERNAL,
 * or the function returns its value for something absent. If memory whose size depends on a response
 * cannot be allocated, the call fails with REFOLD_ERROR_RESOURCE. The process is aborted, with a message
 * on standard error, only if it cannot allocate another 128 KiB, or a copy of its arguments. The shared
 * library may be loaded with dlopen() at any time. It stays mapped after dlclose(), because threads may
 * still be running in it.
 *
 * The descriptors of the library are close-on-exec and greater than 2, so nothing that a program prints
 * after it has closed its standard streams reaches a server. Those that the system opens while it looks up a
 * name may be lower: a daemon should redirect its streams to /dev/null rather than close them. Daemons that
 * close all descriptors do so before they create clients and tokens.
 *
 * Numbers do not depend on the floating-point modes of the calling thread, such as the rounding mode or
 * flush-to-zero: a number reads as the nearest double. No function changes these modes, sets a floating-point
 * flag or raises a floating-point exception.
 *
 * From other languages
 * --------------------
 * Authors of bindings for Java, C#, Ruby, Lua or any other language also need to know the following. The
 * bindings for C++ (refold.hpp), Go, Python and Node.js that come with the library can serve as patterns, and
 * so can the programs in examples/ruby and examples/java.
 *
 * - Types: Objects are opaque pointers; no structure is passed or returned. refold_code, refold_state,
 *   refold_timing, refold_log_level, refold_event_type and refold_json_type are int32_t. A bool is one byte,
 *   and any value other than 0 is true (for JNA, declare a byte: its boolean has four). Sizes are size_t;
 *   times are int64_t or uint64_t. The library to load is librefold.so.0 on Linux, librefold.0.dylib on
 *   macOS, and refold.dll on Windows. As long as this number is 0, functions keep their signatures and
 *   meaning; later versions may add functions.
 * - Ownership: Wrap each pointer you own in one object of your language, which frees it once: through a
 *   method that users call (close, Dispose, with), and through the garbage collector if they forget. A free
 *   function may run on any thread, including a collector's, and in any order; it does not block and makes no
 *   callback. A collector may reclaim an object while one of its methods is still inside C: refer to the
 *   object again after the call (Go's runtime.KeepAlive, GC.KeepAlive, reachabilityFence). A borrowed pointer
 *   keeps nothing alive: let the wrapper of a node refer to its execution, or copy what you need.
 * - Strings: Pass standard UTF-8, not the modified UTF-8 of JNI, and reject strings that contain U+0000,
 *   because they would be truncated there. Copy the strings you get, and mark them as UTF-8: Ruby's Fiddle
 *   and its gem ffi mark them as binary. To convert outputs of any type, pass the text from
 *   refold_json_raw(), one call for the whole value, to a JSON parser of your language. It may encounter lone
 *   surrogates, numbers out of range, repeated keys and any depth of nesting.
 * - Errors: Initialise a variable with NULL, pass its address, copy the contents of the error and of its
 *   cause, free it, and only then raise an exception. Since no state is kept per thread, any thread may do
 *   so, and threads that migrate between carriers (goroutines, virtual threads) need not be pinned.
 * - Threads: refold_get_execution() and refold_wait_execution() block their thread. Release the lock of an
 *   interpreter around them: Python's ctypes does, and reacquires it for a callback; in Ruby,
 *   rb_thread_call_without_gvl() does, with refold_cancel_trigger() to unblock (in the gem ffi, `blocking:
 *   true`). Keep these calls off event loops and small thread pools: use a queue, or threads for blocking
 *   work, whose stacks may be small. refold_client_new() reads certificates from disk. No other function
 *   blocks but refold_queue_next() with a timeout, and refold_queue_free() for less than 50 ms; the first
 *   access to a large value parses it.
 * - Event loops: Create one queue per loop, with `max_concurrent` of 256. Let the loop poll
 *   refold_queue_descriptor() (asyncio's add_reader(), Go's netpoller, a Ruby fiber scheduler), or let
 *   refold_queue_set_notify() wake it (uv_async_send(), napi_call_threadsafe_function(), PostMessage()).
 *   Windows has no such descriptor, so bindings for it need the function. Pass a number as `user_data`, and
 *   look up the promise, future or channel that waits for it. Free the queue when the loop ends, so that its
 *   threads do not outlive your interpreter.
 * - Cancellation: Create a token for each call and trigger it from your language's mechanism (a context, a
 *   CancellationToken, an interrupt, an AbortSignal). Free it when the call has returned and nothing can
 *   trigger it any more. Then report what is customary in your language, such as the error of the context.
 * - Callbacks: `on_progress` runs on the waiting thread, during the wait, and at no other time. Nothing but a
 *   bool may leave it: catch every exception (in Lua and Ruby, errors are longjmps: use lua_pcall(),
 *   rb_protect()), store it, return false, and raise it after the call has returned. JNA prints such an
 *   exception and returns false. Keep the function that was passed to C alive until then. `user_data` comes
 *   back unchanged: pass a number that you look up (cgo.Handle, GCHandle) rather than the address of an
 *   object that a collector may move. If your language does not support callbacks, poll with
 *   refold_get_execution() and pause in your own code. The function set by refold_options_set_log() runs on
 *   the threads that make calls, several at once. Keep it alive until the client is freed and its last call
 *   has returned. For submissions, these threads are those of the queue: the function must not wait for an
 *   event of the same queue. Calls that it makes on the same thread are not logged; submissions are, so a
 *   binding has to prevent the recursion itself.
 * - Signals: Interpreters run signal handlers on one thread, and only after C has returned, so Ctrl-C would
 *   have to wait for the call. On that thread, submit to a queue, wait for its descriptor in your language,
 *   and trigger the token if that wait is interrupted.
 * - Fork: Clients and executions continue to work in the children of a server that forks its workers. Create
 *   tokens and queues in the process that uses them. A binding is responsible for its own locks.
 * - Exit: Nothing needs to be freed when the process exits. An interpreter that exits while threads are
 *   inside calls (daemon threads) must first trigger their tokens and wait, and free its queues, because
 *   callbacks must not enter an interpreter that is gone.
 */

/**
 * \file refold.h
 * \brief The C interface, for C and every language that can call C.
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
 * \brief The opaque objects that functions take and return.
 * \{
 */

/**
 * Settings for creating clients: credentials, base URL, limits and timeouts.
 *
 * Created by refold_options_new() or refold_options_new_from_env(), freed by refold_options_free() at any
 * time: clients keep no reference to the options they were created from. Must not be used by several threads
 * at the same time.
 */
typedef struct refold_options refold_options;

/**
 * A client of the API: validated settings, and a connection pool shared by all its calls.
 *
 * Created by refold_client_new(), freed by refold_client_free(). Any number of threads may call through one
 * client at the same time, and one client per program is best: N threads never need more than N connections.
 * Calls that are running when the client is freed run to completion. Executions and errors outlive the
 * client.
 */
typedef struct refold_client refold_client;

/**
 * A token that cancels every call it is passed to. Once triggered, it stays triggered.
 *
 * Created by refold_cancel_new(), freed by refold_cancel_free(). Any number of calls on any threads may share
 * a token. Any thread may trigger it, and so may a signal handler. Calls that are running when the token is
 * freed keep what they need. After fork(), a token of the parent cancels none of the parent's calls when used
 * in the child.
 */
typedef struct refold_cancel refold_cancel;

/**
 * A queue: makes many calls at a time, without a thread of yours for each.
 *
 * Created by refold_queue_new(), freed by refold_queue_free(). Submit gets and waits to it, and take what
 * has become of them as events: from an event loop that polls refold_queue_descriptor(), from one that
 * refold_queue_set_notify() wakes, or on a thread that blocks in refold_queue_next(). Any number of threads
 * may submit to a queue and take from it.
 *
 * A queue has threads of its own, at most one more than it has calls in flight, with stacks of 256 KiB. They
 * start on demand and end after ten seconds without work. A wait occupies no thread and no connection while
 * it pauses. The functions of refold_options_set_log() and refold_queue_set_notify() run on these threads,
 * have 100 KiB of stack, and must not free the queue.
 *
 * A queue belongs to the process that created it. In a child after fork(), submissions fail with
 * REFOLD_ERROR_INVALID_ARGUMENT, and there are no events; the queue of the parent is not affected.
 */
typedef struct refold_queue refold_queue;

/**
 * An event: what has become of a submission.
 *
 * Taken with refold_queue_next(), freed by refold_event_free(). It is immutable, so any number of threads may
 * read it. It outlives the queue and the client.
 */
typedef struct refold_event refold_event;

/**
 * The reason why a call failed.
 *
 * Created by a call that fails and returned through its parameter `error`; freed by refold_error_free(). It
 * is immutable, so any number of threads may read it. It outlives the client. Its strings are valid until it
 * is freed.
 */
typedef struct refold_error refold_error;

/**
 * A snapshot of an execution: its fields, its nodes, and the complete document that the server sent.
 *
 * Created by refold_get_execution(), refold_wait_execution() and refold_parse_execution().
 * refold_execution_retain() adds an owner. Each owner calls refold_execution_free() once, and the last one
 * frees the snapshot. It is immutable, so any number of threads may read it. It outlives the client.
 */
typedef struct refold_execution refold_execution;

/**
 * One node of an execution.
 *
 * Borrowed from its execution and valid until the execution is freed. It must not be freed. Any number of
 * threads may read it.
 */
typedef struct refold_node refold_node;

/**
 * A JSON value of any type within the document of an execution.
 *
 * Borrowed from its execution and valid until the execution is freed. It must not be freed. Any number of
 * threads may read it. Values are parsed on first access, so a value that is not accessed costs nothing.
 */
typedef struct refold_json refold_json;

/** \} */

/* Library ------------------------------------------------------------------------------------------------ */

/**
 * \defgroup library Library
 * \brief The version, and the codes that calls return.
 * \{
 */

/** The major version of this header. It changes when programs have to be changed. */
#define REFOLD_VERSION_MAJOR 0

/** The minor version of this header. */
#define REFOLD_VERSION_MINOR 1

/** The patch version of this header. */
#define REFOLD_VERSION_PATCH 0

/** The version of this header. refold_version() returns the version of the loaded library. */
#define REFOLD_VERSION "0.1.0"

/**
 * The outcome of a call: REFOLD_OK, an HTTP status, or a negative number.
 *
 * - Zero: success.
 * - Positive: the HTTP status of the server's response, which may be any status, such as 404, 302 or 599. The
 *   enumerators cover the common ones.
 * - Negative: there was no usable response, for the reason that the enumerator describes.
 *
 * Later versions may add negative numbers. Treat an unknown one as an unspecified failure.
 */
typedef int32_t refold_code;

/** The values of refold_code that have a name. */
typedef enum refold_code_value {
    /** Success. */
    REFOLD_OK = 0,
    /** The server considers the request invalid. */
    REFOLD_ERROR_BAD_REQUEST = 400,
    /** The server did not accept the API key, the linked account or the session token. */
    REFOLD_ERROR_UNAUTHORIZED = 401,
    /** The credentials are valid but do not permit this request. */
    REFOLD_ERROR_FORBIDDEN = 403,
    /** There is no execution with this id, or these credentials cannot see it. */
    REFOLD_ERROR_NOT_FOUND = 404,
    /** The server timed out waiting for the request. Not to be confused with REFOLD_ERROR_TIMEOUT. */
    REFOLD_ERROR_REQUEST_TIMEOUT = 408,
    /** The request conflicts with the current state of the resource. */
    REFOLD_ERROR_CONFLICT = 409,
    /** The server understood the request but cannot process it. */
    REFOLD_ERROR_UNPROCESSABLE_ENTITY = 422,
    /** Too many requests in a short time; see refold_error_retry_after_ms(). */
    REFOLD_ERROR_TOO_MANY_REQUESTS = 429,
    /** The server failed. */
    REFOLD_ERROR_INTERNAL_SERVER_ERROR = 500,
    /** The server does not support this request. */
    REFOLD_ERROR_NOT_IMPLEMENTED = 501,
    /** A gateway received no valid response from its upstream server. */
    REFOLD_ERROR_BAD_GATEWAY = 502,
    /** The server is temporarily unavailable. */
    REFOLD_ERROR_SERVICE_UNAVAILABLE = 503,
    /** A gateway received no response in time from its upstream server. */
    REFOLD_ERROR_GATEWAY_TIMEOUT = 504,
    /** An argument or a setting is invalid. The message names it, and nothing was sent. */
    REFOLD_ERROR_INVALID_ARGUMENT = -1,
    /** A cancel token was triggered, or a progress callback returned false. */
    REFOLD_ERROR_CANCELLED = -2,
    /** The timeout of the call or wait expired; see refold_wait_execution() and refold_error_cause(). */
    REFOLD_ERROR_TIMEOUT = -3,
    /** The host name has no address, or the lookup failed. */
    REFOLD_ERROR_RESOLVE = -4,
    /** No connection could be established in time, or the proxy refused the request. */
    REFOLD_ERROR_CONNECT = -5,
    /**
     * No trusted TLS session could be established: the certificate or the handshake failed, or the server
     * refused this client, for example for lack of a client certificate.
     */
    REFOLD_ERROR_TLS = -6,
    /**
     * The connection was lost before the response was complete; or the response is not HTTP, or a success of
     * ambiguous length (malformed header fields are tolerated otherwise); or the body of a 2xx response ends
     * in the middle of its JSON or gzip stream, as if it was cut off before a gateway.
     */
    REFOLD_ERROR_TRANSPORT = -7,
    /** The server reported success, but the body is not an execution. */
    REFOLD_ERROR_INVALID_RESPONSE = -8,
    /**
     * The body, or the memory for its nodes, exceeds refold_options_set_max_response_bytes(), or the header
     * exceeds 64 KiB or 128 fields.
     */
    REFOLD_ERROR_RESPONSE_TOO_LARGE = -9,
    /** A defect in the library, caught before it could do harm. Please report it. */
    REFOLD_ERROR_INTERNAL = -10,
    /** The process has run out of file descriptors, threads or memory. */
    REFOLD_ERROR_RESOURCE = -11,
} refold_code_value;

/**
 * Returns the version of the loaded library, such as "0.1.0". REFOLD_VERSION is the version of this header.
 *
 * \return A string that is valid for the lifetime of the process; never NULL.
 */
const char *refold_version(void);

/**
 * Returns the name of a code for messages and logs: its enumerator without the prefix, such as "OK",
 * "NOT_FOUND" or "TIMEOUT".
 *
 * \param code  Any number.
 * \return A string that is valid for the lifetime of the process; never NULL. "HTTP_ERROR" for any other HTTP
 *         status, "UNKNOWN" for any other number.
 */
const char *refold_code_name(refold_code code);

/** \} */

/* Options ------------------------------------------------------------------------------------------------ */

/**
 * \defgroup options Options
 * \brief Settings for creating clients.
 *
 * Setters copy their arguments. An invalid value is stored and reported by refold_client_new(), unless a
 * later call replaces it with a valid one. NULL restores the default.
 * \{
 */

/** How much is logged. Each level includes those before it. */
typedef int32_t refold_log_level;

/** The values of refold_log_level. */
typedef enum refold_log_level_value {
    /** Nothing. */
    REFOLD_LOG_OFF = 0,
    /**
     * Problems that calls recover from: each failed attempt that is retried, and each failed poll, with its
     * reason and the pause that follows; each connection that was lost while idle.
     */
    REFOLD_LOG_WARN = 1,
    /** The end of each call and poll: status or error, attempts, times, bytes, connection and request id. */
    REFOLD_LOG_INFO = 2,
    /**
     * Each phase of a call: lookups and addresses, connection attempts, proxy, TLS version, cipher suite and
     * certificate, reuse of connections, header fields.
     */
    REFOLD_LOG_DEBUG = 3,
} refold_log_level_value;

/**
 * Called with each line of the log, on the thread that makes the call, and on several threads at once.
 *
 * The time it takes is added to that of the call, and no timeout or token interrupts it. It may call any
 * function of this header except refold_client_free() for the same client; calls that it makes itself are
 * not logged. It must return normally: no exception, longjmp() or pthread_exit().
 *
 * \param level      The level of the line.
 * \param message    One line of UTF-8, at most 1,023 bytes. It is safe for a terminal: control characters,
 *                   line separators and controls of the direction of text are replaced by `?`. It is
 *                   borrowed until the function returns. It contains no secret: neither an API key, a
 *                   token, a proxy password, nor the value of a field set by refold_options_set_header().
 * \param user_data  The pointer that was passed to refold_options_set_log().
 */
typedef void (*refold_log_fn)(refold_log_level level, const char *message, void *user_data);

/**
 * Creates options with all settings at their defaults.
 *
 * \return New options, to be freed with refold_options_free(). NULL only after an internal error.
 */
refold_options *refold_options_new(void);

/**
 * Creates options with settings from the environment and all others at their defaults.
 *
 * Reads REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID (see refold_options_set_api_key()), REFOLD_SESSION_TOKEN
 * (refold_options_set_session_token()), REFOLD_BASE_URL (refold_options_set_base_url()) and REFOLD_LOG. The
 * last is "warn", "info" or "debug" for a log of that level on standard error, a line `refold LEVEL message`
 * each, or "off". Lines that standard error cannot take at once are dropped. An empty variable counts as
 * unset. Set-uid and set-gid programs read none of them. As with getenv(), no other thread may modify the
 * environment meanwhile.
 *
 * \return New options, to be freed with refold_options_free(). NULL only after an internal error.
 */
refold_options *refold_options_new_from_env(void);

/**
 * Frees options and wipes their secrets. Does nothing if `options` is NULL.
 *
 * Clients that were created from the options are not affected.
 */
void refold_options_free(refold_options *options);

/**
 * Sets the API key of the organisation and the linked account to act for.
 *
 * Both must be non-empty UTF-8 of at most 8 KiB, without control characters and without leading or trailing
 * blanks. Production keys begin with "pk", test keys with "tk". They are sent in the header fields x-api-key
 * and linked_account_id. Some gateways drop field names that contain an underscore unless configured
 * otherwise (nginx: underscores_in_headers on).
 *
 * A client needs exactly one method of authentication: this one or refold_options_set_session_token().
 *
 * \param api_key            The API key. Pass NULL for both parameters to remove the key.
 * \param linked_account_id  The id of the linked account.
 */
void refold_options_set_api_key(refold_options *options, const char *api_key, const char *linked_account_id);

/**
 * Sets a session token, which itself identifies the linked account.
 *
 * It must be non-empty UTF-8 of at most 8 KiB, without control characters and without leading or trailing
 * blanks. Tokens expire; replace the token of a client with refold_client_set_session_token().
 *
 * \param session_token  The token, or NULL to remove it.
 */
void refold_options_set_session_token(refold_options *options, const char *session_token);

/**
 * Sets the base URL of the API.
 *
 * Must be an https URL. An http URL is accepted for a loopback host (localhost, 127.0.0.0/8, [::1]), and for
 * other hosts only if refold_options_set_allow_plaintext() permits it. The URL may contain a port (1 to
 * 65535) and a path prefix, with or without a trailing slash. It must not contain a user name, a query, a
 * fragment, or a path segment that is empty, "." or "..", and must not exceed 2,000 bytes. Pass a non-ASCII
 * host name as punycode.
 *
 * \param base_url  The URL, or NULL for the default: "https://app.refold.ai".
 */
void refold_options_set_base_url(refold_options *options, const char *base_url);

/**
 * Sets the timeout of a call.
 *
 * It covers everything that the caller waits for: name resolution, connecting, TLS, sending, every byte of
 * the response, retries and the pauses between them. When it expires, the call fails with
 * REFOLD_ERROR_TIMEOUT within 100 ms, however slowly the server sends.
 *
 * \param milliseconds  The timeout; 0 for none. Default: 30,000.
 */
void refold_options_set_timeout_ms(refold_options *options, uint64_t milliseconds);

/**
 * Sets the timeout of each connection attempt.
 *
 * It covers name resolution, connecting, the proxy and TLS together. When it expires, the attempt fails with
 * REFOLD_ERROR_CONNECT, which is retried.
 *
 * \param milliseconds  The timeout; 0 for no limit other than the timeout of the call. Default: 10,000.
 */
void refold_options_set_connect_timeout_ms(refold_options *options, uint64_t milliseconds);

/**
 * Sets the maximum number of retries of a call after transient failures.
 *
 * The following failures are retried: no connection, a connection lost before the response was complete, a
 * 2xx response whose JSON or gzip stream ends too early, a temporary failure of a name lookup, and the HTTP
 * statuses 408, 429, 500, 502, 503 and 504. A proxy that requires other credentials or responds with any
 * other status is not retried.
 *
 * If the server closes an idle connection, the request is resent on a new one. This is not a retry, even if
 * the server sends a 408 as it closes the connection.
 *
 * The pauses are 1 s, 2 s, 4 s and so on, each shortened at random by up to one half, or the server's
 * Retry-After. If a pause would exceed the timeout of the call, or Retry-After exceeds 60 s, the call returns
 * the last failure at once.
 *
 * \param max_retries  The number of retries; 0 for none. Default: 2, which makes three attempts in all.
 */
void refold_options_set_max_retries(refold_options *options, uint32_t max_retries);

/**
 * Sets the maximum size of a response body after decompression.
 *
 * A call whose response exceeds the limit fails with REFOLD_ERROR_RESPONSE_TOO_LARGE as soon as the limit is
 * passed, and uses no more memory than the limit. The same limit applies to the memory for nodes, 256 bytes
 * each, however short their text.
 *
 * \param bytes  The limit; 0 for none. Default: 268,435,456 (256 MiB).
 */
void refold_options_set_max_response_bytes(refold_options *options, uint64_t bytes);

/**
 * Sets the interval between two polls of refold_wait_execution().
 *
 * While responses stay the same, each pause is half as long again as the one before it. A change resets it to
 * the interval. Each consecutive failed poll doubles it, until a poll succeeds. Neither makes it longer than
 * ten times the interval.
 *
 * \param milliseconds  The interval, at least 10. Default: 1,000.
 */
void refold_options_set_poll_interval_ms(refold_options *options, uint64_t milliseconds);

/**
 * Sets the proxy.
 *
 * Takes a URL of the form http://host:port, socks5://host:port (the library resolves the server's name) or
 * socks5h://host:port (the proxy does), which may also be written socks://host:port. Credentials go before
 * the host as user:password@, percent-encoded: %40 for @. The default port is 80 for http and 1080 for the
 * others.
 *
 * By default the proxy comes from the environment: HTTPS_PROXY, or else ALL_PROXY, except for the hosts in
 * NO_PROXY. The variables are read in upper and lower case. An http base URL uses none of them.
 *
 * \param url  The URL; "" for no proxy, or NULL for the default.
 */
void refold_options_set_proxy(refold_options *options, const char *url);

/**
 * Sets a file of certificates (PEM) to trust in addition to the default roots.
 *
 * refold_client_new() reads the file. It must be a regular file that contains at least one certificate and
 * none that cannot be parsed; byte order marks are ignored. The same applies to the file of SSL_CERT_FILE.
 *
 * \param path  The path of the file, or NULL for the default: none.
 */
void refold_options_set_ca_file(refold_options *options, const char *path);

/**
 * Sets certificates (PEM) in memory to trust in addition to the default roots.
 *
 * The text must meet the same requirements as the file for refold_options_set_ca_file().
 *
 * \param pem     The PEM text, or NULL for the default: none.
 * \param length  The length of the text in bytes.
 */
void refold_options_set_ca_pem(refold_options *options, const char *pem, size_t length);

/**
 * Sets the name and version of your program, such as "monitor/2.1".
 *
 * It precedes the library's own name and version in the header field User-Agent.
 *
 * \param product  At most 1,024 bytes without control characters, or NULL for the default: none.
 */
void refold_options_set_user_agent(refold_options *options, const char *product);

/**
 * Sets whether an http base URL, and a proxy for it, may be on a host other than loopback.
 *
 * Credentials and responses then travel unencrypted: anyone on the network path can read and modify them.
 *
 * \param allow  Default: false.
 */
void refold_options_set_allow_plaintext(refold_options *options, bool allow);

/**
 * Sets a further header field, which each request to the server carries after the library's own.
 *
 * A field of the same name, in any case of letters, is replaced. At most 32 fields of 8 KiB together can be
 * set. Fields that the library or the connection sets are refused: host, content-length, transfer-encoding,
 * connection, te, trailer, upgrade, expect, accept, accept-encoding, user-agent, authorization,
 * proxy-authorization, x-api-key and linked_account_id. A proxy that opens a tunnel does not receive them.
 *
 * Values are secrets: they are wiped like an API key, and redacted where a server echoes one, unless it is
 * shorter than four bytes.
 *
 * \param name   The name: letters, digits, hyphens, and the other characters of a token (RFC 9110, 5.6.2).
 *               NULL, with a NULL value, removes all fields.
 * \param value  The value, without control characters except for tabs, or NULL to remove the field. Blanks
 *               around it are not sent.
 */
void refold_options_set_header(refold_options *options, const char *name, const char *value);

/**
 * Sets a function that receives the log: what calls do, for people who look for the cause of a failure or a
 * delay.
 *
 * The introduction of this header explains the lines. They never contain a secret. Without a log, a call
 * spends no time on it.
 *
 * \param level       The level; REFOLD_LOG_OFF for no log. Default: that of REFOLD_LOG for options from the
 *                    environment, otherwise REFOLD_LOG_OFF.
 * \param on_message  The function, or NULL for no log.
 * \param user_data   Passed to the function unchanged. It must remain valid, and the function loaded, until
 *                    every client made from the options is freed and none of its calls is running.
 */
void refold_options_set_log(refold_options *options,
                            refold_log_level level,
                            refold_log_fn on_message,
                            void *user_data);

/** \} */

/* Client ------------------------------------------------------------------------------------------------- */

/**
 * \defgroup client Client
 * \brief Connections and settings shared by calls.
 * \{
 */

/**
 * Creates a client after checking all settings. Sends nothing.
 *
 * Reads the proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and the trusted certificates (SSL_CERT_FILE,
 * SSL_CERT_DIR) from the environment, except in set-uid and set-gid programs. As with getenv(), no other
 * thread may modify the environment meanwhile.
 *
 * \param options  The settings. They are read, not kept.
 * \param error    Set to NULL, or to a new error on failure; may be NULL.
 * \return A new client, to be freed with refold_client_free(), or NULL on failure. Error codes:
 *         REFOLD_ERROR_INVALID_ARGUMENT if a setting is invalid, which the message names;
 *         REFOLD_ERROR_RESOURCE if the process has run out of a resource.
 */
refold_client *refold_client_new(const refold_options *options, refold_error **error);

/**
 * Replaces the session token of a client, for calls and polls that begin later.
 *
 * Any thread may do so at any time. The previous token is wiped.
 *
 * \param session_token  A token as for refold_options_set_session_token().
 * \return REFOLD_OK, or an error that leaves the client unchanged: REFOLD_ERROR_INVALID_ARGUMENT if a pointer
 *         is NULL, the token is invalid, or the client was created with an API key; REFOLD_ERROR_INTERNAL in
 *         a child that was forked while a token was being replaced.
 */
refold_code refold_client_set_session_token(const refold_client *client, const char *session_token);

/**
 * Frees a client, closes its idle connections and wipes its secrets. Does nothing if `client` is NULL.
 *
 * Running calls run to completion and keep what they need until then. No call may begin with this pointer at
 * the same time or later. A progress callback must not free the client of its own wait.
 */
void refold_client_free(refold_client *client);

/** \} */

/* Cancellation ------------------------------------------------------------------------------------------- */

/**
 * \defgroup cancellation Cancellation
 * \brief Ending calls from other threads and signal handlers.
 * \{
 */

/**
 * Creates a token that is not triggered.
 *
 * \return A new token, to be freed with refold_cancel_free(). Never NULL, even if the process has run out of
 *         file descriptors.
 */
refold_cancel *refold_cancel_new(void);

/**
 * Triggers a token, which cancels all calls that use it.
 *
 * Running calls return within 50 ms with REFOLD_ERROR_CANCELLED, in whatever phase they are. Calls that begin
 * later return at once. Any thread may trigger a token, any number of times, and so may a signal handler: the
 * function allocates no memory, takes no lock and preserves errno.
 */
void refold_cancel_trigger(refold_cancel *cancel);

/** Returns whether a token has been triggered; false if `cancel` is NULL. */
bool refold_cancel_is_triggered(const refold_cancel *cancel);

/**
 * Frees a token. Does nothing if `cancel` is NULL.
 *
 * Running calls that use it continue and can no longer be cancelled. No call may begin with this pointer at
 * the same time or later, and no signal handler may trigger it any more.
 */
void refold_cancel_free(refold_cancel *cancel);

/** \} */

/* Getting an execution ----------------------------------------------------------------------------------- */

/**
 * \defgroup getting Getting an execution
 * \brief From the server, once or repeatedly until the run ends, or from memory.
 * \{
 */

/**
 * Called by refold_wait_execution() with each snapshot, on the thread that waits.
 *
 * It may call any function of this header, with the same client and token too. It must not free that client,
 * and it must return normally: no exception, longjmp() or pthread_exit().
 *
 * \param execution  The snapshot. It is borrowed until the callback returns; keep it with
 *                   refold_execution_retain().
 * \param user_data  The pointer that was passed to refold_wait_execution().
 * \return true to continue, false to stop waiting.
 */
typedef bool (*refold_progress_fn)(const refold_execution *execution, void *user_data);

/**
 * Fetches an execution with the details of every node.
 *
 * Blocks the calling thread, at most for the timeout set in the options. Retries as the options specify.
 *
 * \param execution_id  1 to 256 characters out of A-Z a-z 0-9 - _ . ~ :, but neither "." nor "..". Any other
 *                      id is rejected, and nothing is sent.
 * \param cancel        A token that can cancel the call, or NULL. If it is already triggered, the call
 *                      returns at once.
 * \param error         Set to NULL, or to a new error on failure; may be NULL.
 * \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes: the
 *         HTTP status of the server's response, or any negative code. A run that failed on the server is a
 *         successful call: check refold_execution_state().
 */
refold_execution *refold_get_execution(const refold_client *client,
                                       const char *execution_id,
                                       refold_cancel *cancel,
                                       refold_error **error);

/**
 * Polls an execution until its state is final, the timeout expires, or `cancel` is triggered.
 *
 * Each poll is one call with the timeout and the retries of the options. The first pause is the interval set
 * by refold_options_set_poll_interval_ms(). Pauses grow while nothing changes, double with each consecutive
 * failed poll, and are never shorter than a Retry-After of the server. Up to five consecutive retryable
 * failures of polls are tolerated.
 *
 * `on_progress` is called with every snapshot, including the final one. If it returns false, the wait fails
 * with REFOLD_ERROR_CANCELLED, except after the final snapshot, when there is nothing left to stop. The
 * execution returned is the object passed to the last callback.
 *
 * REFOLD_ERROR_TIMEOUT means that the caller has waited long enough. The run is not affected, so the wait may
 * be repeated. refold_error_cause() distinguishes a run that was still in progress from a server that could
 * not be reached. If more than five consecutive polls exceed the timeout of the options, the wait fails with
 * the error of the last one, which has the same code. A run that exceeded its own time limit is a successful
 * wait with the state REFOLD_STATE_TIMED_OUT.
 *
 * \param execution_id  As for refold_get_execution().
 * \param timeout_ms    Limit for the whole wait, in milliseconds; 0 for no limit. Without a limit, a wait may
 *                      never end if the run does not, or ends in a state that this version does not know.
 * \param on_progress   The callback, or NULL.
 * \param user_data     Passed to the callback unchanged.
 * \param cancel        A token that can cancel the wait, or NULL.
 * \param error         Set to NULL, or to a new error on failure; may be NULL.
 * \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes:
 *         REFOLD_ERROR_TIMEOUT if `timeout_ms` expired, otherwise as for refold_get_execution().
 */
refold_execution *refold_wait_execution(const refold_client *client,
                                        const char *execution_id,
                                        uint64_t timeout_ms,
                                        refold_progress_fn on_progress,
                                        void *user_data,
                                        refold_cancel *cancel,
                                        refold_error **error);

/**
 * Creates an execution from JSON text in memory, such as a stored response of the server. Sends nothing.
 *
 * The text must be one JSON object in valid UTF-8 with a string `status`. It is copied.
 *
 * \param json    The text; it need not be NUL-terminated.
 * \param length  The length of the text in bytes.
 * \param error   Set to NULL, or to a new error on failure; may be NULL.
 * \return A new execution, to be freed with refold_execution_free(), or NULL on failure. Error codes:
 *         REFOLD_ERROR_INVALID_RESPONSE, with a message that describes the defect in the text and its
 *         position; REFOLD_ERROR_INVALID_ARGUMENT if `json` is NULL; REFOLD_ERROR_RESOURCE if memory is
 *         insufficient; REFOLD_ERROR_RESPONSE_TOO_LARGE if the nodes, 256 bytes each, need more than 256 MiB
 *         and more memory than the text.
 */
refold_execution *refold_parse_execution(const char *json, size_t length, refold_error **error);

/** \} */

/* Queue -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup queue Queue
 * \brief Many calls at a time, for event loops.
 * \{
 */

/**
 * Called when a queue stops being empty, on a thread of the library that holds no lock.
 *
 * It is meant to wake an event loop: with uv_async_send(), PostMessage(), g_main_context_wakeup(), a write
 * to a pipe. It may run on several threads at once. It may call any function of this header, except
 * refold_queue_free() and refold_queue_set_notify() for the same queue. It must return normally: no
 * exception, longjmp() or pthread_exit().
 *
 * \param user_data  The pointer that was passed to refold_queue_set_notify().
 */
typedef void (*refold_notify_fn)(void *user_data);

/**
 * Creates a queue. Starts no thread yet.
 *
 * \param max_concurrent  The maximum number of calls and polls in flight, and so of threads and connections:
 *                        1 to 1,024; 0 for the default, which is 32. Others wait for their turn.
 * \param error           Set to NULL, or to a new error on failure; may be NULL.
 * \return A new queue, to be freed with refold_queue_free(), or NULL on failure. Error codes:
 *         REFOLD_ERROR_INVALID_ARGUMENT if `max_concurrent` is out of range; REFOLD_ERROR_RESOURCE if the
 *         process has run out of file descriptors.
 */
refold_queue *refold_queue_new(uint32_t max_concurrent, refold_error **error);

/**
 * Frees a queue. Does nothing if `queue` is NULL.
 *
 * Cancels all submissions, waits until the threads of the queue have ended, which takes less than 50 ms
 * unless one of your functions is running on them, and frees the events that were not taken. No other
 * function may use the queue at the same time or later. Events that were taken are not affected. In a child
 * after fork(), leaks the queue.
 */
void refold_queue_free(refold_queue *queue);

/**
 * Submits a get: a call of refold_get_execution() that a thread of the queue makes.
 *
 * Never waits for the network. The timeout of the options begins when the call does, not while it waits for
 * its turn. Turns are in the order of submission.
 *
 * \param client        The client. It may be freed as soon as this function has returned.
 * \param execution_id  As for refold_get_execution().
 * \param cancel        A token that can cancel the submission, whether it is in flight or waits for its
 *                      turn, or NULL. It may be freed as soon as this function has returned.
 * \param user_data     Any pointer, for refold_event_user_data(). The library does not follow it.
 * \param error         Set to NULL, or to a new error on failure; may be NULL.
 * \return true if the submission was accepted: exactly one event of type REFOLD_EVENT_DONE will report its
 *         end. false if not: there will be no event. Error codes: REFOLD_ERROR_INVALID_ARGUMENT, and
 *         REFOLD_ERROR_RESOURCE if memory is insufficient or the queue can start no thread. All other errors
 *         of refold_get_execution() are reported by the event.
 */
bool refold_queue_get_execution(refold_queue *queue,
                                const refold_client *client,
                                const char *execution_id,
                                refold_cancel *cancel,
                                void *user_data,
                                refold_error **error);

/**
 * Submits a wait: refold_wait_execution() without a thread that waits.
 *
 * Each snapshot of a run that has not ended is an event of type REFOLD_EVENT_PROGRESS. One that was not
 * taken when the next snapshot arrives is replaced by it, so there are never more than two events of a wait.
 * The final snapshot, or the error, is the event of type REFOLD_EVENT_DONE. Pauses, growth, Retry-After and
 * tolerance of failures are those of refold_wait_execution(). A poll takes its turn when it is due.
 *
 * \param client        The client. It may be freed as soon as this function has returned.
 * \param execution_id  As for refold_get_execution().
 * \param timeout_ms    Limit for the whole wait, from the submission on, in milliseconds; 0 for no limit.
 * \param cancel        A token that can cancel the wait within 50 ms, or NULL. It may be freed as soon as
 *                      this function has returned.
 * \param user_data     Any pointer, for refold_event_user_data(). The library does not follow it.
 * \param error         Set to NULL, or to a new error on failure; may be NULL.
 * \return As for refold_queue_get_execution().
 */
bool refold_queue_wait_execution(refold_queue *queue,
                                 const refold_client *client,
                                 const char *execution_id,
                                 uint64_t timeout_ms,
                                 refold_cancel *cancel,
                                 void *user_data,
                                 refold_error **error);

/**
 * Takes the oldest event. If several threads take events, each gets another one.
 *
 * \param timeout_ms  How long to wait for an event, in milliseconds; 0 to return at once; -1, or any negative
 *                    number, to wait for ever, but not if nothing is pending.
 * \return The event, to be freed with refold_event_free(); NULL if there was none in time, nothing is pending
 *         that could be waited for, or `queue` is NULL.
 */
refold_event *refold_queue_next(refold_queue *queue, int64_t timeout_ms);

/**
 * Returns the number of submissions whose event of type REFOLD_EVENT_DONE has not been taken; 0 if `queue` is
 * NULL.
 */
size_t refold_queue_pending(const refold_queue *queue);

/**
 * Returns a descriptor for an event loop: it is readable exactly while an event can be taken.
 *
 * Poll it for reading, with poll(), epoll (level- or edge-triggered), kqueue or whatever your loop is made
 * of. When it is readable, call refold_queue_next() with a timeout of 0 until it returns NULL. Never read
 * it, write it or close it. It is valid until the queue is freed: remove it from the loop before that.
 *
 * \return The descriptor; -1 if the system has none that can be polled together with those of files and
 *         sockets, as on Windows, after fork() in the child, or if `queue` is NULL.
 *         refold_queue_set_notify() serves instead.
 */
intptr_t refold_queue_descriptor(const refold_queue *queue);

/**
 * Sets the function that is called whenever the queue stops being empty, in place of the previous one.
 *
 * It is not called for events that are in the queue already, so take those once after setting it. After each
 * call, take events until refold_queue_next() returns NULL. If other threads take events, too, there may be
 * none left.
 *
 * When this returns, the previous function is not running, and will not be called again. So do not hold a
 * lock that it waits for.
 *
 * \param notify     The function, or NULL for none.
 * \param user_data  Passed to the function unchanged.
 */
void refold_queue_set_notify(refold_queue *queue, refold_notify_fn notify, void *user_data);

/** What an event reports. */
typedef int32_t refold_event_type;

/** The values of refold_event_type. */
typedef enum refold_event_type_value {
    /** Nothing: the event is NULL. */
    REFOLD_EVENT_NONE = 0,
    /** A snapshot that a wait obtained, of a run that has not ended. */
    REFOLD_EVENT_PROGRESS = 1,
    /** The end of a submission: the execution, or the error. */
    REFOLD_EVENT_DONE = 2,
} refold_event_type_value;

/** Returns what an event reports; REFOLD_EVENT_NONE if `event` is NULL. */
refold_event_type refold_event_typeof(const refold_event *event);

/** Returns the pointer that was passed with the submission; NULL if `event` is NULL. */
void *refold_event_user_data(const refold_event *event);

/**
 * Returns the snapshot of an event.
 *
 * \return The snapshot, borrowed until the event is freed; keep it with refold_execution_retain(). NULL if
 *         the submission has failed, or `event` is NULL. If memory was insufficient for a snapshot of a wait,
 *         the event of type REFOLD_EVENT_PROGRESS has an error instead, and the wait goes on.
 */
const refold_execution *refold_event_execution(const refold_event *event);

/**
 * Returns the error of an event.
 *
 * \return The error that the blocking call would have returned, borrowed until the event is freed; NULL if
 *         the event has a snapshot, or is NULL.
 */
const refold_error *refold_event_error(const refold_event *event);

/** Frees an event, with its error and its ownership of the snapshot. Does nothing if `event` is NULL. */
void refold_event_free(refold_event *event);

/** \} */

/* Times -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup times Times
 * \brief The parts of a call that are timed.
 * \{
 */

/**
 * A part of a call that is timed.
 *
 * refold_execution_timing_us() and refold_error_timing_us() return its time in microseconds. All but the
 * first are of the last attempt, and follow one another. Times come from a monotonic clock, with a
 * resolution of a microsecond, or of a millisecond beyond half an hour.
 */
typedef int32_t refold_timing;

/** The values of refold_timing. */
typedef enum refold_timing_value {
    /**
     * The call from its beginning to its end, with all attempts and the pauses between them. Of a snapshot
     * that a wait obtained: the poll that obtained it. Of the error of a wait: the whole wait.
     */
    REFOLD_TIMING_TOTAL = 0,
    /** The lookup of host names. -1 for an address, for localhost, and on a reused connection. */
    REFOLD_TIMING_RESOLVE = 1,
    /** Connecting, including the dialogue with a proxy. -1 on a reused connection. */
    REFOLD_TIMING_CONNECT = 2,
    /** The TLS handshake. -1 without TLS, and on a reused connection. */
    REFOLD_TIMING_TLS = 3,
    /** From the first byte of the request to the first byte of the response. */
    REFOLD_TIMING_FIRST_BYTE = 4,
    /** From there to the last byte of the response. Parsing after that is not counted. */
    REFOLD_TIMING_TRANSFER = 5,
} refold_timing_value;

/** \} */

/* Error -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup error Error
 * \brief Why a call failed.
 * \{
 */

/** Frees an error and its strings. Does nothing if `error` is NULL. */
void refold_error_free(refold_error *error);

/**
 * Returns the code of an error.
 *
 * \return The HTTP status of the server's response, or a negative code; REFOLD_OK if `error` is NULL.
 */
refold_code refold_error_code(const refold_error *error);

/**
 * Returns the HTTP status as reported by the server.
 *
 * This is the field `status_code` of the response body, or else the status of the response itself. An
 * unusable response, whose code is negative, has a status too.
 *
 * \return The status; 0 if there was no response or `error` is NULL.
 */
int32_t refold_error_http_status(const refold_error *error);

/**
 * Returns the field `http_error_type` of the response, such as "NOT_FOUND".
 *
 * \return A string that is valid until the error is freed; NULL if the response has no such field or `error`
 *         is NULL.
 */
const char *refold_error_http_error_type(const refold_error *error);

/**
 * Returns the field `error_code` of the response, such as "RESOURCE_NOT_FOUND", or else its field `error`.
 *
 * \return A string that is valid until the error is freed; NULL if the response has neither or `error` is
 *         NULL.
 */
const char *refold_error_api_code(const refold_error *error);

/**
 * Returns a human-readable message.
 *
 * This is the field `message` of the response, or else a sentence about what happened, where, and how to
 * resolve it. It contains no secret, but it may contain anything else that a server sent, such as control
 * characters.
 *
 * \return A string that is valid until the error is freed; never NULL. "" if `error` is NULL.
 */
const char *refold_error_message(const refold_error *error);

/**
 * Returns the id of the request, to be quoted to Refold's support.
 *
 * This is the field `request_id` of the response body, or else the header field x-request-id.
 *
 * \return A string that is valid until the error is freed; NULL if the response has neither or `error` is
 *         NULL.
 */
const char *refold_error_request_id(const refold_error *error);

/**
 * Returns the first 65,536 bytes of the response body, after decompression.
 *
 * The bytes are those of the server or a gateway: not necessarily UTF-8, and possibly with NUL bytes among
 * them. Your secrets are redacted as `***`. If the body was cut off, these are the bytes that arrived.
 *
 * \param length  Set to the number of bytes, not counting the NUL that terminates them; 0 if there is no
 *                body. May be NULL.
 * \return Bytes that are valid until the error is freed; NULL if there is no body or `error` is NULL.
 */
const char *refold_error_body(const refold_error *error, size_t *length);

/**
 * Returns how long the server asks to wait before the next attempt (Retry-After).
 *
 * \return The time in milliseconds, counted from the arrival of the response; -1 if the server specified none
 *         or `error` is NULL.
 */
int64_t refold_error_retry_after_ms(const refold_error *error);

/**
 * Returns whether the same call may succeed later without a change.
 *
 * \return true for REFOLD_ERROR_TIMEOUT and for the failures listed for refold_options_set_max_retries();
 *         false for others and if `error` is NULL.
 */
bool refold_error_is_retryable(const refold_error *error);

/**
 * Returns the number of attempts that a call started, or that all polls of a wait started.
 *
 * An attempt that got no further than connecting counts.
 *
 * \return The number; 0 if none was started or `error` is NULL.
 */
uint32_t refold_error_attempts(const refold_error *error);

/**
 * Returns the failure of the last poll of a wait that ran out of time.
 *
 * The error of the wait reports that the timeout expired; this one reports why the last poll brought no
 * snapshot. It is an error like any other, with its own code, message and response, and with the attempts of
 * that poll alone. If the timeout expired during a poll, it is the REFOLD_ERROR_TIMEOUT of that poll, whose
 * message names the phase, such as connecting.
 *
 * \return An error that belongs to `error`: it is valid until `error` is freed, and must not be freed itself.
 *         NULL if the last poll succeeded, so that the run was still in progress; for every error other than
 *         the REFOLD_ERROR_TIMEOUT of a wait; if there was no memory for it; and if `error` is NULL.
 */
const refold_error *refold_error_cause(const refold_error *error);

/**
 * Returns how long a part of the failed call took.
 *
 * The part in which the call ended counts up to that moment.
 *
 * \param timing  The part; any number.
 * \return The time in microseconds; -1 if the call did not go through the part, for a call that did not
 *         begin, for a number that is not a part, and if `error` is NULL.
 */
int64_t refold_error_timing_us(const refold_error *error, refold_timing timing);

/** \} */

/* State -------------------------------------------------------------------------------------------------- */

/**
 * \defgroup state State
 * \brief The status of executions and nodes, on one scale.
 * \{
 */

/**
 * The state of an execution or a node: the server's texts `status` and `node_status`, mapped to one scale.
 *
 * A text that this version does not know maps to REFOLD_STATE_UNKNOWN. refold_execution_status() and
 * refold_node_status() return the text itself.
 */
typedef int32_t refold_state;

/** The values of refold_state. */
typedef enum refold_state_value {
    /** The status is absent, or unknown to this version. */
    REFOLD_STATE_UNKNOWN = 0,
    /** Not started. Node: "Ready". */
    REFOLD_STATE_READY = 1,
    /** In progress. Execution: "RUNNING". */
    REFOLD_STATE_RUNNING = 2,
    /** Waiting for something. Node: "Waiting". */
    REFOLD_STATE_WAITING = 3,
    /** Requested to stop, but not stopped yet. Execution: "STOPPING". */
    REFOLD_STATE_STOPPING = 4,
    /** Completed successfully; final. Execution: "COMPLETED"; node: "Success". */
    REFOLD_STATE_COMPLETED = 5,
    /** Failed; final. Execution: "ERRORED"; node: "Errored". */
    REFOLD_STATE_ERRORED = 6,
    /** Failed, and the run continued without it; final. Node: "Errored_and_Skipped". */
    REFOLD_STATE_SKIPPED = 7,
    /** Stopped; final. Execution: "STOPPED"; node: "Stopped". */
    REFOLD_STATE_STOPPED = 8,
    /** Timed out; final. Execution: "TIMED_OUT"; node: "Timed_Out". */
    REFOLD_STATE_TIMED_OUT = 9,
    /** Rejected; final. Node: "Rejected". */
    REFOLD_STATE_REJECTED = 10,
} refold_state_value;

/**
 * Returns whether a state is final, that is, will not change any more.
 *
 * \param state  Any number.
 * \return true for the states documented as final; false for all others and for any number that is not a
 *         state.
 */
bool refold_state_is_final(refold_state state);

/**
 * Returns whether a state is a failure, that is, final and not REFOLD_STATE_COMPLETED.
 *
 * The output of a node in such a state usually explains it; see refold_node_latest_output(). An execution may
 * be COMPLETED although a node failed, which is then REFOLD_STATE_SKIPPED.
 *
 * \param state  Any number.
 * \return true for REFOLD_STATE_ERRORED, REFOLD_STATE_SKIPPED, REFOLD_STATE_STOPPED, REFOLD_STATE_TIMED_OUT
 *         and REFOLD_STATE_REJECTED; false for all others and for any number that is not a state.
 */
bool refold_state_is_failure(refold_state state);

/**
 * Returns the name of a state for messages and logs: its enumerator without the prefix, such as "COMPLETED".
 *
 * \param state  Any number.
 * \return A string that is valid for the lifetime of the process; never NULL. "UNKNOWN" for any number that
 *         is not a state.
 */
const char *refold_state_name(refold_state state);

/** \} */

/* Execution and node ------------------------------------------------------------------------------------- */

/**
 * \defgroup execution Execution and node
 * \brief The contents of a snapshot.
 *
 * Strings are valid until the execution is freed. They are NULL if the field is absent from the document,
 * null or not a string, or if the object is NULL.
 * \{
 */

/**
 * Adds an owner to an execution.
 *
 * Use it to keep the execution that a progress callback receives. The snapshot is shared, not copied.
 *
 * \return `execution`, to be freed once more with refold_execution_free(); NULL if `execution` is NULL.
 */
refold_execution *refold_execution_retain(const refold_execution *execution);

/**
 * Releases one owner's reference to an execution. Does nothing if `execution` is NULL.
 *
 * The last owner frees the execution with its nodes, JSON values and strings.
 */
void refold_execution_free(refold_execution *execution);

/**
 * Returns the field `_id`, or else the id that was requested.
 *
 * \return A string; NULL if there is neither, which is possible after refold_parse_execution().
 */
const char *refold_execution_id(const refold_execution *execution);

/** Returns the field `name`, such as "Execution for workflow 6a106ba44480b80424a65289". */
const char *refold_execution_name(const refold_execution *execution);

/** Returns the field `org_id`: the id of the organisation. */
const char *refold_execution_org_id(const refold_execution *execution);

/** Returns the field `environment`: "test" or "production". */
const char *refold_execution_environment(const refold_execution *execution);

/** Returns the field `status` as the server sent it, such as "RUNNING". NULL only if `execution` is NULL. */
const char *refold_execution_status(const refold_execution *execution);

/**
 * Returns the state that the field `status` maps to.
 *
 * \return The state; REFOLD_STATE_UNKNOWN for a status that this version does not know, or if `execution` is
 *         NULL.
 */
refold_state refold_execution_state(const refold_execution *execution);

/**
 * Returns the field `completion_percentage`.
 *
 * \return The percentage: 0 to 100, possibly with decimals, or any other number that the server sends; -1.0
 *         if it is absent or `execution` is NULL.
 */
double refold_execution_completion_percentage(const refold_execution *execution);

/** Returns the field `config_id`: the id of the workflow's configuration. */
const char *refold_execution_config_id(const refold_execution *execution);

/** Returns the field `linked_account_id`: the account that the run acted for. */
const char *refold_execution_linked_account_id(const refold_execution *execution);

/** Returns the field `createdAt`: the start of the run, as RFC 3339 text in UTC. */
const char *refold_execution_created_at(const refold_execution *execution);

/** Returns the field `updatedAt`: the latest change of the run, as RFC 3339 text in UTC. */
const char *refold_execution_updated_at(const refold_execution *execution);

/**
 * Returns the number of nodes.
 *
 * Nodes are listed in the order in which the run reached them. A later snapshot may contain more.
 *
 * \return The number; 0 if `execution` is NULL.
 */
size_t refold_execution_node_count(const refold_execution *execution);

/**
 * Returns the node at an index.
 *
 * Indexes are those of the array `nodes` in the document. An element that is not an object is an empty node.
 *
 * \param index  Counted from 0.
 * \return A node that is valid until the execution is freed; NULL if the index is out of range or `execution`
 *         is NULL.
 */
const refold_node *refold_execution_node(const refold_execution *execution, size_t index);

/**
 * Returns the node with an id, or the first one if several nodes share the id.
 *
 * Fast in large executions too.
 *
 * \return A node that is valid until the execution is freed; NULL if there is none, or if a parameter is
 *         NULL.
 */
const refold_node *refold_execution_node_by_id(const refold_execution *execution, const char *node_id);

/**
 * Returns the complete document, including fields for which there is no function.
 *
 * \return A value that is valid until the execution is freed; NULL only if `execution` is NULL.
 */
const refold_json *refold_execution_json(const refold_execution *execution);

/**
 * Returns how long a part of the call took that fetched the execution.
 *
 * Of a snapshot that a wait obtained, the call is the poll that obtained it.
 *
 * \param timing  The part; any number.
 * \return The time in microseconds; -1 if the call did not go through the part, for an execution made from
 *         text, for a number that is not a part, and if `execution` is NULL.
 */
int64_t refold_execution_timing_us(const refold_execution *execution, refold_timing timing);

/**
 * Returns the number of attempts of the call, or of the poll of a wait, that fetched the execution.
 *
 * \return The number, at least 1; 0 for an execution made from text and if `execution` is NULL.
 */
uint32_t refold_execution_attempts(const refold_execution *execution);

/**
 * Returns the id of the request that fetched the execution, to be quoted to Refold's support.
 *
 * This is the header field x-request-id of the response.
 *
 * \return A string that is valid until the execution is freed; NULL if the response has no such field, an
 *         empty one or one that is not UTF-8, for an execution made from text, and if `execution` is NULL.
 */
const char *refold_execution_request_id(const refold_execution *execution);

/** Returns the field `node_id`, which is unique within its execution. */
const char *refold_node_id(const refold_node *node);

/** Returns the field `node_name`: the display name. */
const char *refold_node_name(const refold_node *node);

/** Returns the field `node_type`, such as "start". */
const char *refold_node_type(const refold_node *node);

/** Returns the field `node_status` as the server sent it, such as "Success". */
const char *refold_node_status(const refold_node *node);

/**
 * Returns the state that the field `node_status` maps to.
 *
 * \return The state; REFOLD_STATE_UNKNOWN if the status is absent or unknown to this version, or `node` is
 *         NULL.
 */
refold_state refold_node_state(const refold_node *node);

/** Returns the field `is_batch`; false if it is absent or `node` is NULL. */
bool refold_node_is_batch(const refold_node *node);

/** Returns the field `attempts_made`; -1 if it is absent or not a valid count, or `node` is NULL. */
int64_t refold_node_attempts_made(const refold_node *node);

/** Returns the field `maximum_attempts`; -1 if it is absent or not a valid count, or `node` is NULL. */
int64_t refold_node_maximum_attempts(const refold_node *node);

/**
 * Returns the field `execution_time`: how long the node ran, in milliseconds.
 *
 * \return The time; -1 if it is absent or not a valid count, or `node` is NULL.
 */
int64_t refold_node_execution_time_ms(const refold_node *node);

/**
 * Returns the field `latest_output`: the last output of the node, JSON of any type and size.
 *
 * It is what the connected application returned. The output of a node that failed describes the failure, for
 * example:
 *
 * \code{.json}
 * {
 *   "error": {
 *     "status_code": 422,
 *     "error_code": "EXTERNAL_API_ERROR",
 *     "message": "The customer has no billing address"
 *   }
 * }
 * \endcode
 *
 * refold_json_pointer() with "/error/message" finds the message in this output. Each application has a form
 * of its own, so be prepared to show the text of the whole value instead: refold_json_text().
 *
 * \return A value that is valid until the execution is freed; NULL if it is absent, as before the node has
 *         run, or `node` is NULL. An output that is null is a value of the type REFOLD_JSON_NULL.
 */
const refold_json *refold_node_latest_output(const refold_node *node);

/**
 * Returns the field `input_data`: the input of the node, JSON of any type and size.
 *
 * \return A value that is valid until the execution is freed; NULL if it is absent or `node` is NULL. An
 *         input that is null is a value of the type REFOLD_JSON_NULL.
 */
const refold_json *refold_node_input_data(const refold_node *node);

/**
 * Returns the complete node, including fields for which there is no function.
 *
 * \return A value that is valid until the execution is freed; NULL only if `node` is NULL.
 */
const refold_json *refold_node_json(const refold_node *node);

/** \} */

/* JSON --------------------------------------------------------------------------------------------------- */

/**
 * \defgroup json JSON
 * \brief Values of any type and depth.
 *
 * Every function accepts NULL and values of any type, and returns 0, false or NULL where it does not apply.
 * \{
 */

/** The type of a JSON value. */
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
    /** An array: a sequence of elements. */
    REFOLD_JSON_ARRAY = 4,
    /** An object: members with a key and a value, in the order in which they were sent. */
    REFOLD_JSON_OBJECT = 5,
} refold_json_type_value;

/** Returns the type of a value; REFOLD_JSON_NULL if `value` is NULL. */
refold_json_type refold_json_typeof(const refold_json *value);

/** Returns whether a value is true; false for false and for any other value. */
bool refold_json_bool(const refold_json *value);

/**
 * Returns a number as an integer.
 *
 * \return The number, truncated towards zero; INT64_MIN or INT64_MAX if it is out of range; 0 for a value of
 *         another type.
 */
int64_t refold_json_int64(const refold_json *value);

/**
 * Returns a number as a double.
 *
 * \return The nearest double; positive or negative infinity if the number is out of range; 0 for a value of
 *         another type.
 */
double refold_json_double(const refold_json *value);

/**
 * Returns a string with its escape sequences resolved.
 *
 * A string that contains U+0000 continues after it. A lone surrogate is replaced with U+FFFD.
 *
 * \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no string. May
 *                be NULL.
 * \return A string that is valid until the execution is freed; NULL for a value of another type.
 */
const char *refold_json_string(const refold_json *value, size_t *length);

/** Returns the number of elements of an array or members of an object; 0 for a value of another type. */
size_t refold_json_length(const refold_json *value);

/**
 * Returns the element of an array, or the value of an object's member, at an index.
 *
 * A repeated key occupies one index per occurrence.
 *
 * \param index  Counted from 0.
 * \return A value that is valid until the execution is freed; NULL if the index is out of range, or for a
 *         value of another type.
 */
const refold_json *refold_json_at(const refold_json *value, size_t index);

/**
 * Returns the key of an object's member at an index, with its escape sequences resolved.
 *
 * \param index   Counted from 0.
 * \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no key. May be
 *                NULL.
 * \return A string as from refold_json_string(); NULL if the index is out of range, or for a value of another
 *         type.
 */
const char *refold_json_key_at(const refold_json *value, size_t index, size_t *length);

/**
 * Returns the value of an object's member with a key, or the last one if the key is repeated.
 *
 * \return A value that is valid until the execution is freed; NULL if there is no such member, `key` is NULL,
 *         or for a value of another type.
 */
const refold_json *refold_json_get(const refold_json *value, const char *key);

/**
 * Returns the value that a JSON pointer (RFC 6901) refers to, such as "/nodes/0/node_name".
 *
 * \param pointer  The pointer; "" refers to the value itself. Within a key, write ~1 for / and ~0 for ~.
 * \return A value that is valid until the execution is freed; NULL if there is none, or `pointer` is invalid
 *         or NULL.
 */
const refold_json *refold_json_pointer(const refold_json *value, const char *pointer);

/**
 * Returns the JSON text of a value of any type, byte for byte as the server sent it.
 *
 * Nothing is copied, so the text is not NUL-terminated.
 *
 * \param length  Set to the length in bytes; 0 if there is no value. Required: if it is NULL, the function
 *                returns NULL.
 * \return Text that is valid until the execution is freed; NULL if `value` is NULL.
 */
const char *refold_json_raw(const refold_json *value, size_t *length);

/**
 * Returns the JSON text of a value of any type as refold_json_raw() does, but NUL-terminated.
 *
 * The text is copied on the first call, and the copy is kept with the execution.
 *
 * \param length  Set to the length in bytes, not counting the terminating NUL; 0 if there is no text. May be
 *                NULL.
 * \return Text that is valid until the execution is freed; NULL if `value` is NULL or memory is insufficient.
 */
const char *refold_json_text(const refold_json *value, size_t *length);

/** \} */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* REFOLD_H */
