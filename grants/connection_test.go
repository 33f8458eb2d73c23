package grants_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sallyport/grants"
)

// connections gives every connection settings that a test can change.
type connections map[string]*grants.ConnectionSettings

func (cs connections) settings(_ context.Context, name string) (grants.ConnectionSettings, error) {
	if s := cs[name]; s != nil {
		return *s, nil
	}
	return grants.ConnectionSettings{}, nil
}

func TestConnectionHasItsOwnCodes(t *testing.T) {
	set := connections{"sms": {Lifetime: 2 * time.Minute, CodeLength: 8}}
	w := newWorld(t, func(c *grants.Config) { c.Connection = set.settings })
	c := w.start(api(cell))
	if c.ExpiresAt != noon.Add(2*time.Minute) || c.CodeLength != 8 || len(w.code(c)) != 8 {
		t.Errorf("%+v", c)
	}
	w.mustRedeem(c, w.code(c))
	if c := w.start(api(ada)); c.ExpiresAt != noon.Add(5*time.Minute) || c.CodeLength != 6 {
		t.Errorf("the other connection: %+v", c)
	}
	c = w.start(api(cell))
	w.pass(time.Minute)
	if kept := w.start(api(cell)); kept.ID != c.ID || kept.ExpiresAt != noon.Add(3*time.Minute) {
		t.Errorf("asked for again: %+v", kept)
	}
}

func TestConnectionCannotLeaveTheBounds(t *testing.T) {
	set := connections{"email": {Lifetime: 24 * time.Hour, CodeLength: 1}, "sms": {Lifetime: time.Millisecond, CodeLength: 99}}
	w := newWorld(t, func(c *grants.Config) { c.Connection = set.settings })
	if c := w.start(api(ada)); c.ExpiresAt != noon.Add(grants.MaxChallengeAge) || c.CodeLength != 6 {
		t.Errorf("%+v", c)
	}
	if c := w.start(api(cell)); c.ExpiresAt != noon.Add(time.Second) || c.CodeLength != grants.LongCodeLength {
		t.Errorf("%+v", c)
	}
}

func TestConnectionClosesSignUp(t *testing.T) {
	set := connections{"email": {}}
	w := newWorld(t, func(c *grants.Config) { c.Connection = set.settings })
	known := w.start(api(ada))
	w.mustRedeem(known, w.code(known))
	early := w.start(api(eve))
	set["email"].SignupClosed = true
	w.wantError(early, w.code(early), grants.ErrSignupClosed) // asked for while it was open

	w.start(api(eve))
	w.start(api(cell))
	if n := len(w.sent); n != 4 || !w.sent[2].Start.SignupClosed || w.sent[1].Start.SignupClosed || w.sent[3].Start.SignupClosed {
		t.Errorf("messages %+v", w.sent)
	}
	again := w.start(api(ada))
	w.mustRedeem(again, w.code(again))
}

// What the engine itself closes no connection opens.
func TestConnectionCannotOpenSignUp(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.SignupClosed, c.Connection = true, connections{}.settings })
	c := w.start(api(eve))
	w.wantError(c, w.code(c), grants.ErrSignupClosed)
}

func TestConnectionThatCannotBeReadSendsNothingAndSpendsNothing(t *testing.T) {
	broken := errors.New("no database")
	var now error
	w := newWorld(t, func(c *grants.Config) {
		c.Connection = func(context.Context, string) (grants.ConnectionSettings, error) {
			return grants.ConnectionSettings{}, now
		}
	})
	c := w.start(api(ada))
	now = broken
	if _, err := w.engine.Start(t.Context(), api(eve)); !errors.Is(err, broken) || len(w.sent) != 1 {
		t.Errorf("%v, %d messages", err, len(w.sent))
	}
	w.wantError(c, w.code(c), broken)
	now = nil
	w.mustRedeem(c, w.code(c))
}
