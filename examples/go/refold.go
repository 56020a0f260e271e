// Package refold fetches workflow executions of Refold, an integration platform, and waits for them to finish.
//
//	client, err := refold.NewClientFromEnv()
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	execution, err := client.GetExecution(ctx, id)
//	if errors.Is(err, refold.ErrNotFound) {
//		return fmt.Errorf("no execution %s", id)
//	}
//
// The package calls the C library librefold through cgo; pkg-config must find it. With the build tag static, programs
// contain the library and do not need it at run time. Executions and errors are ordinary Go
// values that own their memory. Only clients hold C memory: Close releases it, and so does the garbage collector once
// a client is unreachable.
//
// Any number of goroutines may wait for calls at the same time: they occupy no thread. With its first call, a client starts
// one goroutine, which runs until the client is closed, and on demand threads of the library, at most one more than
// WithMaxConcurrent, which end after ten seconds without work. Cancelling the context of a call ends it within 50
// milliseconds.
package refold

// #include <refold.h>
import "C"

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unsafe"
)

// Version returns the version of the C library that is loaded, such as "0.1.0".
func Version() string {
	return C.GoString(C.refold_version())
}

// Printable returns text as one line that is safe to print. Texts of a server, messages of errors included, may contain
// escape sequences for the terminal, forged lines, and controls that reorder what a line shows. Tabs and ends of lines
// become blanks; every other control character (C0, DEL, C1), U+2028, U+2029, the controls of the direction of text
// (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and what is not UTF-8 become "?".
func Printable(text string) string {
	return strings.Map(func(character rune) rune {
		switch {
		case character == '\t' || character == '\n' || character == '\r':
			return ' '
		case unicode.IsControl(character) || unicode.Is(unicode.Bidi_Control, character):
			return '?'
		case character == 0x2028 || character == 0x2029:
			return '?'
		default:
			return character
		}
	}, strings.ToValidUTF8(text, "?"))
}

// copyBytes copies C memory. Unlike C.GoBytes it supports more than 2 GiB.
func copyBytes(start *C.char, length C.size_t) []byte {
	if start == nil {
		return nil
	}
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(start)), int(length))...)
}

// duration converts a count of units, saturating. Negative numbers mean "absent" and become -1.
func duration(count C.int64_t, unit time.Duration) time.Duration {
	switch {
	case count < 0:
		return -1
	case int64(count) > math.MaxInt64/int64(unit):
		return math.MaxInt64
	default:
		return time.Duration(count) * unit
	}
}
