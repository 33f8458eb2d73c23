package op

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// transaction is one authorization request on its way through the hosted pages. Its id is in the address, its
// browser's cookie proves that it is this browser's own.
type transaction struct {
	storage.AuthRequest
	client  *client
	browser string     // the cookie's secret
	query   url.Values // of the page's address
}

// transaction reads the one that the address names, for the browser that began it.
func (p *Provider) transaction(r *http.Request) (transaction, error) {
	q, err := web.Query(r)
	if err != nil {
		return transaction{}, err
	}
	t, err := p.resume(r, q.Get("tx"))
	t.query = q
	return t, err
}

// resume reads a transaction, for the browser that began it. What the client was allowed then may have changed.
func (p *Provider) resume(r *http.Request, id string) (transaction, error) {
	req, err := p.cfg.Store.AuthRequest(r.Context(), id)
	if notFound(err) {
		return transaction{}, problem(http.StatusGone, templates.ProblemOver)
	}
	if err != nil {
		return transaction{}, err
	}
	browser := p.browserOf(r)
	if browser == "" || hashed(browser) != req.Browser {
		return transaction{}, problemOf(req.ClientID, http.StatusForbidden, templates.ProblemCookies)
	}
	c, err := p.clients.get(r.Context(), req.ClientID)
	if notFound(err) {
		return transaction{}, problemOf(req.ClientID, http.StatusBadRequest, templates.ProblemUnknownApp)
	}
	if err != nil {
		return transaction{}, err
	}
	if req.Device == "" && !redirectAllowed(c, req.RedirectURI) {
		return transaction{}, problemOf(req.ClientID, http.StatusBadRequest, templates.ProblemBadRedirect)
	}
	return transaction{AuthRequest: req, client: c, browser: browser}, nil
}

// posted is a transaction whose form carries its token: the form is ours, and this browser's.
func (p *Provider) posted(r *http.Request) (transaction, url.Values, error) {
	t, err := p.transaction(r) // first: web.Form forgets the address
	if err != nil {
		return transaction{}, nil, err
	}
	form, err := web.Form(r)
	if err != nil {
		return transaction{}, nil, err
	}
	if !p.csrfRight(form.Get("csrf"), t.browser, t.ID) {
		return transaction{}, nil, problemOf(t.ClientID, http.StatusForbidden, templates.ProblemCookies)
	}
	return t, form, nil
}

func problem(status int, kind templates.ProblemKind) error { return problemOf("", status, kind) }

// problemOf is a problem of a client that the request does not name.
func problemOf(client string, status int, kind templates.ProblemKind) error {
	return &web.Fault{Status: status, Code: "invalid_request", Page: string(kind), Description: string(kind), Client: client}
}

// channels are those that the transaction accepts.
func (p *Provider) channels(t transaction) (email, sms bool) {
	on := func(c grants.Channel) bool {
		return p.connects(t.client, c) && (t.Connection == "" || t.Connection == string(c))
	}
	return on(grants.Email), on(grants.SMS)
}

