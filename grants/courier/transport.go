package courier

import (
	"context"
	"fmt"
	"time"
)

// Mailer sends one mail. It returns when the provider has answered or ctx ends. An error that is or wraps a
// *PermanentError ends the message, any other is followed by another try. It is safe for concurrent use.
type Mailer interface {
	SendMail(ctx context.Context, m Mail) (Receipt, error)
}

// Texter sends one SMS to a number in E.164 form. What is said of [Mailer] holds for it too.
type Texter interface {
	SendSMS(ctx context.Context, to, text string) (Receipt, error)
}

// Mail is one mail to one mailbox.
type Mail struct {
	To        string // the canonical address
	Subject   string
	Text      string
	HTML      string // empty for a mail of text only
	MessageID string // unique, without domain; the same for every try of a message
	Language  string // BCP 47
	Date      time.Time
}

// Receipt is a provider's yes.
type Receipt struct {
	Provider string // "smtp", "twilio", "inbox"
	ID       string // the provider's name of the message, or what it will be found by
	Answer   string
}

// ProviderError is a provider's no, or what kept it from answering. The message is tried again later, unless a
// *PermanentError is around it.
type ProviderError struct {
	Provider   string
	Code       int           // the provider's own: an SMTP reply code, a Twilio error code; 0 for none
	Status     int           // of HTTP; 0 for none
	Answer     string        // the provider's words, as they came
	Setup      bool          // wrong credentials or the like: nothing will be sent until the operator acts
	Unsure     bool          // the provider may have taken the message: the answer was lost, or made no sense
	RetryAfter time.Duration // what the provider asked for, 0 for nothing
	Err        error         // the cause, when it is not an answer
}

// Error implements error. The text may hold the recipient's address.
func (e *ProviderError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Provider, e.Err)
	case e.Status != 0:
		return fmt.Sprintf("%s: error %d (status %d): %s", e.Provider, e.Code, e.Status, e.Answer)
	}
	return fmt.Sprintf("%s: error %d: %s", e.Provider, e.Code, e.Answer)
}

// Unwrap gives the cause.
func (e *ProviderError) Unwrap() error { return e.Err }

// PermanentError says that another try of this message would end the same way: no such mailbox, a number that cannot
// receive SMS, a text that the provider refuses. It wraps a *ProviderError where a provider said so.
type PermanentError struct {
	Err error
}

// Error implements error.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *PermanentError) Unwrap() error { return e.Err }
