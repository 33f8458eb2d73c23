package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"sallyport/grants"
)

type challengeRow struct {
	ID          string
	Seed        []byte
	KeyID       string
	ClientID    string
	Connection  string
	Channel     grants.Channel
	Address     string
	Purpose     string
	Requester   string
	Device      string
	CodeLength  int
	Attempts    int
	MaxAttempts int
	CreatedAt   int64
	ExpiresAt   int64
	SpentAt     int64
	EndedAt     int64
	UserID      string

	VerifiedUntil int64
	VerifiedBy    string
}

const challengeColumns = `c.id, c.seed, c.key_id, c.client_id, c.connection, c.channel, c.address, c.purpose, c.requester, c.device,
	c.code_length, c.attempts, c.max_attempts, c.created_at, c.expires_at, c.spent_at, c.ended_at, c.user_id,
	c.verified_until, c.verified_by`

func (r *challengeRow) fields() []any {
	return []any{
		&r.ID, &r.Seed, &r.KeyID, &r.ClientID, &r.Connection, &r.Channel, &r.Address, &r.Purpose, &r.Requester, &r.Device,
		&r.CodeLength, &r.Attempts, &r.MaxAttempts, &r.CreatedAt, &r.ExpiresAt, &r.SpentAt, &r.EndedAt, &r.UserID,
		&r.VerifiedUntil, &r.VerifiedBy,
	}
}

func (r challengeRow) challenge() grants.Challenge {
	return grants.Challenge{
		ID: r.ID, Seed: r.Seed, KeyID: r.KeyID, ClientID: r.ClientID, Connection: r.Connection,
		Address: grants.Address{Channel: r.Channel, Value: r.Address}, Purpose: r.Purpose, Requester: r.Requester, Device: r.Device,
		CodeLength: r.CodeLength, Attempts: r.Attempts, MaxAttempts: r.MaxAttempts,
		CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), SpentAt: moment(r.SpentAt), EndedAt: moment(r.EndedAt),
		UserID: r.UserID, VerifiedUntil: moment(r.VerifiedUntil), VerifiedBy: r.VerifiedBy,
	}
}

// Open implements grants.Store.
func (s *Store) Open(ctx context.Context, o grants.Opening) (grants.Challenge, error) {
	var chosen grants.Challenge
	err := s.Tx(ctx, func(ctx context.Context) error {
		draws, err := s.drawEach(ctx, o.Now, o.Count)
		if err != nil {
			return err
		}
		if err := refusedStart(draws, o.Now); err != nil {
			return err
		}
		guessed, err := s.full(ctx, o.Now, o.Watch)
		if err != nil {
			return err
		}
		var current *grants.Challenge
		switch c, err := s.Latest(ctx, o.Slot); {
		case err == nil:
			current = &c
		case !errors.Is(err, grants.ErrNoChallenge):
			return err
		}
		chosen = o.Choose(current, guessed)
		if err := s.choose(ctx, o, current, chosen); err != nil {
			return err
		}
		o.Message.Start.Number = numberOf(draws)
		o.Message.ChallengeID, o.Event.ChallengeID = chosen.ID, chosen.ID
		if err := s.insertMessage(ctx, o.Message); err != nil {
			return err
		}
		if err := s.noteLast(ctx, draws, o.Event); err != nil {
			return err
		}
		return s.Append(ctx, o.Event)
	})
	if err != nil {
		return grants.Challenge{}, err
	}
	chosen.CreatedAt, chosen.ExpiresAt = moment(micros(chosen.CreatedAt)), moment(micros(chosen.ExpiresAt))
	return chosen, nil
}

