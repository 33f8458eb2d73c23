package grants

import (
	"context"
	"regexp"
	"time"
)

// Store executes what the engine decides. Each method is one transaction, durable when it returns, and is not
// cancelled by a client that hangs up. Rows are locked in one order: address (its counters), challenge, user.
// Failures of the store itself come back as other errors than those named here.
type Store interface {
	// Open draws on the counters of o.Count, chooses the challenge and writes it with its message and event.
	// Where a counter is over its limit nothing is written and the error is a *LimitError.
	Open(ctx context.Context, o Opening) (Challenge, error)

	// Latest reads the newest challenge of a slot that is neither spent nor ended, expired and exhausted ones
	// included. ErrNoChallenge when there is none.
	Latest(ctx context.Context, slot string) (Challenge, error)

	// Challenge reads a challenge by its public id. ErrNoChallenge when there is none.
	Challenge(ctx context.Context, id string) (Challenge, error)

	// Message reads a message by its public id, with its challenge. ErrNoChallenge when there is none.
	Message(ctx context.Context, id string) (Message, Challenge, error)

	// Fail counts a wrong guess: on the counters, on the challenge by one conditional UPDATE, and its event, with the detail
	// DetailLastAttempt where the challenge has no attempt left after it.
	// ErrTooManyAttempts when a counter is used up, and ErrNotOpen when the challenge is not open any more: the guess
	// was then not looked at and nothing is counted. Likewise a *FailuresError when the source's counter is used up.
	Fail(ctx context.Context, g Guess) error

	// Verify marks a challenge as proven, for a right guess that spends nothing. One conditional UPDATE decides
	// it, under the conditions of a guess: the errors are those of Fail, and nothing is written then. The event is written
	// where no such mark was in force: repeating it costs nothing, and so leaves nothing.
	Verify(ctx context.Context, v Verification) error

	// Waits tells of each counter how long it is until it has something left, zero where it has, without drawing on it
	// or holding it.
	Waits(ctx context.Context, now time.Time, counters []Counter) ([]time.Duration, error)

	// Redeem counts and spends in one conditional UPDATE, finds or creates the user, writes the event and runs
	// then, all in one transaction that then's context carries. An error of then rolls everything back.
	//
	// The errors are those of Fail, and nothing is written then. ErrBlocked and ErrSignupClosed spend
	// the challenge too: those transactions are committed, without then.
	Redeem(ctx context.Context, r Redemption, then func(context.Context, User) error) (User, error)
}

// Opening is a start, ready to be executed.
type Opening struct {
	Now   time.Time
	Slot  string
	Count []Counter // drawn on; one over its limit refuses the start
	Watch []Counter // only looked at; one at its limit makes the code longer

	// Choose is called inside the transaction with the slot's newest challenge that is neither spent nor ended, or
	// nil, and with whether a watched counter is at its limit. It gives the challenge to be open from now on: the current one
	// with another ExpiresAt, or a new one, which ends the current one.
	Choose func(current *Challenge, guessed bool) Challenge

	Message Message // its ChallengeID is filled in by the store
	Event   Event   // its ChallengeID too
}

// Guess is one proof that was compared already. The store's conditional UPDATE decides whether it may count.
type Guess struct {
	Now         time.Time
	ChallengeID string
	Draw        []Counter // of the address; one at its limit refuses the guess
	Source      []Counter // likewise, of a wrong one's network
	Event       Event
}

// Verification is a right proof that spends nothing: until when it is remembered, and whose it was.
type Verification struct {
	Guess
	Until time.Time
	By    string
}

// Redemption is a right proof.
type Redemption struct {
	Guess
	Address      Address
	Signup       bool     // create the user when the address has none
	NewUserID    string   // for that case
	GiveBack     []string // keys of counters that get back what the challenge's wrong guesses took
	RepeatWithin time.Duration
	// RepeatWithin lets the same proof succeed again (a form sent twice): when the challenge was spent less than
	// this ago, and signed its user in, then runs for that user once more, without the event. Zero never repeats.
}

// User is who a proof signs in.
type User struct {
	ID      string // the sub: "email|" or "sms|" and 24 hex digits, or what an import brought; never reused
	Created bool   // by this very redemption
}

