package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// transactionLifetime is how long a person may take from /authorize to the end of the login.
const transactionLifetime = 30 * time.Minute

// maxParamBytes bounds what anybody can have us keep by asking.
const (
	maxParamBytes = 1024
	maxStateBytes = 2048 // apps put whole tokens into it
)

// serveAuthorize is the authorization endpoint (RFC 6749, section 3.1; OpenID Connect Core 1.0, section 3.1.2). A
// request whose client or redirect_uri is not good is answered with a page; every other error goes back to the client
// in the response mode that it asked for.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) error {
	q, malformed := web.Query(r)
	ticket := ""
	if malformed == nil {
		var err error
		if q, ticket, err = p.pushed(r.Context(), q); err != nil {
			return err
		}
	}
	c, err := p.authorizeClient(r.Context(), q)
	if err != nil {
		return err
	}
	if begun, err := p.spendPushed(w, r, c, ticket); begun || err != nil {
		return err
	}
	if malformed != nil {
		q = web.Unambiguous(q) // a state that is malformed does not go back
		err = errMalformed()
	} else {
		err = p.authorize(w, r, c, q, ticket)
	}
	return p.orTellClient(w, r, c, q, err)
}

// errMalformed is what a client is told of parameters that [web.Query] cannot read.
func errMalformed() error {
	return oidc.ErrInvalidRequest().WithDescription("A parameter is given twice or has characters that are not allowed.")
}

// orTellClient sends an error, where there is one, back to the client of a request whose redirect_uri was checked, in the
// response mode that it asked for.
func (p *Provider) orTellClient(w http.ResponseWriter, r *http.Request, c *client, q url.Values, err error) error {
	if f, ok := errors.AsType[*web.Fault](err); err == nil || ok && (f.Status == http.StatusTooManyRequests || f.Status == http.StatusForbidden) {
		return err // it is about the browser, and not for the app
	}
	return p.answerError(w, r, c, storage.AuthRequest{RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), ResponseMode: responseMode(q)}, err)
}

// authorize answers from the session where it can, and else begins a transaction. Its error is for the client. ticket is
// that of a request that was pushed.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, c *client, q url.Values, ticket string) error {
	req, err := p.authRequest(r.Context(), c, q)
	if err != nil {
		return err
	}
	if q.Get("login_ticket") != "" {
		return p.authorizeByTicket(w, r, c, req, q)
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	hint, err := p.hintedUser(q.Get("id_token_hint"), c)
	if err != nil {
		return err
	}
	if hint != "" && hint != user.ID {
		req.Prompt = strings.TrimSpace(req.Prompt + " " + oidc.PromptLogin) // the session is not whom the client expects
	}
	prompts, usable := fields(req.Prompt), p.usable(req, s)
	switch {
	case slices.Contains(prompts, oidc.PromptNone) && !usable:
		return oidc.ErrLoginRequired().WithDescription("The user is not signed in, or not as this request asks.")
	case usable && !slices.Contains(prompts, oidc.PromptSelectAccount) && !slices.Contains(prompts, oidc.PromptConsent):
		return p.answerFromSession(w, r, c, req, s)
	}
	if err := p.mayBeginLogin(r); err != nil {
		return err
	}
	browser := p.ensureBrowser(w, r)
	req.ID, req.Browser = transactionOf(ticket), hashed(browser)
	if err := p.cfg.Store.SaveAuthRequest(r.Context(), req); err != nil {
		return err
	}
	http.Redirect(w, r, p.url(pathLogin)+"?tx="+req.ID, http.StatusSeeOther)
	return nil
}

// postAuthorize sends a form's parameters on as a GET and changes nothing by itself: a page of another site may post
// here, and the cookies that decide come with the GET only.
func (p *Provider) postAuthorize(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	if form.Get("request_uri") == "" { // what was pushed has its own
		if _, err := p.authorizeClient(r.Context(), form); err != nil {
			return err
		}
	}
	http.Redirect(w, r, p.url(pathAuthorize)+"?"+form.Encode(), http.StatusSeeOther)
	return nil
}

