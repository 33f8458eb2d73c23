package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// What the code page says of the message that went out last, as names of its parameters; their value is the moment.
const (
	sentFirst = "sent" // nothing
	sentAgain = "again"
	sentNew   = "new"
)

// resendAfter is how long after a message the script holds back the button for another. The budgets hold without it.
const resendAfter = 30 * time.Second

// lastSent is what the page's address says of the last message. Whoever changes the address fools nobody else.
func lastSent(q url.Values, now time.Time) (told string, at time.Time) {
	for _, told := range []string{sentFirst, sentAgain, sentNew} {
		seconds, err := strconv.ParseInt(q.Get(told), 10, 64)
		if at := time.Unix(seconds, 0).UTC(); err == nil && now.Sub(at).Abs() < grants.MaxChallengeAge {
			return told, at
		}
	}
	return "", time.Time{}
}

// challenge reads the challenge that a page is about. It must be this browser's and this client's: everything else
// is as good as none (architecture: a hosted challenge redeems in any open transaction of that browser and client).
func (p *Provider) challenge(r *http.Request, t transaction) (grants.Challenge, error) {
	c, err := p.cfg.Engine.Challenge(r.Context(), t.query.Get("c"))
	if err != nil && !errors.Is(err, grants.ErrNoChallenge) {
		return c, err
	}
	if err != nil || c.Requester != hashed(t.browser) || c.ClientID != t.ClientID {
		return c, problemOf(t.ClientID, http.StatusGone, templates.ProblemOver)
	}
	return c, nil
}

// serveCode asks for the code.
func (p *Provider) serveCode(w http.ResponseWriter, r *http.Request) error {
	t, err := p.transaction(r)
	if err != nil {
		return err
	}
	c, err := p.challenge(r, t)
	if err != nil {
		return err
	}
	s, _, err := p.session(r)
	if err != nil {
		return err
	}
	if c.Status(p.cfg.Now()) == grants.Spent && p.offersSession(t, s) { // the link was opened in another tab
		http.Redirect(w, r, p.url(pathLogin)+"?tx="+t.ID, http.StatusSeeOther)
		return nil
	}
	return p.codePage(w, r, t, c, http.StatusOK, templates.Code{Problem: overProblem(c.Status(p.cfg.Now()))})
}

// overProblem is what a page says of a challenge that no code can open any more.
func overProblem(s grants.Status) templates.CodeProblem {
	switch s {
	case grants.Spent, grants.Ended:
		return templates.CodeUsed
	case grants.Expired:
		return templates.CodeExpired
	case grants.Exhausted:
		return templates.CodeTooMany
	case grants.Open:
	}
	return ""
}

func (p *Provider) codePage(w http.ResponseWriter, r *http.Request, t transaction, c grants.Challenge, status int, page templates.Code) error {
	now := p.cfg.Now()
	told, sent := lastSent(t.query, now)
	query := "?" + codeQuery(t, c, told, sent).Encode()
	page.App, page.CSRF, page.Address = t.client.Name, p.csrfToken(t.browser, t.ID), c.Address.Value
	page.Action, page.ResendAction, page.ChangeURL = pathCode+query, pathResend+query, pathLogin+"?tx="+t.ID+"&other=1"
	page.SMS, page.Length, page.CanResend = c.Address.Channel == grants.SMS, c.CodeLength, true
	page.Link = c.Address.Channel == grants.Email
	page.Minutes = int((c.ExpiresAt.Sub(now) + time.Minute - 1) / time.Minute)
	if page.Wait == 0 {
		page.Wait = min(max(0, sent.Add(resendAfter).Sub(now)), resendAfter)
	}
	if page.Problem == "" {
		page.Resent, page.Renewed, page.SentAt = told == sentAgain, told == sentNew, sent
	}
	return p.page(w, r, t, status, page)
}

