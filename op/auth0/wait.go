package auth0

import (
	"context"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
)

// Wait is how long starts by SMS wait for the provider's first answer, so that the app hears of a number that it refuses.
//
// Nothing may be read from the time: whether a message is sent, sent late, withheld, as from a blocked user, or left to
// another try, its start waits as long. Only a refusal is told at once. Zero waits for nothing.
type Wait time.Duration

// For tells whether a start by a channel waits.
func (w Wait) For(c grants.Channel) bool { return c == grants.SMS && w > 0 }

// first waits for the first outcome of a message and gives the refusal, where it is one. A nil channel is not waited for.
func (w Wait) first(ctx context.Context, told <-chan grants.Outcome) *grants.ProviderRefusal {
	if told == nil {
		return nil
	}
	web.Rest(ctx)
	timer := time.NewTimer(time.Duration(w))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			return nil
		case o := <-told:
			if o.Refusal != nil {
				return o.Refusal
			}
		}
	}
}
