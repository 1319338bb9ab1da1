package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// routes are written for every Go since 1.21: a prefix each, what follows is up to the handler.
func (s *service) routes() {
	s.mux.HandleFunc("/plain/", s.plain)
	s.mux.HandleFunc("/status/", s.status)
	s.mux.HandleFunc("/slow/", s.slow)
	s.mux.HandleFunc("/panic/", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	s.mux.HandleFunc("/hijack/", s.hijack)
	s.mux.HandleFunc("/redirect/", s.redirect)
	s.mux.HandleFunc("/again/", s.again)

	s.mux.HandleFunc("/call/", s.calls)
	s.mux.HandleFunc("/refused/", s.refused)
	s.mux.HandleFunc("/timeout/", s.timeout)
	s.mux.HandleFunc("/follow/", s.follow)
	s.mux.HandleFunc("/nest/", s.nest)
	s.mux.Handle("/middleware/", withValue(http.HandlerFunc(s.calls)))

	for _, way := range []string{"/context/", "/clone/", "/late/"} {
		s.mux.HandleFunc(way, s.plain)
		s.mux.HandleFunc(way+"reused/", s.reuse)
		s.mux.Handle(way+"nested/", nested(way+"nested", s.plain))
	}

	s.mux.HandleFunc("/grow/", s.grow)
	s.mux.HandleFunc("/fan/", func(w http.ResponseWriter, r *http.Request) { s.fan(w, r, r.Context()) })
	s.mux.HandleFunc("/fanbare/", func(w http.ResponseWriter, r *http.Request) { s.fan(w, r, context.Background()) })
	s.mux.HandleFunc("/deep/", func(w http.ResponseWriter, r *http.Request) { s.deep(w, r, r.Context(), false) })
	s.mux.HandleFunc("/deepbare/", func(w http.ResponseWriter, r *http.Request) { s.deep(w, r, context.Background(), true) })
	s.mux.HandleFunc("/forget/", s.forget)
}

// split takes /name/number/rest apart.
func split(r *http.Request) (int, string) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 3 {
		return 0, ""
	}
	number, _ := strconv.Atoi(parts[1])
	return number, parts[2]
}

// tail is what follows the first element of the path.
func tail(r *http.Request) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return rest
}

func (s *service) plain(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "ok\n")
}

// status answers /status/404/... with 404.
func (s *service) status(w http.ResponseWriter, r *http.Request) {
	status, _ := split(r)
	w.WriteHeader(status)
}

// slow answers /slow/20/... after 20 ms.
func (s *service) slow(w http.ResponseWriter, r *http.Request) {
	milliseconds, _ := split(r)
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	io.WriteString(w, "ok\n")
}

func (s *service) hijack(w http.ResponseWriter, _ *http.Request) {
	connection, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	buffer.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
	buffer.Flush()
}

func (s *service) redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/plain/"+tail(r), http.StatusFound)
}

// again hands /again/3/... to the mux as /again/2/..., within the same request.
func (s *service) again(w http.ResponseWriter, r *http.Request) {
	depth, rest := split(r)
	if depth == 0 {
		s.call(r.Context(), s.upstream+"/plain/"+rest, s.outermost(r), false)
		io.WriteString(w, "ok\n")
		return
	}
	inner := r.Clone(context.WithValue(r.Context(), originalKey{}, s.outermost(r)))
	inner.URL.Path = fmt.Sprintf("/again/%d/%s", depth-1, rest)
	s.mux.ServeHTTP(w, inner)
}

type originalKey struct{}

// outermost is the path as it came in over the wire.
func (s *service) outermost(r *http.Request) string {
	if path, ok := r.Context().Value(originalKey{}).(string); ok {
		return path
	}
	return r.URL.Path
}

// calls calls upstream with the request's own context, and answers as upstream did.
func (s *service) calls(w http.ResponseWriter, r *http.Request) {
	answer(w, s.call(r.Context(), s.upstream+"/plain/"+tail(r), r.URL.Path, false))
}

func answer(w http.ResponseWriter, status int) {
	if status == 0 {
		status = http.StatusBadGateway
	}
	w.WriteHeader(status)
	io.WriteString(w, "done\n")
}

