// The peer gorilla/websocket, with the JSON and base64 of the standard library and nothing of a
// library around it: it does not reconnect, and loses what is in flight.
//
// The module writes to the socket for each message. Here a buffer in between gathers what is written
// until the next read of the socket, which comes when everything that had arrived is handled.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"net"
	"strconv"
	"time"

	"bench/workload"

	"github.com/gorilla/websocket"
)

func main() {
	w := workload.FromArguments()
	dialer := websocket.Dialer{NetDial: dial, ReadBufferSize: 128 * 1024, WriteBufferSize: 128 * 1024}
	socket, _, err := dialer.Dial(w.WebsocketURL(), nil)
	if err != nil {
		log.Fatal(err)
	}
	if w.Role == "send" {
		send(socket, w)
	} else {
		receive(socket, w)
	}
}

// gathering is a connection that holds back what is written until the next read.
type gathering struct {
	net.Conn
	written *bufio.Writer
}

func dial(network, address string) (net.Conn, error) {
	connection, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return &gathering{connection, bufio.NewWriterSize(connection, 128*1024)}, nil
}

func (g *gathering) Write(bytes []byte) (int, error) { return g.written.Write(bytes) }

func (g *gathering) Read(bytes []byte) (int, error) {
	if err := g.written.Flush(); err != nil {
		return 0, err
	}
	return g.Conn.Read(bytes)
}

type outgoing struct {
	Payload []byte `json:"payload"` // written and read as base64
	Context string `json:"context"`
}

type receipt struct {
	Result    string `json:"result"`
	MessageID string `json:"messageId"`
	Context   string `json:"context"`
}

type delivery struct {
	MessageID string `json:"messageId"`
	Payload   []byte `json:"payload"`
}

type acknowledgement struct {
	MessageID string `json:"messageId"`
}

func send(socket *websocket.Conn, w *workload.Workload) {
	meter, payloads := workload.NewMeter(w), workload.NewPayloads(w.Size)
	sentAt := make([]time.Time, w.Window)
	for sent, confirmed := 0, 0; ; confirmed++ {
		for ; sent-confirmed < w.Window; sent++ {
			if sent%meter.Timed == 0 {
				sentAt[sent%w.Window] = time.Now()
			}
			write(socket, outgoing{payloads.Get(sent), strconv.Itoa(sent)})
		}
		var answer receipt
		read(socket, &answer)
		number, err := strconv.Atoi(answer.Context)
		if answer.Result != "ok" || err != nil {
			log.Fatalf("%+v", answer)
		}
		if number%meter.Timed == 0 {
			meter.Latency(time.Since(sentAt[number%w.Window]))
		}
		if !meter.Done(1) {
			meter.Report()
		}
	}
}

func receive(socket *websocket.Conn, w *workload.Workload) {
	meter := workload.NewMeter(w)
	for {
		var message delivery
		read(socket, &message)
		write(socket, acknowledgement{message.MessageID})
		if !meter.Done(1) {
			meter.Report()
		}
	}
}

func write(socket *websocket.Conn, value any) {
	text, err := json.Marshal(value)
	if err == nil {
		err = socket.WriteMessage(websocket.TextMessage, text)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func read(socket *websocket.Conn, value any) {
	_, text, err := socket.ReadMessage()
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		log.Fatal(err)
	}
}
