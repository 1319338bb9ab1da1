// A gRPC server in which no client is linked.
package main

import (
	"uprobed.test/bench/grpc/echo"
	"uprobed.test/bench/work"
)

func main() {
	work.Parse()
	echo.Serve()
}
