// Package load runs what a program does again and again, and records where the time goes: how each default.pgo was made.
package load

import (
	"fmt"
	"os"
	"runtime/pprof"
	"time"
)

// Run calls once a single time, or for the seconds that a profile needs if UPROBED_PROFILE names a file for it.
func Run(once func() error) {
	path := os.Getenv("UPROBED_PROFILE")
	if path == "" {
		check(once())
		return
	}
	file, err := os.Create(path)
	check(err)
	check(pprof.StartCPUProfile(file))
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		check(once())
	}
	pprof.StopCPUProfile()
	check(file.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
