package op

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// appLogin is a login by a code that was typed into a page of the app itself. The browser comes with the code
// (/passwordless/verify_redirect) or with a ticket for it (/authorize?login_ticket=).
//
// Whoever can send a browser to an address can send it here with a code of their own, so that it would be signed in as
// somebody else than its owner thinks. No GET signs in, therefore, unless the same client, network and user agent showed
// the right code a moment ago, and the browser comes from a page of the client or has the cookie of its ticket.
// Otherwise a page names the account and asks. And without the cookie no session is made or replaced, whoever asks.
type appLogin struct {
	Transaction string `json:"t"` // the form's
	Connection  string `json:"c"`
	Username    string `json:"u"` // the address as it was typed
	Code        string `json:"o,omitempty"`
	Ticket      string `json:"k,omitempty"` // instead
}

func errBadTicket() error {
	return oidc.ErrAccessDenied().WithDescription("Unknown or invalid login ticket.")
}

// serveVerifyRedirect is GET /passwordless/verify_redirect: an authorization request with a code.
func (p *Provider) serveVerifyRedirect(w http.ResponseWriter, r *http.Request) error {
	q, malformed := web.Query(r)
	c, err := p.authorizeClient(r.Context(), q)
	if err != nil {
		return err
	}
	if malformed != nil {
		err = errMalformed()
	} else {
		err = p.verifyRedirect(w, r, c, q)
	}
	return p.orTellClient(w, r, c, q, err)
}

func (p *Provider) verifyRedirect(w http.ResponseWriter, r *http.Request, c *client, q url.Values) error {
	req, err := p.authRequest(r.Context(), c, q)
	if err != nil {
		return err
	}
	login := appLogin{Connection: q.Get("connection"), Username: q.Get("email"), Code: q.Get("verification_code")}
	if login.Connection == string(grants.SMS) {
		login.Username = q.Get("phone_number")
	}
	switch {
	case login.Connection == "":
		return oidc.ErrInvalidRequest().WithDescription("missing connection parameter")
	case login.Username == "" || login.Code == "":
		return oidc.ErrInvalidRequest().WithDescription("The address or the verification_code is missing.")
	}
	return p.begin(w, r, c, req, login)
}

// authorizeByTicket is an authorization request with a login ticket.
func (p *Provider) authorizeByTicket(w http.ResponseWriter, r *http.Request, c *client, req storage.AuthRequest, q url.Values) error {
	return p.begin(w, r, c, req, appLogin{Connection: q.Get("realm"), Ticket: q.Get("login_ticket")})
}

// begin answers at once where it may, and else asks. Its error is for the client.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, c *client, req storage.AuthRequest, login appLogin) error {
	if !slices.ContainsFunc(grants.GrantTypes(), c.grants) || !p.connects(c, grants.Channel(login.Connection)) {
		return oidc.ErrUnauthorizedClient().WithDescription("The client may not use passwordless login by this connection.")
	}
	proof, err := p.appProof(r.Context(), c, login)
	if err != nil {
		return err
	}
	t := transaction{AuthRequest: req, client: c}
	switch {
	case p.atOnce(r, t, login, proof.Challenge):
		return p.signInApp(w, r, t, login, proof)
	case slices.Contains(fields(req.Prompt), oidc.PromptNone):
		return oidc.ErrLoginRequired().WithDescription("The person must confirm the login.")
	}
	return p.askAppLogin(w, r, t, login, proof)
}

// appProof is the proof that a login comes with, of no challenge where its address has none. Nothing tells here whether a
// code is right.
func (p *Provider) appProof(ctx context.Context, c *client, login appLogin) (grants.Proof, error) {
	if login.Ticket == "" {
		address, err := grants.ParseFor(grants.Channel(login.Connection), login.Username)
		if bad := new(grants.AddressError); errors.As(err, &bad) {
			return grants.Proof{Code: login.Code}, nil
		}
		if err != nil {
			return grants.Proof{}, err
		}
		challenge, err := p.cfg.Engine.Pending(ctx, c.ID, login.Connection, address, grants.RequesterAPI)
		if errors.Is(err, grants.ErrNoChallenge) {
			err = nil
		}
		return grants.Proof{Challenge: challenge, Code: login.Code}, err
	}
	id, verified, err := p.openTicket(login.Ticket)
	if err != nil {
		return grants.Proof{}, errBadTicket()
	}
	challenge, err := p.cfg.Engine.Challenge(ctx, id)
	if errors.Is(err, grants.ErrNoChallenge) || err == nil && (challenge.ClientID != c.ID || challenge.Connection != login.Connection) {
		return grants.Proof{}, errBadTicket()
	}
	return grants.Proof{Challenge: challenge, Verified: verified}, err
}

