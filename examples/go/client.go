package refold

// #include <refold.h>
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// ErrClosed is what the calls of a closed client end with. It is an os.ErrClosed.
var ErrClosed = fmt.Errorf("refold: client: %w", os.ErrClosed)

// Client is what calls go through: settings that were checked, and a pool of connections that its calls share. Any
// number of goroutines may use one, and one for a whole program is best.
type Client struct {
	mutex   sync.Mutex
	pointer *C.refold_client
	calls   int // those under way, which use the pointer
	closed  bool
}

// NewClient checks the settings and makes a client from them. Nothing is sent.
func NewClient(options ...Option) (*Client, error) {
	return newClient(C.refold_options_new(), options)
}

// NewClientFromEnv is NewClient with what the environment says for a start: REFOLD_API_KEY and
// REFOLD_LINKED_ACCOUNT_ID or REFOLD_SESSION_TOKEN, and REFOLD_BASE_URL. An option that authenticates takes the place of
// both ways. It must not run while another goroutine changes the environment.
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
	var failure *C.refold_error
	pointer := C.refold_client_new(defaults, &failure)
	if pointer == nil {
		return nil, takeError(failure)
	}
	client := &Client{pointer: pointer}
	runtime.SetFinalizer(client, (*Client).Close)
	return client, nil
}

// SetSessionToken gives the client a new session token, for calls, and polls of a wait, that begin later.
func (client *Client) SetSessionToken(token string) error {
	return withText("session_token", token, func(token *C.char) error {
		return client.use(func(pointer *C.refold_client) error {
			switch code := Code(C.refold_client_set_session_token(pointer, token)); code {
			case C.REFOLD_OK:
				return nil
			case ErrInvalidArgument:
				return invalidArgument("the session token cannot be sent, or the client has an API key")
			default:
				return &Error{Code: code, Message: "the session token could not be set: make a new client", RetryAfter: -1}
			}
		})
	})
}

// Close closes the idle connections of the client and wipes its secrets. Calls that have begun run to their end. It
// never fails.
func (client *Client) Close() error {
	runtime.SetFinalizer(client, nil)
	client.mutex.Lock()
	defer client.mutex.Unlock()
	client.closed = true
	client.freeUnused()
	return nil
}

// use lends the pointer: C must not free it at the moment at which a call begins. That the client is needed after the
// call keeps the garbage collector from closing it under way.
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
		C.refold_client_free(client.pointer)
		client.pointer = nil
	}
}
