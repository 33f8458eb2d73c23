package courier

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"sallyport/grants"
)

const defaultInbox = 100

// Inbox is the transport of development: it keeps what would have been sent, in memory. It is a [Mailer] and a
// [Texter] and never fails.
type Inbox struct {
	// Now is the clock for the times of SMS, which bring none. Nil is the system's. Set it before use.
	Now func() time.Time

	max int

	mu   sync.Mutex
	sent int
	kept []InboxMessage // oldest first
}

// InboxMessage is one message of an [Inbox].
type InboxMessage struct {
	Channel string    `json:"channel"` // "email" or "sms"
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	At      time.Time `json:"at"`
}

// NewInbox makes an inbox that keeps the last max messages; zero keeps 100.
func NewInbox(max int) *Inbox {
	if max <= 0 {
		max = defaultInbox
	}
	return &Inbox{Now: time.Now, max: max} //nolint:forbidigo // only a default: the clock is a field
}

// SendMail implements [Mailer].
func (i *Inbox) SendMail(_ context.Context, m Mail) (Receipt, error) {
	return i.keep(InboxMessage{
		Channel: string(grants.Email), To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, At: m.Date,
	}), nil
}

// SendSMS implements [Texter].
func (i *Inbox) SendSMS(_ context.Context, to, text string) (Receipt, error) {
	return i.keep(InboxMessage{Channel: string(grants.SMS), To: to, Text: text, At: i.Now()}), nil
}

// Messages are those kept, newest first.
func (i *Inbox) Messages() []InboxMessage {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([]InboxMessage, 0, len(i.kept))
	for _, m := range slices.Backward(i.kept) {
		out = append(out, m)
	}
	return out
}

func (i *Inbox) keep(m InboxMessage) Receipt {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.kept) == i.max {
		i.kept = slices.Delete(i.kept, 0, 1)
	}
	i.kept = append(i.kept, m)
	i.sent++
	return Receipt{Provider: "inbox", ID: strconv.Itoa(i.sent)}
}
