package op

import (
	"time"

	"sallyport/storage"
)

// What is given lives so long where neither the client nor the API says otherwise.
const (
	accessTokenLifetime = time.Hour
	idTokenLifetime     = time.Hour
	// Refresh tokens end when they are not used for so long, and at the latest so long after the login.
	refreshIdle     = 15 * 24 * time.Hour
	refreshAbsolute = 30 * 24 * time.Hour
	// refreshLeeway is how long the token before the current one still gives the same successor (a lost answer).
	refreshLeeway = 10 * time.Second

	codeLifetime = time.Minute
	// unusedCode is how long the row of a code that nobody exchanges stays after the code's end: clocks may differ by minutes.
	unusedCode = 10 * time.Minute
)

// lifetimes are how long what a client is given lives, and how its refresh tokens behave.
type lifetimes struct {
	access, id     time.Duration
	idle, absolute time.Duration // of refresh tokens
	leeway         time.Duration // 0: none
	rotating       bool          // each use of a refresh token gives the next one
}

// lifetimes is the one place that decides them. A JWT access token lives as long as its API says, any other as the client
// says.
func (p *Provider) lifetimes(c *client, api *storage.API) lifetimes {
	set := c.Settings
	l := lifetimes{
		access: given(set.AccessTokenLifetime, accessTokenLifetime), id: given(set.IDTokenLifetime, idTokenLifetime),
		absolute: given(set.Refresh.Absolute, refreshAbsolute), leeway: refreshLeeway,
		rotating: !set.Refresh.NonRotating || c.public(),
	}
	if api != nil {
		l.access = given(api.TokenLifetime, l.access)
	}
	l.idle = min(given(set.Refresh.Idle, refreshIdle), l.absolute)
	if set.Refresh.Leeway != nil {
		l.leeway = *set.Refresh.Leeway
	}
	return l
}

// lastEnd is when the last of the tokens can end that an authorization gives, from now on.
func (p *Provider) lastEnd(a storage.Authorization, l lifetimes) time.Time {
	if a.Offline {
		return a.RefreshEndsAt.Add(l.access)
	}
	return p.cfg.Now().Add(codeLifetime + l.access)
}

func given(set, byDefault time.Duration) time.Duration {
	if set > 0 {
		return set
	}
	return byDefault
}

// offline tells whether a client may have refresh tokens for an API, or for our own endpoints.
func offline(c *client, api *storage.API) bool {
	return c.grants("refresh_token") && (api == nil || api.OfflineAccess)
}
