package grants_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ada  = grants.Address{Channel: grants.Email, Value: "ada@example.com"}
	eve  = grants.Address{Channel: grants.Email, Value: "eve@example.com"}
	cell = grants.Address{Channel: grants.SMS, Value: "+491701234567"}
)

// world is an engine with all that it works with, in memory and on a clock that stands still.
type world struct {
	t      testing.TB
	ring   *grants.Ring
	store  *memory
	engine *grants.Engine

	mu   sync.Mutex
	now  time.Time
	sent []grants.Message
}

func newWorld(tb testing.TB, change ...func(*grants.Config)) *world {
	tb.Helper()
	ring, err := grants.NewRing("a secret for tests that is long enough")
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: tb, ring: ring, store: newMemory(), now: noon}
	cfg := grants.Config{Store: w.store, Ring: ring, Sender: w, Limits: grants.DefaultLimits(), Now: w.clock}
	for _, f := range change {
		f(&cfg)
	}
	if w.engine, err = grants.New(cfg); err != nil {
		tb.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Deliver implements grants.Sender.
func (w *world) Deliver(m grants.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, m)
}

func (w *world) code(c grants.Challenge) string {
	w.t.Helper()
	code, known := w.ring.Code(c)
	if !known {
		w.t.Fatal("the challenge's key is unknown")
	}
	return code
}

