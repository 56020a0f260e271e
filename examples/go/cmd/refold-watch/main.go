// Command refold-watch prints the progress of an execution until it has ended, and then its nodes.
//
//	refold-watch [-timeout 5m] [-verbose] EXECUTION_ID
//
// Retries and failed polls are reported on stderr; with -verbose, everything that the calls do. REFOLD_LOG selects another
// level: see refold.NewClientFromEnv.
//
// Credentials come from the environment: REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN.
//
// Exit status: 0 if the run completed; 1 on an error, reported on stderr; 2 for invalid arguments; 3 if the run ended
// otherwise; 130 if SIGINT cancelled the wait.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"example.com/refold"
)

func main() {
	timeout := flag.Duration("timeout", time.Hour, "limit for the whole wait")
	verbose := flag.Bool("verbose", false, "log what the calls do to stderr")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: refold-watch [-timeout 5m] [-verbose] EXECUTION_ID")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	execution, err := watch(ctx, flag.Arg(0), *verbose)
	cancel()
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "refold-watch:", refold.Printable(err.Error()))
		os.Exit(1)
	}
	if err := writeNodes(execution); err != nil {
		fmt.Fprintln(os.Stderr, "refold-watch:", err)
		os.Exit(1)
	}
	if execution.State.Failure() {
		os.Exit(3)
	}
}

func watch(ctx context.Context, id string, isVerbose bool) (*refold.Execution, error) {
	client, err := refold.NewClientFromEnv(logOptions(isVerbose)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.WaitExecution(ctx, id, func(snapshot *refold.Execution) error {
		percentage := "-"
		if snapshot.CompletionPercentage >= 0 {
			percentage = fmt.Sprint(snapshot.CompletionPercentage)
		}
		line := snapshot.Name + ": " + snapshot.Status + ", " + percentage + " %"
		_, err := fmt.Println(refold.Printable(line))
		return err
	})
}

func logOptions(isVerbose bool) []refold.Option {
	level := refold.LogWarn
	if isVerbose {
		level = refold.LogDebug
	} else if os.Getenv("REFOLD_LOG") != "" {
		return nil
	}
	return []refold.Option{refold.WithLog(level, func(level refold.LogLevel, message string) {
		fmt.Fprintf(os.Stderr, "refold-watch: %v %s\n", level, message)
	})}
}

func writeNodes(execution *refold.Execution) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, node := range execution.Nodes {
		name, status := refold.Printable(node.Name), refold.Printable(node.Status)
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, status, describe(node.ExecutionTime))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Printf("last poll in %v, attempts %d\n", execution.Timings, execution.Attempts)
	return err
}

func describe(executionTime time.Duration) string {
	if executionTime < 0 {
		return "-"
	}
	return executionTime.String()
}
