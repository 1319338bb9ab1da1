package shop

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
)

// Journal is a file of JSON lines in which a program writes what it knows about itself. The tests take their expected values from it.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
}

// Served is a call that a server's own code answered.
type Served struct {
	What string `json:"what"`
	// ID is what the client called the work that the call belongs to.
	ID     string `json:"id"`
	Method string `json:"method"`
	// Code is the number of the status that was returned.
	Code uint32 `json:"code"`
}

// Called is a call that a program made, as it came back.
type Called struct {
	What string `json:"what"`
	// From is the path of the request, or `grpc` and the id of the call, that it was made for.
	From   string `json:"from"`
	ID     string `json:"id"`
	Method string `json:"method"`
	Code   uint32 `json:"code"`
	// Target is what the client was dialled with.
	Target string `json:"target"`
	// Traceparent is what was sent along.
	Traceparent string `json:"traceparent,omitempty"`
}

// Open makes the file anew.
func Open(path string) (*Journal, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Journal{file: file, buffer: bufio.NewWriterSize(file, 1<<16)}, nil
}

// Write adds one line.
func (j *Journal) Write(line any) {
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer.Write(append(bytes, '\n'))
}

// Close hands everything to the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.buffer.Flush(); err != nil {
		return err
	}
	return j.file.Close()
}
