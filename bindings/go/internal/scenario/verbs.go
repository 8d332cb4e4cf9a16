package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"stargate"
	"stargate/stargatetest"
)

// verbs are the steps. Each returns its outcome; "" is ok.
var verbs map[string]func(*interpreter, step) (string, error)

func init() {
	verbs = map[string]func(*interpreter, step) (string, error){
		"on":              func(*interpreter, step) (string, error) { return "", nil },
		"producer":        producer,
		"consumer":        consumer,
		"reader":          reader,
		"close":           closeHandle,
		"close_client":    func(i *interpreter, _ step) (string, error) { return "", i.client.Close() },
		"flush":           flush,
		"send":            send,
		"send_async":      sendAsync,
		"receipts":        receipts,
		"receive":         receive,
		"receive_many":    receiveMany,
		"interrupt":       interrupt,
		"drain":           drain,
		"ack":             ack,
		"ack_cumulative":  ackCumulative,
		"nack":            nack,
		"reconsume_later": reconsumeLater,
		"compare":         compare,
		"listen":          listen,
		"handled":         handled,
		"seek":            seek,
		"read_to_end":     readToEnd,
		"available":       available,
		"backlog":         backlog,
		"end_of_topic":    endOfTopic,
		"unsubscribe":     func(i *interpreter, s step) (string, error) { return "", i.object(s).consumer.Unsubscribe(i.ctx) },
		"states":          states,
		"stats":           stats,
		"fault":           fault,
		"down":            onMock(func(b *stargatetest.Broker, _ string, _ step) (string, error) { return "", b.Down() }),
		"up":              onMock(func(b *stargatetest.Broker, _ string, _ step) (string, error) { return "", b.Up() }),
		"cut":             onMock(cut),
		"wait":            onMock(wait),
		"stored":          onMock(stored),
		"partitions":      onMock(partitions),
		"deduplicate":     onMock(deduplicate),
		"terminate":       onMock(terminate),
	}
}

// ---- handles ----

// option returns the value of an option: its form tells its type.
func (i *interpreter) option(value string) any {
	if duration, err := time.ParseDuration(value); err == nil && strings.HasSuffix(value, "ms") {
		return duration
	}
	if value == "true" || value == "false" {
		return value == "true"
	}
	if value != "" && value[0] == '@' {
		return i.ids[value[1:]]
	}
	if strings.HasPrefix(value, "./") {
		return filepath.Join(i.path, value)
	}
	if number, err := strconv.Atoi(value); err == nil {
		return number
	}
	return value
}

// options returns the options of a step, and a handle under its name.
func (i *interpreter) options(s step) (*object, []stargate.HandleOption) {
	made := &object{last: map[string]*stargate.Message{}}
	i.objects[s.handle] = made
	options := []stargate.HandleOption{stargate.WithOnState(func(change stargate.StateChange) {
		made.states.add(change.State.String())
	})}
	for key, value := range s.given {
		if key != "topic" && key != "subscription" {
			options = append(options, stargate.WithOption(key, i.option(value)))
		}
	}
	return made, options
}

func producer(i *interpreter, s step) (string, error) {
	made, options := i.options(s)
	var given []stargate.ProducerOption
	for _, option := range options {
		given = append(given, option)
	}
	var err error
	made.producer, err = i.client.Producer(i.ctx, i.topic(s), given...)
	return "", err
}

func consumer(i *interpreter, s step) (string, error) {
	made, options := i.options(s)
	var given []stargate.ConsumerOption
	for _, option := range options {
		given = append(given, option)
	}
	var err error
	if topics := i.topics(s); len(topics) > 1 {
		made.consumer, err = i.client.ConsumerOfTopics(i.ctx, topics, s.given["subscription"], given...)
	} else {
		made.consumer, err = i.client.Consumer(i.ctx, topics[0], s.given["subscription"], given...)
	}
	return "", err
}

func reader(i *interpreter, s step) (string, error) {
	made, options := i.options(s)
	var given []stargate.ReaderOption
	for _, option := range options {
		given = append(given, option)
	}
	var err error
	made.reader, err = i.client.Reader(i.ctx, i.topic(s), given...)
	return "", err
}

// handle is what producers, consumers and readers have in common.
type handle interface {
	CloseContext(context.Context) error
	Stats() (stargate.Stats, error)
}

// receiver is what consumers and readers have in common.
type receiver interface {
	handle
	Receive(context.Context) (*stargate.Message, error)
	ReceiveMany(context.Context, int) ([]*stargate.Message, error)
	Messages(context.Context) iter.Seq2[*stargate.Message, error]
	Listen(stargate.Handler) error
	Seek(context.Context, stargate.MessageID) error
	SeekAfter(context.Context, stargate.MessageID) error
	IsEndOfTopic(context.Context) (bool, error)
}

