package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testRaces(t *testing.T, b *bench) {
	t.Helper()
	guesses := map[string]error{"over": grants.ErrTooManyAttempts, "not open": grants.ErrNotOpen}
	t.Run("of 50 that redeem one code one wins", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		var outcomes tally
		together(50, func(i int) {
			_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), func(ctx context.Context, u grants.User) error {
				return s.Authorize(ctx, storage.Authorization{ID: fmt.Sprint(i), UserID: u.ID, ClientID: "c"})
			})
			outcomes.add(err, guesses)
		})
		outcomes.want(t, map[string]int{"ok": 1, "not open": 49})
		equal(t, "events", countEvents(t, s, grants.EventSucceeded), 1)
	})
	t.Run("of 200 wrong guesses at one challenge as many are looked at as it has attempts", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		var outcomes tally
		together(200, func(int) { outcomes.add(s.Fail(t.Context(), guess(c, clock.Now())), guesses) })
		outcomes.want(t, map[string]int{"ok": c.MaxAttempts, "not open": 200 - c.MaxAttempts})
		equal(t, "events", countEvents(t, s, grants.EventFailed), c.MaxAttempts)
		wantLockout(t, s)
	})
	t.Run("of 200 wrong guesses at 30 challenges of one address as many are looked at as the budget has", func(t *testing.T) {
		s, clock := b.open(t)
		const budget = 10
		var all []grants.Challenge
		for i := range 30 {
			all = append(all, openNew(t, s, fmt.Sprintf("c%d", i), clock.Now()))
		}
		var outcomes tally
		together(200, func(i int) {
			outcomes.add(s.Fail(t.Context(), guess(all[i%len(all)], clock.Now(), counter(budget, 1, "fail", "fail-day")...)), guesses)
		})
		outcomes.want(t, map[string]int{"ok": budget, "over": 200 - budget})
		equal(t, "events", countEvents(t, s, grants.EventFailed), budget)
	})
	t.Run("a right guess among 200 wins only before the budget is used up", func(t *testing.T) {
		for round := range 3 {
			t.Run(fmt.Sprint(round), func(t *testing.T) { testRightAmongWrong(t, b) })
		}
	})
	testStartRaces(t, b)
	t.Run("of many that ask at once, one is first in the period", func(t *testing.T) {
		s, clock := b.open(t)
		var outcomes tally
		no := errors.New("no")
		together(20, func(int) {
			first, err := s.OncePer(t.Context(), "k", time.Hour, clock.Now())
			if err == nil && !first {
				err = no
			}
			outcomes.add(err, map[string]error{"no": no})
		})
		outcomes.want(t, map[string]int{"ok": 1, "no": 19})
	})
}

func testStartRaces(t *testing.T, b *bench) {
	t.Helper()
	guesses := map[string]error{"not open": grants.ErrNotOpen}
	t.Run("two starts of one slot at once leave one challenge open", func(t *testing.T) {
		s, clock := b.open(t)
		slot := challenge("c", clock.Now()).Slot()
		var outcomes tally
		together(2, func(int) { outcomes.add(startOrKeep(t.Context(), s, clock.Now()), nil) })
		outcomes.want(t, map[string]int{"ok": 2})
		c, err := s.Latest(t.Context(), slot)
		want(t, err, nil)
		events, err := s.Events(t.Context(), storage.EventFilter{Type: grants.EventStarted})
		want(t, err, nil)
		equal(t, "starts", len(events), 2)
		for _, e := range events {
			equal(t, "challenge of the start", e.ChallengeID, c.ID)
		}
	})
	t.Run("starts and redemptions of one slot at once never share a spent challenge", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		var starts, redeems tally
		together(16, func(i int) {
			if i%2 == 0 {
				starts.add(startOrKeep(t.Context(), s, clock.Now()), nil)
				return
			}
			_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
			redeems.add(err, guesses)
		})
		starts.want(t, map[string]int{"ok": 8})
		redeems.want(t, map[string]int{"ok": 1, "not open": 7})
	})
	t.Run("first logins of one address at once make one user", func(t *testing.T) {
		s, clock := b.open(t)
		var all []grants.Challenge
		for i := range 8 {
			all = append(all, openNew(t, s, fmt.Sprintf("c%d", i), clock.Now()))
		}
		users := make([]grants.User, len(all))
		var outcomes tally
		together(len(all), func(i int) {
			var err error
			users[i], err = s.Redeem(t.Context(), redemption(all[i], clock.Now()), nothing)
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": len(all)})
		created := 0
		for _, u := range users {
			equal(t, "user", u.ID, users[0].ID)
			if u.Created {
				created++
			}
		}
		equal(t, "users created", created, 1)
	})
}

// startOrKeep starts as the engine does: it keeps an open challenge.
func startOrKeep(ctx context.Context, s *storage.Store, now time.Time) error {
	fresh := challenge("c", now)
	o := opening(fresh, now)
	o.Choose = func(current *grants.Challenge, _ bool) grants.Challenge {
		if current == nil || current.Status(now) != grants.Open {
			return fresh
		}
		return *current
	}
	_, err := s.Open(ctx, o)
	return err
}

// testRightAmongWrong sends 199 wrong guesses and the right one at once. Whatever their order, no more wrong ones are
// looked at than the budget has, and the right one wins only if it was looked at before the budget was used up.
func testRightAmongWrong(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	const budget = 10
	var all []grants.Challenge
	for i := range 30 {
		all = append(all, openNew(t, s, fmt.Sprintf("c%d", i), clock.Now()))
	}
	var wrong tally
	var won error
	before := -1
	together(200, func(i int) {
		if i != 100 {
			wrong.add(s.Fail(t.Context(), guess(all[i%len(all)], clock.Now(), counter(budget, 1, "fail")...)),
				map[string]error{"over": grants.ErrTooManyAttempts})
			return
		}
		_, won = s.Redeem(t.Context(), redemption(all[10], clock.Now(), counter(budget, 0, "fail")...), func(ctx context.Context, _ grants.User) error {
			events, err := s.Events(ctx, storage.EventFilter{Type: grants.EventFailed})
			before = len(events)
			return err
		})
	})
	if won == nil && before >= budget {
		t.Fatalf("the right guess was looked at after %d wrong ones, the budget is %d", before, budget)
	}
	if won != nil {
		want(t, won, grants.ErrTooManyAttempts)
	}
	if n := wrong.n["ok"]; n > budget || won != nil && n != budget {
		t.Fatalf("%d wrong guesses were looked at, the budget is %d; the right one: %v", n, budget, won)
	}
	// Now it is used up, by all accounts: a right guess at any challenge loses.
	for wrong.n["ok"] < budget {
		wrong.add(s.Fail(t.Context(), guess(all[0], clock.Now(), counter(budget, 1, "fail")...)), nil)
	}
	_, err := s.Redeem(t.Context(), redemption(all[29], clock.Now(), counter(budget, 0, "fail")...), nothing)
	want(t, err, grants.ErrTooManyAttempts)
}
