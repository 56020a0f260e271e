package refold

/*
#include <stdint.h>
#include <stdlib.h>
#include <refold.h>

extern bool refoldOnProgress(refold_execution *snapshot, uintptr_t handle);

static bool on_progress(const refold_execution *snapshot, void *handle) {
    return refoldOnProgress((refold_execution *)snapshot, (uintptr_t)handle);
}

// The handle is an integer, because Go must not mistake it for one of its pointers; 0 means no callback.
static refold_execution *wait_execution(const refold_client *client, const char *id, uintptr_t handle,
                                        refold_cancel *cancel, refold_error **failure) {
    return refold_wait_execution(client, id, 0, handle ? on_progress : NULL, (void *)handle, cancel, failure);
}
*/
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
)

// GetExecution fetches one execution. A run that failed on the server is a result, not an error: check Execution.State.
//
// The id has 1 to 256 characters of A-Z a-z 0-9 - _ . ~ : and is neither "." nor ".."; anything else is
// ErrInvalidArgument, and nothing is sent. The call blocks for at most the timeout of the client, retries included.
//
// The error is ctx.Err() if the context ended the call, ErrClosed if the client is closed, and an *Error otherwise.
func (client *Client) GetExecution(ctx context.Context, id string) (*Execution, error) {
	return client.call(ctx, id, nil, func(call *call, failure **C.refold_error) *C.refold_execution {
		return C.refold_get_execution(call.client, call.id, call.cancel, failure)
	})
}

// WaitExecution polls an execution until its state is final and returns the last snapshot. Only the context limits the
// wait: without a deadline it may never end. Each poll is one call with its own timeout and retries. Up to five
// consecutive polls may fail with a retryable error.
//
// progress may be nil. Otherwise it is called with each snapshot, the last one included, on the caller's goroutine, and
// may use the client. If it returns an error, the wait ends and returns that error; if it panics, so does
// WaitExecution. The execution returned is the last one passed to progress. Other errors are those of GetExecution.
func (client *Client) WaitExecution(
	ctx context.Context, id string, progress func(*Execution) error,
) (*Execution, error) {
	return client.call(ctx, id, progress, func(call *call, failure **C.refold_error) *C.refold_execution {
		var handle cgo.Handle
		if progress != nil {
			handle = cgo.NewHandle(call)
			defer handle.Delete()
		}
		return C.wait_execution(call.client, call.id, C.uintptr_t(handle), call.cancel, failure)
	})
}

// call is one call into C. It runs on its own goroutine, while the caller's goroutine watches the context and calls
// progress.
type call struct {
	client    *C.refold_client
	id        *C.char
	cancel    *C.refold_cancel
	snapshots chan *Execution // to be passed to progress
	decisions chan bool       // whether the wait continues, one for each snapshot
	abandoned chan struct{}   // closed when the caller's goroutine no longer receives snapshots
	returned  chan struct{}   // closed when C has returned

	// The outcome. Read by the caller's goroutine once returned is closed.
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
			execution, err = call.await(ctx, progress)
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
		decisions: make(chan bool),
		abandoned: make(chan struct{}),
		returned:  make(chan struct{}),
	}
}

// free cancels the call if it is still running, which it is after a panic in progress. It waits for C to return,
// because C uses the client, the id and the token until then.
func (call *call) free() {
	close(call.abandoned)
	C.refold_cancel_trigger(call.cancel)
	<-call.returned
	C.refold_cancel_free(call.cancel)
}

// run calls into C. It runs on the goroutine of the call.
func (call *call) run(enter func(*call, **C.refold_error) *C.refold_execution) {
	defer close(call.returned)
	var failure *C.refold_error
	execution := enter(call, &failure)
	if execution == nil {
		call.err = takeError(failure)
		return
	}
	defer C.refold_execution_free(execution)
	if call.execution == nil { // otherwise it is the snapshot that was reported last
		call.execution = newExecution(execution)
	}
}

// await waits for the call to return, calls progress meanwhile, and cancels the call when the context is done. It runs
// on the caller's goroutine.
func (call *call) await(ctx context.Context, progress func(*Execution) error) (*Execution, error) {
	done := ctx.Done()
	var stopped error
	for {
		select {
		case <-done:
			C.refold_cancel_trigger(call.cancel)
			done = nil
		case snapshot := <-call.snapshots:
			stopped = progress(snapshot)
			call.decisions <- stopped == nil
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
