// Package journal writes what a test program knows about itself, one JSON object a line. The tests take their expected
// values from it.
package journal

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"
)

// Journal is a file of JSON lines. A nil Journal drops what it is given.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
}

// Open makes the file anew; an empty path gives a nil Journal.
func Open(path string) (*Journal, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file, buffer: bufio.NewWriterSize(file, 1<<16)}
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			j.Flush()
		}
	}()
	return j, nil
}

// Write adds one line.
func (j *Journal) Write(line any) {
	if j == nil {
		return
	}
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer.Write(append(bytes, '\n'))
}

// Flush hands everything to the file.
func (j *Journal) Flush() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer.Flush()
}
