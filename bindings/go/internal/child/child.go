// Package child runs a mock broker in a process of its own, so that what it costs and keeps is not
// that of the program that measures.
package child

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"

	"stargate/stargatetest"
)

// variable says that this process is to be the broker.
const variable = "STARGATE_MOCK_CHILD"

// Serve is the first call of main. In the process that Broker starts it does not return.
func Serve() {
	if os.Getenv(variable) == "" {
		return
	}
	broker, err := stargatetest.Start(stargatetest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(broker.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	broker.Close()
	os.Exit(0)
}

// Broker starts a mock broker in another process, and returns its URL and what ends it.
func Broker() (url string, stop func(), err error) {
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), variable+"=1")
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := process.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = process.Wait()
	}
	url, err = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(url), stop, err
}
