package storage

import (
	"encoding/json"
	"time"
)

// ClientSettings are a client's settings that are only ever read with it. The zero value means the defaults of the
// provider throughout.
type ClientSettings struct {
	AccessTokenLifetime time.Duration   `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime     time.Duration   `json:"id_token_lifetime,omitempty"`
	Refresh             RefreshSettings `json:"refresh,omitzero"`

	// TrustForwardedFor takes the address of the person from the header auth0-forwarded-for of an authenticated request.
	TrustForwardedFor bool `json:"trust_forwarded_for,omitempty"`
	// RequirePKCE gives no code without a challenge, as is so for public clients anyway (RFC 7636).
	RequirePKCE bool `json:"require_pkce,omitempty"`
	// JWKS holds the public keys (RFC 7517) that verify the client's assertions.
	JWKS json.RawMessage `json:"jwks,omitempty"`

	Description      string            `json:"description,omitempty"`
	LogoURI          string            `json:"logo_uri,omitempty"`
	InitiateLoginURI string            `json:"initiate_login_uri,omitempty"`
	Metadata         map[string]string `json:"metadata,omitempty"`
}

// RefreshSettings say how a client's refresh tokens behave. The zero value means the defaults of the provider.
type RefreshSettings struct {
	NonRotating bool           `json:"non_rotating,omitempty"` // one token for the whole life of an authorization
	Leeway      *time.Duration `json:"leeway,omitempty"`       // how long the token before the current one is good; 0: not at all
	Idle        time.Duration  `json:"idle,omitempty"`         // a token that is not used for so long ends
	Absolute    time.Duration  `json:"absolute,omitempty"`     // from the login on
}

// same compares what is stored.
func (s ClientSettings) same(t ClientSettings) bool {
	a, err := encode(s)
	b, other := encode(t)
	return err == nil && other == nil && a == b
}