// atOnce tells whether a request may sign in without asking. A code that comes with it is looked at then, and a wrong one
// costs an attempt: only a page of the client can bring that about, for the cookie says nothing of who sent the browser.
func (p *Provider) atOnce(r *http.Request, t transaction, login appLogin, c grants.Challenge) bool {
	if r.Method != http.MethodGet || !p.cfg.Engine.VerifiedBy(c, p.mark(r, t.client.ID)) {
		return false
	}
	here := login.Ticket != "" && p.provedHere(r, c)
	if t.ResponseMode == modeWebMessage { // in a frame or a window of the app's
		return here
	}
	return topNavigation(r) && (here || slices.Contains(t.client.WebOrigins, source(r)))
}

// askAppLogin shows whom the browser is about to be signed in as, and where. It looks and is the same for every code.
func (p *Provider) askAppLogin(w http.ResponseWriter, r *http.Request, t transaction, login appLogin, proof grants.Proof) error {
	if err := p.mayBeginLogin(r); err != nil {
		return err
	}
	t.browser = p.ensureBrowser(w, r)
	t.Browser = hashed(t.browser)
	if err := p.cfg.Store.SaveAuthRequest(r.Context(), t.AuthRequest); err != nil {
		return err
	}
	account := web.Clip(login.Username)
	if login.Ticket != "" {
		account = proof.Challenge.Address.Value
	}
	login.Transaction = t.ID
	sealed, err := json.Marshal(login)
	if err != nil {
		return err
	}
	return p.page(w, r, t, http.StatusOK, templates.AppLogin{
		App: t.client.Name, Action: pathApp + "?tx=" + t.ID, CSRF: p.csrfToken(t.browser, t.ID), Token: seal(p.cfg.Ring, labelAppLogin, string(sealed)), Address: account,
	})
}

// postAppLogin is the press of that page's button.
func (p *Provider) postAppLogin(w http.ResponseWriter, r *http.Request) error {
	t, form, err := p.posted(r)
	if err != nil {
		return err
	}
	var login appLogin
	plain, err := unseal(p.cfg.Ring, labelAppLogin, form.Get("token"))
	if err != nil || json.Unmarshal([]byte(plain), &login) != nil || login.Transaction != t.ID {
		return problemOf(t.ClientID, http.StatusForbidden, templates.ProblemCookies)
	}
	proof, err := p.appProof(r.Context(), t.client, login)
	if err == nil {
		err = p.signInApp(w, r, t, login, proof)
	}
	if _, refused := errors.AsType[*oidc.Error](err); refused {
		return p.answerError(w, r, t.client, t.AuthRequest, err)
	}
	return err
}

// signInApp spends the challenge and answers the app. In the browser that showed the code to /co/authenticate it makes a
// session. Its error is for the client where it is an *oidc.Error.
func (p *Provider) signInApp(w http.ResponseWriter, r *http.Request, t transaction, login appLogin, proof grants.Proof) error {
	if err := p.canAnswer(t.AuthRequest); err != nil {
		return err
	}
	info, here := web.From(r.Context()), p.provedHere(r, proof.Challenge)
	proof.IP, proof.RequestID, proof.Source = info.Host(), info.ID, info.Payer()
	var a storage.Authorization
	err := p.cfg.Engine.Unhurried(r.Context(), func() error {
		_, err := p.cfg.Engine.Redeem(r.Context(), proof, func(ctx context.Context, u grants.User) (err error) {
			if here {
				a, err = p.signIn(ctx, r, t.client, t.AuthRequest, proof.Challenge, u.ID)
				return err
			}
			a, err = p.authorizeApp(ctx, t, proof.Challenge, u.ID)
			return err
		})
		return err
	})
	if text := grants.Refusal(err, grants.Channel(login.Connection)); text != "" {
		e := oidc.ErrAccessDenied().WithDescription("%s", text)
		if errors.Is(err, grants.ErrTooManyFailures) {
			e.ErrorType = "too_many_attempts"
		}
		return e
	}
	if err != nil {
		return err
	}
	g := granted{client: t.client, request: t.AuthRequest, authorization: a}
	if here {
		p.setCookie(w, cookieCrossOrigin, "", 0, http.SameSiteLaxMode)
		return p.finish(w, r, g, proof.Challenge)
	}
	return p.answerGranted(w, r, g)
}

// authorizeApp writes the authorization of a login that makes no session.
func (p *Provider) authorizeApp(ctx context.Context, t transaction, c grants.Challenge, userID string) (storage.Authorization, error) {
	s := storage.Session{UserID: userID, AMR: grants.AMR(c.Address.Channel), AuthTime: p.cfg.Now()}
	a, err := p.browserAuthorization(ctx, t.client, t.AuthRequest, s)
	if err != nil {
		return a, err
	}
	a.ChallengeID = c.ID
	return a, p.authorizeNow(ctx, a, t.AuthRequest)
}
