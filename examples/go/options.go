package refold

/*
#include <stdlib.h>
#include <refold.h>
*/
import "C"

import (
	"sort"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Option configures a client. Values are validated when the client is created; an Option may be used for several.
type Option func(*settings) error

type settings struct {
	options        *C.refold_options
	maxConcurrent  uint32
	hasCredentials bool // set by an option, not by the environment
	hasLog         bool // likewise
	logLevel       LogLevel
	log            func(LogLevel, string)
}

// replaceCredentials clears the credentials of the environment when the first option sets some. Those of other options
// remain, so that the library detects conflicts.
func (settings *settings) replaceCredentials() {
	if !settings.hasCredentials {
		C.refold_options_set_api_key(settings.options, nil, nil)
		C.refold_options_set_session_token(settings.options, nil)
		settings.hasCredentials = true
	}
}

// WithAPIKey authenticates with an API key of the organisation and the id of the linked account to act for.
func WithAPIKey(key, linkedAccountID string) Option {
	return func(settings *settings) error {
		return withText("api_key", key, func(key *C.char) error {
			return withText("linked_account_id", linkedAccountID, func(id *C.char) error {
				settings.replaceCredentials()
				C.refold_options_set_api_key(settings.options, key, id)
				return nil
			})
		})
	}
}

// WithSessionToken authenticates with a session token, which identifies the linked account itself. Tokens expire: see
// Client.SetSessionToken.
func WithSessionToken(token string) Option {
	return func(settings *settings) error {
		return withText("session_token", token, func(token *C.char) error {
			settings.replaceCredentials()
			C.refold_options_set_session_token(settings.options, token)
			return nil
		})
	}
}

// WithBaseURL sets the URL of the API. Default: https://app.refold.ai. It must be https, or http to a loopback host
// (but see WithPlaintext), and may have a port and a path prefix.
func WithBaseURL(url string) Option {
	return textOption("base_url", url, func(options *C.refold_options, url *C.char) {
		C.refold_options_set_base_url(options, url)
	})
}

// WithTimeout limits each call, retries included, and each poll of a wait. Default: 30 seconds; 0 for no limit other
// than the context. Fractions of a millisecond are rounded up.
func WithTimeout(timeout time.Duration) Option {
	return durationOption("timeout", timeout, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_timeout_ms(options, milliseconds)
	})
}

// WithConnectTimeout limits name resolution, connecting, proxy and TLS handshake of each attempt. Default: 10 seconds;
// 0 for no limit other than the timeout of the call. Fractions of a millisecond are rounded up.
func WithConnectTimeout(timeout time.Duration) Option {
	return durationOption("connect_timeout", timeout, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_connect_timeout_ms(options, milliseconds)
	})
}

// defaultMaxConcurrent and maxMaxConcurrent are the default and the maximum of WithMaxConcurrent.
const defaultMaxConcurrent, maxMaxConcurrent = 256, 1024

// WithMaxConcurrent limits how many calls, and polls of waits, of the client are in flight at the same time. Each occupies
// a thread of the library and a connection meanwhile; any number of others wait for their turn, in the order in which they
// began. Default: 256; minimum: 1; maximum: 1024.
func WithMaxConcurrent(calls uint32) Option {
	return func(settings *settings) error {
		if calls < 1 || calls > maxMaxConcurrent {
			return invalidArgument("max_concurrent is not between 1 and " + strconv.Itoa(maxMaxConcurrent))
		}
		settings.maxConcurrent = calls
		return nil
	}
}

// WithMaxRetries limits how often a call is retried after a transient failure. Default: 2; 0 for no retries. The
// library pauses 1 s, 2 s, 4 s and so on with jitter, or as long as Retry-After asks.
func WithMaxRetries(retries uint32) Option {
	return func(settings *settings) error {
		C.refold_options_set_max_retries(settings.options, C.uint32_t(retries))
		return nil
	}
}

