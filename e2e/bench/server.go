package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"sallyport/e2e/rig"
	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/op"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// order is one line on the standard input of a server. Each is answered by one line of JSON, a report.
type order struct {
	Start   *startOrder `json:"start,omitempty"` // the first line
	Profile string      `json:"profile,omitempty"`
	Stop    bool        `json:"stop,omitempty"` // of the profile
}

// startOrder says what the server is to be.
type startOrder struct {
	Database string `json:"database"`
	Log      string `json:"log"` // file
}

// report is what a server has spent and done since its start.
type report struct {
	URL        string        `json:"url,omitempty"`
	Error      string        `json:"error,omitempty"`
	CPU        time.Duration `json:"cpu"` // user and system
	Allocs     uint64        `json:"allocs"`
	Bytes      uint64        `json:"bytes"`
	Statements uint64        `json:"statements"`
	Commits    uint64        `json:"commits"`
}

// codesFile is the file descriptor on which a server writes each message as "address code", a line each.
const codesFile = 3

// serve is the server's process: it obeys orders until its input ends.
func serve(ctx context.Context, orders io.Reader, reports io.Writer) error {
	in, out := json.NewDecoder(bufio.NewReader(orders)), json.NewEncoder(reports)
	var first order
	if err := in.Decode(&first); err != nil || first.Start == nil {
		return fmt.Errorf("reading the first order: %w", err)
	}
	s, err := start(ctx, *first.Start)
	if err != nil {
		return err
	}
	defer s.stop()
	r := s.report()
	for {
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("reporting: %w", err)
		}
		var o order
		if err := in.Decode(&o); err != nil {
			return nil // the load has ended, and so do we
		}
		r = s.obey(o)
	}
}

// server is Sallyport as it serves, without flags and configuration.
type server struct {
	store *storage.Store
	http  *http.Server
	url   string
	end   context.CancelFunc
	work  sync.WaitGroup
}

func benchSecret() string { return strings.Repeat("benchmark", 4) }

func start(ctx context.Context, o startOrder) (*server, error) {
	logFile, err := os.OpenFile(o.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	log := slog.New(slog.NewTextHandler(logFile, nil))
	slog.SetDefault(log)
	ring, err := grants.NewRing(benchSecret())
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(ctx, storage.Options{URL: o.Database, Ring: ring, Now: rig.Now, Log: log})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, store, ring); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	ctx, end := context.WithCancel(ctx)
	s := &server{store: store, url: "http://" + listener.Addr().String(), end: end}
	if err := s.wire(ctx, ring, log); err != nil {
		end()
		return nil, err
	}
	s.work.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// wire makes the same parts as the command serve does, and starts them.
func (s *server) wire(ctx context.Context, ring *grants.Ring, log *slog.Logger) error {
	pages, err := templates.New(templates.Site{Name: "Sallyport", Host: "127.0.0.1"})
	if err != nil {
		return err
	}
	post, err := courier.New(courier.Config{
		Store: s.store, Ring: ring, Templates: pages, Mail: pipe{os.NewFile(codesFile, "codes")}, LinkURL: op.LinkURL(s.url),
		CodeInSubject: true, Now: rig.Now, Log: log,
	})
	if err != nil {
		return err
	}
	engine, err := grants.New(grants.Config{Store: s.store, Ring: ring, Sender: post, Limiter: web.NewLimiter(rig.Now), Now: rig.Now})
	if err != nil {
		return err
	}
	provider, err := op.New(ctx, op.Config{
		Issuer: s.url, Store: s.store, Ring: ring, Engine: engine, Templates: pages, Now: rig.Now, Log: log,
		SessionIdle: 72 * time.Hour, SessionAbsolute: 720 * time.Hour, Email: true,
	})
	if err != nil {
		return err
	}
	bare := make([]byte, 1024)
	handler := provider.Handler()
	s.http = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathBare {
			_, _ = w.Write(bare)
			return
		}
		handler.ServeHTTP(w, r)
	})}
	s.work.Go(func() { _ = post.Run(ctx) })
	s.work.Go(func() { _ = provider.Run(ctx) })
	return nil
}

func (s *server) stop() {
	_ = s.http.Close()
	s.end()
	s.work.Wait()
	_ = s.store.Close()
}

func (s *server) obey(o order) report {
	if o.Stop {
		pprof.StopCPUProfile()
	}
	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return report{Error: err.Error()}
		}
	}
	return s.report()
}

func (s *server) report() report {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // of ourselves it never fails
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	return report{
		URL: s.url, CPU: spent(usage), Allocs: samples[0].Value.Uint64(), Bytes: samples[1].Value.Uint64(),
		Statements: s.store.Statements(), Commits: s.store.Commits(),
	}
}

func spent(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }

// pipe is the mail transport: it hands each code to the load. It costs the server one short write.
type pipe struct{ to io.Writer }

// SendMail implements courier.Mailer.
func (p pipe) SendMail(_ context.Context, m courier.Mail) (courier.Receipt, error) {
	code, _, _ := strings.Cut(m.Subject, " ")
	_, err := io.WriteString(p.to, m.To+" "+code+"\n")
	return courier.Receipt{Provider: "pipe", ID: m.MessageID}, err
}
