package courier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/grants"
	"sallyport/templates"
)

var (
	errNotToday = errors.New("the address has no account and was told so within a day")
	errCompose  = errors.New("composing")
	errKeyGone  = errors.New("the challenge's key has left the ring")
)

const noAccountPer = 24 * time.Hour

// letter is a message ready to be sent, and what of it nobody else may see.
type letter struct {
	mail    Mail
	sms     string
	secrets []string
}

// compose derives and renders. The error is errNotToday, or errCompose when no try will ever succeed, or the store's.
func (c *Courier) compose(ctx context.Context, d grants.Delivery, now time.Time) (letter, error) {
	lang := c.cfg.Templates.Language(d.Message.Start.Language)
	if !d.HasAccount && c.signupClosed(d) {
		return c.noAccount(ctx, d, lang, now)
	}
	code, known := c.cfg.Ring.Code(d.Challenge)
	token, same := c.cfg.Ring.LinkToken(d.Challenge)
	if !known || !same {
		return letter{}, fmt.Errorf("%w: %w", errCompose, errKeyGone)
	}
	l := letter{secrets: []string{code, token}}
	start, minutes := d.Message.Start, minutesLeft(d.Challenge, now)
	if d.Challenge.Address.Channel == grants.SMS {
		text, err := c.cfg.Templates.LoginSMS(lang, templates.LoginSMS{App: start.ClientName, Code: code, Minutes: minutes})
		if err != nil {
			return letter{}, fmt.Errorf("%w the SMS: %w", errCompose, err)
		}
		l.sms = text
		return l, nil
	}
	m := templates.LoginMail{
		App: start.ClientName, Code: code, Minutes: minutes, InSubject: c.cfg.CodeInSubject,
		Browser: browser(start.UserAgent), IP: start.IP, At: d.Message.CreatedAt.UTC(), Recent: start.Number,
	}
	if d.Message.Send == grants.SendLink {
		m.Link, m.Anywhere = c.cfg.LinkURL(d.Message.ID, token), d.Challenge.Requester == grants.RequesterAPI
	}
	rendered, err := c.cfg.Templates.LoginMail(lang, m)
	if err != nil {
		return letter{}, fmt.Errorf("%w the mail: %w", errCompose, err)
	}
	l.mail = newMail(d, lang, now, rendered)
	return l, nil
}

// signupClosed tells whether an address without account gets no code: as it was when the message was asked for, or as it is.
func (c *Courier) signupClosed(d grants.Delivery) bool {
	return c.cfg.SignupClosed || d.Message.Start.SignupClosed
}

// noAccount tells the owner of a mailbox that it opens nothing here, once a day. A retry of that mail has had its turn
// already; a process that dies between turn and mail loses the mail, which nobody waits for.
func (c *Courier) noAccount(ctx context.Context, d grants.Delivery, lang string, now time.Time) (letter, error) {
	if d.Attempts == 0 {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		first, err := c.cfg.Store.OncePer(ctx, "no-account:"+d.Challenge.Address.Value, noAccountPer, now)
		if err != nil {
			return letter{}, fmt.Errorf("taking the address's turn: %w", err)
		}
		if !first {
			return letter{}, errNotToday
		}
	}
	rendered, err := c.cfg.Templates.NoAccountMail(lang, templates.NoAccountMail{
		App: d.Message.Start.ClientName, At: d.Message.CreatedAt.UTC(),
	})
	if err != nil {
		return letter{}, fmt.Errorf("%w the mail: %w", errCompose, err)
	}
	return letter{mail: newMail(d, lang, now, rendered)}, nil
}

func newMail(d grants.Delivery, lang string, now time.Time, m templates.Mail) Mail {
	return Mail{
		To: d.Challenge.Address.Value, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
		MessageID: d.Message.ID, Language: lang, Date: now,
	}
}

// minutesLeft is rounded up: a message never says less than there is. A clock that was set back gives no code a longer life.
func minutesLeft(c grants.Challenge, now time.Time) int {
	left := min(c.ExpiresAt.Sub(now), grants.MaxChallengeAge)
	return int((left + time.Minute - 1) / time.Minute)
}