// WithMaxResponseBytes limits the decompressed size of a response; larger ones are ErrResponseTooLarge. Default: 256
// MiB; 0 for no limit.
func WithMaxResponseBytes(bytes uint64) Option {
	return func(settings *settings) error {
		C.refold_options_set_max_response_bytes(settings.options, C.uint64_t(bytes))
		return nil
	}
}

// WithPollInterval sets the pause between two polls of a wait. Default: 1 second; minimum: 10 milliseconds. The pause
// grows by half while nothing changes, and doubles with each failed poll, up to ten times its initial length.
func WithPollInterval(interval time.Duration) Option {
	return durationOption("poll_interval", interval, func(options *C.refold_options, milliseconds C.uint64_t) {
		C.refold_options_set_poll_interval_ms(options, milliseconds)
	})
}

// WithProxy sets the proxy: http://host:port, socks5://host:port or socks5h://host:port, optionally with user:password@
// before the host. "" disables proxies. Default: HTTPS_PROXY, or else ALL_PROXY, and NO_PROXY from the environment.
func WithProxy(url string) Option {
	return textOption("proxy", url, func(options *C.refold_options, url *C.char) {
		C.refold_options_set_proxy(options, url)
	})
}

// WithCAFile trusts the PEM certificates of a file in addition to the default roots.
func WithCAFile(path string) Option {
	return textOption("ca_file", path, func(options *C.refold_options, path *C.char) {
		C.refold_options_set_ca_file(options, path)
	})
}

// WithCAPEM trusts PEM certificates in addition to the default roots.
func WithCAPEM(pem []byte) Option {
	return func(settings *settings) error {
		// NULL would restore the default. The additional byte provides an address for an empty pem, which the library
		// rejects.
		text := append(pem[:len(pem):len(pem)], 0)
		C.refold_options_set_ca_pem(settings.options, (*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(pem)))
		return nil
	}
}

// WithUserAgent prepends a product, such as "monitor/2.1", to the User-Agent header of the library.
func WithUserAgent(product string) Option {
	return textOption("user_agent", product, func(options *C.refold_options, product *C.char) {
		C.refold_options_set_user_agent(options, product)
	})
}

// WithHeaders sets further header fields, which each request carries after those of the library. They add to those of an
// earlier WithHeaders; a field of the same name, in any case of letters, is replaced. At most 32 fields of 8 KiB together
// are accepted, and none that the library or the connection sets, such as Host, Authorization or User-Agent. A proxy that
// opens a tunnel does not receive them. Values are secrets, like an API key.
func WithHeaders(headers map[string]string) Option {
	return func(settings *settings) error {
		names := make([]string, 0, len(headers))
		for name := range headers {
			names = append(names, name)
		}
		sort.Strings(names)
		seen := make(map[string]bool, len(names))
		for _, name := range names {
			folded := strings.ToLower(name)
			if seen[folded] {
				return invalidArgument("header " + strconv.Quote(name) + " is set twice, in different cases of letters")
			}
			seen[folded] = true
			if err := settings.setHeader(name, headers[name]); err != nil {
				return err
			}
		}
		return nil
	}
}

func (settings *settings) setHeader(name, value string) error {
	return withText("header name", name, func(cName *C.char) error {
		return withText("header "+strconv.Quote(name), value, func(value *C.char) error {
			C.refold_options_set_header(settings.options, cName, value)
			return nil
		})
	})
}

// WithPlaintext accepts an http base URL for any host, not only for loopback hosts. Credentials and responses are then
// sent unencrypted.
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

// withText calls use with value as a C string, freed afterwards. It rejects NUL bytes, which would truncate the string.
func withText(name, value string, use func(*C.char) error) error {
	if strings.IndexByte(value, 0) >= 0 {
		return invalidArgument(name + " contains a NUL byte")
	}
	text := C.CString(value)
	defer C.free(unsafe.Pointer(text))
	return use(text)
}

// durationOption rounds up to milliseconds, because 0 means no limit.
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
