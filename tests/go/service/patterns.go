//go:build go1.22

package main

// patterns are routes that only newer muxes know: with methods and wildcards.
func (s *service) patterns() {
	s.mux.HandleFunc("GET /items/{id}/{rest...}", s.plain)
	s.mux.HandleFunc("/users/{name}/calls/{rest...}", s.plain)
	s.mux.HandleFunc("GET /context/items/{id}", s.plain)
	s.mux.HandleFunc("GET /clone/items/{id}", s.plain)
	s.mux.HandleFunc("GET /late/items/{id}", s.plain)
}
