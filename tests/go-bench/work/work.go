// Package work is what the programs of the measurement share: operations on demand and, in builds with the tag `sdk`, the OpenTelemetry
// SDK. Builds without it have nothing of the SDK linked.
package work

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// summary is what the load generator prints, too.
type summary struct {
	Requests uint64  `json:"requests"`
	Errors   uint64  `json:"errors"`
	Seconds  float64 `json:"seconds"`
}

// OnDemand does an operation over and over, on so many goroutines, for as long as each line of standard input says; then it prints how
// often. Each goroutine has its own number.
func OnDemand(goroutines int, operation func(goroutine int) error) {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		duration, err := time.ParseDuration(lines.Text())
		if err != nil {
			panic(err)
		}
		json.NewEncoder(os.Stdout).Encode(run(goroutines, duration, operation))
	}
}

func run(goroutines int, duration time.Duration, operation func(goroutine int) error) summary {
	var done, failed atomic.Uint64
	var group sync.WaitGroup
	begun := time.Now()
	for goroutine := range goroutines {
		group.Go(func() {
			for time.Since(begun) < duration {
				if err := operation(goroutine); err != nil {
					fmt.Fprintln(os.Stderr, err)
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	return summary{done.Load(), failed.Load(), time.Since(begun).Seconds()}
}
