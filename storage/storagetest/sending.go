package storagetest

import (
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func drawn(t *testing.T, s *storage.Store, now time.Time, counters ...grants.Counter) (refusing int) {
	t.Helper()
	refused, err := s.Draw(t.Context(), now, counters)
	want(t, err, nil)
	return len(refused)
}

func amount(key string, limit, add int) grants.Counter {
	return grants.Counter{Key: key, Limit: grants.Limit{N: limit, Per: time.Hour}, Add: add}
}

// testSending is what bounds the messages of a whole deployment.
func testSending(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a draw takes from all counters or from none, and never more than there is", func(t *testing.T) {
		s, clock := b.open(t)
		equal(t, "refused", drawn(t, s, clock.Now(), amount("total", 100, 60), amount("DE", 60, 60)), 0)
		equal(t, "refused by one", drawn(t, s, clock.Now(), amount("total", 100, 30), amount("DE", 60, 30)), 1)
		equal(t, "refused for more than is left", drawn(t, s, clock.Now(), amount("total", 100, 41)), 1)
		equal(t, "refused for what is left", drawn(t, s, clock.Now(), amount("total", 100, 40)), 0)
		equal(t, "refused by both", drawn(t, s, clock.Now(), amount("total", 100, 1), amount("DE", 60, 1)), 2)
		equal(t, "refused for more than the limit", drawn(t, s, clock.Now(), amount("new", 5, 6)), 1)
		clock.Add(time.Hour)
		equal(t, "refused in the next period", drawn(t, s, clock.Now(), amount("total", 100, 100)), 0)
	})
	t.Run("of many draws at once as many succeed as there is for", func(t *testing.T) {
		s, clock := b.open(t)
		var outcomes tally
		together(50, func(int) {
			refused, err := s.Draw(t.Context(), clock.Now(), []grants.Counter{amount("total", 100, 3), amount("other", 1000, 1)})
			if err == nil && len(refused) > 0 {
				err = grants.ErrTooManyAttempts
			}
			outcomes.add(err, map[string]error{"refused": grants.ErrTooManyAttempts})
		})
		outcomes.want(t, map[string]int{"ok": 33, "refused": 17})
		n, err := s.Tally(t.Context(), clock.Now(), amount("other", 1000, 0))
		want(t, err, nil)
		equal(t, "drawn on the other", n, 33)
	})
	t.Run("a tally counts past its limit, and anew after its period", func(t *testing.T) {
		s, clock := b.open(t)
		for _, wanted := range []int{7, 14} {
			n, err := s.Tally(t.Context(), clock.Now(), amount("mails", 10, 7))
			want(t, err, nil)
			equal(t, "counted", n, wanted)
		}
		clock.Add(time.Hour)
		n, err := s.Tally(t.Context(), clock.Now(), amount("mails", 10, 1))
		want(t, err, nil)
		equal(t, "counted anew", n, 1)
	})
	t.Run("an event of a period is written once, whoever asks", func(t *testing.T) {
		s, clock := b.open(t)
		var outcomes tally
		together(20, func(int) {
			first, err := s.AppendOnce(t.Context(), "cap", time.Hour, grants.Event{Type: "cap", Time: clock.Now()})
			if err == nil && !first {
				err = grants.ErrUsed
			}
			outcomes.add(err, map[string]error{"again": grants.ErrUsed})
		})
		outcomes.want(t, map[string]int{"ok": 1, "again": 19})
		equal(t, "events", countEvents(t, s, "cap"), 1)
		clock.Add(time.Hour)
		first, err := s.AppendOnce(t.Context(), "cap", time.Hour, grants.Event{Type: "cap", Time: clock.Now()})
		want(t, err, nil)
		equal(t, "first of the next period", first, true)
	})
	t.Run("messages", func(t *testing.T) { testMessages(t, b) })
}