// authorizeClient finds the client and holds the redirect_uri against its list, before anything else is looked at.
func (p *Provider) authorizeClient(ctx context.Context, q url.Values) (*client, error) {
	if len(q["client_id"]) != 1 || len(q["redirect_uri"]) != 1 {
		return nil, web.BadRequest("One client_id and one redirect_uri are needed.")
	}
	c, err := p.clients.get(ctx, q.Get("client_id"))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, &web.Fault{
			Status: http.StatusBadRequest, Code: "invalid_request", Page: string(templates.ProblemUnknownApp), Description: "The client_id is unknown.",
		}
	}
	if err != nil {
		return nil, err
	}
	if !redirectAllowed(c, q.Get("redirect_uri")) {
		return nil, &web.Fault{
			Status: http.StatusBadRequest, Code: "invalid_request", Page: string(templates.ProblemBadRedirect), Description: "The redirect_uri is not registered.",
		}
	}
	return c, nil
}

// authRequest reads and checks every parameter. The error is an *oidc.Error for the client.
func (p *Provider) authRequest(ctx context.Context, c *client, q url.Values) (storage.AuthRequest, error) {
	none := storage.AuthRequest{}
	if err := checkSupported(c, q); err != nil {
		return none, err
	}
	now := p.cfg.Now()
	req := storage.AuthRequest{
		ID: grants.NewID(), ClientID: c.ID, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), Nonce: q.Get("nonce"),
		ResponseType: responseType(q.Get("response_type")), ResponseMode: responseMode(q), CodeChallenge: q.Get("code_challenge"), Prompt: knownPrompts(q.Get("prompt")), MaxAge: -1,
		LoginHint: web.Clip(q.Get("login_hint")), Connection: connection(q), ScreenHint: screenHint(q), UILocales: web.Clip(q.Get("ui_locales")), Audience: q.Get("audience"),
		CreatedAt: now, ExpiresAt: now.Add(transactionLifetime),
	}
	if req.ResponseMode == modeWebMessage && !messageable(c, req.RedirectURI) {
		return none, oidc.ErrInvalidRequest().WithDescription("The response_mode web_message needs a redirect_uri of one of the client's web origins.")
	}
	if implicit(req.ResponseType) {
		req.CodeChallenge = "" // there will be no code
	} else if err := checkPKCE(c, req.CodeChallenge, q.Get("code_challenge_method")); err != nil {
		return none, err
	}
	if prompts := fields(q.Get("prompt")); slices.Contains(prompts, oidc.PromptNone) && len(prompts) > 1 {
		return none, oidc.ErrInvalidRequest().WithDescription("prompt=none cannot be combined with other values.")
	}
	if s := q.Get("max_age"); s != "" {
		age, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return none, oidc.ErrInvalidRequest().WithDescription("max_age must be a number of seconds.")
		}
		req.MaxAge = int(age)
	}
	if req.Connection != "" && !p.connects(c, grants.Channel(req.Connection)) {
		return none, oidc.ErrInvalidRequest().WithDescription("The connection is not one that this client has.")
	}
	api, err := p.audience(ctx, c, req.Audience)
	if err != nil {
		return none, err
	}
	req.Scope, err = requestScope(c, api, q.Get("scope"), implicit(req.ResponseType))
	return req, err
}

// defaultScope is what a request without a scope asks for, as with Auth0.
const defaultScope = "openid profile email"

// requestScope is what a request is given of the scopes that it asks for. Tokens in the answer come without a refresh
// token.
func requestScope(c *client, api *storage.API, asked string, implicit bool) (string, error) {
	if asked == "" {
		asked = defaultScope
	}
	if !validScope(asked) || len(fields(asked)) == 0 {
		return "", oidc.ErrInvalidScope().WithDescription("The scope is malformed: ask for openid, for example.")
	}
	scopes := allowedScopes(c, api, fields(asked), true)
	if implicit {
		scopes = withoutOffline(scopes)
	}
	if len(scopes) == 0 {
		return "", errNoScope()
	}
	return strings.Join(scopes, " "), nil
}

// connection is the channel that a request asks the page for, under either of Auth0's names. A live session answers all
// the same.
func connection(q url.Values) string {
	if c := q.Get("connection"); c != "" {
		return c
	}
	return q.Get("realm")
}

// screenHintSignup asks for a page in the words of somebody who is new. It changes nothing else: whoever proves an
// address signs in, or up where that is open.
const screenHintSignup = "signup"