func wrongCodeFor(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func api(a grants.Address) grants.StartRequest {
	return grants.StartRequest{ClientID: "app", Connection: string(a.Channel), Address: a, Requester: grants.RequesterAPI, Send: grants.SendCode}
}

func browser(a grants.Address, cookie string) grants.StartRequest {
	r := api(a)
	r.Requester, r.Send = cookie, grants.SendLink
	return r
}

func (w *world) start(r grants.StartRequest) grants.Challenge {
	w.t.Helper()
	started, err := w.engine.Start(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("start: %v", err)
	}
	return started.Challenge
}

// redeem answers the challenge as it is now.
func (w *world) redeem(c grants.Challenge, code string) (grants.User, error) {
	return w.engine.Redeem(w.t.Context(), grants.Proof{Challenge: c, Code: code}, func(context.Context, grants.User) error { return nil })
}

func (w *world) mustRedeem(c grants.Challenge, code string) grants.User {
	w.t.Helper()
	u, err := w.redeem(c, code)
	if err != nil {
		w.t.Fatalf("redeem: %v", err)
	}
	return u
}

func (w *world) wantError(c grants.Challenge, code string, want error) {
	w.t.Helper()
	if u, err := w.redeem(c, code); !errors.Is(err, want) || u != (grants.User{}) {
		w.t.Fatalf("redeem gives %+v, %v, want %v", u, err, want)
	}
}

func (w *world) guessWrong(c grants.Challenge, times int) {
	w.t.Helper()
	for range times {
		w.wantError(c, wrongCodeFor(w.code(c)), grants.ErrWrongCode)
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	ring, err := grants.NewRing("a secret for tests that is long enough")
	if err != nil {
		t.Fatal(err)
	}
	good := grants.Config{Store: newMemory(), Ring: ring, Sender: &world{}}
	if _, err := grants.New(good); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	for why, change := range map[string]func(*grants.Config){
		"no store":            func(c *grants.Config) { c.Store = nil },
		"no ring":             func(c *grants.Config) { c.Ring = nil },
		"no sender":           func(c *grants.Config) { c.Sender = nil },
		"lifetime too short":  func(c *grants.Config) { c.Lifetime = time.Second - 1 },
		"lifetime too long":   func(c *grants.Config) { c.Lifetime = grants.MaxChallengeAge + 1 },
		"lifetime negative":   func(c *grants.Config) { c.Lifetime = -time.Minute },
		"code too short":      func(c *grants.Config) { c.CodeLength = 5 },
		"code too long":       func(c *grants.Config) { c.CodeLength = 11 },
		"code negative":       func(c *grants.Config) { c.CodeLength = -6 },
		"too many attempts":   func(c *grants.Config) { c.MaxAttempts = 11 },
		"attempts negative":   func(c *grants.Config) { c.MaxAttempts = -1 },
		"lifetime in seconds": func(c *grants.Config) { c.Lifetime = 300 },
	} {
		bad := good
		change(&bad)
		if _, err := grants.New(bad); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
}

func TestLoginCreatesUserOnceAndFindsThemAgain(t *testing.T) {
	for _, a := range []grants.Address{ada, cell} {
		w := newWorld(t)
		c := w.start(api(a))
		first := w.mustRedeem(c, w.code(c))
		if !first.Created || !regexp.MustCompile(`^`+string(a.Channel)+`\|[0-9a-f]{24}$`).MatchString(first.ID) {
			t.Errorf("first login: %+v", first)
		}
		c = w.start(api(a))
		if again := w.mustRedeem(c, w.code(c)); again.Created || again.ID != first.ID {
			t.Errorf("second login: %+v, first %+v", again, first)
		}
	}
}

func TestStartWritesChallengeMessageAndEvent(t *testing.T) {
	w := newWorld(t)
	req := api(ada)
	req.RequestID, req.Device = "r-1", "laptop"
	req.Params = grants.StartParams{IP: "192.0.2.1", State: "s", Language: "de"}
	started, err := w.engine.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	c := started.Challenge
	want := grants.Challenge{
		ID: c.ID, Seed: c.Seed, KeyID: w.ring.KeyID(), ClientID: "app", Connection: "email", Address: ada, Purpose: grants.PurposeLogin,
		Requester: grants.RequesterAPI, Device: "laptop", CodeLength: 6, MaxAttempts: 5, CreatedAt: noon, ExpiresAt: noon.Add(5 * time.Minute),
	}
	if !equal(c, want) || len(c.Seed) != 16 || len(c.ID) != 22 || started.Resent {
		t.Errorf("challenge is %+v", c)
	}
	if len(w.sent) != 1 || w.sent[0] != started.Message || started.Message.ChallengeID != c.ID || started.Message.Start != req.Params ||
		started.Message.Send != grants.SendCode || !started.Message.LeasedUntil.Equal(noon.Add(30*time.Second)) {
		t.Errorf("sent %+v", w.sent)
	}
	msg, of, err := w.engine.Message(t.Context(), started.Message.ID)
	if err != nil || msg != started.Message || !equal(of, c) {
		t.Errorf("message reads %+v of %+v, %v", msg, of, err)
	}
	if read, err := w.engine.Challenge(t.Context(), c.ID); err != nil || !equal(read, c) {
		t.Errorf("challenge reads %+v, %v", read, err)
	}
	events := w.store.events(grants.EventStarted)
	if len(events) != 1 || events[0] != (grants.Event{
		Type: grants.EventStarted, Time: noon, ClientID: "app", Address: "a…@example.com", ChallengeID: c.ID, IP: "192.0.2.1", RequestID: "r-1", Detail: "code",
	}) {
		t.Errorf("events are %+v", events)
	}
}

func equal(a, b grants.Challenge) bool {
	seeds := string(a.Seed) == string(b.Seed)
	a.Seed, b.Seed = nil, nil
	return seeds && a.Slot() == b.Slot() && a.ID == b.ID && a.KeyID == b.KeyID && a.Device == b.Device && a.CodeLength == b.CodeLength &&
		a.Attempts == b.Attempts && a.MaxAttempts == b.MaxAttempts && a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.SpentAt.Equal(b.SpentAt) && a.EndedAt.Equal(b.EndedAt) && a.UserID == b.UserID
}

func TestReadingWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.start(api(ada))
	if _, err := w.engine.Challenge(t.Context(), "unknown"); !errors.Is(err, grants.ErrNoChallenge) {
		t.Errorf("challenge: %v", err)
	}
	if _, _, err := w.engine.Message(t.Context(), "unknown"); !errors.Is(err, grants.ErrNoChallenge) {
		t.Errorf("message: %v", err)
	}
	if _, err := w.engine.Pending(t.Context(), "app", "email", eve, grants.RequesterAPI); !errors.Is(err, grants.ErrNoChallenge) {
		t.Errorf("pending: %v", err)
	}
}

func TestAskingAgainSendsSameCodeAndMovesTheEnd(t *testing.T) {
	w := newWorld(t)
	first := w.start(api(ada))
	w.guessWrong(first, 2)
	w.pass(time.Minute)
	again, err := w.engine.Start(t.Context(), api(ada))
	if err != nil || !again.Resent || again.Challenge.ID != first.ID {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if w.code(again.Challenge) != w.code(first) || again.Challenge.Attempts != 2 {
		t.Errorf("another code, or %d attempts", again.Challenge.Attempts)
	}
	if want := noon.Add(6 * time.Minute); !again.Challenge.ExpiresAt.Equal(want) || !again.Challenge.CreatedAt.Equal(noon) {
		t.Errorf("ends at %s, want %s", again.Challenge.ExpiresAt, want)
	}
	if len(w.sent) != 2 || w.sent[0].ID == w.sent[1].ID || w.sent[0].ChallengeID != w.sent[1].ChallengeID {
		t.Errorf("sent %+v", w.sent)
	}
	w.guessWrong(first, 3)
	w.wantError(first, w.code(first), grants.ErrTooManyAttempts)
}

func TestEndNeverPassesTenMinutes(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits = grants.Limits{} })
	first := w.start(api(ada))
	for _, step := range []struct {
		at, end time.Duration // since the first start
		same    bool
	}{
		{3 * time.Minute, 8 * time.Minute, true},
		{5 * time.Minute, 10 * time.Minute, true},
		{6 * time.Minute, 10 * time.Minute, true},
		{7*time.Minute + 30*time.Second, 10 * time.Minute, true},                         // exactly half a lifetime remains
		{7*time.Minute + 30*time.Second + 1, 12*time.Minute + 30*time.Second + 1, false}, // less
	} {
		w.pass(noon.Add(step.at).Sub(w.clock()))
		c := w.start(api(ada))
		if (c.ID == first.ID) != step.same || !c.ExpiresAt.Equal(noon.Add(step.end)) {
			t.Errorf("after %s: the same %v, ends after %s", step.at, c.ID == first.ID, c.ExpiresAt.Sub(noon))
		}
	}
	w.wantError(first, w.code(first), grants.ErrUsed) // a newer one took its place
}

func TestLongestLifetimeIsKeptToTenMinutes(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Lifetime = grants.MaxChallengeAge })
	first := w.start(api(ada))
	w.pass(5 * time.Minute)
	if c := w.start(api(ada)); c.ID != first.ID || !c.ExpiresAt.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("after 5 minutes: %+v", c)
	}
	w.pass(1)
	if c := w.start(api(ada)); c.ID == first.ID {
		t.Error("less than half a lifetime remains, and it is kept")
	}
}

