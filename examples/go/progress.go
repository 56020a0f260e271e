package refold

/*
#include <stdint.h>
#include <refold.h>
*/
import "C"

import "runtime/cgo"

// refoldShow is what C calls during a wait, on the goroutine of run.
//
//export refoldShow
func refoldShow(snapshot *C.refold_execution, watcher C.uintptr_t) C.bool {
	return C.bool(cgo.Handle(watcher).Value().(*call).show(newExecution(snapshot)))
}

// show hands a snapshot to the goroutine of the caller, and tells whether to go on.
func (call *call) show(snapshot *Execution) bool {
	call.execution = snapshot
	select {
	case call.snapshots <- snapshot:
	case <-call.left:
		return false
	}
	select {
	case goesOn := <-call.answers:
		return goesOn
	case <-call.left:
		return false
	}
}
