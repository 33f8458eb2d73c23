package op_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	altcha "github.com/altcha-org/altcha-lib-go"

	"sallyport/grants"
	"sallyport/op/proof"
)

const saysProof = "One moment"

var (
	puzzleField = regexp.MustCompile(`data-puzzle="([^"]*)"`)
	heldField   = regexp.MustCompile(`name="held" value="([^"]*)"`)
)

// puzzle is the one that the page has.
func (a answer) puzzle(tb testing.TB) altcha.Challenge {
	tb.Helper()
	m := puzzleField.FindStringSubmatch(a.body)
	if m == nil {
		tb.Fatalf("no puzzle: %d %s", a.StatusCode, a.body)
	}
	var c altcha.Challenge
	if err := json.Unmarshal([]byte(html.UnescapeString(m[1])), &c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// solve is the solution of a puzzle, as the page's script sends it.
func solve(tb testing.TB, c altcha.Challenge) altcha.Payload {
	tb.Helper()
	s := must(altcha.SolveChallenge(c.Challenge, c.Salt, altcha.SHA256, int(c.MaxNumber), 0, nil))
	if s == nil {
		tb.Fatal("the puzzle has no solution")
	}
	return altcha.Payload{Algorithm: c.Algorithm, Challenge: c.Challenge, Number: int64(s.Number), Salt: c.Salt, Signature: c.Signature}
}

func encoded(p altcha.Payload) string {
	return base64.StdEncoding.EncodeToString(must(json.Marshal(p)))
}

// proof is the form of a page that asks for a proof, filled in by its script.
func (a answer) proof(tb testing.TB, more ...string) url.Values {
	tb.Helper()
	return a.unproven(append([]string{"proof", encoded(solve(tb, a.puzzle(tb)))}, more...)...)
}

// unproven is that form without a proof.
func (a answer) unproven(more ...string) url.Values {
	form := a.form(more...)
	if m := heldField.FindStringSubmatch(a.body); m != nil {
		form.Set("held", m[1])
	}
	return form
}

// atLogin begins a login that has come to its first page.
func (b *browser) atLogin(more ...string) (where string, form func(identifier string) url.Values) {
	b.p.t.Helper()
	where = b.get(b.p.authorizeURL(more...)).Header.Get("Location")
	page := b.get(where)
	return where, func(identifier string) url.Values { return page.form("identifier", identifier) }
}

func startLimits(limit grants.Limit) func(*settings) {
	return func(s *settings) { s.engine.Limits.StartPerAddress = limit }
}

// A login in calm never meets a proof, up to the very limit, and leaves nothing behind for one.
func TestCalmLoginAsksForNoProof(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits = grants.DefaultLimits() })
	for range 4 {
		b := p.browser()
		where, page := b.begin("ada@example.com", p.authorizeURL())
		wrong := b.post(where, page.form("code", "1"))
		if strings.Contains(page.body+wrong.body, "proof") || strings.Contains(page.body+wrong.body, "puzzle") {
			t.Fatal(page.body)
		}
	}
}

