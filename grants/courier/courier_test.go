package courier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
	"sallyport/templates"
)

// outbox is a Store in memory.
type outbox struct {
	mu        sync.Mutex
	rows      map[string]*row
	once      map[string]time.Time
	failWrite int   // so many RecordDelivery fail
	failRead  error // of Delivery
	reads     int
}

type row struct {
	delivery grants.Delivery
	due      time.Time // end of the lease, or the next try
	outcomes []grants.Outcome
}

func (r *row) final() bool {
	n := len(r.outcomes)
	return n > 0 && r.outcomes[n-1].Status != grants.OutcomeRetry
}

func newOutbox() *outbox { return &outbox{rows: map[string]*row{}, once: map[string]time.Time{}} }

func (o *outbox) put(d grants.Delivery) grants.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rows[d.Message.ID] = &row{delivery: d, due: d.Message.LeasedUntil}
	return d.Message
}

func (o *outbox) change(id string, f func(*grants.Delivery)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.rows[id].delivery)
}

func (o *outbox) outcomes(id string) []grants.Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.rows[id].outcomes)
}

func (o *outbox) Delivery(_ context.Context, id string) (grants.Delivery, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	r, ok := o.rows[id]
	switch {
	case o.failRead != nil:
		return grants.Delivery{}, o.failRead
	case !ok:
		return grants.Delivery{}, grants.ErrNoChallenge
	}
	return r.delivery, nil
}

func (o *outbox) LeaseMessages(_ context.Context, now time.Time, limit int, until time.Time) ([]grants.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []grants.Message
	for _, r := range o.rows {
		if len(out) < limit && !r.final() && !r.due.After(now) {
			r.due = until
			out = append(out, r.delivery.Message)
		}
	}
	return out, nil
}

func (o *outbox) RecordDelivery(_ context.Context, id string, outcome grants.Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failWrite > 0 {
		o.failWrite--
		return errors.New("database is gone")
	}
	r := o.rows[id]
	r.outcomes = append(r.outcomes, outcome)
	r.delivery.Attempts++
	r.due = outcome.NextAttemptAt
	return nil
}

func (o *outbox) OncePer(_ context.Context, key string, per time.Duration, now time.Time) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last, ok := o.once[key]; ok && now.Sub(last) < per {
		return false, nil
	}
	o.once[key] = now
	return true, nil
}

// post is a Mailer and a Texter that answers as told. Nil answers yes.
type post struct {
	mu     sync.Mutex
	mails  []Mail
	texts  []string
	answer func(ctx context.Context, try int) error
	text   func() error // to an SMS
}

func (p *post) SendMail(ctx context.Context, m Mail) (Receipt, error) {
	p.mu.Lock()
	p.mails = append(p.mails, m)
	try := len(p.mails)
	p.mu.Unlock()
	if p.answer != nil {
		if err := p.answer(ctx, try); err != nil {
			return Receipt{}, err
		}
	}
	return Receipt{Provider: "post", ID: fmt.Sprint(try), Answer: "thanks"}, nil
}

func (p *post) SendSMS(_ context.Context, _, text string) (Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text != nil {
		if err := p.text(); err != nil {
			return Receipt{}, err
		}
	}
	p.texts = append(p.texts, text)
	return Receipt{Provider: "post"}, nil
}

func (p *post) sent() ([]Mail, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails), slices.Clone(p.texts)
}

const testSecret = "a secret of the tests, 32 bytes or more"

// bench is one outbox with what a courier needs. It runs in a synctest bubble, whose clock is the courier's.
type bench struct {
	t    *testing.T
	ring *grants.Ring
	out  *outbox
	post *post
	log  *bytes.Buffer
	cfg  Config
}

