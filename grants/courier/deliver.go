package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"sallyport/grants"
)

var (
	errLeaseOver = errors.New("the lease is over, or nearly")
	errDryRun    = errors.New("dry run: it would have been sent")
)

// sendAll sends what comes into one lane.
func (c *Courier) sendAll(ctx context.Context, lane <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-lane:
			c.deliver(context.WithoutCancel(ctx), j)
		}
	}
}

// deliver makes one try and records its outcome, within the lease or not at all.
func (c *Courier) deliver(ctx context.Context, j job) {
	defer c.held.drop(j.message.ID)
	j.message.LeasedUntil = c.held.until(j.message)
	log := c.cfg.Log.With(slog.String("message", j.message.ID))
	defer func() {
		// The libraries below read what strangers' servers say. The message stays with its lease.
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "delivering a message panicked",
				slog.String("panic", scrub(fmt.Sprint(p))), slog.String("stack", string(debug.Stack())))
		}
	}()
	if o, owed := c.owed.outcome(j.message.ID); owed {
		c.record(ctx, log, j, o)
		return
	}
	if c.cfg.Now().Sub(j.readAt) > freshFor {
		again, err := c.read(ctx, j.queued)
		if err != nil {
			log.WarnContext(ctx, "reading a message failed", slog.Any("error", err))
			return
		}
		j = again
	}
	o, err := c.try(ctx, log, j)
	if err != nil {
		log.WarnContext(ctx, "message left to the next lease", slog.Any("error", err))
		return
	}
	if j.told != nil {
		j.told <- o // it has room, and this is the only try that it came with
	}
	c.record(ctx, log, j, o)
}

// try sends a message, unless it is withheld. An error leaves the message to the next lease: it is the store's, or
// errLeaseOver.
func (c *Courier) try(ctx context.Context, log *slog.Logger, j job) (grants.Outcome, error) {
	d, now := j.read, c.cfg.Now()
	address := d.Challenge.Address
	log = log.With(slog.String("to", address.Masked()))
	if o, withheld := c.withheld(d, now); withheld {
		log.InfoContext(ctx, "message withheld", slog.String("outcome", string(o.Status)), slog.String("reason", o.Answer))
		return o, nil
	}
	l, drawn, err := c.ready(ctx, j)
	if err != nil {
		return notReady(ctx, log, err, now)
	}
	receipt, err := c.send(ctx, j, l)
	secrets := append(l.secrets, address.Value)
	switch {
	case errors.Is(err, errLeaseOver):
		return grants.Outcome{}, err
	case err != nil:
		o := c.refused(d, err, secrets)
		if !mayHaveTaken(err) {
			o.Refund = drawn
		}
		logRefusal(ctx, log, o, err)
		return o, nil
	}
	log.InfoContext(ctx, "message sent", slog.String("provider", receipt.Provider))
	return c.sent(d, receipt, secrets), nil
}

// ready composes a message and draws what it costs. The error is the reason why it is not to be sent, or the store's.
func (c *Courier) ready(ctx context.Context, j job) (l letter, drawn []grants.Counter, err error) {
	d, sms := j.read, j.read.Challenge.Address.Channel == grants.SMS
	if !sms {
		if err := c.overMails(ctx, d); err != nil {
			return letter{}, nil, err
		}
	}
	if l, err = c.compose(ctx, d, c.cfg.Now()); err != nil || !sms {
		return l, nil, err
	}
	if c.sendTime(j.message) < storeTimeout+minSendTime { // drawing may take its time, and is not for nothing then
		return letter{}, nil, errLeaseOver
	}
	if drawn, err = c.drawSMS(ctx, d); err == nil && c.cfg.Guard.DryRun {
		err = errDryRun
	}
	return l, drawn, err
}

// notReady is the outcome of a message that is not to be sent.
func notReady(ctx context.Context, log *slog.Logger, err error, now time.Time) (grants.Outcome, error) {
	_, over := errors.AsType[*overError](err)
	switch {
	case over, errors.Is(err, errNotToday), errors.Is(err, errDryRun):
		log.InfoContext(ctx, "message withheld", slog.String("reason", err.Error()))
		return grants.Outcome{Status: grants.OutcomeSuppressed, Answer: err.Error(), At: now}, nil
	case errors.Is(err, errCompose):
		answer := scrub(err.Error())
		log.ErrorContext(ctx, "composing a message failed", slog.String("reason", answer))
		return grants.Outcome{Status: grants.OutcomeFailed, Answer: answer, At: now}, nil
	}
	return grants.Outcome{}, err
}

// sent is the outcome of a message that a provider took.
func (c *Courier) sent(d grants.Delivery, r Receipt, secrets []string) grants.Outcome {
	o := grants.Outcome{
		Status: grants.OutcomeSent, At: c.cfg.Now(), Provider: r.Provider,
		ProviderID: clean(r.ID, maxProviderID), Answer: scrub(r.Answer, secrets...),
	}
	switch address := d.Challenge.Address; {
	case address.Channel == grants.Email:
		c.mails.sent()
	case !d.HasAccount:
		o.SMSPrefix = grants.NumberOf(address).Prefix
	}
	return o
}