func TestNewChallengeTakesThePlaceOfOneThatIsOver(t *testing.T) {
	for why, over := range map[string]func(*world, grants.Challenge){
		"expired":   func(w *world, _ grants.Challenge) { w.pass(5 * time.Minute) },
		"exhausted": func(w *world, c grants.Challenge) { w.guessWrong(c, 5) },
		"spent":     func(w *world, c grants.Challenge) { w.mustRedeem(c, w.code(c)) },
	} {
		w := newWorld(t)
		old := w.start(api(ada))
		over(w, old)
		c := w.start(api(ada))
		if c.ID == old.ID || c.Attempts != 0 || w.code(c) == w.code(old) {
			t.Errorf("%s: %+v", why, c)
		}
		w.mustRedeem(c, w.code(c))
	}
}

func TestChallengeOfDroppedKeyIsReplaced(t *testing.T) {
	w := newWorld(t)
	old := w.start(api(ada))
	rotated, err := grants.NewRing("another secret for tests, long enough")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := grants.New(grants.Config{Store: w.store, Ring: rotated, Sender: w, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	started, err := engine.Start(t.Context(), api(ada))
	if err != nil || started.Challenge.ID == old.ID || started.Challenge.KeyID != rotated.KeyID() {
		t.Fatalf("%+v, %v", started, err)
	}
	// An empty answer is no match for a code that cannot be derived.
	for _, p := range []grants.Proof{{Challenge: old}, {Challenge: old, Code: "000000"}, {Challenge: old, LinkToken: "x"}} {
		if _, err := engine.Redeem(t.Context(), p, nil); !errors.Is(err, grants.ErrUsed) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestUsedUpGuessBudgetMakesLongCodesThatDoNotDrawOnIt(t *testing.T) {
	w := newWorld(t)
	for range 2 { // ten failures an hour
		c := w.start(api(ada))
		w.guessWrong(c, 5)
	}
	c := w.start(api(ada))
	if c.CodeLength != grants.LongCodeLength || len(w.code(c)) != 10 {
		t.Fatalf("code of %d digits", c.CodeLength)
	}
	w.guessWrong(c, 4)
	again := w.start(api(ada))
	if again.ID != c.ID {
		t.Error("an open challenge with a long code is replaced")
	}
	w.mustRedeem(c, w.code(c))
	if other := w.start(api(eve)); other.CodeLength != 6 {
		t.Error("another address pays")
	}
	w.pass(time.Hour)
	if c := w.start(api(ada)); c.CodeLength != 6 {
		t.Errorf("an hour later the code has %d digits", c.CodeLength)
	}
}

func TestOpenShortCodeIsReplacedWhenGuessBudgetIsUsedUp(t *testing.T) {
	w := newWorld(t)
	victim := w.start(browser(ada, "victim"))
	for _, attacker := range []string{"one", "two"} {
		w.guessWrong(w.start(browser(ada, attacker)), 5)
	}
	w.wantError(victim, w.code(victim), grants.ErrTooManyAttempts) // not even the right code is looked at
	if got, err := w.engine.Challenge(t.Context(), victim.ID); err != nil || got.Attempts != 0 {
		t.Errorf("it counted: %+v, %v", got, err)
	}
	fresh := w.start(browser(ada, "victim"))
	if fresh.ID == victim.ID || fresh.CodeLength != grants.LongCodeLength {
		t.Fatalf("%+v", fresh)
	}
	w.mustRedeem(fresh, w.code(fresh))
}

func TestLongestConfiguredCodeNeverDrawsOnTheBudget(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.CodeLength = grants.LongCodeLength; c.MaxAttempts = 10 })
	for range 2 {
		w.guessWrong(w.start(api(ada)), 10)
	}
	c := w.start(api(ada))
	w.mustRedeem(c, w.code(c))
}

func TestRightCodesDrawOnNoGuessBudget(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) {
		c.Limits = grants.Limits{FailuresPerAddress: grants.Limit{N: 1, Per: time.Hour}}
	})
	for range 3 {
		c := w.start(api(ada))
		if c.CodeLength != 6 {
			t.Fatalf("code of %d digits", c.CodeLength)
		}
		w.mustRedeem(c, w.code(c))
	}
}

