package refold

/*
#include <stdlib.h>
#include <refold.h>
*/
import "C"

import (
	"strings"
	"time"
	"unsafe"
)

// Option is one setting of a client. Values are checked when the client is made.
type Option func(*settings) error

type settings struct {
	options       *C.refold_options
	authenticates bool // by what an option says
}

// authenticate takes back what the environment says, once, and leaves what other options say alone.
func (settings *settings) authenticate() {
	if !settings.authenticates {
		C.refold_options_set_api_key(settings.options, nil, nil)
		C.refold_options_set_session_token(settings.options, nil)
		settings.authenticates = true
	}
}

// WithAPIKey authenticates with an API key of the organisation and the id of the linked account to act for, instead of
// by what the environment says.
func WithAPIKey(key, linkedAccountID string) Option {
	return func(settings *settings) error {
		return withText("api_key", key, func(key *C.char) error {
			return withText("linked_account_id", linkedAccountID, func(id *C.char) error {
				settings.authenticate()
				C.refold_options_set_api_key(settings.options, key, id)
				return nil
			})
		})
	}
}

// WithSessionToken authenticates with a session token, which names the linked account itself, instead of by what the
// environment says.
func WithSessionToken(token string) Option {
	return func(settings *settings) error {
		return withText("session_token", token, func(token *C.char) error {
			settings.authenticate()
			C.refold_options_set_session_token(settings.options, token)
			return nil
		})
	}
}

// WithBaseURL says where the API is, if not at https://app.refold.ai.
func WithBaseURL(url string) Option {
	return textOption("base_url", url, func(options *C.refold_options, url *C.char) {
		C.refold_options_set_base_url(options, url)
	})
}

// WithTimeout bounds one call, retries included; for a wait, each poll. Default: 30 seconds. 0: only the context does.
func WithTimeout(timeout time.Duration) Option {
	return durationOption("timeout", timeout, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_timeout_ms(options, milliseconds)
	})
}

// WithConnectTimeout bounds each try to connect. Default: 10 seconds. 0: only the time-out of the call does.
func WithConnectTimeout(timeout time.Duration) Option {
	return durationOption("connect_timeout", timeout, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_connect_timeout_ms(options, milliseconds)
	})
}

// WithMaxRetries says how often a call is tried again after a failure that can pass by itself. Default: 2.
func WithMaxRetries(retries uint32) Option {
	return func(settings *settings) error {
		C.refold_options_set_max_retries(settings.options, C.uint32_t(retries))
		return nil
	}
}

// WithMaxResponseBytes says how large an answer may be. Default: 256 MiB. 0: as large as it likes.
func WithMaxResponseBytes(bytes uint64) Option {
	return func(settings *settings) error {
		C.refold_options_set_max_response_bytes(settings.options, C.uint64_t(bytes))
		return nil
	}
}

// WithPollInterval sets the pause between two polls of a wait, which grows while nothing changes. Default: 1 second.
func WithPollInterval(interval time.Duration) Option {
	return durationOption("poll_interval", interval, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_poll_interval_ms(options, milliseconds)
	})
}

// WithProxy goes through a proxy (http, socks5 or socks5h), instead of what the environment says; "": through none.
func WithProxy(url string) Option {
	return textOption("proxy", url, func(options *C.refold_options, url *C.char) {
		C.refold_options_set_proxy(options, url)
	})
}

// WithCAFile trusts the certificates (PEM) in a file in addition to those that the system trusts.
func WithCAFile(path string) Option {
	return textOption("ca_file", path, func(options *C.refold_options, path *C.char) {
		C.refold_options_set_ca_file(options, path)
	})
}

// WithCAPEM trusts certificates (PEM) in addition to those that the system trusts.
func WithCAPEM(pem []byte) Option {
	return func(settings *settings) error {
		// No certificate at all is wrong as well, and the library says so: NULL would mean the default.
		first := append(pem[:len(pem):len(pem)], 0)
		C.refold_options_set_ca_pem(settings.options, (*C.char)(unsafe.Pointer(&first[0])), C.size_t(len(pem)))
		return nil
	}
}

// WithUserAgent says what the program calls itself, such as "monitor/2.1".
func WithUserAgent(product string) Option {
	return textOption("user_agent", product, func(options *C.refold_options, product *C.char) {
		C.refold_options_set_user_agent(options, product)
	})
}

// WithPlaintext accepts a base URL with http for every host, not only for loopback ones. The key or token and all
// answers then travel in clear text.
func WithPlaintext() Option {
	return func(settings *settings) error {
		C.refold_options_set_allow_plaintext(settings.options, true)
		return nil
	}
}

func textOption(name, value string, set func(*C.refold_options, *C.char)) Option {
	return func(settings *settings) error {
		return withText(name, value, func(value *C.char) error {
			set(settings.options, value)
			return nil
		})
	}
}

// withText lends a C string. A string of Go that holds a NUL would end there for C, so it is refused instead.
func withText(name, value string, use func(*C.char) error) error {
	if strings.IndexByte(value, 0) >= 0 {
		return invalidArgument(name + " holds a NUL byte")
	}
	text := C.CString(value)
	defer C.free(unsafe.Pointer(text))
	return use(text)
}

// durationOption rounds up, as 0 would mean something else.
func durationOption(name string, value time.Duration, set func(*C.refold_options, C.uint64_t)) Option {
	return func(settings *settings) error {
		if value < 0 {
			return invalidArgument(name + " is negative")
		}
		milliseconds := value / time.Millisecond
		if value%time.Millisecond != 0 {
			milliseconds++
		}
		set(settings.options, C.uint64_t(milliseconds))
		return nil
	}
}
