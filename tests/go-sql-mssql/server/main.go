// A stand-in for SQL Server: it speaks as much of TDS 7.4 as a client needs that logs in, with TLS or without, sends batches, calls
// sp_executesql and has transactions. It keeps no data: what it answers depends on words in the statement.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"
)

// slow is longer than anybody waits who has a deadline.
const slow = 10 * time.Second

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %s\n", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(connection)
	}
}

func serve(connection net.Conn) {
	defer connection.Close()
	connection, err := agree(connection)
	if err != nil {
		return
	}
	messages := make(chan message)
	go func() {
		defer close(messages)
		for {
			message, err := read(connection)
			if err != nil {
				return
			}
			messages <- message
		}
	}()
	for message := range messages {
		if _, err := connection.Write(packet(reply, answer(message, messages))); err != nil {
			break
		}
	}
	// The reader ends with the connection.
	connection.Close()
	for range messages {
	}
}

// agree settles whether the connection is encrypted, as the client wants it.
func agree(connection net.Conn) (net.Conn, error) {
	first, err := read(connection)
	if err != nil {
		return nil, err
	}
	encryption := first.encryption()
	if _, err := connection.Write(packet(reply, preloginReply(encryption))); err != nil {
		return nil, err
	}
	if encryption == encryptionOn {
		return encrypted(connection)
	}
	return connection, nil
}

// answer may take the next message, if that is what ends a statement that takes its time.
func answer(m message, next <-chan message) []byte {
	switch m.kind {
	case login:
		return loginReply()
	case batch:
		return run(m.statement(), tokenDone, next)
	case call:
		return run(m.statement(), tokenDoneProc, next)
	case transaction:
		return m.endOrBegin()
	case attention:
		return done(tokenDone, doneAttention, 0)
	}
	log.Printf("message of kind %d", m.kind)
	return failure(tokenDone, 4002, 16)
}

func run(statement string, end byte, next <-chan message) []byte {
	has := func(words string) bool { return strings.Contains(statement, words) }
	switch {
	case has("INSERT INTO items (id, name) VALUES (1, 'secret"):
		return failure(end, 2627, 14)
	case has("nowhere"):
		return failure(end, 208, 16)
	case has("SELEC "):
		return failure(end, 102, 15)
	case has("WAITFOR"):
		select {
		case m := <-next:
			return answer(m, next)
		case <-time.After(slow):
			return done(end, 0, 0)
		}
	case has("1000000000"):
		return append(columns(), done(end, doneCount, 0)...)
	case has("SELECT"):
		rows := append(append(columns(), row(1, "one")...), row(2, "two")...)
		return append(rows, done(end, doneCount, 2)...)
	}
	return done(end, doneCount, 1)
}

// message is what a client sent, of one packet or more, without their headers.
type message struct {
	kind byte
	data []byte
}

func read(from io.Reader) (message, error) {
	var m message
	for {
		var header [8]byte
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return m, err
		}
		length := int(header[2])<<8 | int(header[3])
		if length < len(header) {
			return m, fmt.Errorf("a packet of %d bytes", length)
		}
		data := make([]byte, length-len(header))
		if _, err := io.ReadFull(from, data); err != nil {
			return m, err
		}
		m.kind = header[0]
		m.data = append(m.data, data...)
		if header[1]&lastPacket != 0 {
			return m, nil
		}
	}
}
