// Command refold-get prints one execution.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"

	"example.com/refold"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: refold-get EXECUTION_ID")
	}
	client, err := refold.NewClientFromEnv() // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
	if err != nil {
		log.Fatal(refold.Printable(err.Error()))
	}
	execution, err := client.GetExecution(context.Background(), os.Args[1])
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
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
