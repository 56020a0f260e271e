package refold

// #include <refold.h>
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"runtime/cgo"
	"sync"
)

// ErrClosed is returned by the methods of a closed client. It wraps os.ErrClosed.
var ErrClosed = fmt.Errorf("refold: client: %w", os.ErrClosed)

// Client holds validated settings and a pool of connections. It is safe for concurrent use, and a program should share
// one: N concurrent calls need at most N connections.
type Client struct {
	mutex   sync.Mutex
	pointer *C.refold_client
	log     cgo.Handle // of the function of WithLog, which C calls during calls; 0 without one
	calls   int        // in progress; each uses pointer
	closed  bool
}

// NewClient validates the options and returns a client. Nothing is sent. Exactly one of WithAPIKey and WithSessionToken
// is required.
//
// It reads HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR from the environment, which must not be
// changed concurrently. The error is an *Error: ErrInvalidArgument if an option is invalid, ErrResource if the process
// is out of memory or descriptors.
func NewClient(options ...Option) (*Client, error) {
	return newClient(C.refold_options_new(), options)
}

// NewClientFromEnv is NewClient with defaults from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or
// REFOLD_SESSION_TOKEN, REFOLD_BASE_URL, and REFOLD_LOG: "warn", "info" or "debug" for a log on standard error. WithAPIKey
// and WithSessionToken replace the credentials of the environment, whichever they are.
func NewClientFromEnv(options ...Option) (*Client, error) {
	return newClient(C.refold_options_new_from_env(), options)
}

func newClient(defaults *C.refold_options, options []Option) (*Client, error) {
	defer C.refold_options_free(defaults)
	settings := settings{options: defaults}
	for _, set := range options {
		if err := set(&settings); err != nil {
			return nil, err
		}
	}
	client := &Client{log: settings.applyLog()}
	var failure *C.refold_error
	client.pointer = C.refold_client_new(defaults, &failure)
	if client.pointer == nil {
		client.free()
		return nil, takeError(failure)
	}
	runtime.SetFinalizer(client, (*Client).Close)
	return client, nil
}

// SetSessionToken replaces the session token for calls, and polls of a wait, that start later. It may be called while
// calls are in progress. The error is ErrClosed or an *Error with ErrInvalidArgument if the token is invalid or the
// client authenticates with an API key; the client then keeps its token.
func (client *Client) SetSessionToken(token string) error {
	return withText("session_token", token, func(token *C.char) error {
		return client.use(func(pointer *C.refold_client) error {
			switch code := Code(C.refold_client_set_session_token(pointer, token)); code {
			case C.REFOLD_OK:
				return nil
			case ErrInvalidArgument:
				return invalidArgument("the session token is invalid, or the client authenticates with an API key")
			default:
				return newError(code, "the session token could not be set; create a new client")
			}
		})
	})
}

// Close closes the client's connections and wipes its secrets once the calls in progress have returned. Later calls
// fail with ErrClosed. Close never fails, and may be called more than once.
func (client *Client) Close() error {
	runtime.SetFinalizer(client, nil)
	client.mutex.Lock()
	defer client.mutex.Unlock()
	client.closed = true
	client.freeUnused()
	return nil
}

// use calls a function with the pointer, which is not freed meanwhile. The deferred call to end also keeps the client
// reachable, so that its finalizer does not run during the call.
func (client *Client) use(call func(*C.refold_client) error) error {
	if !client.begin() {
		return ErrClosed
	}
	defer client.end()
	return call(client.pointer)
}

func (client *Client) begin() bool {
	client.mutex.Lock()
	defer client.mutex.Unlock()
	if !client.closed {
		client.calls++
	}
	return !client.closed
}

func (client *Client) end() {
	client.mutex.Lock()
	defer client.mutex.Unlock()
	client.calls--
	client.freeUnused()
}

func (client *Client) freeUnused() {
	if client.closed && client.calls == 0 {
		client.free()
	}
}

func (client *Client) free() {
	C.refold_client_free(client.pointer)
	client.pointer = nil
	if client.log != 0 {
		client.log.Delete()
		client.log = 0
	}
}
