package op

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// logout is a request to sign out, checked.
type logout struct {
	client    *client // nil where the request names none
	uri       string  // registered; where the person goes afterwards, empty to stay here
	state     string  // for uri
	uiLocales string
	hint      idClaims // of the ID token that vouches for the request, if there is one
}

// address is where the person goes afterwards.
func (l logout) address() string {
	if l.uri == "" || l.state == "" {
		return l.uri
	}
	return withQuery(l.uri, url.Values{"state": {l.state}})
}

// serveLogout is RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0). With a hint for the session that this
// browser has, an ID token or the session's id, it ends at once; without, the person is asked.
func (p *Provider) serveLogout(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	l, err := p.logoutRequest(r.Context(), q)
	if err != nil {
		return err
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	sid := q.Get("logout_hint")
	switch {
	case s.ID == "" && l.hint.Subject == "":
		l.uri = "" // nobody vouches for this request: the person stays here
		return p.loggedOut(w, r, l)
	case s.ID == "":
		return p.loggedOut(w, r, l)
	case l.hint.Subject == s.UserID && (l.hint.SessionID == "" || l.hint.SessionID == s.ID), l.client != nil && sid == s.ID:
		return p.endAndLeave(w, r, l, s)
	}
	return p.askLogout(w, r, l, s, user)
}

// logoutRequest checks the parameters. An address that is not registered is an error page, never a redirect.
func (p *Provider) logoutRequest(ctx context.Context, q url.Values) (logout, error) {
	l := logout{uri: q.Get("post_logout_redirect_uri"), state: q.Get("state"), uiLocales: q.Get("ui_locales")}
	clientID := q.Get("client_id")
	if raw := q.Get("id_token_hint"); raw != "" {
		var err error
		if l.hint, err = p.readHint(raw); err != nil || clientID != "" && clientID != l.hint.Audience {
			return l, web.BadRequest("The id_token_hint is not an ID token of this client.")
		}
		clientID = l.hint.Audience
	}
	if err := p.logoutClient(ctx, &l, clientID); err != nil {
		return l, err
	}
	if l.uri != "" && (l.client == nil || !slices.Contains(l.client.Client.PostLogoutRedirectURIs, l.uri)) {
		return l, problem(http.StatusBadRequest, templates.ProblemBadRedirect)
	}
	return l, nil
}

// logoutClient finds the client that a request names, if it names one.
func (p *Provider) logoutClient(ctx context.Context, l *logout, id string) (err error) {
	if id == "" {
		return nil
	}
	if l.client, err = p.clients.get(ctx, id); notFound(err) {
		return problem(http.StatusBadRequest, templates.ProblemUnknownApp)
	}
	return err
}

// postLogout sends a form's parameters on as a GET, like postAuthorize.
func (p *Provider) postLogout(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, p.url(pathLogout)+"?"+form.Encode(), http.StatusSeeOther)
	return nil
}

// askLogout asks the person. The form remembers where to go afterwards.
func (p *Provider) askLogout(w http.ResponseWriter, r *http.Request, l logout, s storage.Session, user storage.User) error {
	after := url.Values{}
	page := templates.Logout{CSRF: p.csrfToken(p.ensureBrowser(w, r), s.ID), Account: account(user)}
	if l.client != nil {
		page.App = l.client.Name
		after.Set("client_id", l.client.ID)
	}
	for name, value := range map[string]string{"returnTo": l.uri, "state": l.state} {
		if l.uri != "" && value != "" {
			after.Set(name, value)
		}
	}
	page.Action = pathLogoutConfirm
	if len(after) > 0 {
		page.Action += "?" + after.Encode()
	}
	return p.page(w, r, transaction{AuthRequest: storage.AuthRequest{UILocales: l.uiLocales}}, http.StatusOK, page)
}

// postLogoutConfirm ends the session of a person who was asked, and goes on to where they were told. The address is
// checked again: it is no less registered than before.
func (p *Provider) postLogoutConfirm(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	l, err := p.returnRequest(r.Context(), q)
	if err != nil {
		return err
	}
	l.state = q.Get("state")
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	s, _, err := p.session(r)
	if err != nil {
		return err
	}
	if s.ID == "" {
		return p.loggedOut(w, r, l)
	}
	if !p.csrfRight(form.Get("csrf"), p.browserOf(r), s.ID) {
		return problem(http.StatusForbidden, templates.ProblemCookies)
	}
	return p.endAndLeave(w, r, l, s)
}

func (p *Provider) endAndLeave(w http.ResponseWriter, r *http.Request, l logout, s storage.Session) error {
	if err := p.cfg.Store.EndSession(r.Context(), s.ID); err != nil {
		return err
	}
	p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
	return p.loggedOut(w, r, l)
}

// loggedOut goes to the address that the request named, or says here that the person is signed out.
func (p *Provider) loggedOut(w http.ResponseWriter, r *http.Request, l logout) error {
	if to := l.address(); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	page := templates.LoggedOut{}
	if l.client != nil {
		page.App, page.AppURL = l.client.Name, appURL(l.client)
	}
	return p.page(w, r, transaction{AuthRequest: storage.AuthRequest{UILocales: l.uiLocales}}, http.StatusOK, page)
}
