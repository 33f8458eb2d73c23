package courier

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// recorder is a database that notes what became of messages.
type recorder struct {
	*storage.Store
	mu       sync.Mutex
	outcomes map[string][]grants.Outcome
}

func (r *recorder) RecordDelivery(ctx context.Context, id string, o grants.Outcome) error {
	err := r.Store.RecordDelivery(ctx, id, o)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.outcomes[id] = append(r.outcomes[id], o)
	}
	return err
}

// tries are the statuses of a message, oldest first.
func (r *recorder) tries(m grants.Message) []grants.OutcomeStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []grants.OutcomeStatus
	for _, o := range r.outcomes[m.ID] {
		out = append(out, o.Status)
	}
	return out
}

// wait waits for the last try of a message, and gives its status.
func (r *recorder) wait(t *testing.T, m grants.Message) grants.OutcomeStatus {
	t.Helper()
	var last grants.OutcomeStatus
	waitFor(t, "outcome", func() bool {
		if tries := r.tries(m); len(tries) > 0 {
			last = tries[len(tries)-1]
		}
		return last != "" && last != grants.OutcomeRetry
	})
	return last
}

// running is a courier over a real database, on the machine's clock, that delivers until the test ends.
func running(t *testing.T, change func(*Config)) (*station, *recorder) {
	t.Helper()
	now := func() time.Time { return time.Now().UTC() }
	s := &station{t: t, clock: storagetest.NewClock()}
	s.clock.Add(now().Sub(s.clock.Now())) // about now, for what is opened
	b := newBench(t)
	s.cfg = b.cfg
	s.store = storagetest.Open(t, storage.Options{Now: now, Ring: b.ring})
	r := &recorder{Store: s.store, outcomes: map[string][]grants.Outcome{}}
	s.cfg.Store, s.cfg.Now = r, now
	change(&s.cfg)
	c, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Courier = c
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s, r
}

// again writes one more message of a challenge, with the same code.
func (s *station) again(c grants.Challenge) grants.Message {
	s.t.Helper()
	now := s.cfg.Now()
	m := grants.Message{ID: grants.NewID(), Send: grants.SendCode, CreatedAt: now, LeasedUntil: now.Add(30 * time.Second)}
	_, err := s.store.Open(s.t.Context(), grants.Opening{
		Now: now, Slot: c.Slot(), Choose: func(current *grants.Challenge, _ bool) grants.Challenge { return *current }, Message: m,
		Event: grants.Event{Type: grants.EventStarted, Time: now},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

// die closes the server, once it has greeted somebody: before that it may not be listening yet.
func (m *mailServer) die(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := m.smtp.Close(); err != nil {
		t.Fatal(err)
	}
}

// comeBack has a server that died listen again, at the same address.
func (m *mailServer) comeBack(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	returned := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &mailSession{server: m, conn: c}, nil }))
	returned.Domain, returned.ErrorLog = "mail.example.net", discard{}
	go func() { _ = returned.Serve(listener) }()
	t.Cleanup(func() { _ = returned.Close() })
}

