//go:build sdk

// The service of the measurement with the OpenTelemetry SDK compiled in: the same answers as tests/go/service gives,
// through otelhttp, a batch processor and OTLP over HTTP.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"uprobed.test/bench/work"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	upstream := flag.String("upstream", "", "base URL of the service to call")
	work.Parse()

	client := &http.Client{Transport: otelhttp.NewTransport(&http.Transport{MaxIdleConnsPerHost: 256})}
	mux := http.NewServeMux()
	mux.HandleFunc("/plain/", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("/call/", func(w http.ResponseWriter, r *http.Request) {
		tail := strings.TrimPrefix(r.URL.Path, "/call/")
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, *upstream+"/plain/"+tail, nil)
		if err != nil {
			panic(err)
		}
		status := http.StatusBadGateway
		if response, err := client.Do(request); err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			status = response.StatusCode
		}
		w.WriteHeader(status)
		io.WriteString(w, "done\n")
	})

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", "http://"+listener.Addr().String())
	log.Fatal(http.Serve(listener, otelhttp.NewHandler(mux, "server")))
}
