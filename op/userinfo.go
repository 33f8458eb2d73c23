package op

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/op/web"
)

// UserInfo implements zop.Server: the claims that the access token's scopes ask for (OpenID Connect Core 1.0, section
// 5.3). A token that is not good any more is 401 invalid_token, one without openid is 403 (RFC 6750, section 3.1).
func (s *server) UserInfo(ctx context.Context, r *zop.Request[oidc.UserInfoRequest]) (*zop.Response, error) {
	t, err := s.p.live(ctx, r.Data.AccessToken)
	if errors.Is(err, errBadToken) || err == nil && t.user.ID == "" {
		e := &oidc.Error{ErrorType: "invalid_token", Description: "The access token is invalid, expired or revoked."}
		return nil, zop.NewStatusError(e, http.StatusUnauthorized)
	}
	if err != nil {
		return nil, s.p.fault(ctx, err)
	}
	web.From(ctx).ShareWith(t.client.WebOrigins)
	if !slices.Contains(t.scopes(), oidc.ScopeOpenID) {
		e := &oidc.Error{ErrorType: "insufficient_scope", Description: "The access token does not have the scope openid."}
		return nil, zop.NewStatusError(e, http.StatusForbidden)
	}
	claims := s.p.claimsOf(t.user, t.scopes())
	if r.Header.Get("Auth0-Client") != "" && claims.UpdatedAt != 0 {
		return zop.NewResponse(auth0Claims{claims, time.Unix(claims.UpdatedAt, 0).UTC().Format(time.RFC3339)}), nil
	}
	return zop.NewResponse(claims), nil
}

// auth0Claims are the claims for Auth0's SDKs, which say who they are in a header: Auth0 writes updated_at as text, and
// the one for Go reads nothing else. The standard has a number.
type auth0Claims struct {
	userClaims
	UpdatedAt string `json:"updated_at"`
}

// bearer finds the one access token of a request, in the Authorization header, whose scheme may be in any case (RFC 9110,
// section 11.1), or in the form, and lets a refusal say why (RFC 6750, sections 2 and 3).
func (p *Provider) bearer(next http.Handler) http.Handler {
	challenge := bearerChallenge(p.issuer.Host)
	why := map[int]string{
		http.StatusUnauthorized: challenge + `, error="invalid_token"`,
		http.StatusForbidden:    challenge + `, error="insufficient_scope", scope="openid"`,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		inHeader, inForm := strings.EqualFold(scheme, "bearer"), r.PostForm.Has("access_token")
		if inHeader || inForm {
			w = challenging(w, why)
		}
		switch {
		case inHeader && inForm:
			p.writeError(w, r, web.BadRequest("Send the access token once, in the header or in the form."))
			return
		case inHeader && strings.TrimSpace(token) == "", !inHeader && r.PostForm.Get("access_token") == "":
			p.writeError(w, r, zop.NewStatusError(oidc.ErrInvalidRequest().WithDescription("An access token is needed."), http.StatusUnauthorized))
			return
		case inHeader:
			r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token)) // the library knows one spelling
		}
		next.ServeHTTP(w, r)
	})
}

func bearerChallenge(host string) string { return `Bearer realm="` + host + `"` }
