package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stargate"
	"stargate/stargatetest"
)

// ErrUnknownStep is a step that this interpreter does not know.
var ErrUnknownStep = errors.New("there is no such step")

const folder = "persistent://public/default/"

// interpreter carries out the steps of one scenario.
type interpreter struct {
	ctx     context.Context
	out     io.Writer
	path    string // of the folder of the scenario
	run     string // before the name of each topic, different in each run
	broker  *stargatetest.Broker
	url     string
	client  *stargate.Client
	objects map[string]*object
	ids     map[string]stargate.MessageID
}

// Run carries out the scenario in a file and writes its transcript. Without a URL it starts a mock
// broker.
func Run(file, url string, out io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	i := &interpreter{
		ctx: context.Background(), out: out, path: filepath.Dir(file), url: url,
		run:     fmt.Sprintf("%x-%x-", os.Getpid(), time.Now().UnixNano()),
		objects: map[string]*object{}, ids: map[string]stargate.MessageID{},
	}
	if url == "" {
		if i.broker, err = stargatetest.Start(stargatetest.Options{}); err != nil {
			return err
		}
		defer i.broker.Close()
		i.url = i.broker.URL()
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	if i.client, err = stargate.NewClient(i.url, stargate.WithLogger(quiet)); err != nil {
		return err
	}
	for _, s := range parse(string(text)) {
		if err := i.carryOut(s); err != nil {
			return err
		}
	}
	if err := i.client.Close(); err != nil {
		return err
	}
	i.show("end")
	return nil
}

// carryOut does one step, and prints its outcome.
func (i *interpreter) carryOut(s step) error {
	verb, ok := verbs[s.verb]
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnknownStep, s.verb)
	}
	outcome, err := verb(i, s)
	if errors.Is(err, ErrUnknownStep) {
		return err
	}
	if err != nil {
		outcome = errorText(err)
	}
	if outcome == "" {
		outcome = "ok"
	}
	if s.verb != "on" {
		i.show(strings.TrimSpace(s.verb+" "+s.handle) + ": " + outcome)
	}
	return nil
}

// show prints a line, without what differs between runs.
func (i *interpreter) show(line string) {
	_, host, _ := strings.Cut(i.url, "://")
	line = strings.ReplaceAll(strings.ReplaceAll(line, i.run, ""), host, "BROKER")
	fmt.Fprintln(i.out, line)
}

// errorText returns an error as a transcript has it.
func errorText(err error) string {
	return fmt.Sprintf("error %s: %s", stargate.KindOf(err), err)
}

// topic returns the full name of the topic of a step; empty for none.
func (i *interpreter) topic(s step) string {
	if !s.has("topic") {
		return ""
	}
	return i.topics(s)[0]
}

// topics returns the full names of the topics of a step.
func (i *interpreter) topics(s step) []string {
	names := strings.Split(s.given["topic"], ",")
	for n, name := range names {
		if !strings.Contains(name, "/") {
			names[n] = folder + i.run + name
		}
	}
	return names
}

// limited returns a context for a step that waits.
func (i *interpreter) limited(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(i.ctx, limit)
}

// mock returns the mock broker.
func (i *interpreter) mock() (*stargatetest.Broker, error) {
	if i.broker == nil {
		return nil, fmt.Errorf("%w at a broker that is not a mock", ErrUnknownStep)
	}
	return i.broker, nil
}

// object returns a handle by its name.
func (i *interpreter) object(s step) *object {
	return i.objects[s.handle]
}
