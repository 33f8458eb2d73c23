package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// embeds tells whether a link started through the API may continue to its app: the start named a registered
// redirect_uri for a code that the client can exchange, and a PKCE challenge whose verifier will prove the asking app; a
// client whose embedded_links are allowed does without the challenge, unless its setting asks for one, and whoever holds
// its links gets in. A start of which no such link can come sends the code alone.
func (c *client) embeds(s grants.StartParams) bool {
	return redirectAllowed(c, s.RedirectURI) && s.ResponseType == string(oidc.ResponseTypeCode) && c.grants(oidc.GrantTypeCode) &&
		(s.CodeChallenge != "" || c.EmbeddedLinks && !c.Settings.RequirePKCE)
}

func embeddable(l magicLink) bool { return l.client.embeds(l.message.Start) }

// serveLinkAPI shows a link that was started through the API: a button to the app, which it presses by POST.
func (p *Provider) serveLinkAPI(w http.ResponseWriter, r *http.Request, l magicLink) error {
	if over := overProblem(l.challenge.Status(p.cfg.Now())); over != "" {
		return p.linkOver(w, r, l, http.StatusOK, over)
	}
	if !embeddable(l) {
		return p.page(w, r, transaction{}, http.StatusOK, templates.LinkElsewhere{App: l.client.Name, AppURL: appURL(l.client)})
	}
	browser := p.ensureBrowser(w, r)
	t := transaction{AuthRequest: storage.AuthRequest{RedirectURI: l.message.Start.RedirectURI}, client: l.client, browser: browser}
	return p.page(w, r, t, http.StatusOK, templates.LinkAPI{
		App: l.client.Name, Action: pathLink, CSRF: p.csrfToken(browser, l.id), ID: l.id, Token: l.token, Address: l.challenge.Address.Value,
	})
}

// postLinkAPI gives the app a code and spends nothing: the challenge is spent when the code is exchanged with its
// verifier, which proves the app that asked. No session is made.
func (p *Provider) postLinkAPI(w http.ResponseWriter, r *http.Request, l magicLink) error {
	if over := overProblem(l.challenge.Status(p.cfg.Now())); over != "" || !embeddable(l) {
		return p.linkOver(w, r, l, http.StatusUnprocessableEntity, over)
	}
	code := seal(p.cfg.Ring, labelLink, l.id+" "+l.token+" "+p.until(codeLifetime))
	start := l.message.Start
	return p.answer(w, r, l.client, storage.AuthRequest{RedirectURI: start.RedirectURI, State: start.State}, url.Values{"code": {code}})
}

// exchangeLink is the token request for a code of [Provider.postLinkAPI]: it spends the challenge, once.
func (p *Provider) exchangeLink(ctx context.Context, c *client, sealed string, req *oidc.AccessTokenRequest) (*zop.Response, error) {
	f := strings.Split(sealed, " ")
	if len(f) != 3 {
		return nil, errBadCode()
	}
	l, err := p.magicLink(ctx, url.Values{"id": {f[0]}, "token": {f[1]}})
	if err != nil {
		if _, gone := errors.AsType[*web.Fault](err); gone {
			return nil, errBadCode()
		}
		return nil, p.fault(ctx, err)
	}
	start := l.message.Start
	if l.client.ID != c.ID || start.RedirectURI != req.RedirectURI || !embeddable(l) || !provesChallenge(req.CodeVerifier, start.CodeChallenge) {
		return nil, errBadCode()
	}
	switch used := !l.challenge.SpentAt.IsZero(); {
	case p.before(f[2]):
	case used: // a replay is one for as long as the challenge is there, a day
		return nil, p.replayedLink(ctx, l)
	default:
		return nil, errBadCode()
	}
	api, err := p.audience(ctx, c, start.Audience)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	info := web.From(ctx)
	var a storage.Authorization
	user, err := p.cfg.Engine.Redeem(ctx, grants.Proof{Challenge: l.challenge, LinkToken: l.token, IP: info.Host(), RequestID: info.ID},
		func(ctx context.Context, u grants.User) error {
			// No refresh token comes of a link: whoever holds the mailbox for a moment must not stay.
			a = p.newAuthorization(c, u.ID, api, withoutOffline(allowedScopes(c, api, startScopes(start), true)))
			if a.ID, err = p.linkAuthorization(l.challenge); err != nil {
				return err
			}
			a.ChallengeID, a.Audience, a.Nonce, a.AMR = l.challenge.ID, start.Audience, start.Nonce, grants.AMR(l.challenge.Address.Channel)
			return p.cfg.Store.Authorize(ctx, a)
		})
	switch {
	case errors.Is(err, grants.ErrUsed):
		return nil, p.replayedLink(ctx, l)
	case grants.Refused(err):
		return nil, errBadCode()
	case err != nil:
		return nil, p.fault(ctx, err)
	}
	known, err := p.grantedUser(ctx, user, l.challenge.Address, a.AuthTime)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	return p.respond(ctx, mint{client: c, authorization: a, user: known, scopes: fields(a.Scope), api: api})
}

// linkAuthorization is the id of the one authorization that a challenge's link can give.
func (p *Provider) linkAuthorization(c grants.Challenge) (string, error) {
	mac, err := p.derived("link authorization", c)
	if err != nil {
		return "", err
	}
	return encode(mac[:16]), nil
}

// replayedLink ends what the link gave before: a code of it came twice.
func (p *Provider) replayedLink(ctx context.Context, l magicLink) error {
	id, err := p.linkAuthorization(l.challenge)
	if err != nil {
		return p.fault(ctx, err)
	}
	a := storage.Authorization{ID: id, ClientID: l.client.ID}
	if err := p.cfg.Store.RevokeAuthorization(ctx, a.ID, p.event(ctx, storage.EventCodeReplayed, a)); err != nil {
		return p.fault(ctx, err)
	}
	return errBadCode()
}

func startScopes(s grants.StartParams) []string {
	if asked := fields(s.Scope); len(asked) > 0 {
		return asked
	}
	return grants.DefaultScopes()
}
