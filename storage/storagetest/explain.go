package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testExplain(t *testing.T, b *bench) {
	t.Helper()
	limits := grants.Limits{
		StartPerAddress: grants.Limit{N: 1, Per: time.Hour}, FailuresPerAddress: grants.Limit{N: 1, Per: time.Hour}, FailuresPerIP: grants.Limit{N: 1, Per: time.Hour},
	}
	rules := storage.Rules{Limits: limits, Countries: []string{"DE"}, Channels: []grants.Channel{grants.Email, grants.SMS}}
	t.Run("what refuses an address is told, and until when", func(t *testing.T) {
		s, clock := b.open(t)
		q := storage.Question{Address: email("ada@example.com")}
		refuses, others := reasons(t, s, clock, q, rules)
		equal(t, "of a stranger", refuses+" | "+others, " | no_account no_message")
		closed := rules
		closed.SignupClosed, closed.Channels = true, nil
		refuses, _ = reasons(t, s, clock, q, closed)
		equal(t, "where nobody can sign up", refuses, "no_transport signup_closed")

		addUser(t, s, ada, "ada@example.com")
		c := openNew(t, s, "c", clock.Now())
		clock.Add(time.Second)
		for range c.MaxAttempts {
			g := guess(c, clock.Now(), grants.Counter{Key: "fail:email:ada@example.com", Limit: grants.Limit{N: 9, Per: time.Hour}, Add: 1})
			g.Source = []grants.Counter{grants.IPCounter(grants.Limit{N: 9, Per: time.Hour}, "2001:db8::/64")}
			g.Event.IP = "2001:db8::7"
			want(t, s.Fail(t.Context(), g), nil)
		}
		q.Source, q.IP = "2001:db8::/64", "2001:db8::7"
		refuses, others = reasons(t, s, clock, q, rules)
		equal(t, "after wrong codes", refuses+" | "+others, "attempts_used_up failures_per_address ip_blocked | message_waiting user")
		x, err := s.Explain(t.Context(), clock.Now(), q, rules)
		want(t, err, nil)
		at := slices.IndexFunc(x.Reasons, func(r storage.Reason) bool { return r.Code == "ip_blocked" })
		equal(t, "until", x.Reasons[at].Until, clock.Now().Add(time.Hour))
		equal(t, "lifted with", strings.HasSuffix(x.Reasons[at].Text, " Until "+clock.Now().Add(time.Hour).Format(time.DateTime)+" UTC. Lift it with: sallyport block lift --ip '2001:db8::/64'"), true)
		at = slices.IndexFunc(x.Reasons, func(r storage.Reason) bool { return r.Code == "failures_per_address" })
		equal(t, "the limit's", strings.HasSuffix(x.Reasons[at].Text, " UTC. Lift it with: sallyport block lift --email 'ada@example.com'"), true)
		at = slices.IndexFunc(x.Reasons, func(r storage.Reason) bool { return r.Code == "message_waiting" })
		equal(t, "nobody has said anything", strings.HasSuffix(x.Reasons[at].Text, " waits to be sent, after 0 tries."), true)
		equal(t, "first", x.Reasons[0].Refuses, true)
		equal(t, "events", len(x.Events), c.MaxAttempts+2) // the user and the start too
		equal(t, "latest event", x.Events[0].Type, grants.EventFailed)

		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		clock.Add(time.Hour)
		refuses, _ = reasons(t, s, clock, q, rules)
		equal(t, "of a blocked user, when the limits are over", refuses, "user_blocked")
		want(t, s.PutConnection(t.Context(), storage.Connection{Name: "email", Disabled: true}, grants.Event{Type: "changed"}), nil)
		refuses, _ = reasons(t, s, clock, q, rules)
		equal(t, "of a disabled connection too", refuses, "connection_disabled user_blocked")
	})
	t.Run("what became of messages is told in the provider's words", func(t *testing.T) {
		s, clock := b.open(t)
		q := storage.Question{Address: email("ada@example.com")}
		for i, status := range []grants.OutcomeStatus{grants.OutcomeSent, grants.OutcomeFailed, grants.OutcomeTooLate, grants.OutcomeSuppressed} {
			m := openMessage(t, s, fmt.Sprint(i), clock.Now())
			o := outcome(status, clock.Now())
			o.Answer = "550 no such mailbox"
			want(t, s.RecordDelivery(t.Context(), m.ID, o), nil)
		}
		refuses, others := reasons(t, s, clock, q, rules)
		equal(t, "reasons", refuses+" | "+others, "message_failed message_too_late message_withheld | message_sent no_account")
		x, err := s.Explain(t.Context(), clock.Now(), q, rules)
		want(t, err, nil)
		if !strings.Contains(x.Reasons[0].Text, "smtp: 550 no such mailbox") {
			t.Errorf("%q", x.Reasons[0].Text)
		}
	})
	t.Run("numbers, networks and clients have reasons of their own", func(t *testing.T) {
		s, clock := b.open(t)
		number, err := grants.ParsePhone("+33612345678")
		want(t, err, nil)
		r := rules
		r.Exempt = func(source string) bool { return source == "10.0.0.1" }
		r.Risk = func(clientID string) bool { return clientID == "gone" }
		refuses, others := reasons(t, s, clock, storage.Question{Address: number, Source: "10.0.0.1", ClientID: "gone"}, r)
		equal(t, "reasons", refuses+" | "+others, "client_unknown country_closed risk | ip_exempt no_account no_message")
	})
	t.Run("so is what a network or a client has used up of a rate", func(t *testing.T) { testExplainRates(t, b) })
}

