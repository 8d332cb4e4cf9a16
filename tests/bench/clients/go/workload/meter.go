package workload

import (
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The number of messages between two reads of the clock, and how many latencies are kept.
const check, samples = 16, 1 << 15

// Meter counts messages, leaves those of the warm-up out, and says when it is enough. One goroutine
// uses it at a time.
type Meter struct {
	// Timed is how many messages there are to each one that is timed.
	Timed int

	workload         *Workload
	total, unchecked int
	first            time.Time
	begin, end       *sample
	latencies        []time.Duration
	noted            int
}

type sample struct {
	at          time.Time
	messages    int
	cpu         time.Duration
	residentKiB int
}

// NewMeter returns the meter of a workload.
func NewMeter(w *Workload) *Meter {
	timed := 16
	if w.Window == 1 {
		timed = 1
	}
	return &Meter{Timed: timed, workload: w, latencies: make([]time.Duration, samples)}
}

// Done counts messages that were sent and confirmed, or received, and returns whether to go on.
func (m *Meter) Done(messages int) bool {
	m.total += messages
	m.unchecked += messages
	limit := m.workload.Limit
	last := limit > 0 && m.total >= limit
	if m.unchecked < check && !last && m.total > check {
		return true
	}
	m.unchecked = 0
	now := time.Now()
	if m.first.IsZero() {
		m.first = now
	}
	if m.begin == nil {
		if now.Sub(m.first) >= m.workload.Warmup || limit > 0 && m.total >= limit/5 {
			m.noted = 0
			m.begin = m.sample()
		}
	} else if now.Sub(m.begin.at) >= m.workload.Seconds || last {
		m.end = m.sample()
	}
	return m.end == nil
}

// Latency notes how long one message took. Of very many the last count.
func (m *Meter) Latency(taken time.Duration) {
	m.latencies[m.noted%samples] = taken
	m.noted++
}

func (m *Meter) sample() *sample {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return &sample{time.Now(), m.total, cpu, statusKiB("VmRSS")}
}

// Report prints one JSON object, and ends the process: what is in flight does not matter any more.
func (m *Meter) Report() {
	if m.end == nil {
		log.Fatal("the workload ended in the warm-up")
	}
	messages := float64(m.end.messages - m.begin.messages)
	seconds := m.end.at.Sub(m.begin.at).Seconds()
	fmt.Printf(`{"messages":%.0f,"seconds":%.6f,"rate":%.1f,"mb":%.2f,"cpu":%.4f,"peak_mb":%.2f,"grown_mb":%.2f`,
		messages, seconds, messages/seconds, messages*float64(m.workload.Size)/seconds/1e6,
		(m.end.cpu-m.begin.cpu).Seconds()/messages*1e6, float64(statusKiB("VmHWM"))/1024,
		float64(m.end.residentKiB-m.begin.residentKiB)/1024)
	if ordered := m.latencies[:min(m.noted, samples)]; len(ordered) > 0 {
		slices.Sort(ordered)
		at := func(part int) float64 { return ordered[len(ordered)*part/100].Seconds() * 1000 }
		fmt.Printf(`,"p50":%.3f,"p99":%.3f`, at(50), at(99))
	}
	fmt.Println("}")
	os.Exit(0)
}

// statusKiB returns a number of /proc/self/status; 0 where there is none.
func statusKiB(name string) int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			number, _ := strconv.Atoi(fields[1])
			return number
		}
	}
	return 0
}