// handle returns the producer, consumer or reader.
func (o *object) handle() handle {
	if o.producer != nil {
		return o.producer
	}
	return o.receiver()
}

// receiver returns the consumer or reader.
func (o *object) receiver() receiver {
	if o.consumer != nil {
		return o.consumer
	}
	return o.reader
}

func closeHandle(i *interpreter, s step) (string, error) {
	ctx, cancel := i.limited(s.duration("timeout", patience))
	defer cancel()
	return "", i.object(s).handle().CloseContext(ctx)
}

func states(i *interpreter, s step) (string, error) {
	count := s.number("count", 1)
	seen := i.object(s).states.wait(func(seen []string) bool { return len(seen) >= count })
	return strings.Join(seen[:min(count, len(seen))], " "), nil
}

func stats(i *interpreter, s step) (string, error) {
	found, err := i.object(s).handle().Stats()
	if err != nil {
		return "", err
	}
	encoded, err := json.Marshal(found)
	if err != nil {
		return "", err
	}
	var counters map[string]uint64
	if err := json.Unmarshal(encoded, &counters); err != nil {
		return "", err
	}
	var shown []string
	for _, name := range strings.Split(s.given["counters"], ",") {
		shown = append(shown, fmt.Sprintf("%s=%d", name, counters[name]))
	}
	return strings.Join(shown, " "), nil
}

// ---- sending ----

func send(i *interpreter, s step) (string, error) {
	message := stargate.Outgoing{Payload: []byte(strings.Repeat(s.given["payload"], s.number("repeat", 1)))}
	message.Key, message.HasKey = s.given["key"], s.has("key")
	if s.has("event_time") {
		message.EventTime = time.UnixMilli(int64(s.number("event_time", 0)))
	}
	for key, value := range s.given {
		if name, ok := strings.CutPrefix(key, "property."); ok {
			if message.Properties == nil {
				message.Properties = map[string]string{}
			}
			message.Properties[name] = value
		}
	}
	id, err := i.object(s).producer.Send(i.ctx, message)
	if err == nil {
		i.ids[s.given["payload"]] = id
	}
	return "", err
}

func sendAsync(i *interpreter, s step) (string, error) {
	o, count := i.object(s), s.number("count", 1)
	for n := range count {
		data := strings.Repeat(fmt.Sprintf("%s%d", s.given["payload"], n+1), s.number("repeat", 1))
		err := o.producer.SendAsync(i.ctx, stargate.Outgoing{Payload: []byte(data)}, func(_ stargate.MessageID, err error) {
			o.receipts.add(stargate.KindOf(err).String())
		})
		if err != nil {
			return fmt.Sprintf("accepted %d, then %s", n, errorText(err)), nil
		}
		o.accepted++
	}
	return fmt.Sprintf("accepted %d", count), nil
}

func receipts(i *interpreter, s step) (string, error) {
	o := i.object(s)
	ended := o.receipts.wait(func(ended []string) bool { return len(ended) >= o.accepted })
	counts := map[string]int{}
	for _, kind := range ended {
		counts[kind]++
	}
	if missing := o.accepted - len(ended); missing > 0 {
		counts["missing"] = missing
	}
	o.accepted, o.receipts = 0, record[string]{}
	kinds := slices.Collect(maps.Keys(counts))
	sort.Slice(kinds, func(a, b int) bool {
		if (kinds[a] == "ok") != (kinds[b] == "ok") {
			return kinds[a] == "ok"
		}
		return kinds[a] < kinds[b]
	})
	for n, kind := range kinds {
		kinds[n] = fmt.Sprintf("%s %d", kind, counts[kind])
	}
	return strings.Join(kinds, ", "), nil
}

func flush(i *interpreter, s step) (string, error) {
	ctx, cancel := i.limited(patience)
	defer cancel()
	return "", i.object(s).producer.Flush(ctx)
}

// ---- receiving ----

func receive(i *interpreter, s step) (string, error) {
	return i.receiving(s, func(ctx context.Context, from receiver, _ int) ([]*stargate.Message, error) {
		message, err := from.Receive(ctx)
		if err != nil {
			return nil, err
		}
		return []*stargate.Message{message}, nil
	})
}

func receiveMany(i *interpreter, s step) (string, error) {
	return i.receiving(s, func(ctx context.Context, from receiver, most int) ([]*stargate.Message, error) {
		return from.ReceiveMany(ctx, most)
	})
}

