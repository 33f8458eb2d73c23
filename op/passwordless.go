package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/auth0"
	"sallyport/storage"
)

// passwordless puts the passwordless grants in front of the token endpoint.
func (p *Provider) passwordless(next http.Handler) http.Handler {
	return grants.Handler(grants.HandlerConfig{
		Engine: p.cfg.Engine,
		Authenticate: func(r *http.Request) (zop.Client, error) {
			c, err := p.ownClient(r)
			if err != nil {
				return nil, err
			}
			// Told before the code is looked at, so that right and wrong codes are refused alike.
			api, err := p.audience(r.Context(), c, r.PostForm.Get("audience"))
			if asked := fields(r.PostForm.Get("scope")); err == nil && len(asked) > 0 && len(allowedScopes(c, api, asked, true)) == 0 {
				err = errNoScope()
			}
			return c, err
		},
		Grant:      p.grantPasswordless,
		WriteError: p.writeError,
		Source: func(r *http.Request, c zop.Client) grants.Source {
			cr, err := readCredentials(r.Header, r.PostForm)
			info, pays := auth0.Asker(r, err == nil && cr.method != oidc.AuthMethodNone, asClient(c).Settings.TrustForwardedFor)
			from := grants.Source{IP: info.Host(), RequestID: info.ID}
			if pays {
				from.Payer = info.Payer()
			}
			return from
		},
	}, next)
}

// authenticateStart authenticates the client of a start by what it says of itself in JSON.
func (p *Provider) authenticateStart(r *http.Request, as url.Values) (auth0.Client, error) {
	cr, err := readCredentials(r.Header, as)
	if err != nil {
		return auth0.Client{}, auth0.ErrBadAuthentication
	}
	c, err := p.authenticateClient(r.Context(), cr)
	if status, refused := errors.AsType[zop.StatusError](err); refused && errors.Is(status, oidc.ErrInvalidClient()) {
		if cr.method == oidc.AuthMethodNone {
			return auth0.Client{}, auth0.ErrNoAuthentication
		}
		return auth0.Client{}, auth0.ErrBadAuthentication
	}
	if err != nil {
		return auth0.Client{}, err
	}
	return p.auth0Client(c, cr.method != oidc.AuthMethodNone), nil
}

func (p *Provider) auth0Client(c *client, authenticated bool) auth0.Client {
	out := auth0.Client{
		ID: c.ID, Name: c.Name, Authenticated: authenticated, Origins: c.WebOrigins, Forwards: c.Settings.TrustForwardedFor,
		Passwordless:    slices.ContainsFunc(grants.GrantTypes(), c.grants),
		RedirectAllowed: func(uri string) bool { return redirectAllowed(c, uri) },
		Embeds:          c.embeds,
	}
	for channel, transport := range map[grants.Channel]bool{grants.Email: p.cfg.Email, grants.SMS: p.cfg.SMS} {
		switch name := string(channel); {
		case p.connects(c, channel):
			out.Connections = append(out.Connections, name)
		case transport && slices.Contains(c.Connections, name):
			out.Disabled = append(out.Disabled, name)
		}
	}
	return out
}

// grantPasswordless writes the authorization in the transaction that spends the code; the tokens are made after it.
func (p *Provider) grantPasswordless(ctx context.Context, g *grants.Granted) (func(context.Context) (any, error), error) {
	c := asClient(g.Client)
	api, err := p.audience(ctx, c, g.Audience)
	if err != nil {
		return nil, err
	}
	a := p.newAuthorization(c, g.User.ID, api, allowedScopes(c, api, g.Scopes, true))
	a.ChallengeID, a.Audience, a.AMR, a.AuthTime = g.Proof.Challenge.ID, g.Audience, g.AMR, g.AuthTime
	if err := p.cfg.Store.Authorize(ctx, a); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (any, error) {
		user, err := p.grantedUser(ctx, g.User, g.Proof.Challenge.Address, a.AuthTime)
		if err != nil {
			return nil, err
		}
		return p.issueTokens(mint{client: c, authorization: a, user: user, scopes: fields(a.Scope), api: api})
	}, nil
}

// grantedUser is the user who has just signed in; one who was just created is known without reading.
func (p *Provider) grantedUser(ctx context.Context, u grants.User, a grants.Address, now time.Time) (storage.User, error) {
	if u.Created {
		return storage.User{ID: u.ID, CreatedAt: now, UpdatedAt: now, Identities: []storage.Identity{
			{Connection: string(a.Channel), Address: a, VerifiedAt: now, CreatedAt: now},
		}}, nil
	}
	return p.cfg.Store.User(ctx, u.ID)
}

// newAuthorization is the row behind the tokens of one login at one client.
func (p *Provider) newAuthorization(c *client, userID string, api *storage.API, scopes []string) storage.Authorization {
	now := p.cfg.Now()
	l := p.lifetimes(c, api)
	a := storage.Authorization{
		ID: grants.NewID(), ClientID: c.ID, UserID: userID, Scope: strings.Join(scopes, " "), CreatedAt: now, AuthTime: now,
		EndsWithSession: true,
	}
	if slices.Contains(scopes, oidc.ScopeOfflineAccess) && offline(c, api) { // which may have changed since they were asked for
		a.Offline = true
		a.EndsWithSession = c.Type == "spa"
		a.RefreshExpiresAt, a.RefreshEndsAt = now.Add(l.idle), now.Add(l.absolute)
	}
	a.ExpiresAt = p.lastEnd(a, l)
	return a
}
