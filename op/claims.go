package op

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"

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
	GivenName           string `json:"given_name,omitempty"`
	FamilyName          string `json:"family_name,omitempty"`
	Nickname            string `json:"nickname,omitempty"`
	Picture             string `json:"picture,omitempty"`
	Locale              string `json:"locale,omitempty"`
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
		"name", "given_name", "family_name", "nickname", "picture", "locale", "updated_at", "email", "email_verified", "phone_number", "phone_number_verified",
	}
}

func (p *Provider) claimsOf(u storage.User, scopes []string) userClaims {
	c := userClaims{Subject: u.ID}
	email, phone := u.First(grants.Email), u.First(grants.SMS)
	if slices.Contains(scopes, oidc.ScopeProfile) {
		c.Name, c.Nickname = u.Called()
		c.GivenName, c.FamilyName, c.Locale = u.Profile.GivenName, u.Profile.FamilyName, u.Profile.Locale
		c.Picture = p.picture(u.Profile.Picture, email)
		c.UpdatedAt = u.UpdatedAt.Unix()
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

// picture is the user's own, where a page could show it without a warning, else where the deployment says so that of
// their verified e-mail address at Gravatar, which learns its hash and who looks at it.
func (p *Provider) picture(own string, email storage.Identity) string {
	if u, err := url.Parse(own); err == nil && u.Scheme == "https" && u.Host != "" {
		return own
	}
	if !p.cfg.Gravatar || email.VerifiedAt.IsZero() {
		return ""
	}
	return fmt.Sprintf("https://s.gravatar.com/avatar/%x?s=480&r=pg&d=identicon", sha256.Sum256([]byte(email.Address.Value)))
}

// account is how a user is called on pages.
func account(u storage.User) string {
	return cmp.Or(u.First(grants.Email).Address.Value, u.First(grants.SMS).Address.Value, u.ID)
}
