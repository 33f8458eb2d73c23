package storage

import "time"

// Client is an application that may use this provider.
type Client struct {
	ID, Name string
	Type     string   // web, spa, native or machine
	Secrets  []string // "hmac:<key id>:<hex>" or "sha256:<hex>"; each of them is good

	RedirectURIs, PostLogoutRedirectURIs, WebOrigins []string

	GrantTypes, ResponseTypes, Connections, AuthMethods []string

	IDTokenAlg      string // RS256, ES256 or EdDSA
	EmbeddedLinks   bool
	APIs            map[string][]string // audience to the scopes that it may have there
	FromFile        bool                // owned by the configuration file, read-only elsewhere
	Disabled        bool
	TokensValidFrom time.Time // access tokens made before are refused

	CreatedAt, UpdatedAt time.Time
}
