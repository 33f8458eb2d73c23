package grants

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"
)

// LibraryClients authenticates clients for [Handler] with a plain zitadel server's own VerifyClient. Client id and
// secret come by HTTP Basic or in the body, never in the address.
func LibraryClients(server zop.Server) func(*http.Request) (zop.Client, error) {
	return func(r *http.Request) (zop.Client, error) {
		cc := &zop.ClientCredentials{
			ClientID:            r.PostForm.Get("client_id"),
			ClientSecret:        r.PostForm.Get("client_secret"),
			ClientAssertion:     r.PostForm.Get("client_assertion"),
			ClientAssertionType: r.PostForm.Get("client_assertion_type"),
		}
		if id, secret, ok := r.BasicAuth(); ok {
			if cc.ClientSecret != "" || cc.ClientAssertion != "" {
				return nil, oidc.ErrInvalidRequest().WithDescription("client authentication must not use more than one method")
			}
			var errID, errSecret error
			cc.ClientID, errID = url.QueryUnescape(id)
			cc.ClientSecret, errSecret = url.QueryUnescape(secret)
			if errID != nil || errSecret != nil {
				return nil, oidc.ErrInvalidClient().WithDescription("invalid basic auth header")
			}
		}
		return server.VerifyClient(r.Context(), &zop.Request[zop.ClientCredentials]{
			Method: r.Method, URL: r.URL, Header: r.Header, Form: r.PostForm, PostForm: r.PostForm, Data: cc,
		})
	}
}

// LibraryGrant makes tokens for [Handler] with a plain zitadel provider's own storage. Scopes that the client may not
// have are left out, as at the authorization endpoint. It gives a refresh token when offline_access is asked for and
// the client may have one: the storage's CreateAccessAndRefreshTokens gets a zop.RefreshTokenRequest then, and no
// current refresh token.
func LibraryGrant(provider zop.OpenIDProvider) func(context.Context, *Granted) (func(context.Context) (any, error), error) {
	return func(_ context.Context, g *Granted) (func(context.Context) (any, error), error) {
		scopes, err := zop.ValidateAuthReqScopes(g.Client, g.Scopes)
		if err != nil {
			return nil, err
		}
		g.Scopes = scopes
		if !zop.ValidateGrantType(g.Client, oidc.GrantTypeRefreshToken) {
			g.Scopes = slices.DeleteFunc(g.Scopes, func(s string) bool { return s == oidc.ScopeOfflineAccess })
		}
		var request zop.IDTokenRequest = g
		if slices.Contains(g.Scopes, oidc.ScopeOfflineAccess) {
			request = &offline{g}
		}
		return func(ctx context.Context) (any, error) {
			return zop.CreateTokenResponse(ctx, request, g.Client, provider, true, "", "")
		}, nil
	}
}

// offline is the only shape of a request of ours for which the library makes a refresh token: it takes it for a
// refresh without a token before it.
type offline struct{ *Granted }

// SetCurrentScopes implements zop.RefreshTokenRequest.
func (o *offline) SetCurrentScopes(scopes []string) { o.Scopes = scopes }
