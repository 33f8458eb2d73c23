package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sallyport/e2e/rig"
)

// timing measures whether two requests whose answers are alike take the same time too.
type timing struct {
	samples int // of each of the two
	only    string
}

// maxT is the goal: Welch's t of two samples that do not differ is below it but for once in a hundred thousand times.
const maxT = 4.5

// pair is two requests that must not be told apart. Each prepares what the n-th of it needs, and gives what is to be measured.
type pair struct {
	name        string
	left, right func(ctx context.Context, n int) (timed, error)
}

// timed is a request, made by whom, and the status of its answer.
type timed struct {
	by      *visitor
	request request
	status  int
}

func timingDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	samples := flags.Int("samples", 10_000, "of each of the two")
	only := flags.String("only", "", "measure only pairs whose name contains this")
	database := flags.String("database", "", "sqlite or postgres; both when empty")
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		return onBoth(*database, g, func(name string, g ground) error {
			t := &table{title: "Timing, " + name}
			err := timing{*samples, *only}.run(ctx, g, t)
			t.print(stdout)
			return err
		})
	}
}

const (
	adminToken = "an-admin-token-of-the-drill-32-characters" //nolint:gosec // of the drill only
	warmUp     = 100                                         // of each side, that are not counted
)

// run measures one pair after the other, over one connection, in random order. No sample is left out but the first hundred.
func (m timing) run(ctx context.Context, g ground, t *table) error {
	texts, err := rig.ReceiveTexts(ctx)
	if err != nil {
		return err
	}
	defer texts.Stop()
	if err := m.importPeople(ctx, g); err != nil {
		return err
	}
	d, err := g.deploy(ctx, 1, fmt.Sprintf(`
sms: {transport: twilio, start_wait: 0s, twilio: {account_sid: AC0, auth_token: token, from: "+15005550006", base_url: %q}}
admin: {tokens: [{name: drill, token: %q, scopes: ["*"]}]}
`, texts.URL, adminToken))
	if err != nil {
		return err
	}
	t.row("", "left, mean", "right, mean", "difference", "t", "")
	for _, p := range m.pairs(d) {
		if !strings.Contains(p.name, m.only) {
			continue
		}
		left, right, err := m.measure(ctx, p)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", p.name, err), d.stop())
		}
		value, verdict := welch(left, right), "met"
		if math.Abs(value) >= maxT {
			verdict = "missed"
		}
		t.row(p.name, left.String(), right.String(), fmt.Sprintf("%+.2f µs", right.mean-left.mean), fmt.Sprintf("%+.2f", value), verdict)
		_, _ = fmt.Fprintf(g.progress, "%-60s t = %+.2f\n", p.name, value)
	}
	return d.stop()
}

// importPeople makes accounts that are known, and some that are blocked.
func (m timing) importPeople(ctx context.Context, g ground) error {
	path := filepath.Join(g.dir, "people.ndjson")
	var b strings.Builder
	for n := range m.samples + warmUp {
		for i, kind := range []string{knownByAPI, knownByPage, blocked} {
			fmt.Fprintf(&b, `{"user_id":"email|%024x","email":"%[2]s","email_verified":true,"blocked":%t,"identities":[{"user_id":"%024[1]x","provider":"email","connection":"email","isSocial":false}]}`+"\n",
				n*8+i+1, address(kind, n), kind == blocked)
		}
		fmt.Fprintf(&b, `{"user_id":"sms|%024x","phone_number":"%s","phone_verified":true,"identities":[{"user_id":"%024[1]x","provider":"sms","connection":"sms","isSocial":false}]}`+"\n",
			n*8+4, number(true, n))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing people: %w", err)
	}
	cmd := exec.CommandContext(ctx, g.binary, "import", "auth0", path) //nolint:gosec // the binary that we built
	cmd.Env = append(os.Environ(), "SALLYPORT_DATABASE_URL="+g.database, "SALLYPORT_SECRET="+masterSecret)
	cmd.Dir = g.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("importing people: %w: %s", err, out)
	}
	return nil
}

// address is of the same length for every kind and number.
func address(kind string, n int) string { return fmt.Sprintf("%s.%07d@example.com", kind, n) }

func number(known bool, n int) string {
	if known {
		return fmt.Sprintf("+1202%07d", 2_000_000+n)
	}
	return fmt.Sprintf("+1202%07d", 4_000_000+n)
}

func (m timing) measure(ctx context.Context, p pair) (left, right sample, err error) {
	sides := []struct {
		prepare func(context.Context, int) (timed, error)
		into    *sample
	}{{p.left, &left}, {p.right, &right}}
	var asked [2]int
	for _, side := range shuffled(m.samples + warmUp) {
		s, n := sides[side], asked[side]
		asked[side]++
		what, err := s.prepare(ctx, n)
		if err != nil {
			return left, right, err
		}
		begin := rig.Now()
		a, err := what.by.do(ctx, what.request)
		took := time.Since(begin)
		if err != nil {
			return left, right, err
		}
		if a.status != what.status {
			return left, right, fmt.Errorf("%s: %d, want %d: %.200s", what.request.path, a.status, what.status, a.body)
		}
		if n >= warmUp {
			s.into.add(took)
		}
	}
	return left, right, nil
}

// shuffled is an order of so many samples of each side. What one leaves behind to be done, a mail for instance, slows the next one: only
// in an order that is random as a whole is that one as often of the same side as of the other.
func shuffled(each int) []int {
	order := make([]int, 2*each)
	for i := range order {
		order[i] = i % 2
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] }) //nolint:gosec // fair, no secret
	return order
}

// sample is a running mean and variance, in microseconds (Welford's method).
type sample struct{ n, mean, squares float64 }

func (s *sample) add(d time.Duration) {
	x := float64(d) / float64(time.Microsecond)
	s.n++
	delta := x - s.mean
	s.mean += delta / s.n
	s.squares += delta * (x - s.mean)
}

func (s *sample) variance() float64 { return s.squares / (s.n - 1) }

// String is the mean.
func (s *sample) String() string { return fmt.Sprintf("%.1f µs", s.mean) }

// welch is Welch's t of two samples: how many standard errors apart their means are.
func welch(a, b sample) float64 {
	return (a.mean - b.mean) / math.Sqrt(a.variance()/a.n+b.variance()/b.n)
}
