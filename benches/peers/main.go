// Gets with net/http and reads with encoding/json; arguments and output are those of get.c.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

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
}

type execution struct {
	Name                 string  `json:"name"`
	OrgID                string  `json:"org_id"`
	Environment          string  `json:"environment"`
	Status               string  `json:"status"`
	CompletionPercentage float64 `json:"completion_percentage"`
	ConfigID             string  `json:"config_id"`
	LinkedAccountID      string  `json:"linked_account_id"`
	Nodes                []node  `json:"nodes"`
}

type checksum uint64

func (sum *checksum) addNumber(number int64) { *sum = *sum*31 + checksum(number) }

func (sum *checksum) addText(text string) {
	bytes := int64(0)
	for index := 0; index < len(text); index++ {
		bytes += int64(text[index])
	}
	sum.addNumber(bytes*1000 + int64(len(text)))
}

func (sum *checksum) addCount(count *int64) {
	if count == nil {
		sum.addNumber(-1)
	} else {
		sum.addNumber(*count)
	}
}

func (sum *checksum) addIf(holds bool) {
	if holds {
		sum.addNumber(1)
	} else {
		sum.addNumber(0)
	}
}

func (sum *checksum) addExecution(read *execution) {
	sum.addText(read.Name)
	sum.addText(read.OrgID)
	sum.addText(read.Environment)
	sum.addText(read.Status)
	sum.addNumber(int64(read.CompletionPercentage))
	sum.addText(read.ConfigID)
	sum.addText(read.LinkedAccountID)
	for index := range read.Nodes {
		node := &read.Nodes[index]
		sum.addText(node.ID)
		sum.addText(node.Name)
		sum.addText(node.Type)
		sum.addText(node.Status)
		sum.addIf(node.IsBatch)
		sum.addCount(node.AttemptsMade)
		sum.addCount(node.MaximumAttempts)
		sum.addCount(node.ExecutionTime)
		sum.addIf(len(node.LatestOutput) > 0 && node.LatestOutput[0] == '{')
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}

func get(client *http.Client, url string) (sum checksum) {
	request, err := http.NewRequest("GET", url, nil)
	check(err)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("x-api-key", "tk_benchmark")
	request.Header["linked_account_id"] = []string{"user_12345"}
	response, err := client.Do(request)
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode != 200 {
		check(fmt.Errorf("status %d", response.StatusCode))
	}
	var read execution
	check(json.Unmarshal(body, &read))
	sum.addExecution(&read)
	return sum
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func peakMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			return fields[1]
		}
	}
	return "-1"
}

func newClient(caFile string) *http.Client {
	transport := &http.Transport{}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func main() {
	if len(os.Args) < 5 {
		check(fmt.Errorf("usage: %s URL ID WARM CALLS [CA_FILE]", os.Args[0]))
	}
	warm, err := strconv.Atoi(os.Args[3])
	check(err)
	calls, err := strconv.Atoi(os.Args[4])
	check(err)
	client := newClient(strings.Join(os.Args[5:], ""))
	base := os.Args[1] + "/api/v2/public/execution/"
	for ; warm > 0; warm-- {
		get(client, base+"small")
	}
	var sum checksum
	times := make([]float64, calls)
	processorBefore := processorTime()
	for call := range times {
		before := time.Now()
		sum = get(client, base+os.Args[2])
		times[call] = float64(time.Since(before)) / 1e3
	}
	processor := float64(processorTime()-processorBefore) / 1e3
	sort.Float64s(times)
	if calls > 0 {
		fmt.Printf("%.1f %.1f %s %016x\n", times[calls/2], processor/float64(calls), peakMemory(), uint64(sum))
	}
}