// receiving receives until there are enough messages.
func (i *interpreter) receiving(
	s step, receive func(context.Context, receiver, int) ([]*stargate.Message, error),
) (string, error) {
	o, count := i.object(s), s.number("count", 1)
	var messages []*stargate.Message
	var end string
	for len(messages) < count && end == "" {
		ctx, cancel := i.limited(s.duration("timeout", patience))
		more, err := receive(ctx, o.receiver(), count-len(messages))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			end = "nothing"
		} else if err != nil {
			end = errorText(err)
		}
		for _, message := range more {
			o.note(message)
		}
		messages = append(messages, more...)
	}
	var parts []string
	if len(messages) > 0 {
		parts = append(parts, strconv.Itoa(len(messages)))
	}
	if end != "" {
		parts = append(parts, end)
	}
	return i.withMessages(strings.Join(parts, ", then "), messages, s.has("order")), nil
}

// interrupt receives with a context that is cancelled after a moment.
func interrupt(i *interpreter, s step) (string, error) {
	ctx, cancel := context.WithCancel(i.ctx)
	defer cancel()
	time.AfterFunc(100*time.Millisecond, cancel)
	switch _, err := i.object(s).receiver().Receive(ctx); {
	case err == nil:
		return "received", nil
	case errors.Is(err, context.Canceled):
		return "interrupted", nil
	default:
		return "", err
	}
}

// withMessages returns an outcome with lines for messages.
func (i *interpreter) withMessages(outcome string, messages []*stargate.Message, sorted bool) string {
	var lines []string
	for _, message := range messages {
		lines = append(lines, i.line(message))
	}
	if sorted {
		sort.Strings(lines)
	}
	return strings.Join(append([]string{outcome}, lines...), "\n")
}

// line returns a message as a transcript has it.
func (i *interpreter) line(message *stargate.Message) string {
	topic := strings.TrimPrefix(strings.TrimPrefix(message.Topic, folder), i.run)
	line := "  " + topic + ": " + payload(string(message.Payload))
	if message.HasKey {
		line += " key=" + quoted(message.Key)
	}
	if !message.EventTime.IsZero() {
		line += fmt.Sprintf(" event_time=%d", message.EventTime.UnixMilli())
	}
	if message.RedeliveryCount > 0 {
		line += fmt.Sprintf(" redelivered=%d", message.RedeliveryCount)
	}
	if message.ReconsumeTimes > 0 {
		line += fmt.Sprintf(" reconsumed=%d", message.ReconsumeTimes)
	}
	for _, name := range slices.Sorted(maps.Keys(message.Properties)) {
		if name == "" || name[0] < 'A' || name[0] > 'Z' {
			line += fmt.Sprintf(" property.%s=%s", name, quoted(message.Properties[name]))
		}
	}
	return line
}

func drain(i *interpreter, s step) (string, error) {
	o, prefix, count := i.object(s), s.given["payload"], s.number("count", 1)
	ctx, cancel := context.WithCancel(i.ctx)
	defer cancel()
	quiet := time.AfterFunc(patience, cancel)
	var seen []string
	for message, err := range o.consumer.Messages(ctx) {
		if errors.Is(err, context.Canceled) {
			break
		} else if err != nil {
			return "", err
		}
		if err := o.consumer.Ack(message); err != nil {
			return "", err
		}
		if data := string(message.Payload); !slices.Contains(seen, data) {
			seen = append(seen, data)
			quiet.Reset(patience)
		}
		if strings.HasPrefix(progress(seen, prefix, count), "all") {
			break
		}
	}
	return progress(seen, prefix, count), nil
}

func readToEnd(i *interpreter, s step) (string, error) {
	var messages []*stargate.Message
	for message, err := range i.object(s).reader.UntilCaughtUp(i.ctx) {
		if err != nil {
			return "", err
		}
		messages = append(messages, message)
	}
	return i.withMessages(strconv.Itoa(len(messages)), messages, false), nil
}

func available(i *interpreter, s step) (string, error) {
	there, err := i.object(s).reader.HasMessageAvailable(i.ctx)
	return yesOrNo(there), err
}

func yesOrNo(answer bool) string {
	if answer {
		return "yes"
	}
	return "no"
}

func compare(i *interpreter, s step) (string, error) {
	if i.object(s).last[s.given["payload"]].ID.Compare(i.ids[s.given["payload"]]) == 0 {
		return "same id", nil
	}
	return "different id", nil
}

func seek(i *interpreter, s step) (string, error) {
	to := map[string]stargate.MessageID{"earliest": stargate.Earliest, "latest": stargate.Latest}[s.given["to"]]
	if to.IsZero() {
		to = i.ids[strings.TrimPrefix(s.given["to"], "@")]
	}
	if s.given["after"] == "true" {
		return "", i.object(s).receiver().SeekAfter(i.ctx, to)
	}
	return "", i.object(s).receiver().Seek(i.ctx, to)
}

// ---- acknowledging ----

