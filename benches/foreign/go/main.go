// Go beside Segno: one question a run, `foreign QUESTION`, answered with a line of JSON.
//
// One processor (GOMAXPROCS 1), as everybody else has one thread.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An answer: what was measured, or why it cannot be.
type answer struct {
	Runs   []float64 `json:"runs,omitempty"`
	Note   string    `json:"note,omitempty"`
	Cannot string    `json:"cannot,omitempty"`
}

func main() {
	runtime.GOMAXPROCS(1)
	var a answer
	switch os.Args[1] {
	case "switch":
		a = answer{Runs: time1(pulls), Note: pullNote}
	case "create":
		a = answer{Runs: time1(pullOne), Note: pullNote}
	case "walk":
		tree := balanced(0, nodes)
		walk := func(times int) {
			for ; times > 0; times -= nodes {
				if pullWalk(tree) != nodes*(nodes-1)/2 {
					panic("the walk missed a node")
				}
			}
		}
		a = answer{Runs: timed(nodes, walk), Note: pullNote}
	case "yield-2":
		a = answer{Runs: yield(2), Note: "Gosched"}
	case "yield-100":
		a = answer{Runs: yield(100), Note: "Gosched"}
	case "yield-10000":
		a = answer{Runs: yield(10000), Note: "Gosched"}
	case "spawn-1":
		a = answer{Runs: time1(spawn), Note: "the value comes by a channel of its own"}
	case "spawn-1000":
		a = answer{Runs: timed(1000, spawnThousand), Note: "the values come by a channel each"}
	case "ping-pong":
		a = answer{Runs: time1(pingPong)}
	case "stream":
		a = answer{Runs: time1(stream)}
	case "memory":
		a = memory(100000)
	default:
		a = answer{Cannot: "it does not know the question"}
	}
	line, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

// What the processor has spent on this process: what it does for others does not count.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func time1(f func(times int)) []float64 { return timed(1, f) }

// Nanoseconds for one operation, five times. f does multiples of step operations.
func timed(step int, f func(times int)) []float64 {
	times := step
	for f(times); ; times *= 2 {
		start := spent()
		f(times)
		if spent()-start > 50*time.Millisecond {
			break
		}
	}
	var runs []float64
	for i := 0; i < 5; i++ {
		start := spent()
		f(times)
		runs = append(runs, float64((spent()-start).Nanoseconds())/float64(times))
	}
	return runs
}

const nodes = 1 << 20

type node struct {
	key         int
	left, right *node
}

func balanced(from, to int) *node {
	if from == to {
		return nil
	}
	key := from + (to-from)/2
	return &node{key, balanced(from, key), balanced(key+1, to)}
}

func yield(tasks int) []float64 {
	// All count; the one that is timed ends when there have been so many.
	count := 0
	for i := 1; i < tasks; i++ {
		go func() {
			for {
				count++
				runtime.Gosched()
			}
		}()
	}
	runtime.Gosched()
	return timed(tasks, func(times int) {
		for goal := count + times; count < goal; {
			count++
			runtime.Gosched()
		}
	})
}

func spawn(times int) {
	for i := 0; i < times; i++ {
		value := make(chan int, 1)
		go func(i int) { value <- i }(i)
		if <-value != i {
			panic("another's value")
		}
	}
}

func spawnThousand(times int) {
	values := make([]chan int, 1000)
	for ; times > 0; times -= len(values) {
		for i := range values {
			value := make(chan int, 1)
			values[i] = value
			go func(i int) { value <- i }(i)
		}
		for i, value := range values {
			if <-value != i {
				panic("another's value")
			}
		}
	}
}

func pingPong(times int) {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for value := range there {
			back <- value + 1
		}
	}()
	for i := 0; i < times; i++ {
		there <- i
		if <-back != i+1 {
			panic("another's value")
		}
	}
	close(there)
}

func stream(times int) {
	values := make(chan int, 128)
	go func() {
		for i := 0; i < times; i++ {
			values <- i
		}
		close(values)
	}()
	sum := 0
	for value := range values {
		sum += value
	}
	if sum != times*(times-1)/2 {
		panic("a value is missing")
	}
}

// Bytes that the process grows by for each goroutine that waits.
func memory(count int) answer {
	before := resident()
	gate, paused := make(chan int), 0
	for i := 0; i < count; i++ {
		go func() {
			paused++
			<-gate
		}()
	}
	for paused < count {
		runtime.Gosched()
	}
	grown := resident() - before
	runtime.KeepAlive(gate)
	return answer{Runs: []float64{grown / float64(count)}}
}

// Resident memory and page tables, in bytes.
func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	bytes := 0.0
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			kilobytes, err := strconv.ParseFloat(strings.Fields(line)[1], 64)
			if err != nil {
				panic(err)
			}
			bytes += kilobytes * 1024
		}
	}
	return bytes
}
