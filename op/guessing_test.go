package op_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func withDefaultLimits(s *settings) { s.engine.Limits = grants.DefaultLimits() }

// addressOf is an address of the network, another one for each number.
func addressOf(n int) string { return fmt.Sprintf("198.18.%d.%d", n/256, n%256) }

// 200 guesses at once, at one account, through every door and from 200 networks: no more are looked at than the account's budget
// has, and a right one among those that come after is not. Its owner gets in by another code all the same.
func TestParallelGuessesOverAllDoorsShareOneBudget(t *testing.T) {
	p := newProvider(t, proxied, withDefaultLimits)
	spa, webCode := p.mailedSPA("ada@example.com"), p.mailed("ada@example.com")
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	hosted := p.code("ada@example.com", 3)
	doors := []func(ip string){
		func(ip string) { p.guessFrom(ip, "ada@example.com", not(spa)) },
		func(ip string) { p.verify(not(spa), nil, "X-Forwarded-For", ip) },
		func(ip string) { p.browser().crossOrigin("ada@example.com", not(spa), nil, "X-Forwarded-For", ip) },
		func(string) {
			p.token("grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", not(webCode))
		},
		func(ip string) {
			b.send(http.MethodPost, where, page.form("code", other(hosted)), "X-Forwarded-For", ip, "Origin", p.url, "Sec-Fetch-Site", "same-origin")
		},
	}
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() { doors[n%len(doors)](addressOf(n)) })
	}
	all.Wait()
	events := must(p.store.Events(t.Context(), storage.EventFilter{Type: grants.EventFailed, Limit: 1000}))
	if n := len(events); n != grants.DefaultLimits().FailuresPerAddress.N {
		t.Errorf("%d guesses were looked at", n)
	}
	if n := len(must(p.store.Events(t.Context(), storage.EventFilter{Type: grants.EventLimited}))); n != 1 {
		t.Errorf("noted %d times", n)
	}
	p.guessFrom("203.0.113.9", "ada@example.com", spa).wants(t, http.StatusForbidden, "invalid_grant")
	p.token("grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", webCode).wants(t, http.StatusForbidden, "invalid_grant")
	if answer := b.post(where, page.form("code", hosted)); answer.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("the page: %d", answer.StatusCode)
	}
	fresh := p.browser()
	where, page = fresh.begin("ada@example.com", p.authorizeURL())
	if long := p.code("ada@example.com", 4); len(long) != grants.LongCodeLength || fresh.post(where, page.form("code", long)).sentBack(t).Get("code") == "" {
		t.Errorf("a code of %d digits lets nobody in", len(long))
	}
}

// An app's own server tries wrong codes at one address as fast as it may, at the end of one period of starts and at the beginning of the
// next. It has to wait before a hundred in a row were looked at, six digits or ten.
func TestWrongCodesInARowEndInAWaitBeforeTheyAreAHundred(t *testing.T) {
	first := newProvider(t, withDefaultLimits)
	sent := 0
	tried := func(p *provider) bool {
		a := p.start(map[string]any{"email": "ada@example.com"})
		if a.StatusCode == http.StatusTooManyRequests {
			return false
		}
		a.wants(t, http.StatusOK, "")
		sent++
		wrong := not(p.code("ada@example.com", sent))
		for range 200 { // more than any code has
			if a = p.token("grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", wrong); a.str("error_description") != "Wrong email or verification code." {
				break
			}
		}
		a.wants(t, http.StatusForbidden, "invalid_grant")
		return true
	}
	tried(first) // begins a period
	first.pass(grants.DefaultLimits().StartPerAddress.Per - time.Second)
	p := first.replica() // the first one's keys are too old
	for sent < 100 && tried(p) {
	}
	first.pass(time.Second)
	for sent < 100 && tried(p) {
	}
	failed := must(first.store.Events(t.Context(), storage.EventFilter{Type: grants.EventFailed, Limit: 1000}))
	if sent != 2*grants.DefaultLimits().StartPerAddress.N || len(failed) != 5*sent {
		t.Errorf("%d wrong codes were looked at, of %d challenges", len(failed), sent)
	}
}

