package op

import (
	"context"
	"errors"
	"strings"
	"time"

	"sallyport/storage"
)

// liveToken is an access token that is good at this moment.
type liveToken struct {
	accessToken
	jwt           bool
	client        *client
	authorization storage.Authorization // zero for client_credentials
	user          storage.User          // likewise
}

// scopes are the token's own: those of a refreshed one can be fewer than the authorization's.
func (t liveToken) scopes() []string { return fields(t.Scope) }

// live is the one answer to "is this access token good": unexpired, its client enabled and not cut off since, its
// authorization and user alive, not revoked by itself. It reads the database once. The error is errBadToken when it
// is not, whatever the reason; other errors are failures.
func (p *Provider) live(ctx context.Context, raw string) (liveToken, error) {
	t, jwt, err := p.readAccess(raw)
	if err != nil {
		return liveToken{}, err
	}
	if !p.cfg.Now().Before(t.Expires) {
		return liveToken{}, errBadToken
	}
	c, err := p.clients.get(ctx, t.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return liveToken{}, errBadToken
	}
	if err != nil {
		return liveToken{}, err
	}
	if t.IssuedAt.Before(c.TokensValidFrom) { // a JWT knows its second only: in doubt it is over
		return liveToken{}, errBadToken
	}
	state, err := p.cfg.Store.Live(ctx, t.authorization(), t.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return liveToken{}, errBadToken
	}
	if err != nil {
		return liveToken{}, err
	}
	a := state.Authorization
	if state.TokenRevoked || t.authorization() != "" && (!a.RevokedAt.IsZero() || state.User.Blocked || a.ClientID != t.ClientID) {
		return liveToken{}, errBadToken
	}
	return liveToken{accessToken: t, jwt: jwt, client: c, authorization: a, user: state.User}, nil
}

// readAccess opens an access token of either form. An ID token, a code or a refresh token is none.
func (p *Provider) readAccess(raw string) (t accessToken, jwt bool, err error) {
	if strings.Count(raw, ".") != 2 {
		t, err = p.openAccess(raw)
		return t, false, err
	}
	var claims accessClaims
	if err := p.keys.verify(raw, typAccessToken, &claims); err != nil {
		return accessToken{}, false, err
	}
	if claims.Issuer != p.cfg.Issuer || claims.ID == "" || len(claims.Audience) == 0 {
		return accessToken{}, false, errBadToken
	}
	return accessToken{
		ID: claims.ID, ClientID: claims.ClientID, IssuedAt: time.Unix(claims.IssuedAt, 0).UTC(), Expires: time.Unix(claims.Expires, 0).UTC(),
		Scope: claims.Scope, Audience: claims.Audience[0],
	}, true, nil
}
