package refold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// threads counts those of the queues in this process, and all others.
func threads(t *testing.T) (ofQueues, others int) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if comm, err := os.ReadFile(name); err != nil {
			continue // the thread has ended
		} else if string(comm) == "refold-queue\n" {
			ofQueues++
		} else {
			others++
		}
	}
	return ofQueues, others
}

// together calls a function on many goroutines at the same time, and reports the errors.
func together(t *testing.T, count int, call func(index int) error) {
	t.Helper()
	var group sync.WaitGroup
	for index := 0; index < count; index++ {
		index := index
		group.Add(1)
		go func() {
			defer group.Done()
			if err := call(index); err != nil {
				t.Errorf("goroutine %d: %v", index, err)
			}
		}()
	}
	group.Wait()
}

func TestWaitingGoroutinesOccupyNoThread(t *testing.T) {
	url := localServer(t, func(http.ResponseWriter, *http.Request) { time.Sleep(200 * time.Millisecond) }) // a slow server
	client := localClient(t, url)
	_, before := threads(t)
	together(t, 500, func(index int) error {
		id := fmt.Sprint("id-", index)
		execution, err := client.GetExecution(background(), id)
		if err == nil && (execution.ID != id || execution.State != StateCompleted) {
			err = fmt.Errorf("%s: %+v", id, execution)
		}
		return err
	})
	ofQueues, after := threads(t)
	if ofQueues < 100 || ofQueues > defaultMaxConcurrent {
		t.Errorf("%d threads of the queue", ofQueues)
	}
	if after > before+8 {
		t.Errorf("%d other threads instead of %d", after, before)
	}
}

func TestMaxConcurrentLimitsTheCallsInFlight(t *testing.T) {
	const limit = 3
	var mutex sync.Mutex
	inFlight, maximum := 0, 0
	reached := make(chan struct{})
	url := localServer(t, func(http.ResponseWriter, *http.Request) {
		mutex.Lock()
		if inFlight++; inFlight > maximum {
			if maximum = inFlight; maximum == limit {
				close(reached)
			}
		}
		mutex.Unlock()
		<-reached
		mutex.Lock()
		inFlight--
		mutex.Unlock()
	})
	client := localClient(t, url, WithMaxConcurrent(limit))
	together(t, 30, func(int) error {
		_, err := client.GetExecution(background(), "an-id")
		return err
	})
	mutex.Lock()
	defer mutex.Unlock()
	if maximum != limit {
		t.Errorf("%d calls in flight", maximum)
	}
}

func TestInvalidMaxConcurrentIsRejected(t *testing.T) {
	for _, calls := range []uint32{0, maxMaxConcurrent + 1} {
		client, err := NewClient(localOptions("http://127.0.0.1:9", WithMaxConcurrent(calls))...)
		if client != nil || !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "max_concurrent") {
			t.Errorf("%d: %v, %v", calls, client, err)
		}
	}
	url := localServer(t, func(http.ResponseWriter, *http.Request) {})
	for _, calls := range []uint32{1, maxMaxConcurrent} {
		if _, err := localClient(t, url, WithMaxConcurrent(calls)).GetExecution(background(), "an-id"); err != nil {
			t.Errorf("%d: %v", calls, err)
		}
	}
}

// hangingServer does not respond. It counts the requests, and reports when it has received a number of them.
func hangingServer(t *testing.T, count int) (url string, arrived <-chan struct{}) {
	t.Helper()
	var mutex sync.Mutex
	complete := make(chan struct{})
	url = localServer(t, func(_ http.ResponseWriter, request *http.Request) {
		mutex.Lock()
		if count--; count == 0 {
			close(complete)
		}
		mutex.Unlock()
		<-request.Context().Done()
	})
	return url, complete
}