// One guess at each of a hundred accounts, each from a network of its own: no budget notices, the watch does.
func TestSprayingRaisesTheRiskAndLocksNobodyOut(t *testing.T) {
	var watch atomic.Pointer[grants.Watch]
	p := newProvider(t, proxied, withDefaultLimits, func(s *settings) {
		s.engine.Risk = func(client string) bool { w := watch.Load(); return w != nil && w.Risk(client) }
	})
	limits := grants.DefaultLimits()
	watch.Store(grants.NewWatch(grants.WatchConfig{
		Store: p.store, Spraying: limits.Spraying, FailuresPerClient: limits.FailuresPerClient,
		Alerts: storage.Alerts{Store: p.store, Log: slog.New(slog.DiscardHandler)}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}))
	look := func() { t.Helper(); check(t, watch.Load().Look(t.Context())) }
	known, stranger := p.browser(), p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	for n := range 100 {
		to := fmt.Sprintf("victim%d@example.com", n)
		p.json("/passwordless/start", map[string]any{"client_id": "spa", "connection": "email", "email": to, "send": "code"}, nil, "X-Forwarded-For", addressOf(n)).wants(t, http.StatusOK, "")
		if n == 40 {
			look()
			if watch.Load().Risk("spa") {
				t.Error("forty are enough")
			}
		}
		p.guessFrom(addressOf(n), to, "none").wants(t, http.StatusForbidden, "invalid_grant")
	}
	look()
	if w := watch.Load(); !w.Risk("spa") || w.Risk("web") {
		t.Fatalf("risk of the app that is attacked %v, of another %v", w.Risk("spa"), w.Risk("web"))
	}
	if alerts := must(p.store.LeaseAlerts(t.Context(), time.Now(), 10, time.Now().Add(time.Minute))); len(alerts) != 1 || alerts[0].Cause != grants.AlertSpray {
		t.Errorf("alerts %+v", alerts)
	}
	if code := p.mailedSPA("eve@example.com"); len(code) != grants.LongCodeLength {
		t.Errorf("%d digits at the API", len(code))
	} else {
		p.guessFrom("203.0.113.9", "eve@example.com", code).wants(t, http.StatusOK, "")
	}

	// The login page of that app, for one in whose browser nobody has signed in, and for one who has.
	spa := p.authorizeURL("client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa")
	login := stranger.get(spa).Header.Get("Location")
	asked := stranger.post(login, stranger.get(login).form("identifier", "bob@example.com"))
	asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
	at := stranger.post(login, asked.proof(t)).Header.Get("Location")
	if code := p.code("bob@example.com", 1); len(code) != grants.LongCodeLength {
		t.Errorf("%d digits for a stranger", len(code))
	} else {
		stranger.post(at, stranger.get(at).form("code", code)).sentBack(t)
	}
	if code := spaCode(p, known, spa); len(code) != 6 {
		t.Errorf("%d digits for a known browser", len(code))
	}
}

// spaCode is what a known browser of ada's is sent.
func spaCode(p *provider, known *browser, authorize string) string {
	where, page := known.begin("ada@example.com", authorize+"&prompt=login")
	code := p.code("ada@example.com", 2)
	known.post(where, page.form("code", code)).sentBack(p.t)
	return code
}

