package refold

/*
#include <stdint.h>
#include <refold.h>
*/
import "C"

import "runtime/cgo"

// The functions that C calls have their own file because the preamble of a file with exported functions must not contain
// definitions.

// refoldOnProgress is called by C with each snapshot of a wait, on the goroutine of run.
//
//export refoldOnProgress
func refoldOnProgress(snapshot *C.refold_execution, handle C.uintptr_t) C.bool {
	return C.bool(cgo.Handle(handle).Value().(*call).report(newExecution(snapshot)))
}

// refoldOnLog is called by C with each line of the log, on the goroutine of run. A panic must not pass through C.
//
//export refoldOnLog
func refoldOnLog(level C.refold_log_level, message *C.char, handle C.uintptr_t) {
	defer func() { _ = recover() }()
	cgo.Handle(handle).Value().(func(LogLevel, string))(goLevel(level), C.GoString(message))
}

// report passes a snapshot to the caller's goroutine and returns whether the wait continues.
func (call *call) report(snapshot *Execution) bool {
	call.execution = snapshot
	select {
	case call.snapshots <- snapshot:
	case <-call.abandoned:
		return false
	}
	select {
	case proceed := <-call.decisions:
		return proceed
	case <-call.abandoned:
		return false
	}
}
