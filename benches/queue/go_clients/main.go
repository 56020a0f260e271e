// Gets with many goroutines at the same time, with librefold or with net/http and encoding/json.
//
//	go_clients refold|nethttp URL COUNT [LIMIT]
//
// URL is the base URL of a server that has the execution "small". Each of COUNT goroutines gets it once. LIMIT is the
// maximum number of calls in flight: 256 by default; 0 lets net/http open a connection for each goroutine. Prints
// "wall_seconds cpu_seconds threads": the threads are counted when all responses have been read, which is their maximum,
// because none ends meanwhile.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"example.com/refold"
)

const id = "small"

// node and execution have the fields that the package of librefold reads.
type node struct {
	ID              string          `json:"node_id"`
	Name            string          `json:"node_name"`
	Type            string          `json:"node_type"`
	Status          string          `json:"node_status"`
	IsBatch         bool            `json:"is_batch"`
	AttemptsMade    *int64          `json:"attempts_made"`
	MaximumAttempts *int64          `json:"maximum_attempts"`
	ExecutionTime   *int64          `json:"execution_time"`
	LatestOutput    json.RawMessage `json:"latest_output"`
	InputData       json.RawMessage `json:"input_data"`
}

type execution struct {
	Name                 string  `json:"name"`
	OrgID                string  `json:"org_id"`
	Environment          string  `json:"environment"`
	Status               string  `json:"status"`
	CompletionPercentage float64 `json:"completion_percentage"`
	ConfigID             string  `json:"config_id"`
	LinkedAccountID      string  `json:"linked_account_id"`
	CreatedAt            string  `json:"createdAt"`
	UpdatedAt            string  `json:"updatedAt"`
	Nodes                []node  `json:"nodes"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_clients:", err)
		os.Exit(1)
	}
}

// refoldGet returns a function that gets the execution once and returns its status.
func refoldGet(url string, limit int) func() (string, error) {
	client, err := refold.NewClient(refold.WithBaseURL(url), refold.WithAPIKey("tk_benchmark", "user_12345"),
		refold.WithMaxConcurrent(uint32(limit)))
	check(err)
	return func() (string, error) {
		read, err := client.GetExecution(context.Background(), id)
		if err != nil {
			return "", err
		}
		return read.Status, nil
	}
}

// nethttpGet is refoldGet with net/http.
func nethttpGet(url string, limit int) func() (string, error) {
	transport := &http.Transport{MaxConnsPerHost: limit, MaxIdleConnsPerHost: limit}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return func() (string, error) {
		request, err := http.NewRequest("GET", url+"/api/v2/public/execution/"+id, nil)
		if err != nil {
			return "", err
		}
		request.Header.Set("Accept", "application/json")
		request.Header.Set("x-api-key", "tk_benchmark")
		request.Header["linked_account_id"] = []string{"user_12345"}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return "", err
		}
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("status %d", response.StatusCode)
		}
		var read execution
		err = json.Unmarshal(body, &read)
		return read.Status, err
	}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func countThreads() int {
	threads, err := os.ReadDir("/proc/self/task")
	check(err)
	return len(threads)
}

func main() {
	usage := fmt.Errorf("usage: %s refold|nethttp URL COUNT [LIMIT]", os.Args[0])
	if len(os.Args) < 4 || len(os.Args) > 5 {
		check(usage)
	}
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	limit := 256
	if len(os.Args) == 5 {
		limit, err = strconv.Atoi(os.Args[4])
		check(err)
	}
	var get func() (string, error)
	switch os.Args[1] {
	case "refold":
		get = refoldGet(os.Args[2], limit)
	case "nethttp":
		get = nethttpGet(os.Args[2], limit)
	default:
		check(usage)
	}
	processorBefore, before := processorTime(), time.Now()
	var group sync.WaitGroup
	for index := 0; index < count; index++ {
		group.Add(1)
		go func() {
			defer group.Done()
			status, err := get()
			check(err)
			if status == "" {
				check(fmt.Errorf("the execution has no status"))
			}
		}()
	}
	group.Wait()
	wall, processor := time.Since(before), processorTime()-processorBefore
	threads := countThreads()
	runtime.KeepAlive(get) // a collected client has no threads
	fmt.Printf("%.3f %.3f %d\n", wall.Seconds(), processor.Seconds(), threads)
}
