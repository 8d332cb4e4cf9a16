// Command scenario carries out a scenario of tests/scenarios/table: scenario SCENARIO [URL].
package main

import (
	"bufio"
	"fmt"
	"os"

	"stargate/internal/scenario"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "scenario SCENARIO [URL]")
		os.Exit(2)
	}
	url := ""
	if len(os.Args) > 2 {
		url = os.Args[2]
	}
	out := bufio.NewWriter(os.Stdout)
	err := scenario.Run(os.Args[1], url, out)
	out.Flush()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(2)
	}
}
