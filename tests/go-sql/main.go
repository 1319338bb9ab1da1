// An HTTP service that works with a database, in every way that database/sql offers. What it called, on whose behalf and how that ended
// goes into its journal: names and texts as people would expect them stand beside the statements, errors are told by the drivers' own
// types.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"uprobed.test/journal"
)

type service struct {
	journal *journal.Journal
	dialect dialect
	db      *sql.DB
	// down has nobody who listens.
	down *sql.DB
	// flaky breaks connections.
	flaky *sql.DB
	// Prepared once, used by everybody.
	selectItem, insertEvent *sql.Stmt
	jobs                    chan func()
}

func main() {
	driver := flag.String("driver", "sqlite", "postgres (lib/pq), pgx, mysql or sqlite")
	dsn := flag.String("dsn", "", "data source name")
	down := flag.String("down", "", "data source name of a server that is not there")
	connections := flag.Int("connections", 8, "open connections at most")
	logPath := flag.String("log", "", "journal")
	flag.Parse()

	journal, err := journal.Open(*logPath)
	if err != nil {
		log.Fatal(err)
	}
	s := &service{journal: journal, dialect: dialects[*driver], jobs: make(chan func())}
	s.db = open(*driver, *dsn)
	s.db.SetMaxOpenConns(*connections)
	s.db.SetMaxIdleConns(*connections)
	if *down != "" {
		s.down = open(*driver, *down)
	}
	s.flaky = open("flaky", "")
	s.prepare()
	// Goroutines that are older than every request.
	for i := 0; i < 4; i++ {
		go func() {
			for job := range s.jobs {
				job()
			}
		}()
	}
	s.serve()
	journal.Flush()
}

func open(driver, dsn string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// prepare makes tables and statements, before anybody is watching.
func (s *service) prepare() {
	for _, statement := range s.dialect.schema {
		if _, err := s.db.Exec(statement); err != nil {
			log.Fatalf("%s: %v", statement, err)
		}
	}
	var err error
	if s.selectItem, err = s.db.Prepare(s.dialect.selectItem.raw); err != nil {
		log.Fatal(err)
	}
	if s.insertEvent, err = s.db.Prepare(s.dialect.insertEvent.raw); err != nil {
		log.Fatal(err)
	}
}

func (s *service) serve() {
	mux := http.NewServeMux()
	for path, work := range s.work() {
		path, work := path, work
		mux.HandleFunc("/"+path+"/", func(w http.ResponseWriter, r *http.Request) {
			number := 0
			fmt.Sscanf(r.URL.Path[len(path)+2:], "%d", &number)
			work(&request{service: s, path: r.URL.Path, number: number, ctx: r.Context()})
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		// What was left behind by requests comes to its end, too.
		time.Sleep(200 * time.Millisecond)
		server.Shutdown(context.Background())
	}()
	fmt.Printf("listening http://%s\n", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