// serveLogin asks who the person is.
func (p *Provider) serveLogin(w http.ResponseWriter, r *http.Request) error {
	t, err := p.transaction(r)
	if err != nil {
		return err
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	if p.offersSession(t, s) && !t.query.Has("other") {
		return p.page(w, r, t, http.StatusOK, templates.Confirm{
			App: t.client.Name, Action: pathContinue + "?tx=" + t.ID, OtherAction: pathOther + "?tx=" + t.ID,
			CSRF: p.csrfToken(t.browser, t.ID), Account: account(user),
		})
	}
	return p.identify(w, r, t, http.StatusOK, templates.Identify{Value: t.LoginHint})
}

// offersSession tells whether a transaction may go on with the session instead of a new login: where the app asks the
// person to choose or agree, and where the person has signed in since, in another tab, not longer ago than the app's
// max_age.
func (p *Provider) offersSession(t transaction, s storage.Session) bool {
	since := s.ID != "" && s.AuthTime.After(t.CreatedAt) && (t.MaxAge <= 0 || recent(s, t.MaxAge, p.cfg.Now()))
	return since || p.usable(t.AuthRequest, s)
}

// identify shows the form for the identifier, where there is a way to send anything.
func (p *Provider) identify(w http.ResponseWriter, r *http.Request, t transaction, status int, page templates.Identify) error {
	page.Signup = t.ScreenHint == screenHintSignup
	page.App, page.Action, page.CSRF = t.client.Name, pathLogin+"?tx="+t.ID, p.csrfToken(t.browser, t.ID)
	if page.Email, page.SMS = p.channels(t); !page.Email && !page.SMS {
		return problemOf(t.ClientID, http.StatusBadRequest, templates.ProblemNoChannel)
	}
	return p.page(w, r, t, status, page)
}

// postLogin starts a challenge for what the person typed, and answers alike whether the address is known or not.
func (p *Provider) postLogin(w http.ResponseWriter, r *http.Request) error {
	t, form, err := p.posted(r)
	if err != nil {
		return err
	}
	typed := p.typed(form, "identifier")
	again := templates.Identify{Value: web.Clip(typed)}
	address, err := grants.ParseAddress(typed)
	var bad *grants.AddressError
	switch {
	case strings.TrimSpace(typed) == "":
		again.Problem = templates.IdentifyEmpty
	case errors.As(err, &bad):
		again.Problem = templates.IdentifyInvalid
	case err != nil:
		return err
	default:
		if email, sms := p.channels(t); address.Channel == grants.Email && !email || address.Channel == grants.SMS && !sms {
			again.Problem = templates.IdentifyUnsupported
		}
	}
	if again.Problem != "" {
		return p.identify(w, r, t, http.StatusUnprocessableEntity, again)
	}
	started, asked, err := p.startProven(w, r, t, address, guardedForm{
		Form: p.proofForm(r, proofStart, t.browser, t.ID), action: pathLogin + "?tx=" + t.ID, name: "identifier", typed: typed,
	})
	if asked {
		return err
	}
	if limited, ok := errors.AsType[*grants.LimitError](err); ok {
		again.Problem, again.Wait = templates.IdentifyLimited, limited.RetryAfter
		web.RetryAfter(w.Header(), limited.RetryAfter)
		return p.identify(w, r, t, http.StatusTooManyRequests, again)
	}
	if err != nil {
		return err
	}
	p.toCode(w, r, t, started, sentFirst)
	return nil
}

// start asks the engine for a code, on behalf of this browser, which may have given a proof of work for it.
func (p *Provider) start(r *http.Request, t transaction, a grants.Address, proven bool) (grants.Started, error) {
	info := web.From(r.Context())
	send := grants.SendCode
	if a.Channel == grants.Email {
		send = grants.SendLink
	}
	return p.cfg.Engine.Start(r.Context(), grants.StartRequest{
		ClientID: t.ClientID, Connection: string(a.Channel), Address: a, Requester: hashed(t.browser), Device: p.knownDevice(r, a), Send: send,
		Source: info.Starter(), RequestID: info.ID, Proven: proven,
		Params: grants.StartParams{
			Transaction: t.ID, ClientName: t.client.Name, Language: strings.Join(languages(t.UILocales, r), ","), IP: info.Host(), UserAgent: web.Clip(r.UserAgent()),
		},
	})
}

// toCode goes to the page that takes the code: a real address, which survives a reload and the back button.
// told is what the page says of the message that went out just now: sentFirst, sentAgain or sentNew.
func (p *Provider) toCode(w http.ResponseWriter, r *http.Request, t transaction, s grants.Started, told string) {
	http.Redirect(w, r, p.url(pathCode)+"?"+codeQuery(t, s.Challenge, told, p.cfg.Now()).Encode(), http.StatusSeeOther)
}

// codeQuery is the query of the code page and its forms. It keeps the moment of the last message.
func codeQuery(t transaction, c grants.Challenge, told string, at time.Time) url.Values {
	q := url.Values{"tx": {t.ID}, "c": {c.ID}}
	if told != "" {
		q.Set(told, strconv.FormatInt(at.Unix(), 10))
	}
	return q
}

// postContinue goes on with the session that the browser has.
func (p *Provider) postContinue(w http.ResponseWriter, r *http.Request) error {
	t, _, err := p.posted(r)
	if err != nil {
		return err
	}
	s, _, err := p.session(r)
	if err != nil {
		return err
	}
	if !p.offersSession(t, s) {
		http.Redirect(w, r, p.url(pathLogin)+"?tx="+t.ID, http.StatusSeeOther)
		return nil
	}
	return p.answerFromSession(w, r, t.client, t.AuthRequest, s)
}

// postOther lets the person sign in as somebody else.
func (p *Provider) postOther(w http.ResponseWriter, r *http.Request) error {
	t, _, err := p.posted(r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, p.url(pathLogin)+"?tx="+t.ID+"&other=1", http.StatusSeeOther)
	return nil
}

// languages are what the person may want to read, best first: the app's ui_locales, then the browser's.
func languages(uiLocales string, r *http.Request) []string {
	return append(slices.Clip(strings.Fields(web.Clip(uiLocales))), strings.FieldsFunc(web.Clip(r.Header.Get("Accept-Language")), func(c rune) bool { return c == ',' })...)
}
