package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log"
	"math/big"
	"net"
	"time"
)

// certificate is made anew; no client can know whom to trust for it.
var certificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}()

// encrypted is the connection below TLS, once both ends have agreed on that.
func encrypted(connection net.Conn) (net.Conn, error) {
	below := &handshake{Conn: connection}
	// The newer version would send more behind its handshake, which is in packets no longer.
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12}
	above := tls.Server(below, config)
	if err := above.Handshake(); err != nil {
		return nil, err
	}
	below.isOver = true
	return above, nil
}

// handshake has TLS within messages; when it is over, these are within TLS.
type handshake struct {
	net.Conn
	left   []byte
	isOver bool
}

func (h *handshake) Read(into []byte) (int, error) {
	if h.isOver {
		return h.Conn.Read(into)
	}
	if len(h.left) == 0 {
		m, err := read(h.Conn)
		if err != nil {
			return 0, err
		}
		h.left = m.data
	}
	count := copy(into, h.left)
	h.left = h.left[count:]
	return count, nil
}

func (h *handshake) Write(data []byte) (int, error) {
	if !h.isOver {
		if _, err := h.Conn.Write(packet(prelogin, data)); err != nil {
			return 0, err
		}
		return len(data), nil
	}
	return h.Conn.Write(data)
}