func testMessages(t *testing.T, b *bench) {
	t.Helper()
	t.Run("what no provider took is refunded with its outcome, once", func(t *testing.T) {
		s, clock := b.open(t)
		m := openMessage(t, s, "c", clock.Now())
		taken := []grants.Counter{amount("total", 100, 60), amount("count", 5, 1)}
		equal(t, "refused", drawn(t, s, clock.Now(), taken...), 0)
		o := outcome(grants.OutcomeFailed, clock.Now())
		o.Refund = taken
		want(t, s.RecordDelivery(t.Context(), m.ID, o), nil)
		want(t, s.RecordDelivery(t.Context(), m.ID, o), nil)
		for _, c := range taken {
			c.Add = 0
			n, err := s.Tally(t.Context(), clock.Now(), c)
			want(t, err, nil)
			equal(t, c.Key, n, 0)
		}
	})
	t.Run("a message knows which one of its address it is", func(t *testing.T) {
		s, clock := b.open(t)
		for i := range 3 {
			o := opening(challenge("c", clock.Now()), clock.Now())
			o.Count = append(counter(10, 1, "start"), grants.Counter{Key: "messages", Limit: grants.Limit{N: 10, Per: time.Hour}, Add: 1, Numbers: true})
			_, err := s.Open(t.Context(), o)
			want(t, err, nil)
			d, err := s.Delivery(t.Context(), o.Message.ID)
			want(t, err, nil)
			equal(t, "number", d.Message.Start.Number, i+1)
		}
	})
	t.Run("an older message of a challenge is superseded, and no other", func(t *testing.T) {
		s, clock := b.open(t)
		first := opening(challenge("c", clock.Now()), clock.Now())
		_, err := s.Open(t.Context(), first)
		want(t, err, nil)
		again := opening(challenge("c", clock.Now()), clock.Now())
		again.Choose = func(current *grants.Challenge, _ bool) grants.Challenge { return *current }
		superseded := func(id string) bool {
			d, err := s.Delivery(t.Context(), id)
			want(t, err, nil)
			return d.Superseded
		}
		equal(t, "the only one", superseded(first.Message.ID), false)
		_, err = s.Open(t.Context(), again)
		want(t, err, nil)
		equal(t, "the older one", superseded(first.Message.ID), true)
		equal(t, "the newer one", superseded(again.Message.ID), false)
		equal(t, "another's", superseded(openMessage(t, s, "other", clock.Now()).ID), false)
	})
	t.Run("the clock is set back by hours: what it left pending is taken over, and a fresh lease is not", func(t *testing.T) {
		s, clock := b.open(t)
		old, retried := openMessage(t, s, "c", clock.Now()), openMessage(t, s, "d", clock.Now())
		retry := outcome(grants.OutcomeRetry, clock.Now())
		retry.NextAttemptAt = clock.Now().Add(20 * time.Second)
		want(t, s.RecordDelivery(t.Context(), retried.ID, retry), nil)
		clock.Add(-3 * time.Hour)
		openMessage(t, s, "e", clock.Now())
		lease := func() []grants.Message {
			got, err := s.LeaseMessages(t.Context(), clock.Now(), 10, clock.Now().Add(30*time.Second))
			want(t, err, nil)
			return got
		}
		got := lease()
		equal(t, "messages", len(got), 2)
		for _, m := range got {
			equal(t, "one of the old", m.ID == old.ID || m.ID == retried.ID, true)
		}
		equal(t, "messages again", len(lease()), 0)
	})
	t.Run("of a prefix are told the SMS and the codes that were used", func(t *testing.T) { testPrefixes(t, b) })
}

func testPrefixes(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	n := 0
	send := func(prefix string, use bool) {
		n++
		o := opening(challenge(fmt.Sprintf("c%d", n), clock.Now()), clock.Now())
		c, err := s.Open(t.Context(), o)
		want(t, err, nil)
		sent := outcome(grants.OutcomeSent, clock.Now())
		sent.SMSPrefix = prefix
		want(t, s.RecordDelivery(t.Context(), o.Message.ID, sent), nil)
		if use {
			_, err = s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
			want(t, err, nil)
		}
	}
	uses := func(limit int) []grants.PrefixUse {
		got, err := s.SMSPrefixes(t.Context(), clock.Now().Add(-time.Hour), clock.Now().Add(-2*time.Minute), limit, 2)
		want(t, err, nil)
		return got
	}
	send("+49170", false)
	clock.Add(2 * time.Hour) // too long ago
	send("+49170", true)
	send("+49170", false)
	send("+49170", false)
	send("+1212", false)
	send("+1212", false)
	send("+44740", true) // less than least
	send("", false)
	clock.Add(2*time.Minute - time.Microsecond) // the unused ones may still be used
	equal(t, "prefixes at first", len(uses(100)), 0)
	clock.Add(time.Microsecond)
	got := uses(100)
	equal(t, "prefixes", len(got), 2)
	equal(t, "one", got[0], grants.PrefixUse{Prefix: "+1212", Sent: 2, Used: 0})
	equal(t, "other", got[1], grants.PrefixUse{Prefix: "+49170", Sent: 3, Used: 1})
	clock.Add(time.Minute)
	send("+33612", true)
	send("+33612", true)
	equal(t, "prefixes of the newest two", uses(2)[0].Prefix, "+33612")
}
