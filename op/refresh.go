package op

import (
	"context"
	"errors"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/storage"
)

func errBadRefresh() error {
	return oidc.ErrInvalidGrant().WithDescription("Unknown or invalid refresh token.")
}

// RefreshToken implements zop.Server: the refresh_token grant (RFC 6749, section 6) with rotation (RFC 9700, section
// 4.14.2). The token before the current one gives the same successor for a few seconds; an older one ends the family.
func (s *server) RefreshToken(ctx context.Context, r *zop.ClientRequest[oidc.RefreshTokenRequest]) (*zop.Response, error) {
	p, c, now := s.p, asClient(r.Client), s.p.cfg.Now()
	id, generation, err := p.openRefresh(r.Data.RefreshToken, c.ID)
	if err != nil {
		return nil, errBadRefresh()
	}
	a, user, err := p.cfg.Store.AuthorizationWithUser(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, errBadRefresh()
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	if a.ClientID != c.ID || !a.Offline || user.Blocked || a.CreatedAt.Before(c.TokensValidFrom) {
		return nil, errBadRefresh()
	}
	scopes, err := narrow(r.Data.Scopes, fields(a.Scope))
	if err != nil {
		return nil, err
	}
	api, err := p.audience(ctx, c, a.Audience)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	a, user, err = p.cfg.Store.RotateRefresh(ctx, id, generation, now, refreshGrace, now.Add(refreshIdle), p.event(ctx, "refresh.rotated", a))
	switch {
	case errors.Is(err, storage.ErrReused), errors.Is(err, storage.ErrExpired), errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrNotFound):
		return nil, errBadRefresh()
	case err != nil:
		return nil, p.fault(ctx, err)
	}
	return p.respond(ctx, mint{client: c, authorization: a, user: user, scopes: allowedScopes(c, api, scopes, true), api: api})
}
