package grants

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"
)

// Proof is what a person, or their app, answers to a challenge: a code or a link token.
type Proof struct {
	// Challenge is what the proof is for, as read by [Engine.Pending] or [Engine.Challenge].
	Challenge Challenge
	Code      string
	LinkToken string // instead of a code
	Verified  string // likewise: what [Engine.Verify] gave for it
	IP        string
	Source    string // who pays for a wrong code, an address or an IPv6 network; empty for nobody
	RequestID string
	Proven    bool // a proof of work was done for this very guess: nobody pays for a wrong code
}

// Pending reads the challenge that a client, connection, address and requester have, open or just expired or used up.
// The error is [ErrNoChallenge] when there is none.
func (e *Engine) Pending(ctx context.Context, clientID, connection string, a Address, requester string) (Challenge, error) {
	slot := Challenge{ClientID: clientID, Connection: connection, Address: a, Purpose: PurposeLogin, Requester: requester}.Slot()
	return e.cfg.Store.Latest(ctx, slot)
}

// Challenge reads a challenge by its public id, [ErrNoChallenge] when there is none. The caller must hold it against
// the requester before it tells or does anything.
func (e *Engine) Challenge(ctx context.Context, id string) (Challenge, error) {
	return e.cfg.Store.Challenge(ctx, id)
}

// Message reads a message and its challenge by the message's public id, as a link names it.
func (e *Engine) Message(ctx context.Context, id string) (Message, Challenge, error) {
	return e.cfg.Store.Message(ctx, id)
}

// Verify tells whether a proof is right, and spends nothing. A right one costs no attempt: the challenge is marked as
// verified by somebody for a while, and the result stands for the code in a later [Proof]. A wrong one costs one, and
// the errors are those of [Engine.Redeem].
func (e *Engine) Verify(ctx context.Context, p Proof, by string) (verified string, err error) {
	guess, err := e.guess(ctx, p)
	if err != nil {
		return "", err
	}
	guess.Event.Type = EventVerified
	err = e.cfg.Store.Verify(ctx, Verification{Guess: guess, Until: guess.Now.Add(verifiedFor), By: by})
	if err != nil {
		return "", e.refusal(ctx, p.Challenge.ID, guess.Now, err)
	}
	verified, _ = e.cfg.Ring.VerifiedToken(p.Challenge)
	return verified, nil
}

// VerifiedBy tells whether a right code of the challenge was shown by somebody a moment ago.
func (e *Engine) VerifiedBy(c Challenge, by string) bool {
	return by != "" && c.VerifiedBy == by && e.cfg.Now().Before(c.VerifiedUntil)
}

// Unhurried looks at a code that came by the API, and has no refusal come sooner than the engine's RefusalTime: a wrong code
// where one is pending is written down, one where none is is not, and nobody is to tell the two apart.
func (e *Engine) Unhurried(ctx context.Context, look func() error) error {
	earliest := time.NewTimer(e.cfg.RefusalTime)
	defer earliest.Stop()
	err := look()
	if !Refused(err) {
		return err
	}
	select {
	case <-earliest.C:
	case <-ctx.Done():
	}
	return err
}

// guess compares a proof. The error is that of a wrong one, which is then counted; without one the guess is a right one,
// still to be looked at by the store. A source whose wrong guesses are too many is not told which it is, nor whether
// there is a challenge.
func (e *Engine) guess(ctx context.Context, p Proof) (Guess, error) {
	now, c, source := e.cfg.Now(), p.Challenge, e.source(p)
	if p.Code == "" { // nobody guesses what stands for it
		source = nil
	}
	waits, err := e.cfg.Store.Waits(ctx, now, source)
	if err != nil {
		return Guess{}, err
	}
	for _, wait := range waits {
		if wait > 0 {
			return Guess{}, &FailuresError{RetryAfter: wait}
		}
	}
	if c.ID == "" {
		return Guess{}, ErrNoChallenge
	}
	if p.Code != "" && c.Device == "" && c.short() && e.Risk(c.ClientID) {
		return Guess{}, ErrTooManyAttempts // asked for before the risk was up; the next one is long
	}
	g := Guess{Now: now, ChallengeID: c.ID, Draw: e.draw(c, 0), Event: Event{
		Time: now, ClientID: c.ClientID, Address: c.Address.Masked(), ChallengeID: c.ID, IP: p.IP, RequestID: p.RequestID,
	}}
	if e.right(p) { // it neither counts on its source nor holds it: logins from one network do not wait for each other
		return g, nil
	}
	g.Event.Type, g.Draw, g.Source = EventFailed, e.draw(c, 1), source
	if err := e.cfg.Store.Fail(ctx, g); err != nil {
		return Guess{}, e.refusal(ctx, c.ID, now, err)
	}
	if e.cfg.Failed != nil {
		e.cfg.Failed()
	}
	return Guess{}, ErrWrongCode
}