// postCode takes a code.
func (p *Provider) postCode(w http.ResponseWriter, r *http.Request) error {
	t, form, err := p.posted(r)
	if err != nil {
		return err
	}
	c, err := p.challenge(r, t)
	if err != nil {
		return err
	}
	typed := p.typed(form, "code")
	if grants.NormaliseCode(typed) == "" { // nothing was typed: no guess
		problem := overProblem(c.Status(p.cfg.Now()))
		if problem == "" {
			problem = templates.CodeWrong
		}
		return p.codePage(w, r, t, c, http.StatusUnprocessableEntity, templates.Code{Problem: problem})
	}
	f := guardedForm{Form: p.proofForm(r, proofCode, t.browser, t.ID), action: pathCode + "?" + t.query.Encode(), name: "code", typed: typed}
	if f.proven, err = p.guard.Proven(r, f.Form, form); err != nil {
		return err
	}
	err = p.redeem(w, r, t, grants.Proof{Challenge: c, Code: typed, Proven: f.proven})
	if limited, ok := errors.AsType[*grants.FailuresError](err); ok {
		if asked, err := p.askProof(w, r, t, f, limited.RetryAfter); asked || err != nil {
			return err
		}
	}
	page := templates.Code{Value: web.Clip(typed), Problem: refusedProblem(err)}
	if errors.Is(err, grants.ErrWrongCode) {
		page.Problem, page.Remaining = templates.CodeWrong, c.MaxAttempts-c.Attempts-1
		if page.Remaining <= 0 {
			page.Problem = templates.CodeTooMany
		}
	}
	if page.Problem == "" {
		return err
	}
	return p.codePage(w, r, t, c, http.StatusUnprocessableEntity, page)
}

// refusedProblem is what a page says of a proof that came too late, empty for every other error and none.
func refusedProblem(err error) templates.CodeProblem {
	switch {
	case errors.Is(err, grants.ErrExpired):
		return templates.CodeExpired
	case errors.Is(err, grants.ErrUsed):
		return templates.CodeUsed
	case errors.Is(err, grants.ErrTooManyAttempts):
		return templates.CodeTooMany
	}
	return ""
}

// redeem spends the challenge for a right proof and sends the browser, signed in, back to its app.
func (p *Provider) redeem(w http.ResponseWriter, r *http.Request, t transaction, proof grants.Proof) error {
	if err := p.canAnswer(t.AuthRequest); err != nil {
		return err
	}
	info := web.From(r.Context())
	proof.IP, proof.RequestID, proof.Source = info.Host(), info.ID, info.Payer()
	var a storage.Authorization
	_, err := p.cfg.Engine.Redeem(r.Context(), proof, func(ctx context.Context, u grants.User) (err error) {
		a, err = p.signIn(ctx, r, t.client, t.AuthRequest, proof.Challenge, u.ID)
		return err
	})
	if limited, ok := errors.AsType[*grants.FailuresError](err); ok {
		return &web.Fault{
			Status: http.StatusTooManyRequests, Code: "invalid_request", Page: string(templates.ProblemLimited), Description: string(templates.ProblemLimited),
			Client: t.ClientID, RetryAfter: limited.RetryAfter, Err: limited,
		}
	}
	switch {
	case errors.Is(err, grants.ErrBlocked), errors.Is(err, grants.ErrSignupClosed):
		return problemOf(t.ClientID, http.StatusForbidden, templates.ProblemRefused)
	case err != nil:
		return err
	}
	return p.finish(w, r, granted{client: t.client, request: t.AuthRequest, authorization: a}, proof.Challenge)
}

// postResend sends the same code again, or a new one where the old one is over.
func (p *Provider) postResend(w http.ResponseWriter, r *http.Request) error {
	t, _, err := p.posted(r)
	if err != nil {
		return err
	}
	c, err := p.challenge(r, t)
	if err != nil {
		return err
	}
	if !p.connects(t.client, c.Address.Channel) {
		return problemOf(t.ClientID, http.StatusGone, templates.ProblemOver)
	}
	started, asked, err := p.startProven(w, r, t, c.Address, guardedForm{
		Form: p.proofForm(r, proofStart, t.browser, t.ID), action: pathResend + "?" + t.query.Encode(),
	})
	if asked {
		return err
	}
	if limited, ok := errors.AsType[*grants.LimitError](err); ok {
		web.RetryAfter(w.Header(), limited.RetryAfter)
		return p.codePage(w, r, t, c, http.StatusTooManyRequests, templates.Code{Problem: templates.CodeLimited, Wait: limited.RetryAfter})
	}
	if err != nil {
		return err
	}
	told := sentNew
	if started.Resent {
		told = sentAgain
	}
	p.toCode(w, r, t, started, told)
	return nil
}
