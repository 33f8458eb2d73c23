package op

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"sallyport/op/web"
	"sallyport/templates"
)

// serveReturnTo is Auth0's logout. It ends the session at once for a navigation that a page of the client began; for
// everybody else, who could have sent the browser here to annoy, the person is asked. Where nobody is signed in it goes
// on without a word: the address is registered.
func (p *Provider) serveReturnTo(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	l, err := p.returnRequest(r.Context(), q)
	if err != nil {
		return err
	}
	if l.uri == "" && l.client != nil && len(l.client.Client.PostLogoutRedirectURIs) > 0 {
		l.uri = l.client.Client.PostLogoutRedirectURIs[0]
	}
	s, user, err := p.session(r)
	switch {
	case err != nil:
		return err
	case s.ID == "":
		return p.loggedOut(w, r, l)
	case l.client != nil && fromApp(r, l.client):
		return p.endAndLeave(w, r, l, s)
	}
	return p.askLogout(w, r, l, s, user)
}

// returnRequest checks the parameters: returnTo is one of the client's addresses after a logout or, without a client, one
// that any client has registered.
func (p *Provider) returnRequest(ctx context.Context, q url.Values) (logout, error) {
	l := logout{uri: q.Get("returnTo"), uiLocales: q.Get("ui_locales")}
	if err := p.logoutClient(ctx, &l, q.Get("client_id")); err != nil || l.uri == "" {
		return l, err
	}
	var known bool
	if l.client != nil {
		known = slices.Contains(l.client.Client.PostLogoutRedirectURIs, l.uri)
	} else {
		var err error
		if known, err = p.cfg.Store.LogoutURLRegistered(ctx, l.uri); err != nil {
			return l, err
		}
	}
	if !known {
		return l, problem(http.StatusBadRequest, templates.ProblemBadRedirect)
	}
	return l, nil
}
