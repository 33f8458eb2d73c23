package courier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
)

func TestMailCarriesCodeAndLinkAsAsked(t *testing.T) {
	for _, send := range []grants.Send{grants.SendCode, grants.SendLink} {
		t.Run(string(send), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				d := b.message("alice@example.com")
				d.Message.Send = send
				d.Message.Start.IP = "192.0.2.7"
				d.Message.Start.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 evil"
				b.deliver(time.Second, d)
				mails, _ := b.post.sent()
				m := mails[0]
				token, _ := b.ring.LinkToken(d.Challenge)
				if m.To != "alice@example.com" || m.MessageID != d.Message.ID || m.Language != "en" || m.Date.IsZero() {
					t.Errorf("the mail is %+v", m)
				}
				if !strings.HasPrefix(m.Subject, b.code(d)) {
					t.Errorf("the subject %q does not begin with the code %s", m.Subject, b.code(d))
				}
				for part, text := range map[string]string{"text": m.Text, "HTML": m.HTML} {
					for _, want := range []string{b.code(d), "Demo", "192.0.2.7", "Firefox on Linux"} {
						if !strings.Contains(text, want) {
							t.Errorf("the %s lacks %q:\n%s", part, want, text)
						}
					}
					if strings.Contains(text, "evil") {
						t.Errorf("the %s holds the request's words:\n%s", part, text)
					}
					if has := strings.Contains(text, d.Message.ID+"#"+token); has != (send == grants.SendLink) {
						t.Errorf("link in the %s: %v", part, has)
					}
				}
			})
		})
	}
}

func TestCodeStaysOutOfTheSubjectWhenSoConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.CodeInSubject = false
		d := b.message("alice@example.com")
		b.deliver(time.Second, d)
		mails, _ := b.post.sent()
		if strings.Contains(mails[0].Subject, b.code(d)) {
			t.Errorf("the subject is %q", mails[0].Subject)
		}
	})
}

func TestSMSEndsWithTheOriginBoundCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.message("+491701234567")
		b.deliver(time.Second, d)
		_, texts := b.post.sent()
		lines := strings.Split(texts[0], "\n")
		if want := "@login.example.com #" + b.code(d); lines[len(lines)-1] != want {
			t.Errorf("the last line is %q, want %q", lines[len(lines)-1], want)
		}
		if strings.Contains(texts[0], "http") {
			t.Errorf("the SMS has a link: %q", texts[0])
		}
	})
}

func TestMessageIsWithheld(t *testing.T) {
	now := func() time.Time { return time.Now() }
	tests := map[string]struct {
		to     string
		change func(*bench, *grants.Delivery)
		want   grants.OutcomeStatus
	}{
		"spent":                       {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.SpentAt = now() }, grants.OutcomeTooLate},
		"ended":                       {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.EndedAt = now() }, grants.OutcomeTooLate},
		"ended, and was guessed at":   {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.EndedAt, d.Challenge.Attempts = now(), 5 }, grants.OutcomeTooLate},
		"expired":                     {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.ExpiresAt = now() }, grants.OutcomeTooLate},
		"superseded at once":          {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Superseded = true }, grants.OutcomeSuppressed},
		"superseded":                  {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Superseded, d.Attempts = true, 1 }, grants.OutcomeSuppressed},
		"exhausted":                   {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.Attempts = 5 }, grants.OutcomeTooLate},
		"blocked mail":                {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Blocked = true }, grants.OutcomeSuppressed},
		"blocked number":              {"+491701234567", func(_ *bench, d *grants.Delivery) { d.Blocked = true }, grants.OutcomeSuppressed},
		"closed country":              {"+447400123456", func(*bench, *grants.Delivery) {}, grants.OutcomeSuppressed},
		"premium rate":                {"+499001234567", func(*bench, *grants.Delivery) {}, grants.OutcomeSuppressed},
		"number, its connection shut": {"+491701234567", func(_ *bench, d *grants.Delivery) { d.Message.Start.SignupClosed, d.HasAccount = true, false }, grants.OutcomeSuppressed},
		"number, sign-up shut":        {"+491701234567", func(b *bench, d *grants.Delivery) { b.cfg.SignupClosed, d.HasAccount = true, false }, grants.OutcomeSuppressed},
		"no transport for mail":       {"a@example.com", func(b *bench, _ *grants.Delivery) { b.cfg.Mail = nil }, grants.OutcomeFailed},
		"no transport for SMS":        {"+491701234567", func(b *bench, _ *grants.Delivery) { b.cfg.SMS = nil }, grants.OutcomeFailed},
		"key is gone":                 {"a@example.com", func(_ *bench, d *grants.Delivery) { d.Challenge.KeyID = "00000000" }, grants.OutcomeFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				d := b.message(test.to)
				test.change(b, &d)
				b.deliver(2*time.Minute, d)
				b.wantSent(0, 0)
				b.wantStatus(d, test.want)
				outcomes := b.out.outcomes(d.Message.ID)
				if n := len(outcomes); n != 1 {
					t.Errorf("%d outcomes, want one that is final", n)
				}
				// Nobody got these, and for no fault of the address's: the others were looked at, or are not for it.
				unheard := name == "expired" || name == "ended" || name == "superseded"
				if given := len(outcomes[0].GiveBack) > 0; given != unheard {
					t.Errorf("gives back %v", outcomes[0].GiveBack)
				}
				// The message that took the place of another counts in its stead.
				if given := slices.Contains(outcomes[0].GiveBack, grants.MessageCounter(d.Challenge.Address)); given != (name == "superseded") {
					t.Errorf("gives back %v", outcomes[0].GiveBack)
				}
			})
		})
	}
}