// Strangers have used up every budget of an address but its messages. Its owner gets in from the browser that they know, and with a
// proof of work from one that nobody knows.
func TestWhoeverUsesUpTheBudgetsOfAnAddressLocksItsOwnerOutOfNothing(t *testing.T) {
	p := newProvider(t, proxied, withDefaultLimits)
	known := p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	sent := 1
	for day, used := 0, 0; used < grants.DefaultLimits().StartPerAddressDay.N-1; day++ { // one start was the owner's
		for range 5 {
			if a := p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "ada@example.com"}); a.StatusCode != http.StatusOK {
				break
			}
			used, sent = used+1, sent+1
			code := p.code("ada@example.com", sent)
			for n := range 5 {
				p.guessFrom(addressOf(n), "ada@example.com", not(code))
			}
		}
		if day > 20 {
			t.Fatalf("%d starts", used)
		}
		p.pass(11 * time.Minute)
	}
	for limit, names := range map[string]string{"starts": "start_per_address_day", "guesses": "failures_per_address"} {
		found := false
		for _, e := range must(p.store.Events(t.Context(), storage.EventFilter{Type: grants.EventLimited})) {
			found = found || strings.HasPrefix(e.Detail, names)
		}
		if !found {
			t.Errorf("%s are not used up", limit)
		}
	}
	where, page := known.begin("ada@example.com", p.authorizeURL("prompt", "login"))
	code := p.code("ada@example.com", sent+1)
	if known.post(where, page.form("code", code)).sentBack(t).Get("code") == "" || len(code) != 6 {
		t.Errorf("the known browser is sent %d digits", len(code))
	}

	fresh := p.browser()
	login, form := fresh.atLogin()
	asked := fresh.post(login, form("ada@example.com"))
	asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
	at := fresh.post(login, asked.proof(t)).Header.Get("Location")
	code = p.code("ada@example.com", sent+2)
	if fresh.post(at, fresh.get(at).form("code", code)).sentBack(t).Get("code") == "" {
		t.Error("the new browser is not let in")
	}
}

// Strangers have spent all messages of an address that they can, by the API and by work. Its owner is sent another one in the browser
// that they know.
func TestStrangersCannotSpendTheMessagesOfKnownBrowsers(t *testing.T) {
	p := newProvider(t, func(s *settings) {
		s.engine.Limits = grants.Limits{
			StartPerAddress: grants.Limit{N: 2, Per: time.Hour}, MessagesPerAddress: grants.Limit{N: 5, Per: 24 * time.Hour},
		}
	})
	known := p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	p.start(map[string]any{"email": "ada@example.com"}).wants(t, http.StatusOK, "")
	stranger := p.browser()
	for range 2 {
		login, form := stranger.atLogin()
		stranger.post(login, stranger.post(login, form("ada@example.com")).proof(t)).sentBack(t)
	}
	login, form := stranger.atLogin()
	stranger.post(login, form("ada@example.com")).mustBePage(t, http.StatusTooManyRequests, "Too many codes were sent.")
	p.start(map[string]any{"email": "ada@example.com"}).wants(t, http.StatusTooManyRequests, "too_many_requests")

	where, page := known.begin("ada@example.com", p.authorizeURL("prompt", "login"))
	if known.post(where, page.form("code", p.code("ada@example.com", 5))).sentBack(t).Get("code") == "" {
		t.Error("the known browser is not let in")
	}
}

// Sixty challenges were guessed at, and whoever did it sends one code of their own again and again: that is one login, and hides
// nothing.
func TestOneCodeSentAgainAndAgainIsOneLogin(t *testing.T) {
	p := newProvider(t, proxied, withDefaultLimits)
	limits := grants.DefaultLimits()
	watch := grants.NewWatch(grants.WatchConfig{
		Store: p.store, Spraying: limits.Spraying, FailuresPerClient: limits.FailuresPerClient,
		Alerts: grants.NoAlerts{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	for n := range 60 {
		to := fmt.Sprintf("victim%d@example.com", n)
		p.json("/passwordless/start", map[string]any{"client_id": "spa", "connection": "email", "email": to, "send": "code"}, nil, "X-Forwarded-For", addressOf(n)).wants(t, http.StatusOK, "")
		p.guessFrom(addressOf(n), to, "none").wants(t, http.StatusForbidden, "invalid_grant")
	}
	b := p.browser()
	where, page := b.begin("eve@example.com", p.authorizeURL("client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa"))
	code := p.code("eve@example.com", 1)
	for range 300 {
		b.post(where, page.form("code", code)).sentBack(t)
	}
	if n := len(p.events(grants.EventSucceeded)); n != 1 {
		t.Errorf("%d logins in the log", n)
	}
	check(t, watch.Look(t.Context()))
	if !watch.Risk("spa") {
		t.Error("the watch sees no guessing")
	}
}