func TestKnownDeviceHasBudgetsOfItsOwn(t *testing.T) {
	w := newWorld(t)
	known := browser(ada, "home")
	known.Device = "laptop"
	mine := w.start(known)
	for _, attacker := range []string{"one", "two"} {
		w.guessWrong(w.start(browser(ada, attacker)), 5)
	}
	for _, more := range []string{"three", "four", "five"} {
		w.start(browser(ada, more))
	}
	var limit *grants.LimitError
	if _, err := w.engine.Start(t.Context(), browser(ada, "six")); !errors.As(err, &limit) || limit.RetryAfter != 10*time.Minute {
		t.Fatalf("a stranger's sixth start: %v", err)
	}
	w.guessWrong(mine, 1)
	if again := w.start(known); again.ID != mine.ID || again.CodeLength != 6 {
		t.Errorf("the known device gets %+v", again)
	}
	w.mustRedeem(mine, w.code(mine))

	stolen := known
	stolen.Address = eve // the device is known for ada; its budgets are per address
	for range 5 {
		w.start(stolen)
	}
	w.start(known)
}

func TestBrowserThatHasBecomeKnownLeavesTheStrangersBudget(t *testing.T) {
	w := newWorld(t)
	stranger := w.start(browser(ada, "home"))
	for _, attacker := range []string{"one", "two"} {
		w.guessWrong(w.start(browser(ada, attacker)), 5)
	}
	w.wantError(stranger, w.code(stranger), grants.ErrTooManyAttempts)
	known := browser(ada, "home")
	known.Device = "laptop" // it has signed in at another client since
	c := w.start(known)
	if c.ID == stranger.ID || c.CodeLength != 6 {
		t.Fatalf("%+v", c)
	}
	w.mustRedeem(c, w.code(c))
}

func TestUsedUpStartBudgetRefusesAndSendsNothing(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.start(api(ada))
	}
	w.pass(time.Minute)
	started, err := w.engine.Start(t.Context(), api(ada))
	var limit *grants.LimitError
	if !errors.As(err, &limit) || limit.RetryAfter != 9*time.Minute || started.Challenge.ID != "" {
		t.Fatalf("%+v, %v", started, err)
	}
	if len(w.sent) != 5 || len(w.store.events(grants.EventStarted)) != 5 {
		t.Errorf("sent %d", len(w.sent))
	}
	if !strings.Contains(err.Error(), "9m0s") {
		t.Errorf("the error is %q", err)
	}
	w.pass(9 * time.Minute)
	w.start(api(ada))
}

