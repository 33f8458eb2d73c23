package op

import (
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
	"sallyport/storage"
)

// Scopes are the scopes we know, beside those of APIs.
func Scopes() []string {
	return []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopePhone, oidc.ScopeOfflineAccess}
}

// userClaims are the standard claims about a user (OpenID Connect Core 1.0, section 5.1) that the scopes ask for.
// Only what a code or link proved is called verified.
type userClaims struct {
	Subject             string `json:"sub"`
	Name                string `json:"name,omitempty"`
	Nickname            string `json:"nickname,omitempty"`
	UpdatedAt           int64  `json:"updated_at,omitempty"`
	Email               string `json:"email,omitempty"`
	EmailVerified       *bool  `json:"email_verified,omitempty"`
	PhoneNumber         string `json:"phone_number,omitempty"`
	PhoneNumberVerified *bool  `json:"phone_number_verified,omitempty"`
}

// claimNames are the claims that we can give, for discovery.
func claimNames() []string {
	return []string{
		"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "sid",
		"name", "nickname", "updated_at", "email", "email_verified", "phone_number", "phone_number_verified",
	}
}

func claimsOf(u storage.User, scopes []string) userClaims {
	c := userClaims{Subject: u.ID}
	email, phone := firstIdentity(u, grants.Email), firstIdentity(u, grants.SMS)
	if slices.Contains(scopes, oidc.ScopeProfile) {
		c.Name = phone.Address.Value
		c.Nickname = c.Name
		if email.Address.Value != "" {
			c.Name = email.Address.Value
			c.Nickname, _, _ = strings.Cut(c.Name, "@")
		}
		c.UpdatedAt = u.CreatedAt.Unix()
	}
	if slices.Contains(scopes, oidc.ScopeEmail) && email.Address.Value != "" {
		verified := !email.VerifiedAt.IsZero()
		c.Email, c.EmailVerified = email.Address.Value, &verified
	}
	if slices.Contains(scopes, oidc.ScopePhone) && phone.Address.Value != "" {
		verified := !phone.VerifiedAt.IsZero()
		c.PhoneNumber, c.PhoneNumberVerified = phone.Address.Value, &verified
	}
	return c
}

func firstIdentity(u storage.User, c grants.Channel) storage.Identity {
	for _, id := range u.Identities {
		if id.Address.Channel == c {
			return id
		}
	}
	return storage.Identity{}
}

// account is how a user is called on pages.
func account(u storage.User) string {
	for _, c := range []grants.Channel{grants.Email, grants.SMS} {
		if id := firstIdentity(u, c); id.Address.Value != "" {
			return id.Address.Value
		}
	}
	return u.ID
}
