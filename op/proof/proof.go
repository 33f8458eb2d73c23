// Package proof asks browsers for a proof of work, or people for that of a captcha, where a limit would refuse them or codes
// are being guessed all around. It never asks by itself: whoever refuses a form asks instead, and whoever takes the form
// again checks what came with it.
//
// A puzzle is signed, for one form of one browser, and short-lived; nothing is kept of it. Its solution is good once: that
// is the one row that a proof writes.
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/templates"
)

// Config is what a [Guard] is made of. All fields without a remark are needed.
type Config struct {
	Ring    *grants.Ring
	Tickets Tickets
	Rates   Rates
	Now     func() time.Time
	Log     *slog.Logger
	Captcha Captcha // our own puzzle
}

// Tickets keeps what is good once. *storage.Store does.
type Tickets interface {
	AddTicket(ctx context.Context, t storage.Ticket) error
}

// Rates bounds how many proofs are taken from one network. *web.Limiter does.
type Rates interface {
	grants.Limiter
	// Left is how many draws are possible now, without drawing.
	Left(kind, key string, limit grants.Limit) int
}

// Guard makes puzzles and checks their solutions, for every process that has the same ring.
type Guard struct {
	cfg     Config
	captcha *captcha // nil: our own puzzle
}

// New makes a guard.
func New(cfg Config) *Guard { return &Guard{cfg: cfg, captcha: newCaptcha(cfg.Captcha, cfg.Log)} }

// Form is what a proof is for: one form of one browser.
type Form struct {
	Browser string // its secret
	About   string // the transaction, or whatever else the form belongs to
	Network string // that pays; empty for nobody
	Kind    string // of form: the budgets of kinds are apart
	Limit   grants.Limit
}

// id names the form in a puzzle without telling anything.
func (f Form) id() string {
	sum := sha256.Sum256([]byte(f.Kind + "\x00" + f.Browser + "\x00" + f.About))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// ticketProof is the kind of ticket that a proof leaves behind.
const ticketProof = "pow"

// Ask gives the page that asks for a proof, and false where the network has given all that are taken from it in a while. Our
// own puzzle stands in for a captcha whose provider cannot be asked.
func (g *Guard) Ask(f Form) (templates.Proof, bool) {
	left := g.left(f)
	if left == 0 {
		return templates.Proof{}, false
	}
	if g.captcha != nil && !g.captcha.down(g.cfg.Now()) && !g.captcha.busy() && g.leftOf("captcha_", f) != 0 {
		return templates.Proof{Widget: g.captcha.widget(f)}, true
	}
	return templates.Proof{Puzzle: g.puzzle(f, g.cost(f, left))}, true
}

// cost is the work that a puzzle for a form is now. The more its network has given, the more it is; and it is the most where a
// puzzle stands in for a captcha, since strangers can bring that about.
func (g *Guard) cost(f Form, left int) int64 {
	if g.captcha != nil {
		return maxCost
	}
	return cost(f.Limit.N, left)
}

// left is how many proofs the form's network can still give; a negative number where nobody counts.
func (g *Guard) left(f Form) int { return g.leftOf("proof_", f) }

func (g *Guard) leftOf(what string, f Form) int {
	if f.Network == "" || f.Limit.Off() {
		return -1
	}
	return g.cfg.Rates.Left(what+f.Kind, f.Network, f.Limit)
}

// draw counts a proof, or what else there is of a form, on its network, and tells whether there was one left.
func (g *Guard) draw(what string, f Form) bool {
	return f.Network == "" || g.cfg.Rates.Take(what+f.Kind, f.Network, f.Limit).Wait == 0
}

// Proven tells whether a posted form brings a proof that it was asked for, and uses it up. Only what is used up counts on the
// network: what is shown again costs nobody anything. An error is a failure of ours.
func (g *Guard) Proven(r *http.Request, f Form, form url.Values) (bool, error) {
	left := g.left(f)
	if left == 0 {
		return false, nil
	}
	id := g.check(r.Context(), f, form, left)
	if id == "" {
		return false, nil
	}
	err := g.cfg.Tickets.AddTicket(r.Context(), storage.Ticket{ID: id, Kind: ticketProof, ExpiresAt: g.cfg.Now().Add(lifetime)})
	if errors.Is(err, storage.ErrExists) {
		return false, nil
	}
	return err == nil && g.draw("proof_", f), err
}

// check gives the name of a right proof, by which it is good once, and nothing for none or a wrong one. Work must be half of
// what it would be now, at least: so a stock of puzzles does not get around that it grows.
func (g *Guard) check(ctx context.Context, f Form, form url.Values, left int) (id string) {
	if solution := form.Get("proof"); solution != "" {
		return g.solved(f, solution, g.cost(f, left)/2)
	}
	if g.captcha == nil {
		return ""
	}
	token := form.Get(g.captcha.field)
	if token == "" || len(token) > maxTokenBytes || !g.draw("captcha_", f) {
		return ""
	}
	return g.captcha.verify(ctx, token, f, g.cfg.Now())
}
