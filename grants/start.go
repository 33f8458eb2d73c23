package grants

import (
	"context"
	"errors"
	"time"
)

// StartRequest asks for a code or a link.
type StartRequest struct {
	ClientID   string
	Connection string // name of the connection; its channel is the address's
	Address    Address
	Requester  string // RequesterAPI, or the hash of the browser's cookie
	Device     string // a known device of this address, empty for none
	Send       Send
	Params     StartParams
	Source     string // who pays for the limit per source: an address, or an IPv6 network; empty for nobody
	Proved     bool   // the client has proved who it is: its own limit counts
	Tell       bool   // what becomes of the message is of interest; not told while sign-up is closed
	RequestID  string

	// Proven says that the requester has done a proof of work for this very start: only the limit of messages can refuse it.
	Proven bool
}

// Started is what a start gave.
type Started struct {
	Challenge Challenge
	Message   Message
	Resent    bool           // the challenge was open before: the same code went out again
	Budget    Budget         // of the source
	First     <-chan Outcome // tells of the first try to deliver, once or never; nil unless it was asked for
}

// riskRetry is when to ask again without a proof of work, while codes are guessed all around.
const riskRetry = time.Minute

// Start opens a challenge for an address, known or not, and has its message sent. Asking again while the challenge is
// open sends the same code again, with the same attempts, and moves its end to a lifetime from now, but never past
// [MaxChallengeAge] after its creation; where less than half a lifetime would remain, a new challenge takes its place.
//
// The error is a *LimitError when a budget is used up; nothing is sent then.
func (e *Engine) Start(ctx context.Context, req StartRequest) (Started, error) {
	now := e.cfg.Now()
	risky := req.Device == "" && e.Risk(req.ClientID)
	if risky && !req.Proven && req.Requester != RequesterAPI {
		return Started{}, &LimitError{RetryAfter: riskRetry, Provable: true}
	}
	budget, refused := e.take(req)
	if refused != nil {
		return Started{}, refused
	}
	settings, err := e.settings(ctx, req.Connection)
	if err != nil {
		return Started{}, err
	}
	fresh := Challenge{
		ID: NewID(), Seed: randomBytes(seedBytes), KeyID: e.cfg.Ring.KeyID(),
		ClientID: req.ClientID, Connection: req.Connection, Address: req.Address,
		Purpose: PurposeLogin, Requester: req.Requester, Device: req.Device,
		CodeLength: settings.CodeLength, MaxAttempts: e.cfg.MaxAttempts,
		CreatedAt: now, ExpiresAt: now.Add(settings.Lifetime),
	}
	req.Params.SignupClosed = settings.SignupClosed
	msg := Message{ID: NewID(), Send: req.Send, Start: req.Params, CreatedAt: now, LeasedUntil: now.Add(lease)}
	challenge, err := e.cfg.Store.Open(ctx, Opening{
		Now:   now,
		Slot:  fresh.Slot(),
		Count: e.cfg.Limits.starts(req.Address, req.Device, req.Proven),
		Watch: e.cfg.Limits.failures(0, req.Address, req.Device),
		Choose: func(current *Challenge, guessed bool) Challenge {
			return e.choose(current, fresh, guessed || risky, now)
		},
		Message: msg,
		Event: Event{
			Type: EventStarted, Time: now, ClientID: req.ClientID, Address: req.Address.Masked(),
			IP: req.Params.IP, RequestID: req.RequestID, Detail: string(req.Send),
		},
	})
	if limit, ok := errors.AsType[*LimitError](err); ok {
		limit.Budget = budget
	}
	if err != nil {
		return Started{}, err
	}
	msg.ChallengeID = challenge.ID
	// With sign-up closed the provider is asked for those alone who have an account: nobody may hear of that.
	first := e.deliver(msg, req.Tell && !settings.SignupClosed)
	return Started{Challenge: challenge, Message: msg, Resent: challenge.ID != fresh.ID, Budget: budget, First: first}, nil
}

// deliver hands a message over, and gives where its first outcome will be told, where that was asked for.
func (e *Engine) deliver(m Message, tell bool) <-chan Outcome {
	teller, can := e.cfg.Sender.(Teller)
	if !tell || !can {
		e.cfg.Sender.Deliver(m)
		return nil
	}
	told := make(chan Outcome, 1)
	teller.DeliverTelling(m, told)
	return told
}

// choose keeps the current challenge while it is open and enough of its time remains, and its code is long where it has to
// be: where the guess budget lets no short one be tried, or codes are guessed all around; else the fresh one takes its place.
func (e *Engine) choose(current *Challenge, fresh Challenge, long bool, now time.Time) Challenge {
	if long {
		fresh.CodeLength = LongCodeLength
	}
	if current == nil || current.Status(now) != Open || (long && current.short()) {
		return fresh
	}
	if current.Device != fresh.Device {
		return fresh // the browser has become known since: the budgets that were looked at are not the current one's
	}
	if _, known := e.cfg.Ring.Code(*current); !known {
		return fresh // its key has left the ring
	}
	lifetime := fresh.ExpiresAt.Sub(now)
	end := now.Add(lifetime)
	if last := current.CreatedAt.Add(MaxChallengeAge); end.After(last) {
		end = last
	}
	if end.Sub(now) < lifetime/2 {
		return fresh
	}
	kept := *current
	kept.ExpiresAt = end
	return kept
}

// take asks the load limiter: for requests that somebody's network pays for, other than by work, and for those of clients that
// proved who they are. The budget is the network's where there is one.
func (e *Engine) take(req StartRequest) (Budget, *LimitError) {
	var budget Budget
	if e.cfg.Limiter == nil {
		return budget, nil
	}
	if req.Source != "" && !req.Proven {
		budget = e.cfg.Limiter.Take(RatePerIP, req.Source, e.cfg.Limits.StartPerIP)
		if budget.Wait > 0 {
			return budget, &LimitError{RetryAfter: budget.Wait, Budget: budget, Provable: true}
		}
	}
	if req.Proved {
		client := e.cfg.Limiter.Take(RatePerClient, req.ClientID, e.cfg.Limits.StartPerClient)
		if client.Wait > 0 {
			return client, &LimitError{RetryAfter: client.Wait, Budget: client}
		}
		if req.Source == "" {
			budget = client
		}
	}
	return budget, nil
}
