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
// 4.14.2). The token before the current one gives the same successor for the leeway; an older one ends the family. A
// client that proves who it is may be set to keep one token instead.
func (s *server) RefreshToken(ctx context.Context, r *zop.ClientRequest[oidc.RefreshTokenRequest]) (*zop.Response, error) {
	p, c := s.p, asClient(r.Client)
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
	if !offline(c, api) {
		return nil, errBadRefresh()
	}
	l := p.lifetimes(c, api)
	kept := !l.rotating && generation == a.RefreshGeneration
	if kept {
		err = p.keepRefresh(ctx, a, l)
	} else {
		a, user, err = p.rotateRefresh(ctx, a, generation, l)
	}
	switch {
	case errors.Is(err, storage.ErrReused), errors.Is(err, storage.ErrExpired), errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrNotFound):
		return nil, errBadRefresh()
	case err != nil:
		return nil, p.fault(ctx, err)
	}
	return p.respond(ctx, mint{client: c, authorization: a, user: user, scopes: allowedScopes(c, api, scopes, true), api: api, refreshed: kept})
}

// rotateRefresh spends a generation of an authorization's refresh token for the next.
func (p *Provider) rotateRefresh(ctx context.Context, a storage.Authorization, generation int, l lifetimes) (storage.Authorization, storage.User, error) {
	leeway := l.leeway
	if leeway <= 0 {
		leeway = -1 // not even at the very moment
	}
	now := p.cfg.Now()
	return p.cfg.Store.RotateRefresh(ctx, a.ID, generation, now, leeway, now.Add(l.idle), p.event(ctx, storage.EventRefreshRotated, a))
}

// keepRefresh lets a refresh token that does not rotate go on: only its idle end moves, at most every twentieth of the
// idle time, so that most uses write nothing.
func (p *Provider) keepRefresh(ctx context.Context, a storage.Authorization, l lifetimes) error {
	now := p.cfg.Now()
	end := now.Add(l.idle)
	switch {
	case !a.RevokedAt.IsZero():
		return storage.ErrRevoked
	case !now.Before(a.RefreshExpiresAt), !now.Before(a.RefreshEndsAt):
		return storage.ErrExpired
	case end.Sub(a.RefreshExpiresAt) < l.idle/20:
		return nil
	}
	return p.cfg.Store.TouchRefresh(ctx, a.ID, a.RefreshGeneration, end, p.event(ctx, storage.EventRefreshUsed, a))
}