func TestStartsAreCountedAcrossClientsAndRequesters(t *testing.T) {
	w := newWorld(t)
	for _, r := range []grants.StartRequest{api(ada), browser(ada, "one"), browser(ada, "two"), browser(ada, "three")} {
		w.start(r)
	}
	other := api(ada)
	other.ClientID = "other"
	w.start(other)
	if _, err := w.engine.Start(t.Context(), other); err == nil {
		t.Error("the sixth start of one address is allowed")
	}
}

type sources map[string]int

// Take implements grants.Limiter.
func (s sources) Take(kind, key string, limit grants.Limit) grants.Budget {
	s[kind+" "+key]++
	b := grants.Budget{Limit: limit, Left: max(0, limit.N-s[kind+" "+key])}
	if s[kind+" "+key] > limit.N {
		b.Wait = limit.Per
	}
	return b
}

func TestStartsPerSourceAreLimitedForStrangersOnly(t *testing.T) {
	taken := sources{}
	w := newWorld(t, func(c *grants.Config) {
		c.Limiter = taken
		c.Limits = grants.Limits{StartPerIP: grants.Limit{N: 2, Per: time.Minute}}
	})
	from := func(ip string) error {
		r := api(ada)
		r.Source = ip
		_, err := w.engine.Start(t.Context(), r)
		return err
	}
	for range 2 {
		if err := from("192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	var limit *grants.LimitError
	if err := from("192.0.2.1"); !errors.As(err, &limit) || limit.RetryAfter != time.Minute || limit.Budget.Left != 0 || limit.Budget.Limit.N != 2 {
		t.Errorf("the third start: %v", err)
	}
	if len(w.sent) != 2 {
		t.Errorf("sent %d", len(w.sent))
	}
	if err := from("192.0.2.2"); err != nil {
		t.Errorf("another source: %v", err)
	}
	if err := from(""); err != nil {
		t.Errorf("nobody pays: %v", err)
	}
	if len(taken) != 2 {
		t.Errorf("counted %v", taken)
	}
}

func TestWrongGuessCountsOnChallengeAndBudget(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	for n, code := range []string{"", "x", wrongCodeFor(w.code(c)), w.code(c) + "0", w.code(c)[:5]} {
		w.wantError(c, code, grants.ErrWrongCode)
		if got, err := w.engine.Challenge(t.Context(), c.ID); err != nil || got.Attempts != n+1 {
			t.Errorf("%q: %d attempts, %v", code, got.Attempts, err)
		}
	}
	w.wantError(c, w.code(c), grants.ErrTooManyAttempts)
	w.wantError(c, wrongCodeFor(w.code(c)), grants.ErrTooManyAttempts)
	if got, _ := w.engine.Challenge(t.Context(), c.ID); got.Attempts != 5 || !got.SpentAt.IsZero() {
		t.Errorf("in the end %+v", got)
	}
	events := w.store.events(grants.EventFailed)
	if len(events) != 5 || events[0].ChallengeID != c.ID || events[0].Address != "a…@example.com" || !events[0].Time.Equal(noon) {
		t.Errorf("events %+v", events)
	}
}

func TestChallengeEndsAtTheExactSecond(t *testing.T) {
	for after, want := range map[time.Duration]error{
		5*time.Minute - 1: nil, 5 * time.Minute: grants.ErrExpired, time.Hour: grants.ErrExpired,
	} {
		w := newWorld(t)
		c := w.start(api(ada))
		w.pass(after)
		if _, err := w.redeem(c, w.code(c)); !errors.Is(err, want) {
			t.Errorf("%s after the start: %v", after, err)
		}
		if want != nil {
			w.wantError(c, wrongCodeFor(w.code(c)), want)
		}
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	w.mustRedeem(c, w.code(c))
	w.wantError(c, w.code(c), grants.ErrUsed)
	w.wantError(c, wrongCodeFor(w.code(c)), grants.ErrUsed)
	if len(w.store.events(grants.EventSucceeded)) != 1 {
		t.Error("not one success")
	}
	link, _ := w.ring.LinkToken(c)
	if _, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, LinkToken: link}, nil); !errors.Is(err, grants.ErrUsed) {
		t.Errorf("the link after the code: %v", err)
	}
}

func TestOfManyRedeemersOneWins(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := w.redeem(c, w.code(c)); err == nil {
				won.Add(1)
			} else if !errors.Is(err, grants.ErrUsed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 50 redeemers won", won.Load())
	}
}

func TestOfManyParallelGuessesNoMoreThanTheLimitAreLookedAt(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := w.redeem(c, wrongCodeFor(w.code(c))); errors.Is(err, grants.ErrWrongCode) {
				looked.Add(1)
			} else if !errors.Is(err, grants.ErrTooManyAttempts) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if looked.Load() != 5 {
		t.Errorf("%d guesses were looked at", looked.Load())
	}
}

func TestSameBrowserMayRepeatWithinTenSeconds(t *testing.T) {
	w := newWorld(t)
	c := w.start(browser(ada, "tab"))
	first := w.mustRedeem(c, w.code(c))
	w.pass(10*time.Second - 1)
	if again := w.mustRedeem(c, w.code(c)); again.ID != first.ID || again.Created {
		t.Errorf("again %+v, first %+v", again, first)
	}
	w.wantError(c, wrongCodeFor(w.code(c)), grants.ErrUsed)
	if n := len(w.store.events(grants.EventSucceeded)); n != 1 {
		t.Errorf("%d logins", n)
	}
	w.pass(1)
	w.wantError(c, w.code(c), grants.ErrUsed)
}

func TestLinkAndCodeAreOneChallenge(t *testing.T) {
	w := newWorld(t)
	c := w.start(browser(ada, "tab"))
	link, _ := w.ring.LinkToken(c)
	open := func(token, code string) error {
		_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, LinkToken: token, Code: code}, func(context.Context, grants.User) error { return nil })
		return err
	}
	for _, wrong := range []string{link[1:], link + "A", w.code(c), strings.ToUpper(link), " " + link} {
		if err := open(wrong, w.code(c)); !errors.Is(err, grants.ErrWrongCode) {
			t.Errorf("link token %q: %v", wrong, err)
		}
	}
	w.pass(time.Hour) // the budgets
	c = w.start(browser(ada, "tab"))
	link, _ = w.ring.LinkToken(c)
	if err := open(link, ""); err != nil {
		t.Errorf("the right link token: %v", err)
	}
	w.pass(time.Minute)
	w.wantError(c, w.code(c), grants.ErrUsed)
}

