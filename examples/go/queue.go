package refold

/*
#include <fcntl.h>
#include <stdint.h>
#include <refold.h>

// A copy of the descriptor of a queue, to be closed by the caller; -1 on failure.
static int copy_descriptor(const refold_queue *queue) {
    return fcntl((int)refold_queue_descriptor(queue), F_DUPFD_CLOEXEC, 3);
}

struct submitted {
    bool is_accepted;
    refold_cancel *cancel;
    refold_error *failure;
};

// Submits a call, with a new token if it can be cancelled. The number is an integer, because C must keep no pointer to Go
// memory.
static struct submitted submit(refold_queue *queue, const refold_client *client, const char *id, bool is_wait,
                               uint64_t timeout_ms, bool is_cancellable, uintptr_t number) {
    struct submitted submitted = {.cancel = is_cancellable ? refold_cancel_new() : NULL};
    submitted.is_accepted =
        is_wait ? refold_queue_wait_execution(queue, client, id, timeout_ms, submitted.cancel, (void *)number,
                                              &submitted.failure)
                : refold_queue_get_execution(queue, client, id, submitted.cancel, (void *)number, &submitted.failure);
    return submitted;
}

struct event {
    refold_event *pointer;
    const refold_execution *execution;
    const refold_error *failure;
    uintptr_t number;
    bool is_done;
};

// Takes several events in one call, because every call from Go into C is expensive. Takes fewer than `capacity` only if
// there are no more.
static int take_events(refold_queue *queue, struct event *events, int capacity) {
    int count = 0;
    while (count < capacity) {
        refold_event *event = refold_queue_next(queue, 0);
        if (!event)
            break;
        events[count++] = (struct event){
            .pointer = event,
            .execution = refold_event_execution(event),
            .failure = refold_event_error(event),
            .number = (uintptr_t)refold_event_user_data(event),
            .is_done = refold_event_typeof(event) == REFOLD_EVENT_DONE,
        };
    }
    return count;
}
*/
import "C"

import (
	"os"
	"runtime/cgo"
	"sync"
	"time"
	"unsafe"
)

// event is an event with what it reports.
type event = C.struct_event

// maxTaken is how many events are taken at once.
const maxTaken = 64

// queue makes the calls of a client in C. Its goroutine takes their events and passes them to the goroutines of the calls.
// It does not refer to the Client, which would never be garbage-collected otherwise.
type queue struct {
	client        *C.refold_client
	maxConcurrent C.uint32_t
	log           cgo.Handle // of the function of WithLog, which C calls during calls; 0 without one

	// Created by the first call.
	pointer *C.refold_queue
	file    *os.File      // a copy of its descriptor
	ended   chan struct{} // closed when the goroutine has freed the queue

	mutex  sync.Mutex
	calls  map[uintptr]*call // by their numbers, until the last event of each
	last   uintptr           // the number of the last call
	closed bool
}

// newQueue creates a client in C. The log is deleted with the queue, or if this fails.
func newQueue(settings *settings, log cgo.Handle) (*queue, error) {
	var failure *C.refold_error
	client := C.refold_client_new(settings.options, &failure)
	queue := &queue{client: client, maxConcurrent: C.uint32_t(settings.maxConcurrent), log: log}
	if client == nil {
		queue.freeLog()
		return nil, takeError(failure)
	}
	return queue, nil
}

func (queue *queue) setSessionToken(token *C.char) error {
	switch code := Code(C.refold_client_set_session_token(queue.client, token)); code {
	case C.REFOLD_OK:
		return nil
	case ErrInvalidArgument:
		return invalidArgument("the session token is invalid, or the client authenticates with an API key")
	default:
		return newError(code, "the session token could not be set; create a new client")
	}
}

// submit starts a call. Calls of submit and close must not overlap: so those that wait for their turn occupy no thread.
func (queue *queue) submit(call *call) error {
	if queue.pointer == nil {
		if err := queue.start(); err != nil {
			return err
		}
	}
	number := queue.add(call)
	id := append([]byte(call.id), 0)
	submitted := C.submit(queue.pointer, queue.client, (*C.char)(unsafe.Pointer(&id[0])), C.bool(call.isWait),
		millisecondsUntil(call.deadline), C.bool(call.isCancellable), C.uintptr_t(number))
	call.cancel = submitted.cancel
	if submitted.is_accepted {
		return nil
	}
	queue.remove(number)
	return takeError(submitted.failure)
}

// start creates the queue and its goroutine.
func (queue *queue) start() error {
	var failure *C.refold_error
	pointer := C.refold_queue_new(queue.maxConcurrent, &failure)
	if pointer == nil {
		return takeError(failure)
	}
	descriptor := C.copy_descriptor(pointer)
	if descriptor < 0 {
		C.refold_queue_free(pointer)
		return newError(ErrResource, "no file descriptor is left for the events of calls")
	}
	// The descriptor does not block, so the runtime polls it.
	file := os.NewFile(uintptr(descriptor), "refold-queue")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		C.refold_queue_free(pointer)
		return newError(ErrResource, "the events of calls cannot be polled: "+err.Error())
	}
	queue.pointer, queue.file, queue.ended = pointer, file, make(chan struct{})
	queue.calls = map[uintptr]*call{}
	go queue.run()
	return nil
}

func (queue *queue) add(call *call) uintptr {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	queue.last++
	queue.calls[queue.last] = call
	return queue.last
}

func (queue *queue) remove(number uintptr) {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	delete(queue.calls, number)
}

// run takes events until the queue is closed and its last call has ended. Then it frees the queue.
func (queue *queue) run() {
	defer close(queue.ended)
	events := make([]event, maxTaken)
	if connection, err := queue.file.SyscallConn(); err == nil {
		// Waits for the descriptor after each false. An error means that close has closed the file.
		_ = connection.Read(func(uintptr) bool { return queue.takeAll(events) })
	}
	queue.file.Close()
	C.refold_queue_free(queue.pointer)
	queue.freeLog()
}

// takeAll takes events until there are none. It reports whether the queue is closed and its last call has ended.
func (queue *queue) takeAll(events []event) (isOver bool) {
	for {
		count := int(C.take_events(queue.pointer, &events[0], maxTaken))
		superfluous, isOver := queue.pass(events[:count])
		for _, event := range superfluous {
			C.refold_event_free(event)
		}
		if isOver || count < maxTaken {
			return isOver
		}
	}
}

// pass passes events to their calls. It returns those that no call receives, and whether the queue is over.
func (queue *queue) pass(events []event) (superfluous []*C.refold_event, isOver bool) {
	queue.mutex.Lock()
	defer queue.mutex.Unlock()
	for _, event := range events {
		call := queue.calls[uintptr(event.number)]
		if event.is_done {
			delete(queue.calls, uintptr(event.number))
			call.done <- event
		} else if replaced := call.replaceProgress(event); replaced != nil {
			superfluous = append(superfluous, replaced)
		}
	}
	return superfluous, queue.closed && len(queue.calls) == 0
}

// close frees the client in C, which lives on in the calls in progress. The queue ends with the last of them, and if there
// are none, at once.
func (queue *queue) close() {
	C.refold_client_free(queue.client)
	queue.mutex.Lock()
	queue.closed = true
	isIdle := len(queue.calls) == 0
	queue.mutex.Unlock()
	if queue.pointer == nil {
		queue.freeLog()
	} else if isIdle {
		queue.file.Close() // wakes the goroutine
		<-queue.ended
	}
}

func (queue *queue) freeLog() {
	if queue.log != 0 {
		queue.log.Delete()
	}
}
