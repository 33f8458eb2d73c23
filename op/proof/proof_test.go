package proof

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	altcha "github.com/altcha-org/altcha-lib-go"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

const (
	oldSecret = "an-old-master-secret-for-tests-of-32-bytes"
	newSecret = "a-new-master-secret-for-tests-of-32-bytes"
)

// tickets keeps them in memory.
type tickets map[string]bool

func (ts tickets) AddTicket(_ context.Context, t storage.Ticket) error {
	if ts[t.ID] {
		return storage.ErrExists
	}
	ts[t.ID] = true
	return nil
}

var noon = time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)

func newGuard(t *testing.T, now *time.Time, secrets ...string) *Guard {
	t.Helper()
	return newCaptchaGuard(t, now, Captcha{}, secrets...)
}

func newCaptchaGuard(t *testing.T, now *time.Time, c Captcha, secrets ...string) *Guard {
	t.Helper()
	ring, err := grants.NewRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return *now }
	return New(Config{Ring: ring, Tickets: tickets{}, Rates: web.NewLimiter(clock), Now: clock, Log: slog.New(slog.DiscardHandler), Captcha: c})
}

var login = Form{Browser: "BROWSER", About: "TRANSACTION", Network: "203.0.113.9", Kind: "start", Limit: grants.Limit{N: 8, Per: time.Hour}}

// solved is the form that a page's script posts.
func solved(t *testing.T, g *Guard, f Form) url.Values {
	t.Helper()
	page, ok := g.Ask(f)
	if !ok {
		t.Fatal("no proof is taken")
	}
	var c altcha.Challenge
	if err := json.Unmarshal([]byte(page.Puzzle), &c); err != nil {
		t.Fatal(err)
	}
	s, err := altcha.SolveChallenge(c.Challenge, c.Salt, altcha.SHA256, int(c.MaxNumber), 0, nil)
	if err != nil || s == nil {
		t.Fatal("the puzzle has no solution")
	}
	body, _ := json.Marshal(altcha.Payload{Algorithm: c.Algorithm, Challenge: c.Challenge, Number: int64(s.Number), Salt: c.Salt, Signature: c.Signature})
	return url.Values{"proof": {base64.StdEncoding.EncodeToString(body)}}
}

func proven(t *testing.T, g *Guard, f Form, form url.Values) bool {
	t.Helper()
	ok, err := g.Proven(httptest.NewRequest(http.MethodPost, "/", http.NoBody), f, form)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Every process takes the proofs of every other, those of a secret that is about to go too.
func TestProofOutlivesARotation(t *testing.T) {
	now := noon
	before, between, after := newGuard(t, &now, oldSecret), newGuard(t, &now, newSecret, oldSecret), newGuard(t, &now, newSecret)
	form := solved(t, before, login)
	if !proven(t, between, login, form) {
		t.Error("a proof of the old secret is refused while that is in the ring")
	}
	if proven(t, after, login, form) {
		t.Error("a proof of a secret that is gone is taken")
	}
}

func TestProofIsOver(t *testing.T) {
	now := noon
	g := newGuard(t, &now, oldSecret)
	form := solved(t, g, login)
	now = noon.Add(lifetime - time.Second)
	if !proven(t, g, login, form) {
		t.Error("over before its time")
	}
	form = solved(t, g, login)
	now = now.Add(lifetime)
	if proven(t, g, login, form) {
		t.Error("good after its time")
	}
}

func TestWorkGrowsWithWhatANetworkHasGiven(t *testing.T) {
	for left, want := range map[int]int64{-1: 1, 8: 1, 7: 1, 6: 2, 4: 4, 2: 8, 1: 8} {
		if got := cost(8, left); got != want*baseCost {
			t.Errorf("%d left: %d", left, got)
		}
	}
	now := noon
	g := newGuard(t, &now, oldSecret)
	for i := range login.Limit.N {
		if !proven(t, g, login, solved(t, g, login)) {
			t.Fatalf("proof %d is refused", i)
		}
	}
	if _, ok := g.Ask(login); ok {
		t.Error("a network that has given all its proofs is asked for another")
	}
	other, another := login, login
	other.Network, another.Kind = "203.0.113.10", "code"
	for _, f := range []Form{other, another, {Kind: "start"}} {
		if _, ok := g.Ask(f); !ok {
			t.Errorf("%+v is not asked", f)
		}
	}
}

// A proof that came while its network had one left, and is used when it has none, is worth nothing.
func TestProofsAreBoundedWhenTheyAreUsed(t *testing.T) {
	now := noon
	g := newGuard(t, &now, oldSecret)
	one := login
	one.Limit.N = 1
	first, second := solved(t, g, one), solved(t, g, one)
	if !proven(t, g, one, first) || proven(t, g, one, second) {
		t.Error("the bound is not of what is used")
	}
}

// Whoever shows a solution again and again takes nothing from their neighbours.
func TestSolutionShownAgainCostsItsNetworkNothing(t *testing.T) {
	now := noon
	g := newGuard(t, &now, oldSecret)
	form := solved(t, g, login)
	if !proven(t, g, login, form) {
		t.Fatal("refused")
	}
	for range 3 * login.Limit.N {
		if proven(t, g, login, form) {
			t.Fatal("good twice")
		}
	}
	if left := g.left(login); left != login.Limit.N-1 {
		t.Errorf("the network has %d left, want %d", left, login.Limit.N-1)
	}
}

// Puzzles that were asked for while they were cheap are not taken once they are dear, and are not used up either.
func TestWorkIsPricedWhenItIsUsed(t *testing.T) {
	now := noon
	g := newGuard(t, &now, oldSecret)
	var stock []url.Values
	for range login.Limit.N {
		stock = append(stock, solved(t, g, login))
	}
	taken := 0
	for _, form := range stock {
		if proven(t, g, login, form) {
			taken++
		}
	}
	if half := login.Limit.N / 2; taken != half || g.left(login) != half { // from there on the work is four times that
		t.Errorf("%d of the stock are taken, %d are left", taken, g.left(login))
	}
	if !proven(t, g, login, solved(t, g, login)) {
		t.Error("what is asked for now is refused")
	}
}

// FuzzSolution checks that no solution that strangers make up is good, and none does harm.
func FuzzSolution(f *testing.F) {
	ring, err := grants.NewRing(oldSecret)
	if err != nil {
		f.Fatal(err)
	}
	g := New(Config{Ring: ring, Now: func() time.Time { return noon }})
	for _, s := range []string{
		"", "{}", "[]", `{"algorithm":"SHA-256","challenge":"","number":1,"salt":"?key=` + ring.KeyID() + `&expires=99999999999","signature":""}`,
		`{"algorithm":"SHA-256","number":-1,"salt":"%zz?%zz"}`, `{"algorithm":"SHA-1"}`, `{"number":1e400}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		for _, solution := range []string{payload, base64.StdEncoding.EncodeToString([]byte(payload))} {
			if g.solved(login, solution, 0) != "" {
				t.Errorf("%q is good", solution)
			}
		}
	})
}
