// The program that the tests of binary read: an HTTP server and its client.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	http.HandleFunc("/users/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Host, r.Header.Get("User-Agent"))
	})
	server := httptest.NewServer(http.DefaultServeMux)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}
	response, err := client.Get(server.URL + "/users/1")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
}
