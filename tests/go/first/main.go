// Makes calls from its first moment on, and ends.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	for i := 0; i < 3; i++ {
		response, err := http.Get(fmt.Sprintf("%s/plain/%d", os.Args[1], i))
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
