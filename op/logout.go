package op

import (
	"net/http"
	"net/url"
	"slices"

	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// serveLogout is RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0). With a hint for the session that this
// browser has it ends at once; without, the person is asked. It redirects only to an address that is registered for
// the client that the hint, verified, names.
func (p *Provider) serveLogout(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	target, c, hint, err := p.logoutRequest(r, q)
	if err != nil {
		return err
	}
	s, user, err := p.session(r)
	if err != nil {
		return err
	}
	switch {
	case s.ID == "" && target != "":
		http.Redirect(w, r, target, http.StatusSeeOther)
		return nil
	case s.ID == "":
		return p.loggedOut(w, r, c)
	case hint.Subject == s.UserID && (hint.SessionID == "" || hint.SessionID == s.ID):
		if err := p.endSession(w, r, s); err != nil {
			return err
		}
		if target != "" {
			http.Redirect(w, r, target, http.StatusSeeOther)
			return nil
		}
		return p.loggedOut(w, r, c)
	}
	browser := p.ensureBrowser(w, r)
	page := templates.Logout{Action: pathLogoutConfirm, CSRF: p.csrfToken(browser, s.ID), Account: account(user)}
	if c != nil {
		page.App = c.Name
		page.Action += "?client_id=" + url.QueryEscape(c.ID)
	}
	return p.page(w, r, transaction{AuthRequest: storage.AuthRequest{UILocales: q.Get("ui_locales")}}, http.StatusOK, page)
}

// logoutRequest checks the parameters. An address that is not registered is an error page, never a redirect.
func (p *Provider) logoutRequest(r *http.Request, q url.Values) (target string, c *client, hint idClaims, err error) {
	clientID := q.Get("client_id")
	if raw := q.Get("id_token_hint"); raw != "" {
		if hint, err = p.readHint(raw); err != nil || clientID != "" && clientID != hint.Audience {
			return "", nil, hint, web.BadRequest("The id_token_hint is not an ID token of this client.")
		}
		clientID = hint.Audience
	}
	if clientID != "" {
		if c, err = p.clients.get(r.Context(), clientID); notFound(err) {
			return "", nil, hint, problem(http.StatusBadRequest, templates.ProblemUnknownApp)
		}
		if err != nil {
			return "", nil, hint, err
		}
	}
	uri := q.Get("post_logout_redirect_uri")
	if uri == "" {
		return "", c, hint, nil
	}
	if c == nil || !slices.Contains(c.Client.PostLogoutRedirectURIs, uri) {
		return "", nil, hint, problem(http.StatusBadRequest, templates.ProblemBadRedirect)
	}
	if hint.Subject == "" {
		return "", c, hint, nil // nobody vouches for this request: the person stays here
	}
	if state := q.Get("state"); state != "" {
		uri = withQuery(uri, url.Values{"state": {state}})
	}
	return uri, c, hint, nil
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

// postLogoutConfirm ends the session of a person who was asked.
func (p *Provider) postLogoutConfirm(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	s, _, err := p.session(r)
	if err != nil {
		return err
	}
	if s.ID != "" {
		if !p.csrfRight(form.Get("csrf"), p.browserOf(r), s.ID) {
			return problem(http.StatusForbidden, templates.ProblemCookies)
		}
		if err := p.endSession(w, r, s); err != nil {
			return err
		}
	}
	c, err := p.clients.get(r.Context(), q.Get("client_id"))
	if err != nil && !notFound(err) {
		return err
	}
	return p.loggedOut(w, r, c)
}

func (p *Provider) endSession(w http.ResponseWriter, r *http.Request, s storage.Session) error {
	if err := p.cfg.Store.EndSession(r.Context(), s.ID); err != nil {
		return err
	}
	p.setCookie(w, cookieSession, "", 0, http.SameSiteLaxMode)
	return nil
}

func (p *Provider) loggedOut(w http.ResponseWriter, r *http.Request, c *client) error {
	page := templates.LoggedOut{}
	if c != nil {
		page.App, page.AppURL = c.Name, appURL(c)
	}
	return p.page(w, r, transaction{}, http.StatusOK, page)
}
