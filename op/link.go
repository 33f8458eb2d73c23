package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/templates"
)

// LinkURL makes the address of a magic link. It is built from the issuer only, and carries neither an address nor a
// target that could be changed.
func LinkURL(issuer string) func(messageID, token string) string {
	base := strings.TrimSuffix(issuer, "/") + pathLink
	return func(messageID, token string) string {
		return base + "?" + url.Values{"id": {messageID}, "token": {token}}.Encode()
	}
}

// magicLink is an opened link: the message that carried it and its challenge.
type magicLink struct {
	id, token string
	message   grants.Message
	challenge grants.Challenge
	client    *client
}

// magicLink reads an opened link. One whose token is not right is as good as none: 256 bits are not guessed.
func (p *Provider) magicLink(ctx context.Context, q url.Values) (magicLink, error) {
	l := magicLink{id: q.Get("id"), token: q.Get("token")}
	var err error
	l.message, l.challenge, err = p.cfg.Engine.Message(ctx, l.id)
	if errors.Is(err, grants.ErrNoChallenge) || err == nil && !p.cfg.Engine.LinkRight(l.challenge, l.token) {
		return l, problem(http.StatusGone, templates.ProblemOver)
	}
	if err != nil {
		return l, err
	}
	l.client, err = p.clients.get(ctx, l.challenge.ClientID)
	if notFound(err) {
		return l, problem(http.StatusBadRequest, templates.ProblemUnknownApp)
	}
	return l, err
}

// asked tells whether the browser is the one that asked for the link.
func (p *Provider) asked(r *http.Request, l magicLink) bool {
	browser := p.browserOf(r)
	return browser != "" && l.challenge.Requester == hashed(browser)
}

// serveLink is what opening a link shows. It changes nothing, whoever opens it: scanners fetch links, follow what they
// find, run scripts and press buttons. Only the browser that asked gets a form that signs in.
func (p *Provider) serveLink(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	l, err := p.magicLink(r.Context(), q)
	if err != nil {
		return err
	}
	if l.challenge.Requester == grants.RequesterAPI {
		return p.serveLinkAPI(w, r, l)
	}
	if !p.asked(r, l) {
		return p.page(w, r, transaction{}, http.StatusOK, templates.LinkElsewhere{App: l.client.Name, AppURL: appURL(l.client)})
	}
	t, err := p.resume(r, l.message.Start.Transaction)
	if err != nil {
		return err
	}
	if over := overProblem(l.challenge.Status(p.cfg.Now())); over != "" {
		return p.linkOver(w, r, l, http.StatusOK, over)
	}
	return p.page(w, r, t, http.StatusOK, templates.Link{
		App: l.client.Name, Action: pathLink, CSRF: p.csrfToken(t.browser, l.id), ID: l.id, Token: l.token, Address: l.challenge.Address.Value,
	})
}

// postLink redeems a link, in the browser that asked for it and nowhere else.
func (p *Provider) postLink(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	l, err := p.magicLink(r.Context(), form)
	if err != nil {
		return err
	}
	if !p.csrfRight(form.Get("csrf"), p.browserOf(r), l.id) {
		return problemOf(l.client.ID, http.StatusForbidden, templates.ProblemCookies)
	}
	if l.challenge.Requester == grants.RequesterAPI {
		return p.postLinkAPI(w, r, l)
	}
	if !p.asked(r, l) {
		return problemOf(l.client.ID, http.StatusForbidden, templates.ProblemCookies)
	}
	t, err := p.resume(r, l.message.Start.Transaction)
	if err != nil {
		return err
	}
	err = p.redeem(w, r, t, grants.Proof{Challenge: l.challenge, LinkToken: l.token})
	if over := refusedProblem(err); over != "" {
		return p.linkOver(w, r, l, http.StatusUnprocessableEntity, over)
	}
	return err
}

func (p *Provider) linkOver(w http.ResponseWriter, r *http.Request, l magicLink, status int, over templates.CodeProblem) error {
	return p.page(w, r, transaction{}, status, templates.LinkOver{App: l.client.Name, AppURL: appURL(l.client), Problem: over})
}

// appURL is where an app lives, as far as we know it: the origin of its first https redirect URI.
func appURL(c *client) string {
	for _, uri := range c.Client.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			return u.Scheme + "://" + u.Host + "/"
		}
	}
	return ""
}