// reasons are what refuses, and what does not, in the order in which they are told.
func reasons(t *testing.T, s *storage.Store, clock *Clock, q storage.Question, r storage.Rules) (refuses, others string) {
	t.Helper()
	x, err := s.Explain(t.Context(), clock.Now(), q, r)
	want(t, err, nil)
	var no, yes []string
	for _, reason := range x.Reasons {
		if strings.Contains(reason.Text, "%!") || reason.Text == "" {
			t.Errorf("text of %s: %q", reason.Code, reason.Text)
		}
		if reason.Refuses {
			no = append(no, reason.Code)
			continue
		}
		yes = append(yes, reason.Code)
	}
	slices.Sort(no)
	slices.Sort(yes)
	return strings.Join(no, " "), strings.Join(yes, " ")
}

func testExplainRates(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	rules := storage.Rules{Limits: grants.Limits{StartPerIP: grants.Limit{N: 10, Per: time.Hour}, StartPerClient: grants.Limit{N: 2, Per: time.Second}}}
	q := storage.Question{Source: "203.0.113.9", ClientID: "app"}
	spend := func(kind, of string, spent time.Duration) {
		_, err := s.SpendRates(t.Context(), clock.Now(), []grants.Rate{{Kind: kind, Of: of, Per: time.Hour, Spent: spent}})
		want(t, err, nil)
	}
	spend(grants.RatePerIP, q.Source, 54*time.Minute)
	refuses, _ := reasons(t, s, clock, q, rules)
	equal(t, "one is left", refuses, "client_unknown")
	spend(grants.RatePerIP, q.Source, 3*time.Minute)
	spend(grants.RateBegun, q.Source, time.Hour)
	spend(grants.RatePerClient, "app", time.Second)
	spend(grants.RatePerIP, "203.0.113.10", time.Hour)
	refuses, _ = reasons(t, s, clock, q, rules)
	equal(t, "none is left", refuses, "begin client_unknown start_per_client start_per_ip")
	x, err := s.Explain(t.Context(), clock.Now(), q, rules)
	want(t, err, nil)
	at := slices.IndexFunc(x.Reasons, func(r storage.Reason) bool { return r.Code == grants.RatePerIP })
	equal(t, "until", x.Reasons[at].Until, clock.Now().Add(3*time.Minute))
	clock.Add(3 * time.Minute)
	refuses, _ = reasons(t, s, clock, q, rules)
	equal(t, "all have some back", refuses, "client_unknown")
}