func screenHint(q url.Values) string {
	if q.Get("screen_hint") == screenHintSignup {
		return screenHintSignup
	}
	return ""
}

// knownPrompts keeps the values of prompt that the standard names; others are ignored.
func knownPrompts(prompt string) string {
	known := []string{oidc.PromptNone, oidc.PromptLogin, oidc.PromptConsent, oidc.PromptSelectAccount}
	return strings.Join(slices.DeleteFunc(fields(prompt), func(s string) bool { return !slices.Contains(known, s) }), " ")
}

// checkSupported refuses what we do not do, each with the error code that its standard names. A parameter without a
// value counts as not there (RFC 6749, section 3.1).
func checkSupported(c *client, q url.Values) error {
	switch {
	case q.Get("request") != "":
		return oidc.ErrRequestNotSupported().WithDescription("The request parameter is not supported.")
	case q.Get("request_uri") != "":
		return &oidc.Error{ErrorType: "request_uri_not_supported", Description: "The request_uri parameter is not supported."}
	case q.Get("registration") != "":
		return &oidc.Error{ErrorType: "registration_not_supported", Description: "The registration parameter is not supported."}
	}
	if err := checkResponse(c, q); err != nil {
		return err
	}
	for name, values := range q {
		most := maxParamBytes
		switch name {
		case "state", "redirect_uri": // a redirect URI is a registered one
			most = maxStateBytes
		case "id_token_hint": // not kept
			most = 2 * maxStateBytes
		}
		if len(values[0]) > most {
			return oidc.ErrInvalidRequest().WithDescription("A parameter is too long.")
		}
	}
	return nil
}

// checkPKCE wants S256, needs it from public clients and those whose setting asks for it, and refuses plain, spelled out
// or by default (RFC 7636; RFC 9700, section 2.1.1).
func checkPKCE(c *client, challenge, method string) error {
	switch {
	case challenge == "" && method == "" && c.needsPKCE():
		return oidc.ErrInvalidRequest().WithDescription("A code_challenge with code_challenge_method=S256 is required.")
	case challenge == "" && method == "":
		return nil
	case method != string(oidc.CodeChallengeMethodS256):
		return oidc.ErrInvalidRequest().WithDescription("The code_challenge_method must be S256.")
	case !grants.ValidCodeChallenge(challenge):
		return oidc.ErrInvalidRequest().WithDescription("The code_challenge must be 43 characters of base64url.")
	}
	return nil
}

// connects tells whether a client may use a channel here and now.
func (p *Provider) connects(c *client, channel grants.Channel) bool {
	on := channel == grants.Email && p.cfg.Email || channel == grants.SMS && p.cfg.SMS
	return on && slices.Contains(c.Connections, string(channel)) && !p.cfg.Connections.disabled(string(channel))
}

// usable tells whether a session answers a request without a new login.
func (p *Provider) usable(req storage.AuthRequest, s storage.Session) bool {
	if s.ID == "" || slices.Contains(fields(req.Prompt), oidc.PromptLogin) {
		return false
	}
	return req.MaxAge < 0 || recent(s, req.MaxAge, p.cfg.Now())
}

// recent tells whether a session's login is at most so many seconds old.
func recent(s storage.Session, maxAge int, now time.Time) bool {
	return !now.After(s.AuthTime.Add(time.Duration(maxAge) * time.Second))
}

// hintedUser is the user whom an ID token of ours, expired or not, names. A hint never signs anybody in.
func (p *Provider) hintedUser(hint string, c *client) (string, error) {
	if hint == "" {
		return "", nil
	}
	claims, err := p.readHint(hint)
	if err != nil || claims.Audience != c.ID {
		return "", oidc.ErrInvalidRequest().WithDescription("The id_token_hint is not an ID token of this client.")
	}
	return claims.Subject, nil
}

func (p *Provider) readHint(hint string) (idClaims, error) {
	var claims idClaims
	if err := p.keys.verify(hint, typIDToken, &claims); err != nil {
		return idClaims{}, err
	}
	if claims.Issuer != p.cfg.Issuer || claims.Subject == "" {
		return idClaims{}, errBadToken
	}
	return claims, nil
}