func (c *Courier) send(ctx context.Context, j job, l letter) (Receipt, error) {
	within := c.sendTime(j.message)
	if within < minSendTime {
		return Receipt{}, errLeaseOver
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if to := j.read.Challenge.Address; to.Channel == grants.SMS {
		return c.cfg.SMS.SendSMS(ctx, to.Value, l.sms)
	}
	return c.cfg.Mail.SendMail(ctx, l.mail)
}

// withheld tells whether a message may not go out at all, and its outcome then.
func (c *Courier) withheld(d grants.Delivery, now time.Time) (grants.Outcome, bool) {
	address := d.Challenge.Address
	stop := func(s grants.OutcomeStatus, why string) (grants.Outcome, bool) {
		return grants.Outcome{Status: s, Answer: why, At: now}, true
	}
	stopUnheard := func(s grants.OutcomeStatus, why string) (grants.Outcome, bool) {
		return grants.Outcome{Status: s, Answer: why, At: now, GiveBack: startCounters(d)}, true
	}
	const over = "the challenge is not open any more"
	switch status := d.Challenge.Status(now); {
	case status == grants.Expired, status == grants.Ended:
		return stopUnheard(grants.OutcomeTooLate, over)
	case status != grants.Open:
		return stop(grants.OutcomeTooLate, over)
	case tooLate(d, now):
		return stopUnheard(grants.OutcomeTooLate, "less than a tenth of the challenge's time is left")
	case d.Superseded:
		return superseded(d, now), true
	case d.Blocked:
		return stop(grants.OutcomeSuppressed, "the user is blocked")
	case address.Channel == grants.SMS && c.cfg.SMS == nil, address.Channel != grants.SMS && c.cfg.Mail == nil:
		return stop(grants.OutcomeFailed, "there is no transport for the channel")
	case address.Channel == grants.SMS && !grants.Textable(address, c.cfg.Countries):
		return stop(grants.OutcomeSuppressed, "numbers of this country or kind are not texted")
	case address.Channel == grants.SMS && !d.HasAccount && c.signupClosed(d):
		return stop(grants.OutcomeSuppressed, "the number has no account")
	case address.Channel == grants.SMS && !d.HasAccount && c.breaker.has(grants.NumberOf(address).Prefix):
		return stop(grants.OutcomeSuppressed, "too few codes are used of those that go to numbers which begin alike")
	}
	return grants.Outcome{}, false
}

// superseded is the outcome of a message in whose place a later one goes, with the same code. Where a provider did not take it, only the
// later one counts, as a start and as a message: asking again while no mail goes out uses up nothing. Who asks again before anything
// could be sent has asked twice.
func superseded(d grants.Delivery, now time.Time) grants.Outcome {
	o := grants.Outcome{Status: grants.OutcomeSuppressed, Answer: "a later message has the same code", At: now}
	if given := startCounters(d); d.Attempts > 0 && given != nil {
		o.GiveBack = append(given, grants.MessageCounter(d.Challenge.Address))
	}
	return o
}

// tooLate tells whether less than a tenth is left of the time from the message to the challenge's end.
func tooLate(d grants.Delivery, now time.Time) bool {
	end := d.Challenge.ExpiresAt
	return end.Sub(now)*10 < end.Sub(d.Message.CreatedAt)
}

// startCounters are the budgets that a start drew on for a message that nobody gets, for no fault of theirs. A start whose code was
// guessed at has had its worth: while messages wait, nobody is to begin one challenge after the other and try codes at each.
func startCounters(d grants.Delivery) []string {
	if d.Challenge.Attempts > 0 {
		return nil
	}
	return grants.StartCounters(d.Challenge.Address, d.Challenge.Device)
}

// refused is the outcome of a try that no provider said yes to: another one while there is time, unless that would end
// the same way.
func (c *Courier) refused(d grants.Delivery, err error, secrets []string) grants.Outcome {
	now := c.cfg.Now()
	o := grants.Outcome{Status: grants.OutcomeRetry, At: now, Answer: scrub(err.Error(), secrets...)}
	wait := backoff(d.Attempts)
	var provider *ProviderError
	if errors.As(err, &provider) {
		o.Provider = provider.Provider
		o.Answer = scrub(provider.Error(), secrets...)
		wait = max(wait, provider.RetryAfter)
	}
	var permanent *PermanentError
	switch next := now.Add(wait); {
	case errors.As(err, &permanent):
		o.Status = grants.OutcomeFailed
		if provider != nil {
			o.Refusal = &grants.ProviderRefusal{Code: provider.Code, Words: scrub(provider.Answer, secrets...)}
			o.GiveBack = startCounters(d)
		}
	case provider != nil && provider.Unsure && d.Attempts+1 >= unsureTries(d):
		o.Status = grants.OutcomeFailed // rather than a copy with every try
	case tooLate(d, next):
		o.Status, o.GiveBack = grants.OutcomeTooLate, startCounters(d)
	default:
		o.NextAttemptAt = next
	}
	return o
}

// unsureTries is how often a message is tried whose provider may have taken it without saying so. Copies of a mail have one
// Message-ID; those of an SMS cost money.
func unsureTries(d grants.Delivery) int {
	if d.Challenge.Address.Channel == grants.SMS {
		return 2
	}
	return 3
}

func logRefusal(ctx context.Context, log *slog.Logger, o grants.Outcome, err error) {
	log = log.With(slog.String("provider", o.Provider), slog.String("outcome", string(o.Status)), slog.String("answer", o.Answer))
	var provider *ProviderError
	if errors.As(err, &provider) && provider.Setup {
		log.ErrorContext(ctx, "message not sent, the transport's settings or credentials are wrong")
		return
	}
	log.WarnContext(ctx, "message not sent")
}
