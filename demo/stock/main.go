// Stock knows items and prices. Now and then an item is sold out, or a price cannot be told.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	http.HandleFunc("GET /items/{day}/{id}", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.PathValue("id"), "9") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, "one left")
	})
	http.HandleFunc("GET /prices/{day}/{id}", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.PathValue("id"), "33") {
			http.Error(w, "no price today", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "9.99")
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
