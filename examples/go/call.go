package refold

/*
#include <stdint.h>
#include <stdlib.h>
#include <refold.h>

extern bool refoldShow(refold_execution *snapshot, uintptr_t watcher);

static bool show(const refold_execution *snapshot, void *watcher) {
    return refoldShow((refold_execution *)snapshot, (uintptr_t)watcher);
}

// The watcher is a number for Go, and not to be taken for one of its pointers; 0 is none.
static refold_execution *wait_execution(const refold_client *client, const char *id, uintptr_t watcher,
                                        refold_cancel *cancel, refold_error **failure) {
    return refold_wait_execution(client, id, 0, watcher ? show : NULL, (void *)watcher, cancel, failure);
}
*/
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
)

// GetExecution gets one execution. A run that ended badly is an execution, not an error: see Execution.State.
//
// The error is ctx.Err() where the context ended the call, ErrClosed, or an *Error.
func (client *Client) GetExecution(ctx context.Context, id string) (*Execution, error) {
	return client.call(ctx, id, nil, func(call *call, failure **C.refold_error) *C.refold_execution {
		return C.refold_get_execution(call.client, call.id, call.cancel, failure)
	})
}

// WaitExecution polls an execution until it has ended, and returns its last snapshot. Only the context bounds the
// wait: one without a deadline may never end. Each poll is one call, with its own time-out and retries.
//
// progress, which may be nil, is shown each snapshot, the last one included, on the goroutine of the caller. When it
// returns an error the wait ends and returns that error; when it panics, so does WaitExecution. The execution returned
// is the one that it saw last. The other errors are those of GetExecution.
func (client *Client) WaitExecution(
	ctx context.Context, id string, progress func(*Execution) error,
) (*Execution, error) {
	return client.call(ctx, id, progress, func(call *call, failure **C.refold_error) *C.refold_execution {
		var watcher cgo.Handle
		if progress != nil {
			watcher = cgo.NewHandle(call)
			defer watcher.Delete()
		}
		return C.wait_execution(call.client, call.id, C.uintptr_t(watcher), call.cancel, failure)
	})
}

// call is a call into C. It is made on a goroutine of its own, while that of the caller hears the context and shows
// progress.
type call struct {
	client    *C.refold_client
	id        *C.char
	cancel    *C.refold_cancel
	snapshots chan *Execution // to show
	answers   chan bool       // whether to go on
	left      chan struct{}   // closed when nobody attends any more
	returned  chan struct{}   // closed when C has returned

	// Set when C has returned.
	execution *Execution
	err       error
}

func (client *Client) call(
	ctx context.Context, id string, progress func(*Execution) error,
	enter func(*call, **C.refold_error) *C.refold_execution,
) (execution *Execution, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = withText("execution_id", id, func(id *C.char) error {
		return client.use(func(client *C.refold_client) error {
			call := newCall(client, id)
			defer call.free()
			go call.run(enter)
			execution, err = call.attend(ctx, progress)
			return err
		})
	})
	return execution, err
}

func newCall(client *C.refold_client, id *C.char) *call {
	return &call{
		client:    client,
		id:        id,
		cancel:    C.refold_cancel_new(),
		snapshots: make(chan *Execution),
		answers:   make(chan bool),
		left:      make(chan struct{}),
		returned:  make(chan struct{}),
	}
}

// free ends the call if it has not ended, as when progress has panicked: what C was handed is freed after that only.
func (call *call) free() {
	close(call.left)
	C.refold_cancel_trigger(call.cancel)
	<-call.returned
	C.refold_cancel_free(call.cancel)
}

// run calls into C, on its own goroutine.
func (call *call) run(enter func(*call, **C.refold_error) *C.refold_execution) {
	defer close(call.returned)
	var failure *C.refold_error
	execution := enter(call, &failure)
	if execution == nil {
		call.err = takeError(failure)
		return
	}
	defer C.refold_execution_free(execution)
	if call.execution == nil { // else it is the one that was shown last
		call.execution = newExecution(execution)
	}
}

// attend waits for the call's end, on the goroutine of the caller.
func (call *call) attend(ctx context.Context, progress func(*Execution) error) (*Execution, error) {
	done := ctx.Done()
	var stopped error
	for {
		select {
		case <-done:
			C.refold_cancel_trigger(call.cancel)
			done = nil
		case snapshot := <-call.snapshots:
			stopped = progress(snapshot)
			call.answers <- stopped == nil
		case <-call.returned:
			return call.outcome(ctx, stopped)
		}
	}
}

func (call *call) outcome(ctx context.Context, stopped error) (*Execution, error) {
	switch {
	case stopped != nil:
		return nil, stopped
	case errors.Is(call.err, errCancelled) && ctx.Err() != nil:
		return nil, ctx.Err()
	case call.err != nil:
		return nil, call.err
	default:
		return call.execution, nil
	}
}