func newTemplates(t *testing.T) *templates.Set {
	t.Helper()
	set, err := templates.New(templates.Site{Name: "Sallyport", Host: "login.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ring, err := grants.NewRing(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	set := newTemplates(t)
	b := &bench{t: t, ring: ring, out: newOutbox(), post: &post{}, log: &bytes.Buffer{}}
	b.cfg = Config{
		Store: b.out, Ring: ring, Templates: set, Mail: b.post, SMS: b.post,
		LinkURL:   func(id, token string) string { return "https://login.example.com/u/login/link/" + id + "#" + token },
		Countries: []string{"DE", "US"}, CodeInSubject: true,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	return b
}

// message is a fresh one for an address, leased as a start leases it.
func (b *bench) message(address string) grants.Delivery {
	b.t.Helper()
	a, err := grants.ParseAddress(address)
	if err != nil {
		b.t.Fatal(err)
	}
	now := time.Now()
	c := grants.Challenge{
		ID: grants.NewID(), Seed: bytes.Repeat([]byte{7}, 16), KeyID: b.ring.KeyID(), Address: a,
		CodeLength: 6, MaxAttempts: 5, CreatedAt: now, ExpiresAt: now.Add(5 * time.Minute),
	}
	m := grants.Message{
		ID: grants.NewID(), ChallengeID: c.ID, Send: grants.SendLink, CreatedAt: now, LeasedUntil: now.Add(30 * time.Second),
		Start: grants.StartParams{ClientName: "Demo", Language: "en"},
	}
	return grants.Delivery{Message: m, Challenge: c, HasAccount: true}
}

func (b *bench) code(d grants.Delivery) string {
	code, _ := b.ring.Code(d.Challenge)
	return code
}

// run starts a courier and gives what stops it.
func (b *bench) run() (*Courier, func()) {
	b.t.Helper()
	c, err := New(b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}()
	return c, func() { cancel(); <-done }
}

// deliver puts messages into the outbox, delivers them and stops after a while.
func (b *bench) deliver(after time.Duration, deliveries ...grants.Delivery) {
	b.t.Helper()
	c, stop := b.run()
	for _, d := range deliveries {
		c.Deliver(b.out.put(d))
	}
	time.Sleep(after)
	stop()
}

// last is the outcome of a message.
func (b *bench) last(d grants.Delivery) grants.Outcome {
	b.t.Helper()
	all := b.out.outcomes(d.Message.ID)
	if len(all) == 0 {
		b.t.Fatalf("no outcome was recorded; log:\n%s", b.log)
	}
	return all[len(all)-1]
}

func (b *bench) wantStatus(d grants.Delivery, want grants.OutcomeStatus) {
	b.t.Helper()
	if o := b.last(d); o.Status != want {
		b.t.Errorf("outcome is %q (%s), want %q", o.Status, o.Answer, want)
	}
}

func (b *bench) wantSent(mails, texts int) {
	b.t.Helper()
	m, s := b.post.sent()
	if len(m) != mails || len(s) != texts {
		b.t.Errorf("%d mails and %d texts went out, want %d and %d", len(m), len(s), mails, texts)
	}
}

func TestDeliveryIsOneReadAndOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.message("alice@example.com")
		b.deliver(time.Minute, d)
		b.wantSent(1, 0)
		outcomes := b.out.outcomes(d.Message.ID)
		if b.out.reads != 1 || len(outcomes) != 1 {
			t.Errorf("%d reads and %d records, want 1 and 1", b.out.reads, len(outcomes))
		}
		if o := outcomes[0]; o.Status != grants.OutcomeSent || o.Provider != "post" || o.ProviderID != "1" || o.Answer != "thanks" {
			t.Errorf("the record is %+v", o)
		}
	})
}

func TestLogsHoldNoCodeLinkOrAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.message("alice@example.com")
		code := b.code(d)
		token, _ := b.ring.LinkToken(d.Challenge)
		b.post.answer = func(_ context.Context, try int) error {
			if try < 3 {
				return fmt.Errorf("451 <ALICE@example.com> not now, code %s, link %s", code, token)
			}
			return nil
		}
		b.deliver(time.Minute, d)
		b.wantStatus(d, grants.OutcomeSent)
		kept := b.log.String()
		for _, o := range b.out.outcomes(d.Message.ID) {
			kept += o.Answer
		}
		for _, secret := range []string{code, token, "alice@example.com"} {
			if strings.Contains(strings.ToLower(kept), strings.ToLower(secret)) {
				t.Errorf("%q was kept in\n%s", secret, kept)
			}
		}
		for _, want := range []string{d.Message.ID, "a…@example.com", "not now"} {
			if !strings.Contains(b.log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, b.log)
			}
		}
	})
}

func TestTakesOverTheMessageOfACrashedProcessOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.message("alice@example.com")
		b.out.put(d) // and the process that wrote it is gone
		_, stop := b.run()
		time.Sleep(29 * time.Second)
		b.wantSent(0, 0)
		time.Sleep(3 * time.Minute)
		stop()
		b.wantSent(1, 0)
		b.wantStatus(d, grants.OutcomeSent)
	})
}

func TestTwoCouriersSendEachMessageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first, stopFirst := b.run()
		_, stopSecond := b.run()
		for i := range 50 {
			d := b.message(fmt.Sprintf("user%d@example.com", i))
			if i%2 == 0 {
				first.Deliver(b.out.put(d))
			} else {
				d.Message.LeasedUntil = time.Now()
				b.out.put(d)
			}
		}
		time.Sleep(2 * time.Minute)
		stopFirst()
		stopSecond()
		mails, _ := b.post.sent()
		seen := map[string]int{}
		for _, m := range mails {
			seen[m.To]++
		}
		if len(seen) != 50 || len(mails) != 50 {
			t.Errorf("%d mails to %d people, want 50 to 50", len(mails), len(seen))
		}
	})
}

func TestDeadMailServerHoldsUpNoSMS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		c, stop := b.run()
		for i := range 100 {
			c.Deliver(b.out.put(b.message(fmt.Sprintf("user%d@example.com", i))))
		}
		synctest.Wait()
		sms := b.message("+491701234567")
		c.Deliver(b.out.put(sms))
		synctest.Wait()
		b.wantStatus(sms, grants.OutcomeSent)
		stop()
	})
}

func TestFullQueueLeavesMessagesToTheNextLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Queue = 1
		c, err := New(b.cfg)
		if err != nil {
			t.Fatal(err)
		}
		kept, left := b.message("alice@example.com"), b.message("bob@example.com")
		c.Deliver(b.out.put(kept))
		c.Deliver(b.out.put(left)) // nobody reads yet, and this returns all the same
		ctx, cancel := context.WithCancel(t.Context())
		go c.Run(ctx) //nolint:errcheck // it returns nil
		synctest.Wait()
		b.wantSent(1, 0)
		time.Sleep(31 * time.Second)
		b.wantSent(2, 0)
		b.wantStatus(left, grants.OutcomeSent)
		cancel()
		synctest.Wait()
	})
}

// After a flood most messages wait for whoever takes them over. They are not sent by the hundred a second, whatever the mail server
// can do.
func TestFloodIsSentAsFastAsItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		_, stop := b.run()
		for n := range 5 * pollBatch {
			b.out.put(b.message(fmt.Sprintf("user%d@example.com", n)))
		}
		time.Sleep(lease + 2*pollEvery)
		synctest.Wait()
		b.wantSent(5*pollBatch, 0)
		stop()
	})
}

func TestStopFinishesWhatIsBeingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(ctx context.Context, _ int) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Second):
				return nil
			}
		}
		c, stop := b.run()
		d := b.message("alice@example.com")
		c.Deliver(b.out.put(d))
		synctest.Wait()
		stop()
		b.wantStatus(d, grants.OutcomeSent)
	})
}

func TestStopIsBoundedWhenAServerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		c, stop := b.run()
		d := b.message("alice@example.com")
		c.Deliver(b.out.put(d))
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took >= 30*time.Second {
			t.Errorf("stopping took %s of the bubble's time, a lease has 30s", took)
		}
		b.wantStatus(d, grants.OutcomeRetry)
	})
}

func TestPanicOfATransportIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(_ context.Context, try int) error {
			if try == 1 {
				panic("index out of range")
			}
			return nil
		}
		d := b.message("alice@example.com")
		b.deliver(time.Minute, d)
		b.wantSent(2, 0)
		b.wantStatus(d, grants.OutcomeSent)
	})
}

func TestLostDatabaseDelaysOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.out.failRead = errors.New("database is gone")
		c, stop := b.run()
		d := b.message("alice@example.com")
		c.Deliver(b.out.put(d))
		time.Sleep(10 * time.Second)
		b.wantSent(0, 0)
		b.out.mu.Lock()
		b.out.failRead = nil
		b.out.mu.Unlock()
		time.Sleep(time.Minute)
		stop()
		b.wantSent(1, 0)
		b.wantStatus(d, grants.OutcomeSent)
	})
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a courier without parts was made")
	}
	b := newBench(t)
	b.cfg.LinkURL = nil
	if _, err := New(b.cfg); err == nil {
		t.Error("a courier of mail without links was made")
	}
}
