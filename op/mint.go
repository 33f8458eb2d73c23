package op

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/storage"
)

// The exact typ of each kind of JWT: none passes for another (RFC 8725, section 3.11; RFC 9068, section 2.1).
const (
	typIDToken     = "JWT"
	typAccessToken = "at+jwt"
)

// mint is everything that a token response is made of.
type mint struct {
	client        *client
	authorization storage.Authorization // zero for client_credentials
	user          storage.User          // likewise
	scopes        []string
	api           *storage.API // nil: the access token is opaque, for our own endpoints
	refreshed     bool         // with the refresh token that the authorization has now, and keeps
}

// accessClaims are a JWT access token's (RFC 9068, section 2.2).
type accessClaims struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience oidc.Audience `json:"aud"`
	ClientID string        `json:"client_id"`
	Party    string        `json:"azp"` // as client_id; Auth0's name for it
	Grant    string        `json:"gty,omitempty"`
	Scope    string        `json:"scope,omitempty"`
	ID       string        `json:"jti"`
	IssuedAt int64         `json:"iat"`
	Expires  int64         `json:"exp"`
	AuthTime int64         `json:"auth_time,omitempty"`
}

// idClaims are an ID token's (OpenID Connect Core 1.0, section 2).
type idClaims struct {
	Issuer          string   `json:"iss"`
	Audience        string   `json:"aud"`
	Expires         int64    `json:"exp"`
	IssuedAt        int64    `json:"iat"`
	AuthTime        int64    `json:"auth_time,omitempty"`
	Nonce           string   `json:"nonce,omitempty"`
	AMR             []string `json:"amr,omitempty"`
	AccessTokenHash string   `json:"at_hash,omitempty"`
	SessionID       string   `json:"sid,omitempty"`
	userClaims
}

// issueTokens makes the token response of every grant. It writes nothing.
func (p *Provider) issueTokens(m mint) (*oidc.AccessTokenResponse, error) {
	now := p.cfg.Now()
	access, lifetime, err := p.newAccessToken(m, now)
	if err != nil {
		return nil, err
	}
	response := &oidc.AccessTokenResponse{AccessToken: access, TokenType: oidc.BearerToken, ExpiresIn: uint64(lifetime.Seconds()), Scope: m.scopes}
	if m.user.ID != "" && slices.Contains(m.scopes, oidc.ScopeOpenID) {
		if response.IDToken, err = p.idToken(m, response.AccessToken, now); err != nil {
			return nil, err
		}
	}
	if m.authorization.Offline && !m.refreshed {
		response.RefreshToken = p.refreshToken(m.authorization)
	}
	return response, nil
}

// newAccessToken makes an access token and tells how long it is good.
func (p *Provider) newAccessToken(m mint, now time.Time) (string, time.Duration, error) {
	lifetime := p.lifetimes(m.client, m.api).access
	token, err := p.accessToken(accessToken{
		ID: newTokenID(m.authorization.ID), ClientID: m.client.ID, IssuedAt: now, Expires: now.Add(lifetime), Scope: strings.Join(m.scopes, " "),
	}, m)
	return token, lifetime, err
}

// accessToken is opaque, or a JWT where an API asks for it.
func (p *Provider) accessToken(t accessToken, m mint) (string, error) {
	if m.api == nil {
		return p.sealAccess(t), nil
	}
	claims := accessClaims{
		Issuer: p.cfg.Issuer, Subject: m.user.ID, Audience: oidc.Audience{m.api.Audience}, ClientID: t.ClientID, Party: t.ClientID, Scope: t.Scope,
		ID: t.ID, IssuedAt: t.IssuedAt.Unix(), Expires: t.Expires.Unix(),
	}
	if m.user.ID == "" {
		claims.Subject, claims.Grant = t.ClientID, "client-credentials" // RFC 9068, section 2.2: no user, the client itself
	} else {
		claims.AuthTime = m.authorization.AuthTime.Unix()
		if slices.Contains(m.scopes, oidc.ScopeOpenID) {
			claims.Audience = append(claims.Audience, p.url(pathUserinfo))
		}
	}
	alg := m.api.Alg
	if alg == "" {
		alg = Algorithms()[0]
	}
	return p.keys.sign(alg, typAccessToken, claims)
}

func (p *Provider) idToken(m mint, accessToken string, now time.Time) (string, error) {
	alg := m.client.IDTokenAlg
	if alg == "" {
		alg = Algorithms()[0]
	}
	a := m.authorization
	return p.keys.sign(alg, typIDToken, idClaims{
		Issuer: p.cfg.Issuer, Audience: m.client.ID, Expires: now.Add(p.lifetimes(m.client, m.api).id).Unix(), IssuedAt: now.Unix(),
		AuthTime: a.AuthTime.Unix(), Nonce: a.Nonce, AMR: a.AMR, SessionID: a.SessionID,
		AccessTokenHash: tokenHash(alg, accessToken), userClaims: p.claimsOf(m.user, m.scopes),
	})
}

// tokenHash is at_hash (OpenID Connect Core 1.0, section 3.1.3.6): the left half of the hash that alg signs with. An ID
// token that comes alone has none.
func tokenHash(alg, token string) string {
	if token == "" {
		return ""
	}
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