func TestOneContextCancelsCallsInEveryState(t *testing.T) {
	const inFlight = 50
	hanging, arrived := hangingServer(t, inFlight)
	client := localClient(t, hanging, WithTimeout(0), WithMaxConcurrent(inFlight))
	// Its waits pause.
	patient := sandboxClient(t, WithPollInterval(time.Hour))
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	var paused sync.WaitGroup
	paused.Add(100)
	var cancelled time.Time
	go func() {
		<-arrived
		paused.Wait()
		cancelled = time.Now()
		cancel()
	}()
	together(t, 500, func(index int) (err error) {
		switch index % 5 {
		case 0:
			_, err = patient.WaitExecution(ctx, "stuck", func(*Execution) error {
				paused.Done()
				return nil
			})
		case 1:
			_, err = client.WaitExecution(ctx, "an-id", nil)
		default:
			_, err = client.GetExecution(ctx, "an-id")
		}
		if err == context.Canceled {
			return nil
		}
		return fmt.Errorf("%v instead of %v", err, context.Canceled)
	})
	if took := time.Since(cancelled); took > 5*time.Second {
		t.Errorf("cancelled after %v", took)
	}
}

func TestCancelledCallsLeaveNoDescriptor(t *testing.T) {
	url, _ := hangingServer(t, 0)
	client := localClient(t, url, WithTimeout(0))
	round := func() {
		together(t, 50, func(index int) error {
			ctx, cancel := context.WithTimeout(background(), time.Duration(index%10)*time.Millisecond)
			defer cancel()
			_, err := client.GetExecution(ctx, "an-id")
			return expect(err, context.DeadlineExceeded)
		})
	}
	before := openFiles(t)
	for range [20]int{} {
		round()
	}
	// The queue has some itself. The server closes its connections a little later than the client.
	eventually(t, "no descriptor is left", func() bool { return openFiles(t) < before+10 })
}

