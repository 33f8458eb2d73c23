package op

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// What a stranger may try in search of a user code, from one address and from all.
func deviceGuesses() grants.Limit    { return grants.Limit{N: 30, Per: time.Hour} }
func allDeviceGuesses() grants.Limit { return grants.Limit{N: 60_000, Per: time.Hour} }

const aboutDevice = "device"

// serveDevice asks for the code that the person's device shows. One that comes with the address is filled in and goes
// nowhere by itself (RFC 8628, section 3.3.1).
func (p *Provider) serveDevice(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	return p.devicePage(w, r, http.StatusOK, templates.Device{Value: shownUserCode(q.Get("user_code")), CSRF: p.csrfToken(p.ensureBrowser(w, r), aboutDevice)})
}

// shownUserCode is a user code as devices show it, and nothing for what is none: no page repeats a stranger's text.
func shownUserCode(s string) string {
	code := userCodeOf(s)
	if code == "" {
		return ""
	}
	return code[:userCodeLength/2] + "-" + code[userCodeLength/2:]
}

func (p *Provider) devicePage(w http.ResponseWriter, r *http.Request, status int, page templates.Device) error {
	page.Action = pathDevice
	return p.page(w, r, transaction{}, status, page)
}

// postDevice takes a user code and begins a login for its device, in this browser.
func (p *Provider) postDevice(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	browser := p.browserOf(r)
	if !p.csrfRight(form.Get("csrf"), browser, aboutDevice) {
		return problem(http.StatusForbidden, templates.ProblemCookies)
	}
	typed := p.typed(form, "user_code")
	again := templates.Device{Value: web.Clip(typed), CSRF: p.csrfToken(browser, aboutDevice)}
	userCode := userCodeOf(typed)
	if userCode != "" { // all else is no guess
		f := guardedForm{Form: p.proofForm(r, proofDevice, browser, aboutDevice), action: pathDevice, name: "user_code", typed: typed}
		wait, asked, err := p.guessWait(w, r, f)
		if asked || err != nil {
			return err
		}
		if wait > 0 {
			web.RetryAfter(w.Header(), wait)
			again.Problem, again.Wait = templates.DeviceLimited, wait
			return p.devicePage(w, r, http.StatusTooManyRequests, again)
		}
	}
	d, err := p.deviceOfUserCode(r.Context(), userCode)
	if err == nil {
		_, err = p.clients.get(r.Context(), d.ClientID)
	}
	if notFound(err) {
		again.Problem = templates.DeviceWrong
		return p.devicePage(w, r, http.StatusUnprocessableEntity, again)
	}
	if err != nil {
		return err
	}
	req := storage.AuthRequest{
		ID: grants.NewID(), ClientID: d.ClientID, Browser: hashed(browser), Scope: d.Scope, Audience: d.Audience, MaxAge: -1,
		Device: d.ID, CreatedAt: p.cfg.Now(), ExpiresAt: d.ExpiresAt,
	}
	if err := p.cfg.Store.SaveAuthRequest(r.Context(), req); err != nil {
		return err
	}
	p.toDeviceConfirm(w, r, req)
	return nil
}

// takeFrom draws on a limit of the network that asks, unless no limit counts it, and tells how long there is to wait.
func (p *Provider) takeFrom(ctx context.Context, kind string, limit grants.Limit) time.Duration {
	who := web.From(ctx).Starter()
	if who == "" {
		return 0
	}
	return p.take(kind, who, limit)
}

// take draws on a limit that has no key of its own: it is off when all are.
func (p *Provider) take(kind, who string, limit grants.Limit) time.Duration {
	if p.cfg.Engine.Config().Limits.Off() {
		return 0
	}
	return p.limiter.Take(kind, who, limit).Wait
}

// guessWait counts a guess at a user code and tells how long there is to wait for it, or asks for a proof that stands in for
// waiting. One address that goes on and on does not use up what all have.
func (p *Provider) guessWait(w http.ResponseWriter, r *http.Request, f guardedForm) (wait time.Duration, asked bool, err error) {
	if f.proven, err = p.guard.Proven(r, f.Form, r.PostForm); err != nil || f.proven {
		return 0, false, err
	}
	wait = p.takeFrom(r.Context(), "user_code", deviceGuesses())
	if wait == 0 {
		wait = p.take("user_code", "", allDeviceGuesses())
	}
	if wait > 0 {
		asked, err = p.askProof(w, r, transaction{}, f, wait)
	}
	return wait, asked, err
}

