package main

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// copying hands the mux copies of requests, as middleware does: /context/..., /clone/..., /late/... and /stripped/...
func (s *service) copying(mux http.Handler) http.Handler {
	late := http.TimeoutHandler(mux, 30*time.Second, "too late")
	stripped := http.StripPrefix("/stripped", mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		way, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch way {
		case "context":
			mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), originalKey{}, r.URL.Path)))
		case "clone":
			mux.ServeHTTP(w, r.Clone(r.Context()))
		case "late":
			late.ServeHTTP(w, r)
		case "stripped":
			stripped.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// nested has a mux of its own behind a prefix of the outer one's.
func nested(prefix string, handler http.HandlerFunc) http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("/", handler)
	return http.StripPrefix(prefix, inner)
}

// reuse answers when the request that it was given is garbage and others, routed elsewhere, have its place.
func (s *service) reuse(w http.ResponseWriter, r *http.Request) {
	s.plain(w, r)
	r = nil
	runtime.GC()
	runtime.GC()
	others := make([]*http.Request, 5000)
	for i := range others {
		others[i] = &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/plain/"}, RequestURI: "/plain/"}
	}
	for _, other := range others {
		s.mux.ServeHTTP(nowhere{}, other)
	}
	runtime.KeepAlive(others)
}

type nowhere struct{}

func (nowhere) Header() http.Header             { return http.Header{} }
func (nowhere) Write(bytes []byte) (int, error) { return len(bytes), nil }
func (nowhere) WriteHeader(int)                 {}
