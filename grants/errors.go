package grants

import (
	"errors"
	"fmt"
	"time"
)

// What can go wrong between a person, their code and us.
var (
	ErrNoChallenge     = errors.New("no challenge")
	ErrNotOpen         = errors.New("challenge is not open")
	ErrWrongCode       = errors.New("wrong code")
	ErrExpired         = errors.New("code has expired")
	ErrUsed            = errors.New("code was used already")
	ErrTooManyAttempts = errors.New("too many attempts")
	ErrTooManyFailures = errors.New("too many wrong guesses from one source")
	ErrBlocked         = errors.New("user is blocked")
	ErrSignupClosed    = errors.New("address has no account and sign-up is closed")
)

// LimitError says that a budget is used up and when the next draw is possible.
type LimitError struct {
	RetryAfter time.Duration
	Budget     Budget // of the source, whichever budget was used up
	Provable   bool   // a proof of work would help, where one can be done
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many requests, next in %s", e.RetryAfter.Round(time.Second))
}

// FailuresError is [ErrTooManyFailures], with the time until codes from the source are looked at again.
type FailuresError struct {
	RetryAfter time.Duration
}

// Error implements error.
func (e *FailuresError) Error() string {
	return fmt.Sprintf("%s, next in %s", ErrTooManyFailures, e.RetryAfter.Round(time.Second))
}

// Unwrap gives [ErrTooManyFailures].
func (e *FailuresError) Unwrap() error { return ErrTooManyFailures }

// Refused tells whether an error of [Engine.Redeem] is a refusal of the proof or its user, not a failure.
func Refused(err error) bool {
	for _, refusal := range []error{
		ErrNoChallenge, ErrNotOpen, ErrWrongCode, ErrExpired, ErrUsed, ErrTooManyAttempts, ErrTooManyFailures, ErrBlocked, ErrSignupClosed,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
