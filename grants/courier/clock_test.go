package courier

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
)

// jumping gives the bench a clock that can be set.
func (b *bench) jumping() *atomic.Int64 {
	var ahead atomic.Int64
	b.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }
	return &ahead
}

func TestMessageIsSentOnceWhereverTheClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"a minute on": time.Minute, "a minute back": -time.Minute, "hours back": -5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				ahead := b.jumping()
				b.post.answer = func(context.Context, int) error {
					time.Sleep(2 * time.Second)
					ahead.Store(int64(jump))
					time.Sleep(10 * time.Second)
					return nil
				}
				d := b.message("alice@example.com")
				b.deliver(5*time.Minute, d)
				b.wantSent(1, 0)
				b.wantStatus(d, grants.OutcomeSent)
			})
		})
	}
}

func TestNoCodeThatIsOverIsSentWhenTheClockJumpsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ahead := b.jumping()
		b.post.answer = func(context.Context, int) error { return &ProviderError{Provider: "post", Answer: "down"} }
		d := b.message("alice@example.com")
		c, stop := b.run()
		defer stop()
		c.Deliver(b.out.put(d))
		time.Sleep(time.Second)
		b.wantSent(1, 0) // tried
		ahead.Store(int64(5 * time.Hour))
		time.Sleep(time.Minute)
		b.wantSent(1, 0)
		b.wantStatus(d, grants.OutcomeTooLate)
	})
}

func TestClockThatWasSetBackGivesNoCodeALongerLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.jumping().Store(int64(-5 * time.Hour))
		d := b.message("alice@example.com")
		b.deliver(time.Second, d)
		mails, _ := b.post.sent()
		if len(mails) != 1 || !strings.Contains(mails[0].Text, "It works for 10 minutes.") {
			t.Errorf("mails: %+v", mails)
		}
	})
}

func TestMessageThatWaitedLongerThanItsLeaseGoesOutWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Workers = 1
		b.post.answer = func(context.Context, int) error { time.Sleep(15 * time.Second); return nil }
		var all []grants.Delivery
		for _, to := range []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"} {
			all = append(all, b.message(to))
		}
		b.deliver(2*time.Minute, all...)
		b.wantSent(5, 0)
		for _, d := range all {
			b.wantStatus(d, grants.OutcomeSent)
		}
	})
}

func TestMailSaysHowManyCodesWereAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first, fourth := b.message("alice@example.com"), b.message("alice@example.com")
		first.Message.Start.Number, fourth.Message.Start.Number = 1, 4
		b.deliver(time.Second, first)
		b.deliver(time.Second, fourth)
		mails, _ := b.post.sent()
		const words = "codes were asked for in the last 24 hours"
		if strings.Contains(mails[0].Text, words) || !strings.Contains(mails[1].Text, "4 "+words) || !strings.Contains(mails[1].HTML, "4 "+words) {
			t.Errorf("mails: %+v", mails)
		}
	})
}