func withValue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), originalKey{}, r.URL.Path)))
	})
}

// refused calls a port where nobody listens: port 1 of the loopback interface.
func (s *service) refused(w http.ResponseWriter, r *http.Request) {
	answer(w, s.call(r.Context(), "http://127.0.0.1:1/nobody/"+tail(r), r.URL.Path, false))
}

// timeout gives up on an upstream that is too slow.
func (s *service) timeout(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
	defer cancel()
	answer(w, s.call(ctx, s.upstream+"/slow/200/"+tail(r), r.URL.Path, false))
}

// follow calls an upstream that redirects: two round trips for one call.
func (s *service) follow(w http.ResponseWriter, r *http.Request) {
	first := called{What: "call", Method: http.MethodGet, Path: "/redirect/" + tail(r), Status: http.StatusFound, From: r.URL.Path}
	s.journal.Write(first)
	second := first
	client := *s.client
	client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		second.Path = next.URL.Path
		return nil
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.upstream+first.Path, nil)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	if err != nil {
		panic(err)
	}
	response.Body.Close()
	second.Status = response.StatusCode
	s.journal.Write(second)
	answer(w, second.Status)
}

// nest calls itself over HTTP: /nest/3/... calls /nest/2/... and so on.
func (s *service) nest(w http.ResponseWriter, r *http.Request) {
	depth, rest := split(r)
	if depth == 0 {
		io.WriteString(w, "ok\n")
		return
	}
	answer(w, s.call(r.Context(), fmt.Sprintf("%s/nest/%d/%s", s.self, depth-1, rest), r.URL.Path, false))
}

// grow makes the call at the bottom of a deep stack, on a goroutine whose stack starts small: it is copied on the way
// down and, at other depths, within the call.
func (s *service) grow(w http.ResponseWriter, r *http.Request) {
	depth, rest := split(r)
	done := make(chan int)
	go func() {
		var status int
		deeper(depth, func() { status = s.call(r.Context(), s.upstream+"/plain/"+rest, r.URL.Path, false) })
		done <- status
	}()
	status := <-done
	// And once more on the handler's own stack, which is larger by now or not.
	deeper(depth, func() { s.call(r.Context(), s.upstream+"/plain/own/"+rest, r.URL.Path, false) })
	answer(w, status)
}

// deeper uses about 128 bytes of stack a level.
//
//go:noinline
func deeper(depth int, then func()) byte {
	var filler [64]byte
	filler[depth%64] = 1
	if depth == 0 {
		then()
		return 0
	}
	return deeper(depth-1, then) + filler[depth%32]
}

// fan calls upstream from as many goroutines as the path says, and waits for them.
func (s *service) fan(w http.ResponseWriter, r *http.Request, ctx context.Context) {
	count, rest := split(r)
	var all sync.WaitGroup
	for i := 0; i < count; i++ {
		i := i
		all.Add(1)
		go func() {
			defer all.Done()
			s.call(ctx, fmt.Sprintf("%s/plain/%s/%d", s.upstream, rest, i), r.URL.Path, false)
		}()
	}
	all.Wait()
	io.WriteString(w, "ok\n")
}

// deep calls from a goroutine two levels down, after the one in between has ended.
func (s *service) deep(w http.ResponseWriter, r *http.Request, ctx context.Context, orRoot bool) {
	middleEnded := make(chan struct{})
	done := make(chan int)
	go func() {
		go func() {
			<-middleEnded
			// The channel closes a moment before the goroutine is gone.
			time.Sleep(time.Millisecond)
			done <- s.call(ctx, s.upstream+"/plain/"+tail(r), r.URL.Path, orRoot)
		}()
		close(middleEnded)
	}()
	answer(w, <-done)
}

// forget answers at once and leaves a goroutine that calls later, when other requests are on this connection.
func (s *service) forget(w http.ResponseWriter, r *http.Request) {
	wait, rest := split(r)
	path := r.URL.Path
	go func() {
		time.Sleep(time.Duration(wait) * time.Millisecond)
		s.call(context.Background(), s.upstream+"/plain/"+rest, path, true)
	}()
	io.WriteString(w, "ok\n")
}
