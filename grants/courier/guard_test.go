package courier

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// station is a courier over a real database, whose clock the test holds. It is asked for one message after the other.
type station struct {
	t     *testing.T
	store *storage.Store
	clock *storagetest.Clock
	post  *post
	cfg   Config
	*Courier

	mu     sync.Mutex
	raised []string // causes of alerts
}

// Raise implements grants.Alerts.
func (s *station) Raise(_ context.Context, cause, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raised = append(s.raised, cause)
}

func newStation(t *testing.T, guard Guard) *station {
	t.Helper()
	clock := storagetest.NewClock()
	return stationOver(t, storagetest.Open(t, storage.Options{Now: clock.Now, Ring: newBench(t).ring}), clock, guard)
}

func stationOver(t *testing.T, store *storage.Store, clock *storagetest.Clock, guard Guard) *station {
	t.Helper()
	b := newBench(t)
	s := &station{t: t, store: store, clock: clock, post: b.post, cfg: b.cfg}
	guard.Ledger, guard.Alerts = store, s
	s.cfg.Store, s.cfg.Guard, s.cfg.Now = store, guard, clock.Now
	s.cfg.Log = slog.New(slog.DiscardHandler)
	c, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Courier = c
	return s
}

// account gives an address a user.
func (s *station) account(address string) {
	s.t.Helper()
	a, _ := grants.ParseAddress(address)
	i := storage.Identity{Connection: string(a.Channel), Address: a, VerifiedAt: s.clock.Now(), CreatedAt: s.clock.Now()}
	if err := s.store.CreateUser(s.t.Context(), string(a.Channel)+"|"+grants.NewID(), i); err != nil {
		s.t.Fatal(err)
	}
}

// open writes a message to an address, asked for by an unknown requester or a known device.
func (s *station) open(address, device string) (grants.Challenge, grants.Message) {
	s.t.Helper()
	a, err := grants.ParseAddress(address)
	if err != nil {
		s.t.Fatal(err)
	}
	now := s.clock.Now()
	c := grants.Challenge{
		ID: grants.NewID(), Seed: bytes.Repeat([]byte{7}, 16), KeyID: s.cfg.Ring.KeyID(), ClientID: "demo", Connection: string(a.Channel),
		Address: a, Purpose: grants.PurposeLogin, Requester: grants.NewID(), Device: device, CodeLength: 6, MaxAttempts: 5,
		CreatedAt: now, ExpiresAt: now.Add(5 * time.Minute),
	}
	m := grants.Message{
		ID: grants.NewID(), ChallengeID: c.ID, Send: grants.SendCode, CreatedAt: now, LeasedUntil: now.Add(30 * time.Second),
		Start: grants.StartParams{ClientName: "Demo", Language: "en"},
	}
	_, err = s.store.Open(s.t.Context(), grants.Opening{
		Now: now, Slot: c.Slot(), Choose: func(*grants.Challenge, bool) grants.Challenge { return c }, Message: m,
		Event: grants.Event{Type: grants.EventStarted, Time: now},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c, m
}

// send writes a message and delivers it: its first outcome.
func (s *station) send(address, device string) grants.Outcome {
	s.t.Helper()
	_, m := s.open(address, device)
	return s.handle(m)
}

func (s *station) handle(m grants.Message) grants.Outcome {
	s.t.Helper()
	told := make(chan grants.Outcome, 1)
	j, err := s.read(s.t.Context(), queued{message: m, told: told})
	if err != nil {
		s.t.Fatal(err)
	}
	s.deliver(s.t.Context(), j)
	select {
	case o := <-told:
		return o
	default:
		s.t.Fatal("the message was left to the next lease")
		return grants.Outcome{}
	}
}

// sends is how many of n messages go out, each to an address of its own where the address has a verb.
func (s *station) sends(n int, address, device string) int {
	s.t.Helper()
	sent := 0
	for i := range n {
		to := address
		if strings.Contains(address, "%") {
			to = fmt.Sprintf(address, i)
		}
		if s.send(to, device).Status == grants.OutcomeSent {
			sent++
		}
	}
	return sent
}

func (s *station) events(kind string) []grants.Event {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), storage.EventFilter{Type: kind})
	if err != nil {
		s.t.Fatal(err)
	}
	return events
}

func (s *station) wantRaised(causes ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.raised, causes) {
		s.t.Errorf("raised %q, want %q", s.raised, causes)
	}
}