func ack(i *interpreter, s step) (string, error) {
	o := i.object(s)
	messages := slices.Clone(o.inHand)
	if s.has("payload") {
		messages = []*stargate.Message{o.last[s.given["payload"]]}
	}
	for _, message := range messages {
		o.answered(message)
	}
	return "", o.consumer.Ack(messages...)
}

func ackCumulative(i *interpreter, s step) (string, error) {
	o := i.object(s)
	return "", o.consumer.AckCumulative(o.last[s.given["payload"]])
}

func nack(i *interpreter, s step) (string, error) {
	o := i.object(s)
	message := o.last[s.given["payload"]]
	o.answered(message)
	return "", o.consumer.Nack(message)
}

func reconsumeLater(i *interpreter, s step) (string, error) {
	o := i.object(s)
	message := o.last[s.given["payload"]]
	err := o.consumer.ReconsumeLater(i.ctx, message, s.duration("delay", 0))
	if err == nil {
		o.answered(message)
	}
	return "", err
}

func backlog(i *interpreter, s step) (string, error) {
	wanted := uint64(s.number("count", 0))
	count, err := until(wanted, func() (uint64, error) { return i.object(s).consumer.Backlog(i.ctx) })
	return strconv.FormatUint(count, 10), err
}

func endOfTopic(i *interpreter, s step) (string, error) {
	end, err := until(true, func() (bool, error) { return i.object(s).receiver().IsEndOfTopic(i.ctx) })
	return yesOrNo(end), err
}

// until asks until the answer is the wanted one, or time is over; it returns the last answer.
func until[T comparable](wanted T, ask func() (T, error)) (T, error) {
	over := time.Now().Add(patience)
	for {
		answer, err := ask()
		if err != nil || answer == wanted || time.Now().After(over) {
			return answer, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ---- handlers ----

func listen(i *interpreter, s step) (string, error) {
	o := i.object(s)
	work := func(_ context.Context, message *stargate.Message) stargate.Outcome {
		data := string(message.Payload)
		if first := !slices.Contains(o.seen.add(data), data); first {
			switch data {
			case s.given["nack_once"]:
				return stargate.Nack
			case s.given["fail_once"]:
				panic("this handler fails once")
			case s.given["reconsume_once"]:
				return message.ReconsumeLater(100 * time.Millisecond)
			}
		}
		return stargate.Ack
	}
	return "", o.receiver().Listen(stargate.HandlerFunc(work))
}

func handled(i *interpreter, s step) (string, error) {
	o := i.object(s)
	if !s.has("calls") {
		prefix, count := s.given["payload"], s.number("count", 1)
		seen := o.seen.wait(func(seen []string) bool { return strings.HasPrefix(progress(seen, prefix, count), "all") })
		return progress(seen, prefix, count), nil
	}
	counts := map[string]int{}
	for _, data := range o.seen.wait(func(seen []string) bool { return len(seen) >= s.number("calls", 1) }) {
		counts[data]++
	}
	var shown []string
	for _, data := range slices.Sorted(maps.Keys(counts)) {
		shown = append(shown, fmt.Sprintf("%s %d", payload(data), counts[data]))
	}
	return strings.Join(shown, ", "), nil
}

// ---- the mock broker ----

// onMock makes a step of what asks the mock broker about a topic.
func onMock(ask func(*stargatetest.Broker, string, step) (string, error)) func(*interpreter, step) (string, error) {
	return func(i *interpreter, s step) (string, error) {
		broker, err := i.mock()
		if err != nil {
			return "", err
		}
		return ask(broker, i.topic(s), s)
	}
}

func fault(i *interpreter, s step) (string, error) {
	count := s.number("count", 1)
	if s.given["count"] == "all" {
		count = stargatetest.Always
	}
	return onMock(func(b *stargatetest.Broker, topic string, s step) (string, error) {
		return "", b.Fault(s.given["op"], s.given["fault"], topic, count)
	})(i, s)
}

func cut(b *stargatetest.Broker, topic string, _ step) (string, error) {
	_, err := b.DropConnections(topic)
	return "", err
}

func wait(b *stargatetest.Broker, topic string, s step) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return "", b.Wait(ctx, s.given["op"], topic, s.number("count", 1))
}

func stored(b *stargatetest.Broker, topic string, _ step) (string, error) {
	messages, err := b.Messages(topic)
	return strconv.Itoa(len(messages)), err
}

func partitions(b *stargatetest.Broker, topic string, s step) (string, error) {
	return "", b.CreatePartitioned(topic, s.number("count", 1))
}

func deduplicate(b *stargatetest.Broker, _ string, s step) (string, error) {
	return "", b.SetDeduplication(s.given["namespace"], true)
}

func terminate(b *stargatetest.Broker, topic string, _ step) (string, error) {
	return "", b.Terminate(topic)
}
