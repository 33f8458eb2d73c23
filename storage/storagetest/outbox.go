package storagetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// openMessage opens a challenge with a message and gives the message.
func openMessage(t *testing.T, s *storage.Store, client string, now time.Time) grants.Message {
	t.Helper()
	o := opening(challenge(client, now), now)
	o.Message.Send = grants.SendLink
	o.Message.Start = grants.StartParams{ClientName: "Demo", Language: "de", RedirectURI: "https://a.example", State: "<&>\u2028", CodeChallenge: "cc"}
	c, err := s.Open(t.Context(), o)
	want(t, err, nil)
	o.Message.ChallengeID = c.ID
	return o.Message
}

func outcome(status grants.OutcomeStatus, now time.Time) grants.Outcome {
	return grants.Outcome{Status: status, Provider: "smtp", ProviderID: "1", Answer: "250 ok", At: now}
}

func testOutbox(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a delivery is all that sending needs", func(t *testing.T) {
		s, clock := b.open(t)
		m := openMessage(t, s, "c", clock.Now())
		d, err := s.Delivery(t.Context(), m.ID)
		want(t, err, nil)
		equal(t, "message", d.Message, m)
		equal(t, "challenge", d.Challenge.ID, m.ChallengeID)
		equal(t, "address", d.Challenge.Address, email("ada@example.com"))
		equal(t, "tries", d.Attempts, 0)
		equal(t, "has an account", d.HasAccount, false)
		addUser(t, s, ada, "ada@example.com")
		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		d, err = s.Delivery(t.Context(), m.ID)
		want(t, err, nil)
		equal(t, "has an account", d.HasAccount, true)
		equal(t, "blocked", d.Blocked, true)
		read, c, err := s.Message(t.Context(), m.ID)
		want(t, err, nil)
		equal(t, "message", read, m)
		equal(t, "challenge", c.ID, m.ChallengeID)
		_, err = s.Delivery(t.Context(), "none")
		want(t, err, storage.ErrNotFound)
		_, _, err = s.Message(t.Context(), "none")
		want(t, err, grants.ErrNoChallenge)
	})
	t.Run("a message is its writer's until the lease ends", func(t *testing.T) {
		s, clock := b.open(t)
		m := openMessage(t, s, "c", clock.Now())
		lease := func() []grants.Message {
			t.Helper()
			got, err := s.LeaseMessages(t.Context(), clock.Now(), 10, clock.Now().Add(time.Minute))
			want(t, err, nil)
			return got
		}
		clock.Add(30*time.Second - time.Microsecond)
		equal(t, "messages before", len(lease()), 0)
		clock.Add(time.Microsecond)
		got := lease()
		equal(t, "messages", len(got), 1)
		m.LeasedUntil = clock.Now().Add(time.Minute)
		equal(t, "message", got[0], m)
		equal(t, "messages again", len(lease()), 0)

		retry := outcome(grants.OutcomeRetry, clock.Now())
		retry.NextAttemptAt = clock.Now().Add(5 * time.Second)
		want(t, s.RecordDelivery(t.Context(), m.ID, retry), nil)
		equal(t, "messages before the next try", len(lease()), 0)
		clock.Add(5 * time.Second)
		equal(t, "messages for the next try", len(lease()), 1)
		want(t, s.RecordDelivery(t.Context(), m.ID, outcome(grants.OutcomeSent, clock.Now())), nil)
		clock.Add(time.Hour)
		equal(t, "messages when sent", len(lease()), 0)
		d, err := s.Delivery(t.Context(), m.ID)
		want(t, err, nil)
		equal(t, "tries", d.Attempts, 2)
	})
	testOutcomes(t, b)
}

func testOutcomes(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a sent message stays sent, a failed one may still turn out sent", func(t *testing.T) {
		s, clock := b.open(t)
		m := openMessage(t, s, "c", clock.Now())
		steps := []grants.OutcomeStatus{grants.OutcomeTooLate, grants.OutcomeRetry, grants.OutcomeSent, grants.OutcomeRetry, grants.OutcomeFailed}
		for _, status := range steps {
			want(t, s.RecordDelivery(t.Context(), m.ID, outcome(status, clock.Now())), nil)
		}
		clock.Add(time.Hour)
		got, err := s.LeaseMessages(t.Context(), clock.Now(), 10, clock.Now().Add(time.Minute))
		want(t, err, nil)
		equal(t, "messages", len(got), 0)
		d, err := s.Delivery(t.Context(), m.ID)
		want(t, err, nil)
		equal(t, "tries that counted", d.Attempts, 2) // too late, sent
		want(t, s.RecordDelivery(t.Context(), "none", outcome(grants.OutcomeSent, clock.Now())), storage.ErrNotFound)
		want(t, s.RecordDelivery(t.Context(), "none", outcome(grants.OutcomeSent, clock.Now())), grants.ErrNoChallenge)
	})
	t.Run("what a refused message gives back is given back once, while its period lasts", func(t *testing.T) {
		s, clock := b.open(t)
		o := opening(challenge("c", clock.Now()), clock.Now())
		o.Count = counter(2, 1, "start", "messages")
		_, err := s.Open(t.Context(), o)
		want(t, err, nil)
		refused := outcome(grants.OutcomeFailed, clock.Now())
		refused.GiveBack = []string{"start", "nobody's"}
		full := func() []bool {
			full, err := s.CountersFull(t.Context(), clock.Now(), counter(1, 0, "start", "messages"))
			want(t, err, nil)
			return full
		}
		equal(t, "start, drawn on", full()[0], true)
		for range 3 {
			want(t, s.RecordDelivery(t.Context(), o.Message.ID, refused), nil)
			equal(t, "start", full()[0], false)
			equal(t, "messages", full()[1], true)
		}
		again := opening(challenge("c", clock.Now()), clock.Now())
		again.Count = counter(2, 1, "start")
		_, err = s.Open(t.Context(), again)
		want(t, err, nil)
		want(t, s.RecordDelivery(t.Context(), o.Message.ID, refused), nil)
		equal(t, "start, drawn on by another", full()[0], true)
		want(t, s.RecordDelivery(t.Context(), "none", refused), storage.ErrNotFound)
	})
	t.Run("of many couriers each message goes to one", func(t *testing.T) {
		s, clock := b.open(t)
		for i := range 20 {
			openMessage(t, s, fmt.Sprint(i), clock.Now())
		}
		clock.Add(time.Minute)
		var mu sync.Mutex
		seen := map[string]int{}
		var outcomes tally
		together(8, func(int) {
			for range 4 {
				got, err := s.LeaseMessages(t.Context(), clock.Now(), 5, clock.Now().Add(time.Minute))
				outcomes.add(err, nil)
				mu.Lock()
				for _, m := range got {
					seen[m.ID]++
				}
				mu.Unlock()
			}
		})
		outcomes.want(t, map[string]int{"ok": 32})
		for id, n := range seen {
			equal(t, "couriers of message "+id, n, 1)
		}
		rest, err := s.LeaseMessages(t.Context(), clock.Now(), 20, clock.Now().Add(time.Minute))
		want(t, err, nil)
		equal(t, "messages in all", len(seen)+len(rest), 20)
	})
}