func TestCreatingAClientStartsNothing(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	before, _ := threads(t)
	localClient(t, "http://127.0.0.1:9", WithLog(LogDebug, new(logBook).write))
	after, _ := threads(t)
	if after > before || runtime.NumGoroutine() > goroutines || openFiles(t) > files {
		t.Errorf("%d threads, %d goroutines and %d files instead of %d, %d and %d", after, runtime.NumGoroutine(),
			openFiles(t), before, goroutines, files)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	url := localServer(t, func(http.ResponseWriter, *http.Request) {})
	client := localClient(t, url)
	if _, err := client.GetExecution(background(), ".."); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	queue := client.queue
	if _, err := client.GetExecution(background(), "an-id"); err != nil {
		t.Error(err)
	}
	if queue.ended == nil {
		t.Fatal("the client has no queue")
	}
	client.Close()
	select {
	case <-queue.ended:
	default:
		t.Error("the goroutine has not ended")
	}
	if len(queue.calls) != 0 {
		t.Errorf("%d calls", len(queue.calls))
	}
}

func TestCallsInProgressSurviveClose(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	url := localServer(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	client := localClient(t, url, WithMaxConcurrent(2)) // most calls wait for their turn
	queue := client.queue
	go func() {
		<-arrived
		eventually(t, "all calls have been submitted", func() bool {
			queue.mutex.Lock()
			defer queue.mutex.Unlock()
			return len(queue.calls) == 20
		})
		client.Close()
		if _, err := client.GetExecution(background(), "an-id"); err != ErrClosed {
			t.Errorf("after Close: %v", err)
		}
		close(release)
	}()
	together(t, 20, func(index int) (err error) {
		if index%2 == 0 {
			_, err = client.WaitExecution(background(), "an-id", nil)
		} else {
			_, err = client.GetExecution(background(), "an-id")
		}
		return err
	})
	<-queue.ended
}

func TestUnreachableClientLeavesNothing(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	for range [3]int{} {
		getWithUnclosedClient(t)
		waitWithUnclosedClient(t)
	}
	eventually(t, "goroutines and threads of collected clients end", func() bool {
		ofQueues, _ := threads(t)
		return runtime.NumGoroutine() <= goroutines && ofQueues == 0
	})
}

func TestCallsWithoutDescriptorsFailAndLaterOnesDoNot(t *testing.T) {
	url := localServer(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := localClient(t, url).GetExecution(background(), "an-id"); err != nil {
		t.Fatal(err)
	}
	refusing := localClient(t, "http://127.0.0.1:9")
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	call := func(descriptors uint64) error {
		set := func(current uint64) {
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: current, Max: limit.Max}); err != nil {
				t.Fatal(err)
			}
		}
		set(descriptors)
		defer set(limit.Cur)
		_, err := refusing.GetExecution(background(), "an-id")
		return err
	}
	before := openFiles(t)
	failures := 0
	for refusing.queue.pointer == nil { // each step of the first call fails in turn
		failures++
		if err := call(uint64(failures)); !errors.Is(err, ErrResource) && !errors.Is(err, ErrConnect) {
			t.Fatalf("with %d descriptors: %v", failures, err)
		}
		if refusing.queue.pointer == nil && openFiles(t) > before {
			t.Fatalf("%d descriptors are open instead of %d", openFiles(t), before)
		}
	}
	if failures < 4 {
		t.Errorf("%d failures", failures)
	}
	if err := call(limit.Cur); !errors.Is(err, ErrConnect) {
		t.Errorf("with all descriptors: %v", err)
	}
}

// runningServer responds with an execution that is complete at the last of a number of polls, again and again.
func runningServer(t *testing.T, polls int, padding []byte) (url string) {
	t.Helper()
	var mutex sync.Mutex
	count := 0
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		count++
		status := "RUNNING"
		if count%polls == 0 {
			status = "COMPLETED"
		}
		fmt.Fprintf(response, `{"status":%q,"completion_percentage":%d,"name":"`, status, count)
		response.Write(append(padding, `"}`...))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// onlyCall returns the call in progress of a client.
func onlyCall(client *Client) *call {
	client.queue.mutex.Lock()
	defer client.queue.mutex.Unlock()
	for _, call := range client.queue.calls {
		return call
	}
	return nil
}

func TestSlowProgressReceivesTheLatestSnapshot(t *testing.T) {
	const polls = 6
	for range [8]int{} {
		client := localClient(t, runningServer(t, polls, nil))
		var percentages []float64
		execution, err := client.WaitExecution(background(), "an-id", func(snapshot *Execution) error {
			if call := onlyCall(client); call != nil {
				eventually(t, "the last event has arrived", func() bool { return len(call.done) == 1 })
			}
			percentages = append(percentages, snapshot.CompletionPercentage)
			return nil
		})
		if err != nil || execution.CompletionPercentage != polls {
			t.Fatal(execution, err)
		}
		// Usually the first one, and always the latest one before the last poll, and the last one.
		if got := fmt.Sprint(percentages); len(percentages) > 3 || !strings.HasSuffix(got, "5 6]") {
			t.Errorf("snapshots %v", got)
		}
	}
}

// Snapshots that are not wanted, that are replaced, and that nothing receives any more.
func TestSnapshotsDoNotLeak(t *testing.T) {
	const size, polls, rounds = 1 << 19, 5, 5
	client := localClient(t, runningServer(t, polls, bytes.Repeat([]byte("a"), size)))
	wait := func(progress func(*Execution) error) error {
		defer func() { _ = recover() }()
		_, err := client.WaitExecution(background(), "an-id", progress)
		return err
	}
	grown := growth(t, rounds, func() {
		if err := wait(nil); err != nil {
			t.Fatal(err)
		}
		if err := wait(func(*Execution) error {
			if call := onlyCall(client); call != nil {
				eventually(t, "the last event has arrived", func() bool { return len(call.done) == 1 })
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range [4]int{} {
			_ = wait(func(*Execution) error {
				call := onlyCall(client)
				eventually(t, "another event has arrived", func() bool { return len(call.progress)+len(call.done) > 0 })
				panic("oh")
			})
		}
		_ = wait(nil) // the remaining polls
	})
	if grown > size {
		t.Errorf("grew by %d bytes", grown)
	}
}

func TestOneProcessorSuffices(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	client := sandboxClient(t)
	together(t, 100, func(index int) error { return useOnce(client, index) })
}
