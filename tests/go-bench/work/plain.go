//go:build !sdk

package work

import "flag"

// Parse parses the flags.
func Parse() { flag.Parse() }
