// Command refold-get prints one execution.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"example.com/refold"
)

func main() {
	client, err := refold.NewClientFromEnv() // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
	if err != nil {
		log.Fatal(err)
	}
	execution, err := client.GetExecution(context.Background(), os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", execution.Name, execution.Status)
	for _, node := range execution.Nodes {
		fmt.Printf("  %s: %s", node.Name, node.Status)
		if node.ExecutionTime >= 0 { // negative if not sent
			fmt.Printf(", %s", node.ExecutionTime)
		}
		fmt.Println()
	}
}
