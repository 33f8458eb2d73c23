package auth0tenant

import (
	"time"

	"sallyport/cmd/sallyport/config"
)

type refreshToken struct {
	Rotation         string `json:"rotation_type"`
	Expiration       string `json:"expiration_type"`
	Leeway           int64  `json:"leeway"`
	Lifetime         int64  `json:"token_lifetime"`
	IdleLifetime     int64  `json:"idle_token_lifetime"`
	InfiniteLifetime bool   `json:"infinite_token_lifetime"`
	InfiniteIdle     bool   `json:"infinite_idle_token_lifetime"`
}

const (
	leastLifetime = time.Minute
	mostIDToken   = 30 * 24 * time.Hour
	mostRefresh   = 365 * 24 * time.Hour
	mostLeeway    = time.Minute

	// defaultAbsolute is when refresh tokens end where nothing is said.
	defaultAbsolute = 30 * 24 * time.Hour
)

// tokens takes over how long tokens live and how they are signed.
func (p *planner) tokens(c *Client, a application) {
	if alg := a.JWT.Alg; alg != "" && alg != "RS256" {
		p.note("client", a.Name, "its ID tokens are signed with RS256 instead of %s", alg)
	}
	if n := a.JWT.Lifetime; n > 0 {
		c.IDTokenLifetime = p.within("client", a.Name, "jwt_configuration.lifetime_in_seconds", seconds(n), leastLifetime, mostIDToken)
	}
	if a.Refresh != nil {
		p.refresh(c, a.Name, *a.Refresh)
	}
}

func (p *planner) refresh(c *Client, name string, r refreshToken) {
	c.Refresh.Rotation = config.Rotating
	if r.Rotation == "non-rotating" {
		c.Refresh.Rotation = config.NonRotating
		if c.Public() {
			c.Refresh.Rotation = config.Rotating
			p.note("client", name, "its refresh tokens rotate: an application without credentials cannot keep one (RFC 9700, section 2.2.2)")
		}
	}
	if c.Refresh.Rotation == config.Rotating && r.Rotation == "rotating" {
		leeway := p.within("client", name, "refresh_token.leeway", seconds(r.Leeway), 0, mostLeeway)
		c.Refresh.Leeway = &leeway
	}
	endless := r.InfiniteLifetime || r.Expiration == "non-expiring"
	switch {
	case endless:
		c.Refresh.Absolute = mostRefresh
		p.note("client", name, "its refresh tokens end after %s: none is without end here", mostRefresh)
	case r.Lifetime > 0:
		c.Refresh.Absolute = p.within("client", name, "refresh_token.token_lifetime", seconds(r.Lifetime), leastLifetime, mostRefresh)
	}
	absolute := c.Refresh.Absolute
	if absolute == 0 {
		absolute = defaultAbsolute
	}
	switch {
	case r.InfiniteIdle || endless && r.IdleLifetime == 0:
		c.Refresh.Idle = absolute
	case r.IdleLifetime > 0:
		c.Refresh.Idle = min(absolute, p.within("client", name, "refresh_token.idle_token_lifetime", seconds(r.IdleLifetime), leastLifetime, mostRefresh))
	}
}
