package refold

/*
#include <refold.h>

// Frees an event and a token, each of which may be NULL.
static void release(refold_event *event, refold_cancel *cancel) {
    refold_event_free(event);
    refold_cancel_free(cancel);
}
*/
import "C"

import (
	"context"
	"runtime"
	"strings"
	"time"
)

// deadlineGrace is how much later than the deadline of a context a wait may report the failure of its last poll.
const deadlineGrace = 200 * time.Millisecond

// turns limits the goroutines that call into C at the same time. Each of them occupies a thread if the runtime finds it
// there, so hundreds would start hundreds of threads.
var turns = make(chan struct{}, runtime.GOMAXPROCS(0))

// inTurn calls a function that calls into C.
func inTurn(enter func()) {
	turns <- struct{}{}
	defer func() { <-turns }()
	enter()
}

// GetExecution fetches one execution. A run that failed on the server is a result, not an error: check Execution.State.
//
// The id has 1 to 256 characters of A-Z a-z 0-9 - _ . ~ : and is neither "." nor ".."; anything else is
// ErrInvalidArgument, and nothing is sent. The call is limited by the timeout of the client, retries included, which
// begins when the call has its turn: see WithMaxConcurrent.
//
// The error is ctx.Err() if the context ended the call, ErrClosed if the client is closed, and an *Error otherwise.
func (client *Client) GetExecution(ctx context.Context, id string) (*Execution, error) {
	call := &call{
		id:            id,
		isCancellable: ctx.Done() != nil,
	}
	return client.call(ctx, call, nil)
}

// WaitExecution polls an execution until its state is final and returns the last snapshot. Only the context limits the
// wait: without a deadline it may never end. Each poll is one call with its own timeout and retries. Up to five
// consecutive polls may fail with a retryable error. Between two polls a wait occupies neither a thread nor a connection.
//
// progress may be nil. Otherwise it is called with each snapshot, the last one included, on the caller's goroutine, and
// may use the client. Polling goes on meanwhile: if several snapshots arrive, only the latest of them follows. If it
// returns an error, the wait ends and returns that error; if it panics, so does WaitExecution. The execution returned is
// the last one passed to progress. Other errors are those of GetExecution.
//
// If the deadline of the context ends a wait whose last poll failed, the error is an *Error with that failure as its
// Cause. errors.Is reports it as ErrTimeout, as context.DeadlineExceeded, and as the code of the failure.
func (client *Client) WaitExecution(
	ctx context.Context, id string, progress func(*Execution) error,
) (*Execution, error) {
	call := &call{
		id:            id,
		isWait:        true,
		isCancellable: ctx.Done() != nil || progress != nil,
	}
	call.deadline, _ = ctx.Deadline()
	if progress != nil {
		call.progress = make(chan event, 1)
	}
	return client.call(ctx, call, progress)
}

// call is one call. The goroutine of the queue sends its events, and that of the caller receives them.
type call struct {
	id            string
	isWait        bool
	deadline      time.Time // at which C ends a wait by itself; zero if it does not
	isCancellable bool
	cancel        *C.refold_cancel // nil unless the call can be cancelled
	progress      chan event       // the latest snapshot; nil if it is not wanted
	done          chan event       // the last event
}

func (client *Client) call(
	ctx context.Context, call *call, progress func(*Execution) error,
) (*Execution, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if strings.IndexByte(call.id, 0) >= 0 {
		return nil, invalidArgument("execution_id contains a NUL byte")
	}
	call.done = make(chan event, 1)
	if err := client.submit(call); err != nil {
		return nil, err
	}
	return call.await(ctx, progress)
}

// replaceProgress sends a snapshot, in place of one that has not been received yet. It returns the event that is
// superfluous: the one replaced, or the new one if no snapshots are wanted.
func (call *call) replaceProgress(event event) *C.refold_event {
	if call.progress == nil {
		return event.pointer
	}
	var replaced *C.refold_event
	select {
	case old := <-call.progress:
		replaced = old.pointer
	default:
	}
	call.progress <- event // no other goroutine sends
	return replaced
}

// await receives the events of the call, calls progress, and cancels the call when the context is done.
func (call *call) await(ctx context.Context, progress func(*Execution) error) (*Execution, error) {
	last := event{}
	defer func() { call.end(last) }()
	done, snapshots := ctx.Done(), call.progress
	var grace <-chan time.Time
	var stopped error
	report := func(execution *Execution) {
		if stopped = progress(execution); stopped != nil {
			snapshots = nil
			call.trigger()
		}
	}
	for last.pointer == nil {
		select {
		case <-done:
			done = nil
			if !call.deadline.IsZero() && ctx.Err() == context.DeadlineExceeded {
				grace = time.After(deadlineGrace)
			} else {
				snapshots = nil
				call.trigger()
			}
		case <-grace:
			call.trigger()
		case event := <-snapshots:
			if execution := takeSnapshot(event); execution != nil {
				report(execution)
			}
		case last = <-call.done:
		}
	}
	select {
	case event := <-snapshots: // precedes the last event
		if execution := takeSnapshot(event); execution != nil {
			report(execution)
		}
	default:
	}
	if stopped != nil {
		return nil, stopped
	}
	execution, err := readResult(last)
	if execution == nil {
		return nil, call.explain(ctx, err)
	}
	if progress != nil {
		report(execution)
	}
	if stopped != nil {
		return nil, stopped
	}
	return execution, nil
}

func (call *call) trigger() {
	inTurn(func() { C.refold_cancel_trigger(call.cancel) })
}

// end frees what the call holds. If the call is still running, which it is after a panic in progress, it is cancelled.
func (call *call) end(last event) {
	if last.pointer == nil {
		call.trigger()
		last = <-call.done
	}
	var snapshot *C.refold_event
	select {
	case event := <-call.progress:
		snapshot = event.pointer
	default:
	}
	inTurn(func() {
		C.release(last.pointer, call.cancel)
		if snapshot != nil {
			C.refold_event_free(snapshot)
		}
	})
}

// takeSnapshot copies the snapshot of an event and frees the event. It returns nil if there was no memory for the snapshot.
func takeSnapshot(event event) (execution *Execution) {
	inTurn(func() {
		if event.execution != nil {
			execution = newExecution(event.execution)
		}
		C.refold_event_free(event.pointer)
	})
	return execution
}

// readResult copies the execution or the error of the last event.
func readResult(event event) (execution *Execution, err *Error) {
	inTurn(func() {
		if event.execution != nil {
			execution = newExecution(event.execution)
		} else {
			err = readError(event.failure)
		}
	})
	return execution, err
}

// explain returns the error of a call that failed.
func (call *call) explain(ctx context.Context, failure *Error) error {
	switch {
	case call.isOver(failure) && failure.Cause == nil:
		return context.DeadlineExceeded
	case call.isOver(failure):
		failure.endedByContext = true
		return failure
	case failure.Code == errCancelled && ctx.Err() != nil:
		return ctx.Err()
	default:
		return failure
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
