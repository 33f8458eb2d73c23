package grants_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"sallyport/grants"
)

// memory is the smallest store that keeps the contract of grants.Store: each method works on a copy under one lock,
// and the copy takes the place of the state when it is committed.
type memory struct {
	mu     sync.Mutex
	state  state
	broken error // what every method fails with, when set
}

type state struct {
	challenges []grants.Challenge // oldest first
	messages   []grants.Message
	events     []grants.Event
	counters   map[string]counter
	users      map[grants.Address]user
}

type counter struct {
	since time.Time
	n     int
}

type user struct {
	id      string
	blocked bool
}

func newMemory() *memory {
	return &memory{state: state{counters: map[string]counter{}, users: map[grants.Address]user{}}}
}

// transact commits what f did unless it returns an error; a refusal is committed and returned all the same.
func (m *memory) transact(f func(*state) (refusal, err error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	s := state{
		challenges: slices.Clone(m.state.challenges), messages: slices.Clone(m.state.messages), events: slices.Clone(m.state.events),
		counters: maps.Clone(m.state.counters), users: maps.Clone(m.state.users),
	}
	refusal, err := f(&s)
	if err != nil {
		return err
	}
	m.state = s
	return refusal
}

// Open implements grants.Store.
func (m *memory) Open(_ context.Context, o grants.Opening) (opened grants.Challenge, err error) {
	err = m.transact(func(s *state) (error, error) {
		if wait := s.usedUp(o.Count, o.Now); wait > 0 {
			final := slices.DeleteFunc(slices.Clone(o.Count), func(c grants.Counter) bool { return c.Provable })
			return nil, &grants.LimitError{RetryAfter: wait, Provable: s.usedUp(final, o.Now) == 0}
		}
		s.draw(o.Count, o.Now)
		guessed := s.usedUp(o.Watch, o.Now) > 0
		current := s.latest(o.Slot)
		if current == nil {
			opened = o.Choose(nil, guessed)
		} else {
			kept := *current
			opened = o.Choose(&kept, guessed)
		}
		if current != nil && opened.ID == current.ID {
			*current = opened
		} else {
			if current != nil {
				current.EndedAt = o.Now
			}
			s.challenges = append(s.challenges, opened)
		}
		o.Message.ChallengeID, o.Event.ChallengeID = opened.ID, opened.ID
		s.messages = append(s.messages, o.Message)
		s.events = append(s.events, o.Event)
		return nil, nil
	})
	return opened, err
}

// Latest implements grants.Store.
func (m *memory) Latest(_ context.Context, slot string) (found grants.Challenge, err error) {
	err = m.transact(func(s *state) (error, error) {
		c := s.latest(slot)
		if c == nil {
			return nil, grants.ErrNoChallenge
		}
		found = *c
		return nil, nil
	})
	return found, err
}

// Challenge implements grants.Store.
func (m *memory) Challenge(_ context.Context, id string) (found grants.Challenge, err error) {
	err = m.transact(func(s *state) (error, error) {
		c := s.challenge(id)
		if c == nil {
			return nil, grants.ErrNoChallenge
		}
		found = *c
		return nil, nil
	})
	return found, err
}

// Message implements grants.Store.
func (m *memory) Message(_ context.Context, id string) (msg grants.Message, of grants.Challenge, err error) {
	err = m.transact(func(s *state) (error, error) {
		i := slices.IndexFunc(s.messages, func(m grants.Message) bool { return m.ID == id })
		if i < 0 {
			return nil, grants.ErrNoChallenge
		}
		msg, of = s.messages[i], *s.challenge(s.messages[i].ChallengeID)
		return nil, nil
	})
	return msg, of, err
}

// Fail implements grants.Store.
func (m *memory) Fail(_ context.Context, g grants.Guess) error {
	return m.transact(func(s *state) (error, error) {
		if s.usedUp(g.Draw, g.Now) > 0 {
			return nil, grants.ErrTooManyAttempts
		}
		c := s.challenge(g.ChallengeID)
		if c == nil || c.Status(g.Now) != grants.Open {
			return nil, grants.ErrNotOpen
		}
		if wait := s.usedUp(g.Source, g.Now); wait > 0 {
			return nil, &grants.FailuresError{RetryAfter: wait}
		}
		s.draw(g.Draw, g.Now)
		s.draw(g.Source, g.Now)
		if c.Attempts++; c.Attempts == c.MaxAttempts {
			g.Event.Detail = grants.DetailLastAttempt
		}
		s.events = append(s.events, g.Event)
		return nil, nil
	})
}

// Verify implements grants.Store.
func (m *memory) Verify(_ context.Context, v grants.Verification) error {
	return m.transact(func(s *state) (error, error) {
		if s.usedUp(v.Draw, v.Now) > 0 {
			return nil, grants.ErrTooManyAttempts
		}
		c := s.challenge(v.ChallengeID)
		if c == nil || c.Status(v.Now) != grants.Open {
			return nil, grants.ErrNotOpen
		}
		if !v.Now.Before(c.VerifiedUntil) {
			s.events = append(s.events, v.Event)
		}
		c.VerifiedUntil, c.VerifiedBy = v.Until, v.By
		return nil, nil
	})
}

// Waits implements grants.Store.
func (m *memory) Waits(_ context.Context, now time.Time, counters []grants.Counter) (waits []time.Duration, err error) {
	err = m.transact(func(s *state) (error, error) {
		waits = make([]time.Duration, len(counters))
		for i := range counters {
			waits[i] = s.usedUp(counters[i:i+1], now)
		}
		return nil, nil
	})
	return waits, err
}

// Redeem implements grants.Store.
func (m *memory) Redeem(ctx context.Context, r grants.Redemption, then func(context.Context, grants.User) error) (signedIn grants.User, err error) {
	err = m.transact(func(s *state) (error, error) {
		if s.usedUp(r.Draw, r.Now) > 0 {
			return nil, grants.ErrTooManyAttempts
		}
		c, repeated := s.challenge(r.ChallengeID), false
		switch {
		case c == nil:
			return nil, grants.ErrNotOpen
		case c.Status(r.Now) == grants.Spent && c.UserID != "" && r.Now.Sub(c.SpentAt) < r.RepeatWithin:
			repeated = true
		case c.Status(r.Now) != grants.Open:
			return nil, grants.ErrNotOpen
		default:
			s.giveBack(r.GiveBack, c.Attempts)
			c.Attempts++
			c.SpentAt = r.Now
		}
		s.draw(r.Draw, r.Now)
		u, known := s.users[r.Address]
		if refusal := refuse(u, known || r.Signup); refusal != nil {
			r.Event.Type = grants.EventRefused
			s.events = append(s.events, r.Event)
			return refusal, nil
		}
		if !known {
			u = user{id: r.NewUserID}
			s.users[r.Address] = u
		}
		c.UserID, r.Event.UserID = u.id, u.id
		if !repeated {
			s.events = append(s.events, r.Event)
		}
		signedIn = grants.User{ID: u.id, Created: !known}
		return nil, then(ctx, signedIn)
	})
	return signedIn, err
}

func refuse(u user, admitted bool) error {
	switch {
	case u.blocked:
		return grants.ErrBlocked
	case !admitted:
		return grants.ErrSignupClosed
	}
	return nil
}

func (s *state) latest(slot string) *grants.Challenge {
	for i := len(s.challenges) - 1; i >= 0; i-- {
		if c := &s.challenges[i]; c.Slot() == slot && c.SpentAt.IsZero() && c.EndedAt.IsZero() {
			return c
		}
	}
	return nil
}

func (s *state) challenge(id string) *grants.Challenge {
	for i := range s.challenges {
		if s.challenges[i].ID == id {
			return &s.challenges[i]
		}
	}
	return nil
}

// usedUp tells how long it is until every budget has something left.
func (s *state) usedUp(counters []grants.Counter, now time.Time) (wait time.Duration) {
	for _, c := range counters {
		left := s.counters[c.Key].since.Add(c.Limit.Per).Sub(now)
		if left > 0 && s.counters[c.Key].n >= c.Limit.N {
			wait = max(wait, left)
		}
	}
	return wait
}

func (s *state) draw(counters []grants.Counter, now time.Time) {
	for _, c := range counters {
		if c.Add == 0 {
			continue
		}
		current := s.counters[c.Key]
		if !now.Before(current.since.Add(c.Limit.Per)) {
			current = counter{since: now}
		}
		current.n += c.Add
		s.counters[c.Key] = current
	}
}

func (s *state) giveBack(keys []string, drawn int) {
	for _, key := range keys {
		if current, known := s.counters[key]; known {
			current.n = max(0, current.n-drawn)
			s.counters[key] = current
		}
	}
}

func (m *memory) block(a grants.Address) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.state.users[a]
	u.blocked = true
	m.state.users[a] = u
}

func (m *memory) events(kind string) []grants.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.state.events), func(e grants.Event) bool { return e.Type != kind })
}

func (m *memory) challenges() []grants.Challenge {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.state.challenges)
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}
