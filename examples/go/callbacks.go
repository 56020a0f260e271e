package refold

/*
#include <stdint.h>
#include <refold.h>
*/
import "C"

import "runtime/cgo"

// The function that C calls has its own file because the preamble of a file with exported functions must not contain
// definitions.

// refoldOnLog is called by C with each line of the log, on a thread of the queue. A panic must not pass through C.
//
//export refoldOnLog
func refoldOnLog(level C.refold_log_level, message *C.char, handle C.uintptr_t) {
	hasReturned := false
	defer func() {
		if !hasReturned { // C would wait for its thread for ever
			panic("refold: the function of WithLog called runtime.Goexit")
		}
	}()
	func() {
		defer func() { _ = recover() }()
		cgo.Handle(handle).Value().(func(LogLevel, string))(goLevel(level), C.GoString(message))
	}()
	hasReturned = true
}
