package op

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"sallyport/grants"
	"sallyport/op/proof"
	"sallyport/op/web"
)

// The kinds of form that a proof of work, or a captcha, lets through where they would be refused.
const (
	proofStart  = "start"
	proofCode   = "code"
	proofDevice = "device"
)

const labelHeld = "held "

// proofForm is a form that a proof may be asked for. One network gives so many proofs at most, in the period of the limit
// that they stand in for: they slow a flood down and do not open the door to it.
func (p *Provider) proofForm(r *http.Request, kind, browser, about string) proof.Form {
	limits := p.cfg.Engine.Config().Limits
	limit := grants.Limit{N: 4 * limits.StartPerIP.N, Per: limits.StartPerIP.Per}
	switch kind {
	case proofCode:
		limit = limits.FailuresPerIP
	case proofDevice:
		limit = deviceGuesses()
	}
	return proof.Form{Browser: browser, About: about, Network: web.From(r.Context()).Payer(), Kind: kind, Limit: limit}
}

// guardedForm is a posted form that a limit may refuse.
type guardedForm struct {
	proof.Form
	proven bool   // it brought a proof: another would not help
	action string // where it is posted
	name   string // of the field that the person filled in, empty for none
	typed  string
}

// askProof answers a form that was refused with the page that asks for a proof, and tells whether it did: it may have
// brought one, or its network have given too many. What was typed goes with the page, sealed: a code must stand on none.
func (p *Provider) askProof(w http.ResponseWriter, r *http.Request, t transaction, f guardedForm, wait time.Duration) (asked bool, err error) {
	if f.proven {
		return false, nil
	}
	page, ok := p.guard.Ask(f.Form)
	if !ok {
		return false, nil
	}
	if t.client != nil {
		page.App = t.client.Name
	}
	page.Action, page.CSRF, page.Wait = f.action, p.csrfToken(f.Browser, f.About), wait
	if f.name != "" {
		page.Held = seal(p.cfg.Ring, labelHeld+f.name, web.Clip(f.typed))
	}
	web.RetryAfter(w.Header(), wait)
	return true, p.page(w, r, t, http.StatusTooManyRequests, page)
}

// typed is a field of a form as the person filled it in, now or before the page asked for a proof.
func (p *Provider) typed(form url.Values, name string) string {
	if held, err := unseal(p.cfg.Ring, labelHeld+name, form.Get("held")); err == nil {
		return held
	}
	return form.Get(name)
}

// startProven starts a challenge for a form, which may have brought a proof, or asks for one where that would help. The
// error is that of the start where it did not ask.
func (p *Provider) startProven(w http.ResponseWriter, r *http.Request, t transaction, a grants.Address, f guardedForm) (_ grants.Started, asked bool, err error) {
	if f.proven, err = p.guard.Proven(r, f.Form, r.PostForm); err != nil {
		return grants.Started{}, false, err
	}
	started, err := p.start(r, t, a, f.proven)
	if limited, ok := errors.AsType[*grants.LimitError](err); ok && limited.Provable {
		if asked, failed := p.askProof(w, r, t, f, limited.RetryAfter); asked || failed != nil {
			return started, true, failed
		}
	}
	return started, false, err
}
