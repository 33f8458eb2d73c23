package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

const (
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLifetime is Auth0's. It has to last from the app's server to the browser, not for the login.
	pushedLifetime = 30 * time.Second

	ticketPushed = "par"
)

// pushable are the parameters of an authorization request that a client may push.
var pushable = []string{
	"audience", "code_challenge", "code_challenge_method", "connection", "id_token_hint", "login_hint", "max_age", "nonce", "prompt", "realm", "redirect_uri",
	"registration", "request", "request_uri", "response_mode", "response_type", "scope", "screen_hint", "state", "ui_locales",
}

// servePush takes an authorization request from the client itself (RFC 9126), checks it as /authorize does, and keeps it
// under a name that the browser carries.
func (p *Provider) servePush(w http.ResponseWriter, r *http.Request) {
	handle, err := p.push(r)
	if err != nil {
		if f, ok := errors.AsType[*web.Fault](err); ok {
			f.SetHeader(w)
		}
		p.writeError(w, r, err)
		return
	}
	web.WriteJSON(w, http.StatusCreated, map[string]any{"request_uri": requestURIPrefix + handle, "expires_in": int(pushedLifetime.Seconds())})
}

// push keeps a request and gives the handle that finds it again, of which the database has the hash.
func (p *Provider) push(r *http.Request) (string, error) {
	ctx := r.Context()
	c, err := p.ownClient(r)
	if err != nil {
		return "", err
	}
	q := url.Values{"client_id": {c.ID}}
	for _, name := range pushable {
		if v := r.PostForm.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	if q.Has("request_uri") {
		return "", oidc.ErrInvalidRequest().WithDescription("A request_uri cannot be pushed.")
	}
	if _, err := p.authorizeClient(ctx, q); err != nil {
		return "", err
	}
	if _, err := p.authRequest(ctx, c, q); err != nil {
		return "", err
	}
	if c.public() {
		if err := p.mayBegin(r); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("encoding pushed request: %w", err)
	}
	handle := grants.NewID() + grants.NewID()
	return handle, p.cfg.Store.AddTicket(ctx, storage.Ticket{
		ID: hashed(handle), Kind: ticketPushed, ClientID: c.ID, Data: string(data), ExpiresAt: p.cfg.Now().Add(pushedLifetime),
	})
}

// pushed gives, in place of an address's parameters, those that its request_uri stands for, and the ticket that they
// were kept by. An address without one of our request_uris stays as it is; none is ever fetched.
func (p *Provider) pushed(ctx context.Context, q url.Values) (url.Values, string, error) {
	handle, ours := strings.CutPrefix(q.Get("request_uri"), requestURIPrefix)
	if !ours {
		return q, "", nil
	}
	t, err := p.cfg.Store.Ticket(ctx, ticketPushed, hashed(handle))
	if err == nil && t.ClientID != q.Get("client_id") || notFound(err) {
		return nil, "", errBadRequestURI(q.Get("client_id"))
	}
	if err != nil {
		return nil, "", err
	}
	var kept url.Values
	if err := json.Unmarshal([]byte(t.Data), &kept); err != nil {
		return nil, "", fmt.Errorf("decoding pushed request: %w", err)
	}
	return kept, t.ID, nil
}

func errBadRequestURI(client string) error {
	return &web.Fault{
		Status: http.StatusBadRequest, Code: "invalid_request_uri", Page: string(templates.ProblemOver), Client: client,
		Description: "The request_uri is unknown, expired, used or another client's.",
	}
}

// spendPushed uses a pushed request up, before anything is made of it. A browser that reloads the page is led back to
// the login that it began, which only that browser can go on with.
func (p *Provider) spendPushed(w http.ResponseWriter, r *http.Request, c *client, ticket string) (begun bool, err error) {
	if ticket == "" {
		return false, nil
	}
	err = p.cfg.Store.SpendTicket(r.Context(), ticketPushed, ticket)
	switch {
	case errors.Is(err, storage.ErrExpired), errors.Is(err, storage.ErrNotFound):
		return false, errBadRequestURI(c.ID)
	case !errors.Is(err, storage.ErrReused):
		return false, err
	}
	before, err := p.cfg.Store.AuthRequest(r.Context(), transactionOf(ticket))
	if browser := p.browserOf(r); notFound(err) || err == nil && (browser == "" || hashed(browser) != before.Browser) {
		return false, errBadRequestURI(c.ID)
	}
	if err != nil {
		return false, err
	}
	http.Redirect(w, r, p.url(pathLogin)+"?tx="+before.ID, http.StatusSeeOther)
	return true, nil
}

// transactionOf is the id of the login that a pushed request begins, another for each.
func transactionOf(ticket string) string {
	if ticket == "" {
		return grants.NewID()
	}
	return hashed("transaction " + ticket)[:len(grants.NewID())]
}
