package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// implicitTypes are the response types of the implicit grant.
var implicitTypes = []string{"token", "id_token", "token id_token"}

// Bounds of lifetimes.
const (
	minLifetime = time.Minute
	maxLifetime = 30 * 24 * time.Hour // of access and ID tokens
	maxLeeway   = time.Minute
	maxAbsolute = 365 * 24 * time.Hour // of refresh tokens
	// defaultAbsolute is what the provider takes where nothing is said.
	defaultAbsolute = 30 * 24 * time.Hour
)

func (c Client) checkGrants(path string, r *report) {
	key := path + "grant_types"
	if len(c.GrantTypes) == 0 {
		r.add(key, "the list is empty; remove the key for the default")
	}
	for _, g := range c.GrantTypes {
		switch {
		case (g == AuthorizationCode || g == Implicit) && c.Type == Machine:
			r.add(key, "a client of type machine has no pages to sign in from; make the type web, or remove %s", g)
		case g == ClientCredentials && c.Public():
			r.add(key, "a client of type %s has no credentials; remove %s, or make the type web or machine", c.Type, g)
		case !knownGrant(g):
			r.add(key, "%q is not available in this version; write some of: %s, %s, %s, %s, %s, %s", g,
				AuthorizationCode, RefreshToken, ClientCredentials, passwordless, Implicit, deviceCode)
		}
	}
	for i, t := range c.ResponseTypes {
		key := fmt.Sprintf("%sresponse_types[%d]", path, i)
		switch implicit := slices.Contains(implicitTypes, t); {
		case !implicit && t != "code":
			r.add(key, "%q is not available in this version; write some of: code, %s", t, strings.Join(implicitTypes, ", "))
		case implicit && !slices.Contains(c.GrantTypes, Implicit):
			r.add(key, "%q needs the grant type %s; add it to grant_types, or remove it here", t, Implicit)
		}
	}
}

func knownGrant(g string) bool {
	return g == AuthorizationCode || g == RefreshToken || g == ClientCredentials || g == Implicit || g == DeviceCode || slices.Contains(PasswordlessGrants, g)
}

func (c Client) checkLifetimes(path string, r *report) {
	within := func(key string, d, most time.Duration) {
		if d != 0 && (d < minLifetime || d > most) {
			r.add(path+key, "%s is not between %s and %s", d, minLifetime, most)
		}
	}
	within("access_token_lifetime", c.AccessTokenLifetime, maxLifetime)
	within("id_token_lifetime", c.IDTokenLifetime, maxLifetime)
	refresh := c.Refresh
	within("refresh.idle", refresh.Idle, maxAbsolute)
	within("refresh.absolute", refresh.Absolute, maxAbsolute)
	if l := refresh.Leeway; l != nil && (*l < 0 || *l > maxLeeway) {
		r.add(path+"refresh.leeway", "%s is not between 0s and %s", *l, maxLeeway)
	}
	absolute := refresh.Absolute
	if absolute == 0 {
		absolute = defaultAbsolute
	}
	if refresh.Idle > absolute {
		r.add(path+"refresh.idle", "%s is longer than refresh.absolute, %s", refresh.Idle, absolute)
	}
	r.oneOf(path+"refresh.rotation", refresh.Rotation, Rotating, NonRotating)
	if refresh.Rotation == NonRotating && c.Public() {
		r.add(path+"refresh.rotation", "a client of type %s cannot prove who it is, so a stolen refresh token would be good for anybody; write %s", c.Type, Rotating)
	}
	if refresh.Rotation == NonRotating && refresh.Leeway != nil {
		r.add(path+"refresh.leeway", "a token that does not rotate has none before it; remove it")
	}
}
