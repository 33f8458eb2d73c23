package op

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/storage"
)

// Client assertions (RFC 7523; private_key_jwt of OpenID Connect Core 1.0, section 9): the client signs, with a key whose
// public half we have, a JWT that is good once and for a few minutes.
const (
	maxAssertionBytes = 8 << 10
	// maxAssertionAge bounds how far ahead an assertion may end, and so how long its id is kept.
	maxAssertionAge = 10 * time.Minute
	// assertionSkew is how far a client's clock may be ahead of ours.
	assertionSkew = time.Minute

	ticketAssertion = "assertion"

	minRSABits = 2048
)

func assertionAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.EdDSA}
}

// assertion is what a client asserts. Nothing in it is believed before verifyAssertion.
type assertion struct {
	signed *jose.JSONWebSignature
	assertionClaims
}

type assertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"` // oidc.Audience panics where an element is no text
	ID        string           `json:"jti"`
	Expires   *jwt.NumericDate `json:"exp"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	NotBefore *jwt.NumericDate `json:"nbf"`
}

// readAssertion finds the client that a request's assertion speaks for. Whatever is wrong with an assertion is told by
// one answer.
func readAssertion(h http.Header, form url.Values) (credentials, error) {
	if form.Get("client_secret") != "" || h.Get("Authorization") != "" {
		return credentials{}, errTwoMethods()
	}
	a, err := parseAssertion(form.Get("client_assertion"))
	named := form.Get("client_id")
	if err != nil || form.Get("client_assertion_type") != oidc.ClientAssertionTypeJWTAssertion || a.Issuer == "" || a.Issuer != a.Subject || named != "" && named != a.Issuer {
		return credentials{}, errInvalidClient()
	}
	return credentials{id: a.Issuer, assertion: a, method: oidc.AuthMethodPrivateKeyJWT}, nil
}

// parseAssertion reads a compact JWS of one of our algorithms. Its typ is none, or that of such an assertion: a JWT
// that the client signed for something else is none.
func parseAssertion(raw string) (*assertion, error) {
	if len(raw) > maxAssertionBytes {
		return nil, errBadToken
	}
	signed, err := jose.ParseSignedCompact(raw, assertionAlgorithms())
	if err != nil || len(signed.Signatures) != 1 {
		return nil, errBadToken
	}
	typ, given := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
	if name, _ := typ.(string); given && !strings.EqualFold(name, "JWT") && !strings.EqualFold(name, "client-authentication+jwt") {
		return nil, errBadToken
	}
	a := &assertion{signed: signed}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &a.assertionClaims); err != nil {
		return nil, errBadToken
	}
	return a, nil
}

// verifyAssertion checks what a client asserts of itself, and that it did not before. The id of an assertion whose
// signature is wrong is not kept: nobody can use up what is not theirs.
func (p *Provider) verifyAssertion(ctx context.Context, c *client, a *assertion) error {
	if !p.timely(a.assertionClaims) || !p.addressed(a.Audience) || !a.signedBy(c.Settings.JWKS) {
		return errInvalidClient()
	}
	err := p.cfg.Store.AddTicket(ctx, storage.Ticket{
		ID: hashed(ticketAssertion + "\x00" + c.ID + "\x00" + a.ID), Kind: ticketAssertion, ClientID: c.ID, ExpiresAt: a.Expires.Time().UTC().Add(assertionSkew),
	})
	if errors.Is(err, storage.ErrExists) {
		return errInvalidClient()
	}
	return err
}

// timely tells whether an assertion has an id and is good now, for a short time.
func (p *Provider) timely(a assertionClaims) bool {
	now := p.cfg.Now()
	if a.ID == "" || a.Expires == nil || !now.Before(a.Expires.Time()) || a.Expires.Time().Sub(now) > maxAssertionAge {
		return false
	}
	if a.IssuedAt != nil && a.IssuedAt.Time().Sub(now).Abs() > maxAssertionAge { // one of long ago was made to be kept
		return false
	}
	soon := now.Add(assertionSkew)
	return (a.IssuedAt == nil || !a.IssuedAt.Time().After(soon)) && (a.NotBefore == nil || !a.NotBefore.Time().After(soon))
}

// addressed tells whether an assertion is for us and nobody else: the issuer, with or without its last slash, or one of
// the endpoints that take assertions (RFC 7523, section 3; RFC 9126, section 2).
func (p *Provider) addressed(to jwt.Audience) bool {
	bare := strings.TrimSuffix(p.cfg.Issuer, "/")
	ours := []string{bare, bare + "/", p.url(pathToken), p.url(pathRevoke), p.url(pathIntrospect), p.url(pathPush), p.url(pathDeviceCode), p.url(pathStart)}
	return len(to) > 0 && !slices.ContainsFunc(to, func(one string) bool { return !slices.Contains(ours, one) })
}

// signedBy tells whether one of a client's registered keys made the signature: the one that the header names, or, where
// one of the two has no name, any that fits. Keys in the header itself are never looked at (RFC 8725, section 3).
func (a *assertion) signedBy(registered json.RawMessage) bool {
	var set jose.JSONWebKeySet
	if len(registered) == 0 || json.Unmarshal(registered, &set) != nil {
		return false
	}
	header := a.signed.Signatures[0].Protected
	return slices.ContainsFunc(set.Keys, func(key jose.JSONWebKey) bool {
		if header.KeyID != "" && key.KeyID != "" && key.KeyID != header.KeyID || !fits(key, jose.SignatureAlgorithm(header.Algorithm)) {
			return false
		}
		_, err := a.signed.Verify(key.Public().Key)
		return err == nil
	})
}

// fits tells whether a key is one for an algorithm: of its kind, strong enough, and meant for signatures.
func fits(key jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != string(alg) {
		return false
	}
	var public crypto.PublicKey = key.Public().Key
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, alg)
	case *ecdsa.PublicKey:
		return alg == jose.ES256 && k.Params().BitSize == 256 || alg == jose.ES384 && k.Params().BitSize == 384
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false // a shared secret proves nothing that we could not have made ourselves
}
