package refold

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/refold/internal/heap"
)

// Fetches, waits that end and waits that are cancelled, all through one client.
func TestGoroutinesShareClient(t *testing.T) {
	client := sandboxClient(t)
	var group sync.WaitGroup
	for index := 0; index < 48; index++ {
		index := index
		group.Add(1)
		go func() {
			defer group.Done()
			for range [5]int{} {
				if err := useOnce(client, index); err != nil {
					t.Errorf("goroutine %d: %v", index, err)
				}
			}
		}()
	}
	group.Wait()
}

func useOnce(client *Client, kind int) error {
	switch kind % 4 {
	case 0:
		execution, err := client.GetExecution(background(), "completed")
		if err == nil && len(execution.Nodes) != 8 {
			err = fmt.Errorf("%d nodes", len(execution.Nodes))
		}
		return err
	case 1:
		_, err := client.GetExecution(background(), "no-such-id")
		return expect(err, ErrNotFound)
	case 2:
		snapshots := 0
		_, err := client.WaitExecution(background(), "completed", func(*Execution) error {
			snapshots++
			return nil
		})
		if err == nil && snapshots != 1 {
			err = fmt.Errorf("%d snapshots", snapshots)
		}
		return err
	default:
		ctx, cancel := context.WithCancel(background())
		defer cancel()
		_, err := client.WaitExecution(ctx, "stuck", func(*Execution) error {
			go cancel()
			return nil
		})
		return expect(err, context.Canceled)
	}
}

func expect(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return fmt.Errorf("%v instead of %v", err, target)
}

// Collecting a client closes its connections. Executions that it fetched remain valid.
func TestUnreachableClientIsClosed(t *testing.T) {
	before := openFiles(t)
	var executions []*Execution
	for range [20]int{} {
		executions = append(executions, getWithUnclosedClient(t))
	}
	eventually(t, "connections of collected clients are closed", func() bool { return openFiles(t) <= before })
	for _, execution := range executions {
		if execution.Name == "" || !strings.HasPrefix(string(execution.JSON), "{") {
			t.Errorf("execution %+v", execution)
		}
	}
}

func getWithUnclosedClient(t *testing.T) *Execution {
	client, err := NewClientFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	execution, err := client.GetExecution(background(), documented)
	if err != nil {
		t.Fatal(err)
	}
	return execution
}

// The garbage collector, which runs continuously here, neither closes a client nor frees C memory during a call.
func TestCollectionDuringCallsIsSafe(t *testing.T) {
	stop := make(chan struct{})
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	for range [20]int{} {
		getWithUnclosedClient(t)
		execution, err := waitWithUnclosedClient(t)
		if err != nil || execution.State != StateCompleted {
			t.Errorf("%v, %v", execution, err)
		}
	}
	close(stop)
	<-collected
}

func waitWithUnclosedClient(t *testing.T) (*Execution, error) {
	client, err := NewClientFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	return client.WaitExecution(background(), "completed", func(*Execution) error { return nil })
}

// Calls leak no C memory, whether they succeed, fail or are cancelled.
func TestCallsDoNotLeak(t *testing.T) {
	const size, rounds = 1 << 20, 100
	text := []byte(`{"status":"COMPLETED","name":"` + strings.Repeat("a", size) + `"}`)
	client := sandboxClient(t)
	grown := growth(t, rounds, func() {
		if _, err := ParseExecution(text); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseExecution(text[:size]); err == nil {
			t.Fatal("a truncated document was parsed")
		}
		if err := useOnce(client, 3); err != nil {
			t.Fatal(err)
		}
	})
	if grown > size {
		t.Errorf("grew by %d bytes", grown)
	}
}

func TestErrorsDoNotLeak(t *testing.T) {
	const rounds = 100000
	grown := growth(t, rounds, func() {
		if _, err := ParseExecution([]byte("[]")); err == nil {
			t.Fatal("an array was parsed")
		}
	})
	if grown > rounds*8 {
		t.Errorf("grew by %d bytes", grown)
	}
}

// growth returns by how many bytes the memory of C grows during the given number of uses, after as many to warm up.
func growth(t *testing.T, uses int, use func()) int {
	t.Helper()
	inUse := func() int {
		for index := 0; index < uses; index++ {
			use()
		}
		return heap.InUse()
	}
	before := inUse()
	if before < 0 {
		t.Skip("requires the GNU C library 2.33")
	}
	return inUse() - before
}

// eventually collects garbage until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		runtime.GC()
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