func TestProofLetsAStartThroughThatWouldBeRefused(t *testing.T) {
	hour := grants.Limit{N: 1, Per: time.Hour}
	var risky atomic.Bool
	for name, c := range map[string]struct {
		change func(*settings)
		wait   string
	}{
		"address":        {startLimits(hour), "60 minutes."},
		"address, a day": {func(s *settings) { s.engine.Limits.StartPerAddressDay = hour }, "60 minutes."},
		"network":        {func(s *settings) { s.engine.Limits.StartPerIP = hour }, "60 minutes."},
		"risk":           {func(s *settings) { s.engine.Risk = func(string) bool { return risky.Load() } }, "60 seconds."},
	} {
		t.Run(name, func(t *testing.T) {
			risky.Store(false)
			p := newProvider(t, proxied, c.change)
			b := p.browser()
			from := func(target string, form url.Values) answer {
				return b.send(http.MethodPost, target, form, "X-Forwarded-For", "203.0.113.9", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
			}
			where, form := b.atLogin()
			from(where, form("ada@example.com")).sentBack(t)
			p.message("ada@example.com", 1)
			risky.Store(true)
			other, form := b.atLogin()
			asked := from(other, form("ada@example.com"))
			asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
			if asked.Header.Get("Retry-After") == "" || !strings.Contains(asked.body, c.wait) || strings.Contains(asked.body, "ada@example.com") {
				t.Errorf("Retry-After %s\n%s", asked.Header.Get("Retry-After"), asked.body)
			}
			code := from(other, asked.proof(t))
			code.sentBack(t)
			p.message("ada@example.com", 2)
			// The same at the button that sends again.
			resend := at(code.Header.Get("Location"), "/u/login/resend")
			asked = from(resend, b.get(code.Header.Get("Location")).form())
			asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
			from(resend, asked.proof(t)).sentBack(t)
			b.post(code.Header.Get("Location"), b.get(code.Header.Get("Location")).form("code", p.code("ada@example.com", 3))).sentBack(t)
		})
	}
}

// No form gets through without the work: not by leaving it out, by doing it once for several, or by making it up.
func TestProofsAreForOneFormOfOneBrowserOnce(t *testing.T) {
	p := newProvider(t, startLimits(grants.Limit{N: 1, Per: time.Hour}), func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 1, Per: time.Hour} })
	b, thief := p.browser(), p.browser()
	where, form := b.atLogin()
	b.post(where, form("ada@example.com")).sentBack(t)
	asked := b.post(where, form("ada@example.com"))
	right := solve(t, asked.puzzle(t))
	tab, tabForm := b.atLogin()
	stolen, stolenForm := thief.atLogin()
	refuse := func(name string, a answer) {
		t.Helper()
		if a.StatusCode != http.StatusTooManyRequests || !strings.Contains(a.body, saysProof) || a.puzzle(t).Challenge == right.Challenge {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Header.Get("Location"))
		}
	}
	bad := func(change func(*altcha.Payload)) string {
		payload := right
		change(&payload)
		return encoded(payload)
	}
	refuse("without", b.post(where, asked.unproven()))
	for name, solution := range map[string]string{
		"garbage": "x", "no JSON": base64.StdEncoding.EncodeToString([]byte("{")), "JSON of another kind": base64.StdEncoding.EncodeToString([]byte(`[1]`)),
		"empty": encoded(altcha.Payload{}), "long": strings.Repeat("A", 5000),
		"another number":       bad(func(p *altcha.Payload) { p.Number++ }),
		"a negative number":    bad(func(p *altcha.Payload) { p.Number = -1 }),
		"another salt":         bad(func(p *altcha.Payload) { p.Salt = strings.Replace(p.Salt, "expires=1", "expires=9", 1) }),
		"spliced":              bad(func(p *altcha.Payload) { p.Salt, p.Number = p.Salt+"1", 1 }),
		"another signature":    bad(func(p *altcha.Payload) { p.Signature = strings.Repeat("0", 64) }),
		"no key":               bad(func(p *altcha.Payload) { p.Salt = "x?expires=99999999999&" }),
		"a weaker hash":        bad(func(p *altcha.Payload) { p.Algorithm = "SHA-1" }),
		"its own, made up":     ownPuzzle(asked.puzzle(t)),
		"a puzzle of no price": ownPuzzle(altcha.Challenge{Salt: "0?for=x&key=" + p.ring.KeyID() + "&expires=99999999999&"}),
	} {
		refuse(name, b.post(where, asked.unproven("proof", solution)))
	}
	refuse("another tab", b.post(tab, with(tabForm("ada@example.com"), "proof", encoded(right))))
	refuse("another browser", thief.post(stolen, with(stolenForm("ada@example.com"), "proof", encoded(right))))
	for _, m := range p.inbox.Messages()[:len(p.inbox.Messages())-1] {
		t.Errorf("it was sent: %s", m.Subject)
	}

	b.post(where, asked.unproven("proof", encoded(right))).sentBack(t)
	refuse("again", b.post(where, asked.unproven("proof", encoded(right))))
	late := solve(t, b.post(where, form("ada@example.com")).puzzle(t))
	p.pass(6 * time.Minute)
	refuse("late", b.post(where, asked.unproven("proof", encoded(late))))
}

// ownPuzzle is a puzzle that somebody without our key makes and solves.
func ownPuzzle(of altcha.Challenge) string {
	number := int64(1)
	made := must(altcha.CreateChallenge(altcha.ChallengeOptions{HMACKey: "", Salt: of.Salt, Number: &number}))
	return encoded(altcha.Payload{Algorithm: made.Algorithm, Challenge: made.Challenge, Number: number, Salt: made.Salt, Signature: made.Signature})
}

func with(form url.Values, more ...string) url.Values {
	out := url.Values{}
	for name := range form {
		out.Set(name, form.Get(name))
	}
	for i := 0; i+1 < len(more); i += 2 {
		out.Set(more[i], more[i+1])
	}
	return out
}

func TestOfManyFormsWithOneProofOneGetsThrough(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database, startLimits(grants.Limit{N: 1, Per: time.Hour}))
		b := p.browser()
		where, form := b.atLogin()
		b.post(where, form("ada@example.com")).sentBack(t)
		filled := b.post(where, form("ada@example.com")).proof(t)
		var through atomic.Int32
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if a := b.post(where, filled); a.StatusCode == http.StatusSeeOther {
					through.Add(1)
				}
			})
		}
		wg.Wait()
		if through.Load() != 1 {
			t.Errorf("%d got through", through.Load())
		}
	})
}

