package op

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/storage"
)

// client is a registered client as the library wants to see it. Most of what the library would ask of it (zop.Client)
// decides nothing here: we mint and check ourselves.
type client struct{ storage.Client }

var _ zop.Client = (*client)(nil)

// GetID is the client_id.
func (c *client) GetID() string { return c.ID }

// RedirectURIs are the registered redirect URIs.
func (c *client) RedirectURIs() []string { return c.Client.RedirectURIs }

// PostLogoutRedirectURIs are the registered addresses after a logout.
func (c *client) PostLogoutRedirectURIs() []string { return c.Client.PostLogoutRedirectURIs }

// ApplicationType is web, user agent or native.
func (c *client) ApplicationType() zop.ApplicationType {
	switch c.Type {
	case "spa":
		return zop.ApplicationTypeUserAgent
	case "native":
		return zop.ApplicationTypeNative
	}
	return zop.ApplicationTypeWeb
}

// AuthMethod is the first of the client's methods, none for a public client.
func (c *client) AuthMethod() oidc.AuthMethod {
	if len(c.AuthMethods) == 0 {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethod(c.AuthMethods[0])
}

// ResponseTypes are those that the client may ask for.
func (c *client) ResponseTypes() []oidc.ResponseType {
	out := make([]oidc.ResponseType, len(c.Client.ResponseTypes))
	for i, t := range c.Client.ResponseTypes {
		out[i] = oidc.ResponseType(t)
	}
	return out
}

// GrantTypes are those that the client may use.
func (c *client) GrantTypes() []oidc.GrantType {
	out := make([]oidc.GrantType, len(c.Client.GrantTypes))
	for i, t := range c.Client.GrantTypes {
		out[i] = oidc.GrantType(t)
	}
	return out
}

// LoginURL is the hosted login of a transaction.
func (c *client) LoginURL(id string) string { return pathLogin + "?tx=" + id }

// AccessTokenType is opaque, unless an API asks for a JWT; see mint.go.
func (c *client) AccessTokenType() zop.AccessTokenType { return zop.AccessTokenTypeBearer }

// IDTokenLifetime is how long ID tokens are good.
func (c *client) IDTokenLifetime() time.Duration {
	return given(c.Settings.IDTokenLifetime, idTokenLifetime)
}

// DevMode never loosens anything.
func (c *client) DevMode() bool { return false }

// RestrictAdditionalIdTokenScopes changes nothing; see scopes.go.
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { return unchanged }

// RestrictAdditionalAccessTokenScopes changes nothing; see scopes.go.
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return unchanged }

// IsScopeAllowed allows nothing by itself; see scopes.go.
func (c *client) IsScopeAllowed(string) bool { return false }

// IDTokenUserinfoClaimsAssertion says that ID tokens carry the claims of their scopes.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }

// ClockSkew is none.
func (c *client) ClockSkew() time.Duration { return 0 }

func unchanged(scopes []string) []string { return scopes }