func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func amount(t *testing.T, s string) Money {
	t.Helper()
	m, err := ParseMoney(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// aDay caps at twenty SMS of 0.05.
func aDay(t *testing.T) Guard {
	t.Helper()
	return Guard{Prices: Prices{AnyCountry: amount(t, "0.05")}, Cap: Cap{Daily: amount(t, "1")}}
}

func TestFloodOfStrangersLeavesTheDaysMoneyToAccountsAndKnownBrowsers(t *testing.T) {
	s := newStation(t, aDay(t))
	for i := range 30 {
		s.account(fmt.Sprintf("+4915199900%03d", i))
	}
	wantCount(t, "SMS to strangers", s.sends(30, "+4915112300%03d", ""), 15)
	o := s.send("+4915112399999", "")
	if o.Status != grants.OutcomeSuppressed || !strings.Contains(o.Answer, "the day's money for SMS is used up for addresses without account: 75 % of 1.00") {
		t.Errorf("the outcome is %+v", o)
	}
	wantCount(t, "events", len(s.events(EventSMSCap)), 1)
	s.wantRaised(grants.AlertSMSCap)
	wantCount(t, "SMS to accounts", s.sends(10, "+4915199900%03d", ""), 3)
	wantCount(t, "SMS asked for by known browsers", s.sends(10, "+4915199900%03d", "device"), 2)
	wantCount(t, "SMS in all", len(s.post.texts), 20)
	wantCount(t, "events", len(s.events(EventSMSCap)), 3)

	s.clock.Add(24 * time.Hour)
	wantCount(t, "SMS to strangers the next day", s.sends(1, "+4915112300%03d", ""), 1)
}

func TestCountryHasACapOfItsOwn(t *testing.T) {
	g := aDay(t)
	g.Prices["US"] = amount(t, "0.01")
	g.Cap.Countries = map[string]Money{"US": amount(t, "0.1")}
	s := newStation(t, g)
	wantCount(t, "SMS to the US", s.sends(12, "+121255501%02d", ""), 7)
	if o := s.send("+12125559999", ""); !strings.Contains(o.Answer, "for SMS to US is used up") {
		t.Errorf("the outcome is %+v", o)
	}
	wantCount(t, "SMS to Germany", s.sends(12, "+4915112300%03d", ""), 12)
}

func TestMessagesOfManyProcessesNeverCostMoreThanTheCap(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": storagetest.SQLiteURL, "Postgres": storagetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			clock := storagetest.NewClock()
			o := storage.Options{URL: url(t), Now: clock.Now, Ring: newBench(t).ring}
			store := storagetest.Open(t, o)
			var work sync.WaitGroup
			var stations []*station
			for p := range 3 {
				s := stationOver(t, storagetest.Open(t, o), clock, aDay(t))
				stations = append(stations, s)
				for w := range 4 {
					var messages []grants.Message
					for i := range 5 {
						_, m := stationOver(t, store, clock, Guard{}).open(fmt.Sprintf("+491511230%d%d%d0", p, w, i), "")
						messages = append(messages, m)
					}
					work.Go(func() {
						for _, m := range messages {
							s.handle(m)
						}
					})
				}
			}
			work.Wait()
			sent := 0
			for _, s := range stations {
				sent += len(s.post.texts)
			}
			wantCount(t, "SMS", sent, 15)
			wantCount(t, "events", len(stations[0].events(EventSMSCap)), 1)
		})
	}
}

func TestCeilingOfSMSIsAnHours(t *testing.T) {
	s := newStation(t, Guard{SMS: grants.Limit{N: 8, Per: time.Hour}})
	s.account("+4915199900001")
	wantCount(t, "SMS to strangers", s.sends(10, "+4915112300%03d", ""), 6)
	wantCount(t, "SMS to an account", s.sends(3, "+4915199900001", ""), 1)
	wantCount(t, "SMS asked for by a known browser", s.sends(3, "+4915199900001", "device"), 3)
	wantCount(t, "events", len(s.events(EventSMSCeiling)), 2)
	s.clock.Add(time.Hour)
	wantCount(t, "SMS an hour later", s.sends(1, "+4915112300%03d", ""), 1)
}

