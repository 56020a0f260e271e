package refold

// #include <refold.h>
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// ErrClosed is returned by the methods of a closed client. It wraps os.ErrClosed.
var ErrClosed = fmt.Errorf("refold: client: %w", os.ErrClosed)

// Client holds validated settings and a pool of connections. It is safe for concurrent use, and a program should share
// one. WithMaxConcurrent limits the calls in flight, and N of them need at most N connections.
type Client struct {
	mutex  sync.Mutex
	queue  *queue
	quiet  *queue // makes the calls of the function of WithLog, without a log; nil without such a function
	closed bool
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
	settings := settings{options: defaults, maxConcurrent: defaultMaxConcurrent}
	for _, set := range options {
		if err := set(&settings); err != nil {
			return nil, err
		}
	}
	client := new(Client)
	var err error
	if client.queue, err = newQueue(&settings, settings.applyLog()); err != nil {
		return nil, err
	}
	if client.queue.log != 0 {
		settings.removeLog()
		if client.quiet, err = newQueue(&settings, 0); err != nil {
			client.Close()
			return nil, err
		}
	}
	runtime.SetFinalizer(client, (*Client).Close)
	return client, nil
}

// SetSessionToken replaces the session token for calls, and polls of a wait, that start later. It may be called while
// calls are in progress. The error is ErrClosed or an *Error with ErrInvalidArgument if the token is invalid or the
// client authenticates with an API key; the client then keeps its token.
func (client *Client) SetSessionToken(token string) error {
	return withText("session_token", token, func(token *C.char) error {
		client.mutex.Lock()
		defer client.mutex.Unlock()
		if client.closed {
			return ErrClosed
		}
		for _, queue := range client.queues() {
			if err := queue.setSessionToken(token); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close closes the client's connections and wipes its secrets once the calls in progress have returned. Later calls
// fail with ErrClosed. Close never fails, and may be called more than once.
func (client *Client) Close() error {
	runtime.SetFinalizer(client, nil)
	client.mutex.Lock()
	defer client.mutex.Unlock()
	if !client.closed {
		client.closed = true
		for _, queue := range client.queues() {
			queue.close()
		}
	}
	return nil
}

// submit starts a call. Only one goroutine at a time does so, and those that wait for their turn occupy no thread.
func (client *Client) submit(call *call) error {
	isQuiet := client.quiet != nil && isLogging()
	client.mutex.Lock()
	defer client.mutex.Unlock()
	switch {
	case client.closed:
		return ErrClosed
	case isQuiet:
		return client.quiet.submit(call)
	default:
		return client.queue.submit(call)
	}
}

func (client *Client) queues() []*queue {
	if client.quiet != nil {
		return []*queue{client.queue, client.quiet}
	}
	return []*queue{client.queue}
}