func TestNothingIsSentInTheLastTenthOfTheLifetime(t *testing.T) {
	tests := map[string]struct {
		created, expires time.Duration // before and after now
		want             grants.OutcomeStatus
	}{
		"exactly a tenth left":                      {9 * time.Minute, time.Minute, grants.OutcomeSent},
		"less than a tenth left":                    {9*time.Minute + 1, time.Minute, grants.OutcomeTooLate},
		"asked for again, most of it lies in front": {0, time.Minute, grants.OutcomeSent},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				d := b.message("alice@example.com")
				d.Challenge.CreatedAt = time.Now().Add(-9 * time.Minute)
				d.Message.CreatedAt = time.Now().Add(-test.created)
				d.Challenge.ExpiresAt = time.Now().Add(test.expires)
				b.deliver(time.Second, d)
				b.wantStatus(d, test.want)
			})
		})
	}
}

func TestClosedSignupTellsAnUnknownMailboxOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.SignupClosed = true
		messages := make([]grants.Delivery, 3)
		for i := range messages {
			messages[i] = b.message("alice@example.com")
			messages[i].HasAccount = false
		}
		b.deliver(time.Second, messages[:2]...)
		b.wantSent(1, 0)
		mails, _ := b.post.sent()
		if code := b.code(messages[0]); strings.Contains(mails[0].Subject+mails[0].Text+mails[0].HTML, code) {
			t.Errorf("a code went to an address without account:\n%s", mails[0].Text)
		}
		time.Sleep(24 * time.Hour)
		later := b.message("alice@example.com")
		later.HasAccount = false
		b.deliver(time.Second, later)
		b.wantSent(2, 0)
	})
}

func TestConnectionThatIsClosedSendsNoCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := b.message("alice@example.com")
		d.HasAccount, d.Message.Start.SignupClosed = false, true
		known := b.message("bob@example.com")
		known.Message.Start.SignupClosed = true
		b.deliver(time.Second, d, known)
		b.wantSent(2, 0)
		mails, _ := b.post.sent()
		for _, m := range mails {
			text, of := m.Subject+m.Text+m.HTML, map[string]grants.Delivery{"alice@example.com": d, "bob@example.com": known}[m.To]
			if strings.Contains(text, b.code(of)) != (m.To == "bob@example.com") {
				t.Errorf("to %s:\n%s", m.To, text)
			}
		}
	})
}

func TestNoAccountMailIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.SignupClosed = true
		b.post.answer = func(_ context.Context, try int) error {
			if try == 1 {
				return errors.New("connection refused")
			}
			return nil
		}
		d := b.message("alice@example.com")
		d.HasAccount = false
		b.deliver(time.Minute, d)
		b.wantSent(2, 0)
		b.wantStatus(d, grants.OutcomeSent)
	})
}

func TestRetriesBackOffUntilTheChallengeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(context.Context, int) error {
			return &ProviderError{Provider: "post", Code: 451, Answer: "greylisted"}
		}
		d := b.message("alice@example.com")
		b.deliver(6*time.Minute, d)
		outcomes := b.out.outcomes(d.Message.ID)
		if len(outcomes) < 10 || len(outcomes) > 20 {
			t.Errorf("%d tries in 5 minutes", len(outcomes))
		}
		for i, o := range outcomes[:len(outcomes)-1] {
			most := min(30*time.Second, 2*time.Second<<i)
			if wait := o.NextAttemptAt.Sub(o.At); o.Status != grants.OutcomeRetry || wait > most || wait < most*3/4 {
				t.Errorf("try %d: %s, next after %s, want between %s and %s", i+1, o.Status, wait, most*3/4, most)
			}
		}
		end := outcomes[len(outcomes)-1]
		if end.Status != grants.OutcomeTooLate || !strings.Contains(end.Answer, "greylisted") || end.At.After(d.Challenge.ExpiresAt) {
			t.Errorf("the last outcome is %+v", end)
		}
		if !slices.Equal(end.GiveBack, grants.StartCounters(d.Challenge.Address, d.Challenge.Device)) {
			t.Errorf("a server that was down all the time used up %v of the person's starts", end.GiveBack)
		}
	})
}

func TestProviderSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(_ context.Context, try int) error {
			if try == 1 {
				return &ProviderError{Provider: "post", Status: 429, RetryAfter: time.Minute}
			}
			return nil
		}
		d := b.message("alice@example.com")
		b.deliver(2*time.Minute, d)
		o := b.out.outcomes(d.Message.ID)
		if len(o) != 2 || o[1].Status != grants.OutcomeSent || o[1].At.Sub(o[0].At) < time.Minute {
			t.Errorf("the outcomes are %+v", o)
		}
	})
}

func TestPermanentRefusalIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(context.Context, int) error {
			return fmt.Errorf("sending: %w", &PermanentError{Err: &ProviderError{Provider: "post", Code: 550, Answer: "no such mailbox"}})
		}
		d := b.message("alice@example.com")
		b.deliver(5*time.Minute, d)
		b.wantSent(1, 0)
		if o := b.last(d); o.Status != grants.OutcomeFailed || o.Provider != "post" || !strings.Contains(o.Answer, "550") {
			t.Errorf("the outcome is %+v", o)
		}
	})
}

func TestWrongCredentialsAreLoggedAsAnErrorAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post.answer = func(_ context.Context, try int) error {
			if try < 3 {
				return &ProviderError{Provider: "post", Status: 401, Setup: true, Answer: "who are you"}
			}
			return nil
		}
		d := b.message("alice@example.com")
		b.deliver(time.Minute, d)
		b.wantStatus(d, grants.OutcomeSent)
		if n := strings.Count(b.log.String(), "level=ERROR"); n != 2 {
			t.Errorf("%d errors in the log, want 2:\n%s", n, b.log)
		}
	})
}

func TestNeverSentAgainAfterAYes(t *testing.T) {
	for _, failures := range []int{1, 5, 40} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.out.failWrite = failures
				d := b.message("alice@example.com")
				b.deliver(20*time.Minute, d)
				b.wantSent(1, 0)
				b.wantStatus(d, grants.OutcomeSent)
			})
		})
	}
}

func TestHeldUpMessageIsReadAgainBeforeItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Workers = 1
		b.post.answer = func(ctx context.Context, try int) error {
			if try == 1 {
				time.Sleep(10 * time.Second)
			}
			return ctx.Err()
		}
		c, stop := b.run()
		first, second := b.message("alice@example.com"), b.message("bob@example.com")
		c.Deliver(b.out.put(first))
		synctest.Wait()
		c.Deliver(b.out.put(second))
		synctest.Wait()
		b.out.change(second.Message.ID, func(d *grants.Delivery) { d.Challenge.SpentAt = time.Now() })
		time.Sleep(time.Minute)
		stop()
		b.wantSent(1, 0)
		b.wantStatus(second, grants.OutcomeTooLate)
	})
}

func TestNoTryBeginsThatTheLeaseDoesNotCover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Workers = 1
		b.post.answer = func(ctx context.Context, try int) error {
			if try == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > 20*time.Second {
				return fmt.Errorf("deadline is %v", end)
			}
			return nil
		}
		c, stop := b.run()
		hung, behind := b.message("alice@example.com"), b.message("bob@example.com")
		behind.Message.LeasedUntil = time.Now().Add(25 * time.Second)
		c.Deliver(b.out.put(hung))
		synctest.Wait()
		c.Deliver(b.out.put(behind))
		time.Sleep(21 * time.Second) // the first try has timed out; the second message's lease has 4 s
		b.wantSent(1, 0)
		time.Sleep(time.Minute)
		stop()
		b.wantStatus(behind, grants.OutcomeSent)
	})
}