// The day's messages of an address are for no work to be had.
func TestNoProofIsAskedForWhereNoneHelps(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits.MessagesPerAddress = grants.Limit{N: 1, Per: time.Hour} })
	b := p.browser()
	where, form := b.atLogin()
	b.post(where, form("ada@example.com")).sentBack(t)
	b.post(where, form("ada@example.com")).mustBePage(t, http.StatusTooManyRequests, "Too many codes were sent.")
}

// Behind a network whose wrong codes are too many, work buys a look at one code. The page does not show what was typed.
func TestProofBuysALookAtACode(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	from := func(form url.Values) answer {
		return b.send(http.MethodPost, where, form, "X-Forwarded-For", "203.0.113.9", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	}
	for range 2 {
		from(page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
	}
	asked := from(page.form("code", code))
	asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
	if strings.Contains(asked.body, code) {
		t.Error("the page has the code")
	}
	guess := asked.proof(t, "code", other(code))
	guess.Del("held")
	from(guess).mustBePage(t, http.StatusUnprocessableEntity, "You have 2 more tries.") // the challenge counts all the same
	from(from(page.form("code", code)).proof(t)).sentBack(t)
}

func TestNetworkGivesSoManyProofsAndNoMore(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 1, Per: time.Hour} })
	b := p.browser()
	from := func(ip string, proven bool) answer {
		where, form := b.atLogin()
		post := func(v url.Values) answer {
			return b.send(http.MethodPost, where, v, "X-Forwarded-For", ip, "Origin", p.url, "Sec-Fetch-Site", "same-origin")
		}
		a := post(form("ada@example.com"))
		if proven {
			a = post(a.proof(t))
		}
		return a
	}
	from("203.0.113.9", false).sentBack(t)
	var costs []int64
	for range 4 {
		costs = append(costs, from("203.0.113.9", false).puzzle(t).MaxNumber)
		from("203.0.113.9", true).sentBack(t)
	}
	for i, c := range costs {
		if c != costs[0]<<i {
			t.Errorf("the work is %v", costs)
		}
	}
	from("203.0.113.9", false).mustBePage(t, http.StatusTooManyRequests, "Too many codes were sent. Try again in 60 minutes.")
	from("203.0.113.10", false).sentBack(t)
}

// The pages for devices have one budget for all: who exhausts it makes the others work, and locks nobody out.
func TestProofLetsAUserCodeThrough(t *testing.T) {
	p := newProvider(t, withDefaultLimits)
	p.addTV()
	device := p.tv()
	b := p.browser()
	for range 30 {
		b.typed("BBBB-BBBC")
	}
	asked := b.typed(device.userCode)
	asked.mustBePage(t, http.StatusTooManyRequests, saysProof)
	if strings.Contains(asked.body, device.userCode) {
		t.Error("the page has the code")
	}
	thief := p.browser()
	stolen := with(asked.proof(t), "csrf", thief.get("/device").form().Get("csrf"))
	thief.post("/device", stolen).mustBePage(t, http.StatusTooManyRequests, saysProof)
	b.post("/device", asked.proof(t)).sentBack(t)
	b.post("/device", asked.proof(t)).mustBePage(t, http.StatusTooManyRequests, saysProof)
}

// The page with a captcha's widget, and no other, loads from the captcha's provider.
func TestOnlyThePageOfTheWidgetLoadsFromElsewhere(t *testing.T) {
	const from = "https://challenges.cloudflare.com"
	var form atomic.Value
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"success":%t,"hostname":"127.0.0.1","action":"login","cdata":%q}`, r.FormValue("response") == "TOKEN", form.Load())
	}))
	t.Cleanup(service.Close)
	p := newProvider(t, startLimits(grants.Limit{N: 1, Per: time.Hour}), func(s *settings) {
		s.op.Captcha = proof.Captcha{Provider: "turnstile", SiteKey: "SITE", SecretKey: "SECRET", VerifyURL: service.URL}
	})
	b := p.browser()
	where, fill := b.atLogin()
	if csp := b.get(where).Header.Get("Content-Security-Policy"); strings.Contains(csp, from) {
		t.Errorf("the login page: %s", csp)
	}
	b.post(where, fill("ada@example.com")).sentBack(t)
	asked := b.post(where, fill("ada@example.com"))
	asked.mustBePage(t, http.StatusTooManyRequests, `src="`+from+`/turnstile/v0/api.js"`)
	form.Store(regexp.MustCompile(`data-cdata="([^"]*)"`).FindStringSubmatch(asked.body)[1])
	if csp := asked.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self' "+from+"; style-src 'self'; frame-src "+from+";") || strings.Contains(csp, "unsafe") {
		t.Errorf("the page of the widget: %s", csp)
	}
	b.post(where, asked.unproven("cf-turnstile-response", "ANOTHER")).mustBePage(t, http.StatusTooManyRequests, saysProof)
	b.post(where, asked.unproven("cf-turnstile-response", "TOKEN")).sentBack(t)
	b.post(where, asked.unproven("cf-turnstile-response", "TOKEN")).mustBePage(t, http.StatusTooManyRequests, saysProof)
}
