// The program of the matrix that uses net/http: a server with and without TLS, and a client of both.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"uprobed.test/matrix/load"
)

func main() {
	plain, encrypted := listen(), listen()
	go http.Serve(plain, handler())
	server := &http.Server{Handler: handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}}}
	go server.ServeTLS(encrypted, "", "")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	transport.ForceAttemptHTTP2 = true
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	load.Run(func() error {
		for _, base := range []string{"http://" + plain.Addr().String(), "https://" + encrypted.Addr().String()} {
			if err := call(client, base); err != nil {
				return err
			}
		}
		return nil
	})
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/users/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintln(w, strings.TrimPrefix(r.URL.Path, "/users/"), r.Header.Get("Traceparent"))
	})
	mux.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	return mux
}

func call(client *http.Client, base string) error {
	answer, err := client.Get(base + "/users/7")
	if err == nil {
		err = drain(answer)
	}
	if err != nil {
		return err
	}
	answer, err = client.Post(base+"/orders", "application/json", strings.NewReader(`{"id": 7}`))
	if err != nil {
		return err
	}
	return drain(answer)
}

func drain(answer *http.Response) error {
	defer answer.Body.Close()
	_, err := io.Copy(io.Discard, answer.Body)
	return err
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
