package grants

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Config says what an [Engine] works with. Store, Ring and Sender are needed; zero values elsewhere mean the default
// named beside them.
type Config struct {
	Store   Store
	Ring    *Ring
	Sender  Sender
	Limiter Limiter          // none
	Limits  Limits           // none; see DefaultLimits
	Now     func() time.Time // time.Now, in UTC

	Lifetime     time.Duration // of a challenge; 5 minutes
	CodeLength   int           // 6
	MaxAttempts  int           // 5
	SignupClosed bool          // open
	RefusalTime  time.Duration // see [Engine.Unhurried]; 0

	// Risk tells whether codes are being guessed at many addresses through a client just now; never. It is asked at every
	// start and must not wait.
	Risk func(clientID string) bool
	// Failed is told of every wrong code that was looked at; nobody. It must not wait.
	Failed func()

	// Connection tells what a connection does otherwise; nothing. It is asked at every start and every redemption.
	Connection func(ctx context.Context, name string) (ConnectionSettings, error)
}

// ConnectionSettings are what one connection does otherwise than the [Config]. Zero values change nothing.
type ConnectionSettings struct {
	Lifetime     time.Duration
	CodeLength   int
	SignupClosed bool // whichever of the two says so
}

// Engine starts and redeems challenges. It holds no state of its own and is safe for concurrent use, in any number of
// processes over one store.
type Engine struct {
	cfg Config
}

const (
	minLifetime   = time.Second
	minCodeLength = 6

	// lease is how long the process that wrote a message has it to itself.
	lease = 30 * time.Second
	// repeatWithin is how long a form sent twice gets the same success twice.
	repeatWithin = 10 * time.Second
	// verifiedFor is how long a right code that was shown without spending it is remembered.
	verifiedFor = 30 * time.Second
)

// New checks the configuration.
func New(cfg Config) (*Engine, error) {
	if cfg.Store == nil || cfg.Ring == nil || cfg.Sender == nil {
		return nil, errors.New("grants: Store, Ring and Sender are needed")
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return time.Now().UTC() } //nolint:forbidigo // the default of the injected clock
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 5 * time.Minute
	}
	if cfg.CodeLength == 0 {
		cfg.CodeLength = minCodeLength
	}
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = 5
	}
	switch {
	case cfg.Lifetime < minLifetime || cfg.Lifetime > MaxChallengeAge:
		return nil, fmt.Errorf("lifetime %s is not between %s and %s", cfg.Lifetime, minLifetime, MaxChallengeAge)
	case cfg.CodeLength < minCodeLength || cfg.CodeLength > LongCodeLength:
		return nil, fmt.Errorf("code length %d is not between %d and %d", cfg.CodeLength, minCodeLength, LongCodeLength)
	case cfg.MaxAttempts < 1 || cfg.MaxAttempts > 10:
		return nil, fmt.Errorf("%d attempts are not between 1 and 10", cfg.MaxAttempts)
	}
	return &Engine{cfg: cfg}, nil
}

// settings are those of a connection, what it leaves open filled in, and within the engine's own bounds.
func (e *Engine) settings(ctx context.Context, connection string) (ConnectionSettings, error) {
	var s ConnectionSettings
	if e.cfg.Connection != nil {
		var err error
		if s, err = e.cfg.Connection(ctx, connection); err != nil {
			return s, fmt.Errorf("reading connection: %w", err)
		}
	}
	if s.Lifetime == 0 {
		s.Lifetime = e.cfg.Lifetime
	}
	if s.CodeLength == 0 {
		s.CodeLength = e.cfg.CodeLength
	}
	s.Lifetime = min(max(s.Lifetime, minLifetime), MaxChallengeAge)
	s.CodeLength = min(max(s.CodeLength, minCodeLength), LongCodeLength)
	s.SignupClosed = s.SignupClosed || e.cfg.SignupClosed
	return s, nil
}

// Risk tells whether codes are being guessed at many addresses, through a client or anywhere, just now. Unknown requesters
// then get long codes, on the hosted pages for a proof of work only.
func (e *Engine) Risk(clientID string) bool { return e.cfg.Risk != nil && e.cfg.Risk(clientID) }

// Config is what the engine works with, its defaults filled in.
func (e *Engine) Config() Config { return e.cfg }