func TestBlockedUserSpendsTheCodeAndGetsNothing(t *testing.T) {
	w := newWorld(t)
	w.store.block(ada)
	for _, r := range []grants.StartRequest{api(ada), browser(ada, "tab")} {
		c := w.start(r)
		called := false
		_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, Code: w.code(c)}, func(context.Context, grants.User) error {
			called = true
			return nil
		})
		if !errors.Is(err, grants.ErrBlocked) || called {
			t.Errorf("%v, then called: %v", err, called)
		}
		w.wantError(c, w.code(c), grants.ErrUsed)
	}
	if len(w.store.events(grants.EventRefused)) != 2 || len(w.store.events(grants.EventSucceeded)) != 0 {
		t.Error("the refusals are not in the log")
	}
}

func TestClosedSignUpLooksTheSameUntilTheCodeIsRight(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	known := w.mustRedeem(c, w.code(c))

	closed, err := grants.New(grants.Config{Store: w.store, Ring: w.ring, Sender: w, Now: w.clock, SignupClosed: true})
	if err != nil {
		t.Fatal(err)
	}
	w.engine = closed
	c = w.start(api(eve))
	w.guessWrong(c, 1)
	w.wantError(c, w.code(c), grants.ErrSignupClosed)
	w.wantError(c, w.code(c), grants.ErrUsed)
	c = w.start(api(ada))
	if u := w.mustRedeem(c, w.code(c)); u.ID != known.ID {
		t.Errorf("a known address gets %+v", u)
	}
}

func TestErrorOfThenRollsEverythingBack(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	broken := errors.New("no room for the session")
	_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, Code: w.code(c)}, func(context.Context, grants.User) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if got, _ := w.engine.Challenge(t.Context(), c.ID); !equal(got, c) || len(w.store.events(grants.EventSucceeded)) != 0 {
		t.Errorf("left behind: %+v", got)
	}
	if u := w.mustRedeem(c, w.code(c)); !u.Created {
		t.Error("the user was left behind")
	}
}

