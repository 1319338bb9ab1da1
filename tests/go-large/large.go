//go:build never

// A program of hundreds of modules, to be planned for: `go build github.com/prometheus/prometheus/cmd/prometheus`.
package large

import _ "github.com/prometheus/prometheus/cmd/prometheus"