func TestNeighbouringNumbersWithoutAccountShareABudget(t *testing.T) {
	s := newStation(t, Guard{SMSPerRange: grants.Limit{N: 3, Per: 24 * time.Hour}})
	wantCount(t, "SMS to a range", s.sends(10, "+4915112300%03d", ""), 3)
	wantCount(t, "SMS to another range", s.sends(1, "+4915112301%03d", ""), 1)
	s.account("+4915112300777")
	wantCount(t, "SMS to an account of the range", s.sends(1, "+4915112300777", ""), 1)
	events := s.events(EventSMSRange)
	if len(events) != 1 || strings.Contains(events[0].Detail+events[0].Address, "15112300") {
		t.Errorf("events: %+v", events)
	}
	s.wantRaised()
}

func TestPriceIsGivenBackWhereNoProviderTookTheSMS(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		back bool
	}{
		"refused":  {&PermanentError{Err: &ProviderError{Provider: "post", Status: 400, Code: 21211}}, true},
		"busy":     {&ProviderError{Provider: "post", Status: 429}, true},
		"no word":  {&ProviderError{Provider: "post", Unsure: true, Err: context.DeadlineExceeded}, false},
		"who says": {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t, Guard{Prices: Prices{AnyCountry: amount(t, "0.6")}, Cap: Cap{Daily: amount(t, "1")}, SMS: grants.Limit{N: 2, Per: time.Hour}})
			s.post.text = func() error { return c.err }
			s.send("+4915112300001", "")
			s.post.text = nil
			sent := s.send("+4915112300002", "").Status == grants.OutcomeSent
			if sent != c.back {
				t.Errorf("the next SMS is sent: %v", sent)
			}
		})
	}
}

func TestSMSThatMayHaveGoneOutIsTriedOnceMoreAtMost(t *testing.T) {
	s := newStation(t, aDay(t))
	s.post.text = func() error { return &ProviderError{Provider: "post", Unsure: true, Err: context.DeadlineExceeded} }
	_, m := s.open("+4915112300001", "")
	if o := s.handle(m); o.Status != grants.OutcomeRetry {
		t.Errorf("the first outcome is %+v", o)
	}
	if o := s.handle(m); o.Status != grants.OutcomeFailed {
		t.Errorf("the second outcome is %+v", o)
	}
}

func TestDryRunDecidesAndSendsNothing(t *testing.T) {
	g := aDay(t)
	g.DryRun = true
	s := newStation(t, g)
	for range 15 {
		if o := s.send("+4915112300001", ""); o.Status != grants.OutcomeSuppressed || !strings.HasPrefix(o.Answer, "dry run") {
			t.Fatalf("the outcome is %+v", o)
		}
	}
	if o := s.send("+4915112300001", ""); !strings.Contains(o.Answer, "money") {
		t.Errorf("the outcome past the cap is %+v", o)
	}
	if o := s.send("+447400123456", ""); !strings.Contains(o.Answer, "country") {
		t.Errorf("the outcome of a closed country is %+v", o)
	}
	wantCount(t, "SMS", len(s.post.texts), 0)
	if o := s.send("ada@example.com", ""); o.Status != grants.OutcomeSent {
		t.Errorf("a mail: %+v", o)
	}
}