func TestErrorOfTheStoreIsPassedOn(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	gone := errors.New("the database is gone")
	w.store.fail(gone)
	if _, err := w.engine.Start(t.Context(), api(ada)); !errors.Is(err, gone) {
		t.Errorf("start: %v", err)
	}
	for _, code := range []string{w.code(c), wrongCodeFor(w.code(c))} { // the same for right and wrong
		if _, err := w.redeem(c, code); !errors.Is(err, gone) {
			t.Errorf("redeem: %v", err)
		}
	}
	if len(w.sent) != 1 {
		t.Errorf("sent %d", len(w.sent))
	}
}

func TestNobodySharesEndsOrSpendsAnothersChallenge(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits = grants.Limits{} })
	other := api(ada)
	other.ClientID = "other"
	otherConnection := api(ada)
	otherConnection.Connection = "staff"
	requests := []grants.StartRequest{
		api(ada), other, browser(ada, "one"), browser(ada, "two"), otherConnection, api(eve), api(cell), browser(ada, ""),
	}
	var opened []grants.Challenge
	for _, r := range requests {
		opened = append(opened, w.start(r))
	}
	for i, c := range opened {
		for j, d := range opened {
			if i != j && (c.ID == d.ID || c.Slot() == d.Slot() || w.code(c) == w.code(d)) {
				t.Errorf("%d and %d share a challenge", i, j)
			}
		}
	}
	w.guessWrong(opened[0], 5)
	w.mustRedeem(opened[1], w.code(opened[1]))
	for i := 2; i < len(opened); i++ {
		r := requests[i]
		c, err := w.engine.Pending(t.Context(), r.ClientID, r.Connection, r.Address, r.Requester)
		if err != nil || c.ID != opened[i].ID || c.Attempts != 0 || c.Status(noon) != grants.Open {
			t.Errorf("%d is %+v, %v", i, c, err)
		}
		for j, d := range opened {
			if j != i {
				w.wantError(c, w.code(d), grants.ErrWrongCode)
				break
			}
		}
		w.mustRedeem(c, w.code(c))
	}
}

func TestPendingTellsExpiredAndExhaustedButNotSpent(t *testing.T) {
	w := newWorld(t)
	pending := func(a grants.Address) (grants.Challenge, error) {
		return w.engine.Pending(t.Context(), "app", string(a.Channel), a, grants.RequesterAPI)
	}
	c := w.start(api(ada))
	w.guessWrong(c, 5)
	if got, err := pending(ada); err != nil || got.Status(noon) != grants.Exhausted {
		t.Errorf("exhausted: %+v, %v", got, err)
	}
	c = w.start(api(eve))
	w.mustRedeem(c, w.code(c))
	if _, err := pending(eve); !errors.Is(err, grants.ErrNoChallenge) {
		t.Errorf("spent: %v", err)
	}
	w.start(api(cell))
	w.pass(time.Hour)
	if got, err := pending(cell); err != nil || got.Status(w.clock()) != grants.Expired {
		t.Errorf("expired: %+v, %v", got, err)
	}
}

func TestNormaliseCodeKeepsTheDigits(t *testing.T) {
	for typed, want := range map[string]string{
		"":                          "",
		"123456":                    "123456",
		" 123 456\r\n":              "123456",
		"123-456":                   "123456",
		"１２３４５６":                    "123456",
		"Your code is 123 456!":     "123456",
		"\u202a123456\u202c":        "123456",
		"@login.example.com #00012": "00012",
		"no digits":                 "",
		"12\x0034\xff56":            "123456",
		"½²①":                       "", // digits of other kinds are not guessed at
	} {
		if got := grants.NormaliseCode(typed); got != want {
			t.Errorf("NormaliseCode(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestCodeIsTakenAsTyped(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	code := w.code(c)
	w.mustRedeem(c, " "+code[:3]+"-"+code[3:]+"\n")
}

func FuzzNormaliseCode(f *testing.F) {
	for _, s := range []string{"123456", "１２３", "Your code is 123 456!", "\xff1", "\u202a1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := grants.NormaliseCode(s)
		if strings.Trim(got, "0123456789") != "" || len(got) > len(s) || grants.NormaliseCode(got) != got {
			t.Fatalf("NormaliseCode(%q) = %q", s, got)
		}
	})
}
