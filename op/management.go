package op

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sallyport/grants"
	"sallyport/op/admin"
)

// newManagement makes the management API, given what only the provider knows.
func (p *Provider) newManagement() *admin.API {
	engine := p.cfg.Engine.Config()
	connections, site := map[string]admin.Connection{}, admin.Connection{
		SignupClosed: engine.SignupClosed, CodeLength: engine.CodeLength, Lifetime: engine.Lifetime,
	}
	if p.cfg.Email {
		connections[string(grants.Email)] = site
	}
	if p.cfg.SMS {
		connections[string(grants.SMS)] = site
	}
	return admin.New(admin.Config{
		Issuer: p.cfg.Issuer, Store: p.cfg.Store, Ring: p.cfg.Ring, Engine: p.cfg.Engine, Now: p.cfg.Now, Log: p.cfg.Log,
		Tokens: p.cfg.AdminTokens, AccessToken: p.managementCaller, IDTokenSubject: p.idTokenSubject,
		CheckClient: p.cfg.CheckClient, CheckAPI: p.cfg.CheckAPI, Connections: connections, Countries: p.cfg.Countries, AllowIPs: p.cfg.AllowIPs,
		Defaults: admin.TokenDefaults{
			IDToken: idTokenLifetime, RefreshIdle: refreshIdle, RefreshAbsolute: refreshAbsolute, RefreshLeeway: refreshLeeway,
		},
	})
}

// managementCaller is the client behind an access token for the management API. A user's token opens nothing there,
// whatever it says, and what the client was granted is asked anew each time.
func (p *Provider) managementCaller(ctx context.Context, raw string) (admin.Caller, error) {
	t, err := p.live(ctx, raw)
	if errors.Is(err, errBadToken) {
		return admin.Caller{}, admin.ErrBadToken
	}
	if err != nil {
		return admin.Caller{}, fmt.Errorf("reading access token: %w", err)
	}
	audience := admin.Audience(p.cfg.Issuer)
	if !t.jwt || t.Audience != audience || t.authorization.ID != "" || t.user.ID != "" {
		return admin.Caller{}, admin.ErrBadToken
	}
	granted := t.client.APIs[audience]
	scopes := slices.DeleteFunc(t.scopes(), func(s string) bool { return !slices.Contains(granted, s) })
	return admin.Caller{Name: "client " + t.ClientID, ClientID: t.ClientID, Scopes: scopes}, nil
}

// idTokenSubject is whom an ID token of ours names, one that is not over and that an enabled client was given.
func (p *Provider) idTokenSubject(ctx context.Context, raw string) (string, error) {
	var claims idClaims
	if err := p.keys.verify(raw, typIDToken, &claims); err != nil {
		if errors.Is(err, errBadToken) {
			err = admin.ErrBadToken
		}
		return "", err
	}
	if claims.Issuer != p.cfg.Issuer || claims.Subject == "" || p.cfg.Now().Unix() >= claims.Expires {
		return "", admin.ErrBadToken
	}
	if _, err := p.clients.get(ctx, claims.Audience); err != nil {
		if notFound(err) {
			err = admin.ErrBadToken
		}
		return "", err
	}
	return claims.Subject, nil
}
