package op

import (
	"context"
	"errors"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/storage"
)

// introspection is the answer of RFC 7662, section 2.2. An inactive one has nothing but active.
type introspection struct {
	Active    bool          `json:"active"`
	Scope     string        `json:"scope,omitempty"`
	ClientID  string        `json:"client_id,omitempty"`
	Username  string        `json:"username,omitempty"`
	TokenType string        `json:"token_type,omitempty"`
	Expires   int64         `json:"exp,omitempty"`
	IssuedAt  int64         `json:"iat,omitempty"`
	Subject   string        `json:"sub,omitempty"`
	Audience  oidc.Audience `json:"aud,omitempty"`
	Issuer    string        `json:"iss,omitempty"`
	ID        string        `json:"jti,omitempty"`
	AuthTime  int64         `json:"auth_time,omitempty"`
}

// Introspect implements zop.Server (RFC 7662). Only a client that proves who it is may ask, and learns of its own
// tokens and of those for an API that it has access to; of any other it learns what it learns of noise.
func (s *server) Introspect(ctx context.Context, r *zop.Request[zop.IntrospectionRequest]) (*zop.Response, error) {
	p := s.p
	c, err := p.provenClient(ctx, r.Header, r.Form)
	if err != nil {
		return nil, err
	}
	t, err := p.live(ctx, r.Data.Token)
	if errors.Is(err, errBadToken) {
		return p.introspectRefresh(ctx, c, r.Data.Token)
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	_, served := c.APIs[t.Audience]
	if t.ClientID != c.ID && (t.Audience == "" || !served) {
		return zop.NewResponse(introspection{}), nil
	}
	answer := introspection{
		Active: true, Scope: t.Scope, ClientID: t.ClientID, TokenType: oidc.BearerToken, Expires: t.Expires.Unix(), IssuedAt: t.IssuedAt.Unix(),
		Subject: t.user.ID, Issuer: p.cfg.Issuer, ID: t.ID,
	}
	if t.Audience != "" {
		answer.Audience = oidc.Audience{t.Audience}
	}
	if t.user.ID == "" {
		answer.Subject = t.ClientID
	} else {
		answer.AuthTime = t.authorization.AuthTime.Unix()
		answer.Username = p.claimsOf(t.user, t.scopes()).Name
	}
	return zop.NewResponse(answer), nil
}

// introspectRefresh answers for a refresh token: only to its own client, and only for the current generation.
func (p *Provider) introspectRefresh(ctx context.Context, c *client, raw string) (*zop.Response, error) {
	inactive := zop.NewResponse(introspection{})
	id, generation, err := p.openRefresh(raw, c.ID)
	if err != nil {
		return inactive, nil //nolint:nilerr // no token of this client is an answer
	}
	a, user, err := p.cfg.Store.AuthorizationWithUser(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return inactive, nil
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	if a.RefreshGeneration != generation || !p.refreshable(c, a, user) {
		return inactive, nil
	}
	return zop.NewResponse(introspection{
		Active: true, Scope: a.Scope, ClientID: a.ClientID, TokenType: "refresh_token", Expires: earlier(a.RefreshExpiresAt, a.RefreshEndsAt).Unix(),
		Subject: user.ID, Issuer: p.cfg.Issuer, AuthTime: a.AuthTime.Unix(), Username: p.claimsOf(user, strings.Fields(a.Scope)).Name,
	}), nil
}

// refreshable tells whether an authorization's refresh token is good, as far as can be told by reading.
func (p *Provider) refreshable(c *client, a storage.Authorization, u storage.User) bool {
	now := p.cfg.Now()
	return a.ClientID == c.ID && c.grants(oidc.GrantTypeRefreshToken) && !a.CreatedAt.Before(c.TokensValidFrom) &&
		a.Offline && a.RevokedAt.IsZero() && !u.Blocked && now.Before(a.RefreshExpiresAt) && now.Before(a.RefreshEndsAt)
}
