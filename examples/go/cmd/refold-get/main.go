// Command refold-get prints one execution.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"example.com/refold"
)

func main() {
	verbose := flag.Bool("verbose", false, "log what the call does")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: refold-get [-verbose] EXECUTION_ID")
	}
	var options []refold.Option
	if *verbose {
		options = append(options, refold.WithLog(refold.LogDebug, func(level refold.LogLevel, message string) {
			log.Print(level, " ", message)
		}))
	}
	client, err := refold.NewClientFromEnv(options...) // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
	if err != nil {
		log.Fatal(refold.Printable(err.Error()))
	}
	execution, err := client.GetExecution(context.Background(), flag.Arg(0))
	if err != nil {
		log.Fatal(refold.Printable(err.Error()))
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, refold.Printable(execution.Name+": "+execution.Status))
	for _, node := range execution.Nodes {
		line := "  " + node.Name + ": " + node.Status
		if node.ExecutionTime >= 0 { // negative if not sent
			line += ", " + node.ExecutionTime.String()
		}
		fmt.Fprintln(out, refold.Printable(line))
	}
	fmt.Fprintf(out, "fetched in %v, attempts %d\n", execution.Timings, execution.Attempts)
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
