package admin

import (
	"context"
	"errors"

	"sallyport/storage"
)

// refreshTokenView is an authorization that has a refresh token. The token itself is nowhere.
type refreshTokenView struct {
	ID              string         `json:"id"`
	UserID          string         `json:"user_id"`
	CreatedAt       string         `json:"created_at"`
	IdleExpiresAt   string         `json:"idle_expires_at"`
	ExpiresAt       string         `json:"expires_at"`
	ClientID        string         `json:"client_id"`
	SessionID       *string        `json:"session_id"`
	Rotating        bool           `json:"rotating"`
	ResourceServers []resourceView `json:"resource_servers"`
	LastExchangedAt *string        `json:"last_exchanged_at"`
}

type resourceView struct {
	Audience string `json:"audience"`
	Scopes   string `json:"scopes"`
}

func viewRefreshToken(t storage.Authorization, fixed bool) refreshTokenView {
	v := refreshTokenView{
		ID: t.ID, UserID: t.UserID, CreatedAt: iso(t.CreatedAt), IdleExpiresAt: iso(t.RefreshExpiresAt), ExpiresAt: iso(t.RefreshEndsAt),
		ClientID: t.ClientID, Rotating: !fixed, ResourceServers: []resourceView{{Audience: t.Audience, Scopes: t.Scope}},
	}
	if t.SessionID != "" {
		v.SessionID = &t.SessionID
	}
	if t.RefreshGeneration > 0 {
		v.LastExchangedAt = isoOrNil(t.RefreshedAt)
	}
	return v
}

func (a *API) viewRefreshTokens(ctx context.Context, tokens []storage.Authorization) ([]refreshTokenView, error) {
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	fixed := map[string]bool{}
	for _, c := range clients {
		fixed[c.ID] = c.Settings.Refresh.NonRotating
	}
	views := make([]refreshTokenView, len(tokens))
	for i, t := range tokens {
		views[i] = viewRefreshToken(t, fixed[t.ClientID])
	}
	return views, nil
}

func (a *API) userRefreshTokens(ctx context.Context, c *call) (reply, error) {
	p, err := c.checkpoint()
	if err != nil {
		return reply{}, err
	}
	tokens, err := a.cfg.Store.RefreshAuthorizations(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	views, err := a.viewRefreshTokens(ctx, of(p, tokens))
	return show(p, "tokens", len(tokens), views), err
}

func (a *API) readRefreshToken(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	t, err := a.cfg.Store.RefreshAuthorization(ctx, c.PathValue("id"))
	if errors.Is(err, storage.ErrNotFound) {
		return reply{}, notFound("inexistent_refresh_token", "The refresh token does not exist.")
	}
	if err != nil {
		return reply{}, err
	}
	views, err := a.viewRefreshTokens(ctx, []storage.Authorization{t})
	if err != nil {
		return reply{}, err
	}
	return reply{body: views[0]}, nil
}

func (a *API) endRefreshToken(ctx context.Context, c *call) (reply, error) {
	t, err := a.cfg.Store.RefreshAuthorization(ctx, c.PathValue("id"))
	if errors.Is(err, storage.ErrNotFound) {
		return accepted, nil
	}
	if err != nil {
		return reply{}, err
	}
	c.about = t.UserID
	return accepted, a.revoke(ctx, c, t)
}

func (a *API) endUserRefreshTokens(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	for {
		tokens, err := a.cfg.Store.RefreshAuthorizations(ctx, c.about)
		if err != nil || len(tokens) == 0 {
			return accepted, err
		}
		for _, t := range tokens {
			if err := a.revoke(ctx, c, t); err != nil {
				return reply{}, err
			}
		}
	}
}

// revoke ends all that an authorization gave, its access tokens too.
func (a *API) revoke(ctx context.Context, c *call, t storage.Authorization) error {
	e := a.event(c, storage.EventAuthorizationRevoked)
	e.UserID, e.ClientID = t.UserID, t.ClientID
	return a.cfg.Store.RevokeAuthorization(ctx, t.ID, e)
}
