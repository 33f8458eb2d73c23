package op

import (
	"context"
	"errors"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// Revocation implements zop.Server (RFC 7009). A refresh token ends its whole authorization, an access token only
// itself. A token that is unknown, over or another client's is answered like one that was revoked, and left alone.
func (s *server) Revocation(ctx context.Context, r *zop.ClientRequest[oidc.RevocationRequest]) (*zop.Response, error) {
	p, c := s.p, asClient(r.Client)
	err := p.revokeRefresh(ctx, c, r.Data.Token)
	if errors.Is(err, errBadToken) {
		err = p.revokeAccess(ctx, c, r.Data.Token)
	}
	if err != nil && !errors.Is(err, errBadToken) && !errors.Is(err, storage.ErrNotFound) {
		return nil, p.fault(ctx, err)
	}
	return zop.NewResponse(nil), nil
}

func (p *Provider) revokeRefresh(ctx context.Context, c *client, raw string) error {
	id, _, err := p.openRefresh(raw, c.ID)
	if err != nil {
		return err
	}
	return p.cfg.Store.RevokeAuthorization(ctx, id, p.event(ctx, storage.EventAuthorizationRevoked, storage.Authorization{ID: id, ClientID: c.ID}))
}

func (p *Provider) revokeAccess(ctx context.Context, c *client, raw string) error {
	t, _, err := p.readAccess(raw)
	if err != nil {
		return err
	}
	if t.ClientID != c.ID || !p.cfg.Now().Before(t.Expires) {
		return errBadToken
	}
	info := web.From(ctx)
	return p.cfg.Store.RevokeToken(ctx, t.ID, t.Expires, grants.Event{
		Type: storage.EventTokenRevoked, Time: p.cfg.Now(), ClientID: c.ID, IP: info.Host(), RequestID: info.ID, Detail: t.ID,
	})
}
