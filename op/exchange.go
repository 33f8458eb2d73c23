package op

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// errBadCode is the one answer to a code that is unknown, used, over, another client's, or comes without its proof.
func errBadCode() error {
	return oidc.ErrInvalidGrant().WithDescription("The authorization code is invalid, expired or was used already.")
}

// CodeExchange implements zop.Server: the authorization_code grant (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
// One read and one transaction. A code that is presented again ends all that it gave.
func (s *server) CodeExchange(ctx context.Context, r *zop.ClientRequest[oidc.AccessTokenRequest]) (*zop.Response, error) {
	c := asClient(r.Client)
	if id, err := unseal(s.p.cfg.Ring, labelCode, r.Data.Code); err == nil {
		return s.p.exchangeCode(ctx, c, id, r.Data)
	}
	if id, err := unseal(s.p.cfg.Ring, labelLink, r.Data.Code); err == nil {
		return s.p.exchangeLink(ctx, c, id, r.Data)
	}
	return nil, errBadCode()
}

func (p *Provider) exchangeCode(ctx context.Context, c *client, id string, req *oidc.AccessTokenRequest) (*zop.Response, error) {
	a, user, err := p.cfg.Store.AuthorizationWithUser(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, errBadCode()
	}
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	proven := provesChallenge(req.CodeVerifier, a.CodeChallenge) && (a.CodeChallenge != "" || !c.needsPKCE()) // the setting may be younger than the code
	if a.ClientID != c.ID || a.RedirectURI != req.RedirectURI || !proven || user.Blocked || a.CreatedAt.Before(c.TokensValidFrom) {
		return nil, errBadCode()
	}
	api, err := p.audience(ctx, c, a.Audience)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	a.ExpiresAt = p.lastEnd(a, p.lifetimes(c, api))
	err = p.cfg.Store.SpendCode(ctx, a, p.event(ctx, storage.EventCodeExchanged, a))
	switch {
	case errors.Is(err, storage.ErrReused), errors.Is(err, storage.ErrExpired), errors.Is(err, storage.ErrRevoked), errors.Is(err, storage.ErrNotFound):
		return nil, errBadCode()
	case err != nil:
		return nil, p.fault(ctx, err)
	}
	return p.respond(ctx, mint{client: c, authorization: a, user: user, scopes: fields(a.Scope), api: api})
}

// respond mints and wraps for the library.
func (p *Provider) respond(ctx context.Context, m mint) (*zop.Response, error) {
	tokens, err := p.issueTokens(m)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	return zop.NewResponse(tokens), nil
}

// event describes something that happened to an authorization.
func (p *Provider) event(ctx context.Context, kind string, a storage.Authorization) grants.Event {
	info := web.From(ctx)
	return grants.Event{
		Type: kind, Time: p.cfg.Now(), ClientID: a.ClientID, UserID: a.UserID, IP: info.Host(), RequestID: info.ID, Detail: a.ID,
	}
}

var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// provesChallenge checks a PKCE verifier, S256 only. A verifier without a challenge is refused like a challenge
// without a verifier, so that neither can be stripped (RFC 9700, section 2.1.1).
func provesChallenge(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return verifierForm.MatchString(verifier) && subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}
