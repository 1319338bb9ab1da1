// Shop takes orders. It asks the stock for the item and, at the same time, for its price. An ordinary service: the
// standard library, and nothing that knows of tracing.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	listen, stock := os.Args[1], os.Args[2]
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

	get := func(r *http.Request, path string) (int, error) {
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, stock+path, nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return response.StatusCode, err
	}

	http.HandleFunc("GET /orders/{day}/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("day") + "/" + r.PathValue("id")
		price := make(chan int)
		go func() {
			status, err := get(r, "/prices/"+id)
			if err != nil {
				log.Print(err)
			}
			price <- status
		}()
		item, err := get(r, "/items/"+id)
		if err != nil {
			log.Print(err)
		}
		switch priced := <-price; {
		case item == http.StatusNotFound:
			http.Error(w, "sold out", http.StatusConflict)
		case item != http.StatusOK || priced != http.StatusOK:
			http.Error(w, "try again later", http.StatusBadGateway)
		default:
			fmt.Fprintln(w, "ordered")
		}
	})
	log.Fatal(http.ListenAndServe(listen, nil))
}