// Event is one row of the audit log, written in the transaction that it describes.
type Event struct {
	Type        string // see the Event constants
	Time        time.Time
	ClientID    string
	UserID      string
	Address     string // masked
	ChallengeID string
	IP          string
	RequestID   string
	Detail      string
}

// Types of events.
const (
	EventStarted   = "login.started"
	EventFailed    = "login.failed"
	EventSucceeded = "login.succeeded"
	EventRefused   = "login.refused"  // the proof was right, the user may not sign in
	EventVerified  = "login.verified" // the proof was right and spent nothing
	EventLimited   = "login.limited"  // a limit is used up and refuses until its period is over; the detail names it
)

// DetailLastAttempt is the detail of the wrong guess that locked its challenge.
const DetailLastAttempt = "attempts used up"

// Message is one mail or SMS to be sent: a row of the outbox. It never holds a code or a link.
type Message struct {
	ID          string // public, random, 128 bits; a link names it, and by it the start that asked
	ChallengeID string
	Send        Send
	Start       StartParams
	CreatedAt   time.Time
	LeasedUntil time.Time // who wrote it delivers it until then; afterwards anybody may
}

// Send says what a message carries.
type Send string

// What a message can carry.
const (
	SendCode Send = "code"
	SendLink Send = "link" // link and code; a message always carries the code, so that another browser can type it
)

// StartParams belong to the start that asked, not to the challenge, which several starts may share.
type StartParams struct {
	Transaction   string `json:"transaction,omitempty"` // the hosted page's authorization request
	ClientName    string `json:"client_name,omitempty"`
	Language      string `json:"language,omitempty"`
	IP            string `json:"ip,omitempty"`
	UserAgent     string `json:"user_agent,omitempty"`
	RedirectURI   string `json:"redirect_uri,omitempty"`
	ResponseType  string `json:"response_type,omitempty"`
	Scope         string `json:"scope,omitempty"`
	State         string `json:"state,omitempty"`
	Nonce         string `json:"nonce,omitempty"`
	Audience      string `json:"audience,omitempty"`
	CodeChallenge string `json:"code_challenge,omitempty"` // S256
	Number        int    `json:"number,omitempty"`         // which one it is of its address in 24 hours; 0 where none are counted; set by the store
	SignupClosed  bool   `json:"signup_closed,omitempty"`  // an address without account gets no code; set by the engine
}

var codeChallengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// ValidCodeChallenge tells whether a PKCE challenge has the form of S256: 43 characters of base64url (RFC 7636, section
// 4.2).
func ValidCodeChallenge(s string) bool { return codeChallengeForm.MatchString(s) }

// Sender delivers messages. Deliver must not wait: it queues, or leaves the message to whoever takes over its lease.
type Sender interface {
	Deliver(m Message)
}

// Teller is a [Sender] that can tell what became of a message at its first try.
type Teller interface {
	// DeliverTelling is Deliver, and puts the outcome of the first try into told, which has room for it. It tells
	// nothing where another process, or a later one, makes that try.
	DeliverTelling(m Message, told chan<- Outcome)
}

// Limiter bounds load, approximately and in memory. Take draws one from the budget of kind and key.
type Limiter interface {
	Take(kind, key string, limit Limit) Budget
}

// Kinds of limits of a [Limiter], by which the audit log and explanations name them.
const (
	RatePerIP     = "start_per_ip"
	RatePerClient = "start_per_client"
	RateBegun     = "begin" // logins that were begun
)

// Rate is what is drawn on a limit of a [Limiter], as processes tell each other of it.
type Rate struct {
	Kind    string // the limit's name
	Of      string // whom it limits
	Per     time.Duration
	Spent   time.Duration
	Arrival time.Time // theoretical, of the next draw: after all that all processes spent
}

// Budget is what a draw left of a limit. The zero Budget is that of no limit.
type Budget struct {
	Limit  Limit
	Left   int           // draws that are possible now
	Wait   time.Duration // until the next one is; zero where this one was possible
	Resets time.Duration // until all are back
}