// refusedStart is a *LimitError where a counter was at its limit before. A proof of work helps if it stands in for all of those.
func refusedStart(draws []draw, now time.Time) error {
	var refused *grants.LimitError
	for _, d := range draws {
		if wait := d.wait(now); wait > 0 {
			if refused == nil {
				refused = &grants.LimitError{Provable: true}
			}
			refused.RetryAfter = max(refused.RetryAfter, wait)
			refused.Provable = refused.Provable && d.counter.Provable
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}

// numberOf is which one of its address's a message is, by the counter of messages; 0 where there is none.
func numberOf(draws []draw) int {
	for _, d := range draws {
		if d.counter.Numbers {
			return int(d.n)
		}
	}
	return 0
}

// choose keeps the slot's current challenge with its new end, or puts a new one in its place. Where another
// transaction spent, ended or opened one since it was read, this one is tried again.
func (s *Store) choose(ctx context.Context, o grants.Opening, current *grants.Challenge, chosen grants.Challenge) error {
	if current != nil {
		doing, set, args := "ending challenge", "ended_at = ?", []any{micros(o.Now)}
		if current.ID == chosen.ID {
			doing, set, args = "extending challenge", "expires_at = ?, last_message = ?", []any{micros(chosen.ExpiresAt), o.Message.ID}
		}
		n, err := s.exec(ctx, doing, "UPDATE challenges SET "+set+" WHERE id = ? AND spent_at = 0 AND ended_at = 0", append(args, current.ID)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return errAgain
		}
		if current.ID == chosen.ID {
			return nil
		}
	}
	c := chosen
	n, err := s.exec(ctx, "writing challenge", `INSERT INTO challenges (id, slot, seed, key_id, client_id, connection, channel, address,
		purpose, requester, device, code_length, attempts, max_attempts, created_at, expires_at, spent_at, ended_at, user_id, last_message)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', ?) ON CONFLICT DO NOTHING`,
		c.ID, o.Slot, c.Seed, c.KeyID, c.ClientID, c.Connection, string(c.Address.Channel), c.Address.Value,
		c.Purpose, c.Requester, c.Device, c.CodeLength, c.Attempts, c.MaxAttempts, micros(c.CreatedAt), micros(c.ExpiresAt), o.Message.ID)
	if err == nil && n == 0 {
		return errAgain
	}
	return err
}

// Latest implements grants.Store.
func (s *Store) Latest(ctx context.Context, slot string) (grants.Challenge, error) {
	return s.readChallenge(ctx, "c.slot = ? AND c.spent_at = 0 AND c.ended_at = 0", slot)
}

// Challenge implements grants.Store.
func (s *Store) Challenge(ctx context.Context, id string) (grants.Challenge, error) {
	return s.readChallenge(ctx, "c.id = ?", id)
}

func (s *Store) readChallenge(ctx context.Context, where, arg string) (grants.Challenge, error) {
	row, err := readOne[challengeRow](s.query(ctx).Raw("SELECT "+challengeColumns+" FROM challenges c WHERE "+where, arg))
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return grants.Challenge{}, grants.ErrNoChallenge
	}
	return row.challenge(), failed("reading challenge", err)
}

// Fail implements grants.Store.
func (s *Store) Fail(ctx context.Context, g grants.Guess) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		draws, err := s.drawEach(ctx, g.Now, g.Draw)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(draws, func(d draw) bool { return d.wait(g.Now) > 0 }) {
			return grants.ErrTooManyAttempts
		}
		left, err := readOne[number](s.query(ctx).Raw("UPDATE challenges SET attempts = attempts + 1 WHERE "+openChallenge+
			" RETURNING max_attempts - attempts", g.ChallengeID, micros(g.Now), micros(g.Now)))
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return grants.ErrNotOpen
		}
		if err != nil {
			return failed("counting guess", err)
		}
		if err := s.drawSource(ctx, g); err != nil {
			return err
		}
		if err := s.noteLast(ctx, draws, g.Event); err != nil {
			return err
		}
		event := g.Event // this may run again
		if left.is == 0 {
			event.Detail = grants.DetailLastAttempt
		}
		return s.Append(ctx, event)
	})
}

// noteLast writes, once in a period, that nothing is left of a budget of an address: what comes next is refused. It is the draw that
// takes the last which knows; refusals themselves leave nothing, so that whoever sends thousands does not fill the log.
func (s *Store) noteLast(ctx context.Context, draws []draw, e grants.Event) error {
	for _, d := range draws {
		if !d.last() {
			continue
		}
		e.Type, e.Detail = grants.EventLimited, grants.CounterName(d.counter.Key)+" until "+d.resetsAt.Format(time.RFC3339)
		if err := s.Append(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// Verify implements grants.Store.
func (s *Store) Verify(ctx context.Context, v grants.Verification) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if err := s.drawGuess(ctx, v.Guess); err != nil {
			return err
		}
		mark := "UPDATE challenges SET verified_until = ?, verified_by = ? WHERE " + openChallenge
		fresh, err := s.exec(ctx, "marking challenge", mark+" AND verified_until <= ?", micros(v.Until), v.By, v.ChallengeID, micros(v.Now), micros(v.Now), micros(v.Now))
		n := fresh
		if err == nil && fresh == 0 {
			n, err = s.exec(ctx, "marking challenge again", mark, micros(v.Until), v.By, v.ChallengeID, micros(v.Now), micros(v.Now))
		}
		if err == nil && n == 0 {
			err = grants.ErrNotOpen
		}
		if err != nil || fresh == 0 {
			return err
		}
		return s.Append(ctx, v.Event)
	})
}

// openChallenge is the condition, on id and now, under which a guess is looked at. Nothing else decides it. A challenge that a
// clock ahead of its time has opened lives no longer than any other.
var openChallenge = fmt.Sprintf("id = ? AND spent_at = 0 AND ended_at = 0 AND attempts < max_attempts AND expires_at > ?"+
	" AND expires_at <= CAST(? AS BIGINT) + %d", (grants.MaxChallengeAge + maxSkew).Microseconds())

func (s *Store) drawGuess(ctx context.Context, g grants.Guess) error {
	wait, err := s.hold(ctx, g.Now, g.Draw)
	if err == nil && wait > 0 {
		return grants.ErrTooManyAttempts
	}
	return err
}

// drawSource comes after the challenge, in the one order of locks: of wrong guesses from one source at once no more are
// answered than its limit allows. The one that uses up the last blocks the source.
func (s *Store) drawSource(ctx context.Context, g grants.Guess) error {
	draws, err := s.drawEach(ctx, g.Now, g.Source)
	for _, d := range draws {
		if wait := d.wait(g.Now); wait > 0 {
			return &grants.FailuresError{RetryAfter: wait}
		}
		if err == nil && d.last() {
			err = s.blockSource(ctx, g, d)
		}
	}
	return err
}

// blockSource notes that a source has no wrong guess left, and tells the owner of the deployment.
func (s *Store) blockSource(ctx context.Context, g grants.Guess, d draw) error {
	source := grants.CounterSource(d.counter.Key)
	e := grants.Event{
		Type: EventIPBlocked, Time: g.Now, ClientID: g.Event.ClientID, IP: g.Event.IP, RequestID: g.Event.RequestID,
		Detail: source + " until " + d.resetsAt.Format(time.RFC3339),
	}
	if err := s.Append(ctx, e); err != nil {
		return err
	}
	return s.RaiseAlert(ctx, grants.AlertIPBlocked, source)
}