// runningWithoutMail is a courier whose mail server is down.
func runningWithoutMail(t *testing.T) (*mailServer, *station, *recorder) {
	t.Helper()
	server := startMailServer(t, "none")
	server.die(t)
	mailer, err := NewSMTP(SMTPConfig{Addr: server.addr, TLS: "none", From: "Sallyport <login@example.com>", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s, r := running(t, func(c *Config) { c.Mail = mailer })
	return server, s, r
}

func TestMailServerDiesAndReturns(t *testing.T) {
	server, s, r := runningWithoutMail(t)
	c, first := s.open("ada@example.com", "")
	s.Deliver(first)
	_, other := s.open("bob@example.com", "")
	s.Deliver(other)
	copies := []grants.Message{first}
	for range 3 {
		waitFor(t, "try", func() bool { return len(r.tries(copies[len(copies)-1])) > 0 })
		copies = append(copies, s.again(c))
		s.Deliver(copies[len(copies)-1])
	}

	server.comeBack(t)
	if status := r.wait(t, other); status != grants.OutcomeSent {
		t.Errorf("the other message: %s", status)
	}
	for i, m := range copies {
		want := grants.OutcomeSuppressed
		if i == len(copies)-1 {
			want = grants.OutcomeSent
		}
		if status := r.wait(t, m); status != want {
			t.Errorf("copy %d: %s, want %s", i, status, want)
		}
	}
	got := map[string]int{}
	for _, m := range server.mails() {
		got[m.to[0]]++
	}
	if got["ada@example.com"] != 1 || got["bob@example.com"] != 1 {
		t.Errorf("mails: %v", got)
	}
}

func TestMailServerThatIsDownUsesUpNoStarts(t *testing.T) {
	server, s, r := runningWithoutMail(t)
	limits := grants.DefaultLimits()
	engine, err := grants.New(grants.Config{Store: s.store, Ring: s.cfg.Ring, Sender: s.Courier, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	ada, _ := grants.ParseAddress("ada@example.com")
	start := func() (grants.Started, error) {
		return engine.Start(t.Context(), grants.StartRequest{
			ClientID: "demo", Connection: "email", Address: ada, Requester: grants.RequesterAPI, Send: grants.SendCode,
			Params: grants.StartParams{ClientName: "Demo", Language: "en"},
		})
	}
	copies := make([]grants.Message, limits.StartPerAddress.N)
	for i := range copies {
		started, err := start()
		if err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
		copies[i] = started.Message
		waitFor(t, "try", func() bool { return len(r.tries(copies[i])) > 0 })
	}
	newest := copies[len(copies)-1]

	server.comeBack(t)
	for i, m := range copies {
		if status := r.wait(t, m); (status == grants.OutcomeSent) != (m.ID == newest.ID) {
			t.Errorf("copy %d: %s", i, status)
		}
	}
	if n := len(server.mails()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
	for i := range limits.StartPerAddress.N - 1 { // the mail that was sent counts, and nothing else does
		again, err := start()
		if err != nil {
			t.Fatalf("start %d after the server came back: %v", i+1, err)
		}
		d, err := s.store.Delivery(t.Context(), again.Message.ID)
		if i == 0 && (err != nil || d.Message.Start.Number != 2) {
			t.Errorf("it is message %d of the address, want 2: %v", d.Message.Start.Number, err)
		}
	}
}

func TestTwilioFailsInEveryWay(t *testing.T) {
	say := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	for name, c := range map[string]struct {
		fail  func(http.ResponseWriter)
		tries int // of which the last succeeds, where there are three
		want  grants.OutcomeStatus
	}{
		"hangs":       {func(http.ResponseWriter) { time.Sleep(time.Second) }, 2, grants.OutcomeFailed},
		"nonsense":    {say(http.StatusOK, "<html>welcome"), 2, grants.OutcomeFailed},
		"hangs up":    {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 2, grants.OutcomeFailed},
		"gateway":     {say(http.StatusGatewayTimeout, "upstream"), 2, grants.OutcomeFailed},
		"500":         {say(http.StatusInternalServerError, `{"code":20500,"message":"internal","status":500}`), 3, grants.OutcomeSent},
		"503":         {say(http.StatusServiceUnavailable, "down"), 3, grants.OutcomeSent},
		"429":         {say(http.StatusTooManyRequests, `{"code":20429,"message":"slow down","status":429}`), 3, grants.OutcomeSent},
		"credentials": {say(http.StatusUnauthorized, `{"code":20003,"message":"Authenticate","status":401}`), 3, grants.OutcomeSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTwilio(t)
			asked := make(chan struct{}, 100)
			server.answer = func(w http.ResponseWriter) {
				asked <- struct{}{}
				if len(asked) >= 3 {
					twilioAnswer(w, http.StatusCreated, map[string]any{"sid": "SM1", "status": "queued"})
					return
				}
				c.fail(w)
			}
			s, r := running(t, func(cfg *Config) {
				cfg.SMS = newTwilio(t, server, func(c *TwilioConfig) { c.Timeout = 500 * time.Millisecond })
			})
			_, m := s.open("+4915112345678", "")
			s.Deliver(m)
			if status := r.wait(t, m); status != c.want {
				t.Errorf("the SMS: %s, want %s", status, c.want)
			}
			if len(asked) != c.tries {
				t.Errorf("%d tries, want %d", len(asked), c.tries)
			}
		})
	}
}