// toDeviceConfirm goes where a login that is for a device ends, instead of at an app.
func (p *Provider) toDeviceConfirm(w http.ResponseWriter, r *http.Request, req storage.AuthRequest) {
	http.Redirect(w, r, p.url(pathDeviceConfirm)+"?tx="+req.ID, http.StatusSeeOther)
}

// deviceTransaction is a transaction that is for a device, and the device's.
func (p *Provider) deviceTransaction(r *http.Request) (transaction, storage.DeviceCode, error) {
	t, err := p.transaction(r)
	if err != nil {
		return transaction{}, storage.DeviceCode{}, err
	}
	d, err := p.cfg.Store.DeviceCode(r.Context(), t.Device)
	if notFound(err) || err == nil && !p.cfg.Now().Before(d.ExpiresAt) {
		return transaction{}, storage.DeviceCode{}, problemOf(t.ClientID, http.StatusGone, templates.ProblemOver)
	}
	return t, d, err
}

// serveDeviceConfirm asks the person, once signed in, whether the device may be signed in too, and tells afterwards
// what was answered.
func (p *Provider) serveDeviceConfirm(w http.ResponseWriter, r *http.Request) error {
	t, d, err := p.deviceTransaction(r)
	if err != nil {
		return err
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	answered := !d.ApprovedAt.IsZero() || !d.DeniedAt.IsZero()
	switch {
	case s.ID == "":
		http.Redirect(w, r, p.url(pathLogin)+"?tx="+t.ID, http.StatusSeeOther)
		return nil
	case answered && d.SessionID != s.ID:
		return problemOf(t.ClientID, http.StatusGone, templates.ProblemOver)
	case answered:
		return p.page(w, r, t, http.StatusOK, templates.DeviceDone{App: t.client.Name, Approved: d.DeniedAt.IsZero()})
	}
	return p.page(w, r, t, http.StatusOK, templates.DeviceConfirm{
		App: t.client.Name, Account: account(user), Action: pathDeviceConfirm + "?tx=" + t.ID, OtherURL: pathLogin + "?tx=" + t.ID + "&other=1",
		CSRF: p.csrfToken(t.browser, aboutAnswer(t, s)),
	})
}

// aboutAnswer binds the form that answers to the device and to the session whose account it names.
func aboutAnswer(t transaction, s storage.Session) string {
	return aboutDevice + " " + t.ID + " " + s.ID
}

// postDeviceConfirm takes the person's answer.
func (p *Provider) postDeviceConfirm(w http.ResponseWriter, r *http.Request) error {
	t, d, err := p.deviceTransaction(r) // first: web.Form forgets the address
	if err != nil {
		return err
	}
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	if s.ID == "" || !p.csrfRight(form.Get("csrf"), t.browser, aboutAnswer(t, s)) {
		return problemOf(t.ClientID, http.StatusForbidden, templates.ProblemCookies)
	}
	answer, kind := storage.DeviceAnswer{Approved: form.Get("answer") == "approve", UserID: user.ID, SessionID: s.ID, AMR: s.AMR, AuthTime: s.AuthTime}, storage.EventDeviceDenied
	if answer.Approved {
		kind = storage.EventDeviceApproved
	}
	err = p.cfg.Store.AnswerDeviceCode(r.Context(), d.ID, answer, p.event(r.Context(), kind, storage.Authorization{ClientID: t.ClientID, UserID: user.ID, ID: d.ID}))
	if errors.Is(err, storage.ErrReused) || errors.Is(err, storage.ErrExpired) || errors.Is(err, storage.ErrNotFound) {
		err = nil // the page says what was answered before, or that it is over
	}
	if err != nil {
		return err
	}
	p.toDeviceConfirm(w, r, t.AuthRequest)
	return nil
}