// source is the counter of who pays for wrong codes. Known devices have budgets of their own: whatever their neighbours
// do, they get in.
func (e *Engine) source(p Proof) []Counter {
	limit := e.cfg.Limits.FailuresPerIP
	if p.Source == "" || p.Proven || p.Challenge.Device != "" || limit.Off() {
		return nil
	}
	return []Counter{IPCounter(limit, p.Source)}
}

// Redeem takes a proof. When it is right and in time, the challenge is spent, the user of the address found or
// created, and then runs in the same transaction, which its context carries. A repeat of a right code within seconds
// by the same browser runs then again. Nothing slow belongs into then.
//
// Errors: [ErrNoChallenge] for a proof of none, [ErrWrongCode], [ErrExpired], [ErrUsed], [ErrTooManyAttempts],
// [ErrTooManyFailures], and after a right proof [ErrBlocked] and
// [ErrSignupClosed]. Other errors are failures of the store or of then; the challenge is not spent by those.
func (e *Engine) Redeem(ctx context.Context, p Proof, then func(context.Context, User) error) (User, error) {
	guess, err := e.guess(ctx, p)
	if err != nil {
		return User{}, err
	}
	c := p.Challenge
	settings, err := e.settings(ctx, c.Connection)
	if err != nil {
		return User{}, err
	}
	guess.Event.Type = EventSucceeded
	r := Redemption{Guess: guess, Address: c.Address, Signup: !settings.SignupClosed, NewUserID: NewUserID(c.Address)}
	for _, counter := range e.source(p) { // who mistyped and then got it right has guessed nothing
		r.GiveBack = append(r.GiveBack, counter.Key)
	}
	if c.Requester != RequesterAPI {
		r.RepeatWithin = repeatWithin
	}
	user, err := e.cfg.Store.Redeem(ctx, r, then)
	if err != nil {
		return User{}, e.refusal(ctx, c.ID, guess.Now, err)
	}
	return user, nil
}

// right compares in constant time. Spaces, dashes and full-width digits in a code are a matter of typing.
func (e *Engine) right(p Proof) bool {
	want, known := e.cfg.Ring.Code(p.Challenge)
	got := NormaliseCode(p.Code)
	switch {
	case p.LinkToken != "":
		want, known = e.cfg.Ring.LinkToken(p.Challenge)
		got = p.LinkToken
	case p.Verified != "":
		want, known = e.cfg.Ring.VerifiedToken(p.Challenge)
		got = p.Verified
	}
	return known && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// draw is the guess budget that a proof of this challenge counts on: none for a long code, which is safe without.
func (e *Engine) draw(c Challenge, add int) []Counter {
	if !c.short() {
		return nil
	}
	return e.cfg.Limits.failures(add, c.Address, c.Device)
}

// refusal says why a challenge was not open, by reading it again.
func (e *Engine) refusal(ctx context.Context, id string, now time.Time, err error) error {
	if !errors.Is(err, ErrNotOpen) {
		return err
	}
	c, err := e.cfg.Store.Challenge(ctx, id)
	if err != nil {
		return err
	}
	switch c.Status(now) {
	case Spent, Ended:
		return ErrUsed
	case Expired:
		return ErrExpired
	case Exhausted, Open:
	}
	return ErrTooManyAttempts
}

// NormaliseCode keeps the digits of what a person typed or pasted: "Your code: 123-456" is 123456.
// Full-width digits are digits.
func NormaliseCode(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= '０' && r <= '９' {
			r += '0' - '０'
		}
		if r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// LinkRight tells whether a token is the challenge's, without counting or spending anything. A token has 256 bits:
// nobody guesses it.
func (e *Engine) LinkRight(c Challenge, token string) bool {
	return token != "" && e.right(Proof{Challenge: c, LinkToken: token})
}
