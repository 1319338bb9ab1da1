//go:build !go1.22

package main

// patterns are not known to this version's mux.
func (s *service) patterns() {}