func TestPrefixWhoseCodesNobodyUsesIsClosedToStrangersAlone(t *testing.T) {
	s := newStation(t, Guard{Breaker: true})
	look := func() {
		t.Helper()
		if err := s.lookAtPrefixes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantCount(t, "SMS before", s.sends(breakerLeast, "+4915112300%03d", ""), breakerLeast)
	look()
	wantCount(t, "SMS while the codes may still be used", s.sends(1, "+4915112300999", ""), 1)
	s.clock.Add(breakerSettled)
	look()
	look()
	if o := s.send("+4915112399999", ""); o.Status != grants.OutcomeSuppressed || !strings.Contains(o.Answer, "too few codes") {
		t.Errorf("a stranger's outcome is %+v", o)
	}
	s.account("+4915112388888")
	wantCount(t, "SMS to an account", s.sends(1, "+4915112388888", ""), 1)
	wantCount(t, "SMS to another prefix", s.sends(1, "+4917012300%03d", ""), 1)
	wantCount(t, "SMS to another country", s.sends(1, "+12125550100", ""), 1)
	events := s.events(EventSMSBreaker)
	if len(events) != 1 || !strings.Contains(events[0].Detail, "+49151") {
		t.Errorf("events: %+v", events)
	}
	s.wantRaised(grants.AlertSMSBreaker)

	s.clock.Add(breakerWindow)
	look()
	wantCount(t, "SMS after the window", s.sends(1, "+4915112300%03d", ""), 1)
}

func TestPrefixWhoseCodesAreUsedStaysOpen(t *testing.T) {
	s := newStation(t, Guard{Breaker: true})
	for i := range 4 * breakerLeast {
		c, m := s.open(fmt.Sprintf("+4915112300%03d", i), "")
		s.handle(m)
		if i%4 != 0 {
			continue
		}
		_, err := s.store.Redeem(t.Context(), grants.Redemption{
			Guess:   grants.Guess{Now: s.clock.Now(), ChallengeID: c.ID, Event: grants.Event{Type: grants.EventSucceeded, Time: s.clock.Now()}},
			Address: c.Address, Signup: true, NewUserID: "sms|" + grants.NewID(),
		}, func(context.Context, grants.User) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	s.clock.Add(breakerSettled)
	if err := s.lookAtPrefixes(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCount(t, "SMS", s.sends(1, "+4915112399999", ""), 1)
	s.wantRaised()
}

func TestBreakerKeepsItsWordWhileTheDatabaseIsGone(t *testing.T) {
	s := newStation(t, Guard{Breaker: true})
	s.breaker.open.Store(&map[string]bool{"+49151": true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.lookAtPrefixes(ctx); err == nil || !s.breaker.has("+49151") {
		t.Errorf("error %v, open: %v", err, s.breaker.has("+49151"))
	}
}

func TestFloodOfMailsLeavesRoomForAccountsAndKnownBrowsers(t *testing.T) {
	g := Guard{Mails: grants.Limit{N: 20, Per: time.Hour}}
	s := newStation(t, g)
	other := stationOver(t, s.store, s.clock, g)
	s.account("ada@example.com")
	wantCount(t, "mails to strangers", s.sends(10, "stranger%d@example.com", ""), 10)
	for _, c := range []*station{s, other} { // every few seconds
		c.mails.sent() // by which the other has something to tell
		if err := c.tallyOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantCount(t, "mails to strangers by the other process", other.sends(10, "other%d@example.com", ""), 3)
	wantCount(t, "mails to an account", other.sends(10, "ada@example.com", ""), 3)
	wantCount(t, "mails asked for by a known browser", other.sends(10, "ada@example.com", "device"), 10)
	wantCount(t, "events", len(s.events(EventMailCeiling)), 2)
	other.wantRaised(grants.AlertMailCeiling, grants.AlertMailCeiling)

	s.clock.Add(time.Hour)
	if err := other.tallyOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.clock.Add(time.Hour)
	if err := other.tallyOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCount(t, "mails to strangers later", other.sends(1, "later%d@example.com", ""), 1)
}

func TestGuardThatIsOffBoundsNothing(t *testing.T) {
	s := newStation(t, Guard{})
	wantCount(t, "SMS", s.sends(40, "+4915112300%03d", ""), 40)
	wantCount(t, "mails", s.sends(40, "a%d@example.com", ""), 40)
	if _, err := New(Config{Store: s.store, Ring: s.cfg.Ring, Templates: s.cfg.Templates, Now: s.clock.Now, Log: s.cfg.Log, Guard: Guard{Breaker: true}}); err == nil {
		t.Error("a guard without a ledger is made")
	}
}

// slowLedger takes nearly all the time that it has.
type slowLedger struct {
	Ledger
	clock *storagetest.Clock
	draws int
}

func (l *slowLedger) Draw(ctx context.Context, now time.Time, counters []grants.Counter) ([]grants.Counter, error) {
	l.draws++
	l.clock.Add(storeTimeout - time.Millisecond)
	return l.Ledger.Draw(ctx, now, counters)
}

// What is drawn for an SMS is drawn for a try: one that its lease would not cover any more is left to the next before that.
func TestNothingIsDrawnForAnSMSThatItsLeaseDoesNotCover(t *testing.T) {
	s := newStation(t, aDay(t))
	slow := &slowLedger{Ledger: s.store, clock: s.clock}
	s.Courier.cfg.Guard.Ledger = slow
	for left := time.Duration(0); left <= lease; left += time.Second {
		_, m := s.open(fmt.Sprintf("+49151123%05d", left/time.Second), "device")
		m.LeasedUntil = s.clock.Now().Add(left)
		j, err := s.read(t.Context(), queued{message: m})
		if err != nil {
			t.Fatal(err)
		}
		s.deliver(t.Context(), j)
		wantCount(t, fmt.Sprintf("SMS drawn for, with %s left at most,", left), slow.draws, len(s.post.texts))
	}
	if slow.draws == 0 {
		t.Error("nothing was drawn")
	}
}
