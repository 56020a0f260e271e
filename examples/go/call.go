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
static refold_execution *wait_execution(const refold_client *client, const char *id, uint64_t timeout_ms,
                                        uintptr_t handle, refold_cancel *cancel, refold_error **failure) {
    return refold_wait_execution(client, id, timeout_ms, handle ? on_progress : NULL, (void *)handle, cancel,
                                 failure);
}
*/
import "C"

import (
	"context"
	"errors"
	"runtime"
	"runtime/cgo"
	"time"
)

// deadlineGrace is how much later than the deadline of a context a wait may report the failure of its last poll.
const deadlineGrace = 200 * time.Millisecond

// GetExecution fetches one execution. A run that failed on the server is a result, not an error: check Execution.State.
//
// The id has 1 to 256 characters of A-Z a-z 0-9 - _ . ~ : and is neither "." nor ".."; anything else is
// ErrInvalidArgument, and nothing is sent. The call blocks for at most the timeout of the client, retries included.
//
// The error is ctx.Err() if the context ended the call, ErrClosed if the client is closed, and an *Error otherwise.
func (client *Client) GetExecution(ctx context.Context, id string) (*Execution, error) {
	return client.call(ctx, id, time.Time{}, nil, func(call *call, failure **C.refold_error) *C.refold_execution {
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
//
// If the deadline of the context ends a wait whose last poll failed, the error is an *Error with that failure as its
// Cause. errors.Is reports it as ErrTimeout, as context.DeadlineExceeded, and as the code of the failure.
func (client *Client) WaitExecution(
	ctx context.Context, id string, progress func(*Execution) error,
) (*Execution, error) {
	deadline, _ := ctx.Deadline()
	return client.call(ctx, id, deadline, progress, func(call *call, failure **C.refold_error) *C.refold_execution {
		var handle cgo.Handle
		if progress != nil {
			handle = cgo.NewHandle(call)
			defer handle.Delete()
		}
		timeout := millisecondsUntil(deadline)
		return C.wait_execution(call.client, call.id, timeout, C.uintptr_t(handle), call.cancel, failure)
	})
}

// call is one call into C. It runs on its own goroutine, while the caller's goroutine watches the context and calls
// progress.
type call struct {
	client    *C.refold_client
	id        *C.char
	cancel    *C.refold_cancel
	isLogged  bool            // false if the function of WithLog makes it
	deadline  time.Time       // at which C ends a wait by itself; zero if it does not
	snapshots chan *Execution // to be passed to progress
	decisions chan bool       // whether the wait continues, one for each snapshot
	abandoned chan struct{}   // closed when the caller's goroutine no longer receives snapshots
	returned  chan struct{}   // closed when C has returned

	// The outcome. Read by the caller's goroutine once returned is closed.
	execution *Execution
	err       error
}

func (client *Client) call(
	ctx context.Context, id string, deadline time.Time, progress func(*Execution) error,
	enter func(*call, **C.refold_error) *C.refold_execution,
) (execution *Execution, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = withText("execution_id", id, func(id *C.char) error {
		return client.use(func(client *C.refold_client) error {
			call := newCall(client, id, deadline)
			defer call.free()
			go call.run(enter)
			execution, err = call.await(ctx, progress)
			return err
		})
	})
	return execution, err
}

func newCall(client *C.refold_client, id *C.char, deadline time.Time) *call {
	return &call{
		client:    client,
		id:        id,
		cancel:    C.refold_cancel_new(),
		isLogged:  !isLogging(),
		deadline:  deadline,
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
	hasReturned := false
	defer func() {
		if !hasReturned {
			call.err = newError(ErrInternal, "the function of WithLog called runtime.Goexit")
			runtime.LockOSThread() // ends the thread with this goroutine, because C has been left without its knowledge
		}
	}()
	var failure *C.refold_error
	var execution *C.refold_execution
	if call.isLogged {
		execution = enter(call, &failure)
	} else {
		withoutLog(func() { execution = enter(call, &failure) })
	}
	hasReturned = true
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
	var grace <-chan time.Time
	var stopped error
	for {
		select {
		case <-done:
			done = nil
			if !call.deadline.IsZero() && ctx.Err() == context.DeadlineExceeded {
				grace = time.After(deadlineGrace)
			} else {
				C.refold_cancel_trigger(call.cancel)
			}
		case <-grace:
			C.refold_cancel_trigger(call.cancel)
		case snapshot := <-call.snapshots:
			stopped = progress(snapshot)
			call.decisions <- stopped == nil
		case <-call.returned:
			return call.outcome(ctx, stopped)
		}
	}
}

func (call *call) outcome(ctx context.Context, stopped error) (*Execution, error) {
	if failure := new(Error); errors.As(call.err, &failure) && call.isOver(failure) && stopped == nil {
		if failure.Cause == nil {
			return nil, context.DeadlineExceeded
		}
		failure.endedByContext = true
		return nil, failure
	}
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

// isOver reports whether the failure is that of a wait at its deadline.
func (call *call) isOver(failure *Error) bool {
	return failure.Code == ErrTimeout && !call.deadline.IsZero() && !time.Now().Before(call.deadline)
}

// millisecondsUntil rounds up, so that C does not end a wait before the deadline. 0 means none.
func millisecondsUntil(deadline time.Time) C.uint64_t {
	if deadline.IsZero() {
		return 0
	}
	remaining := (time.Until(deadline) + time.Millisecond - 1) / time.Millisecond
	if remaining < 1 {
		remaining = 1
	}
	return C.uint64_t(remaining)
}
