package op

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/storage"
)

// What an app can ask for: a code, or tokens in the answer itself (OpenID Connect Core 1.0, section 3.2), which only
// clients that are registered for the implicit grant get.
const (
	responseCode    = "code"
	responseToken   = "token"
	responseIDToken = "id_token"
)

func responseTypes() []string {
	return []string{responseCode, responseToken, responseIDToken, responseIDToken + " " + responseToken}
}

// responseType puts the words of a response_type into one order: theirs means nothing (RFC 6749, section 3.1.1).
func responseType(s string) string {
	words := fields(s)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// implicit tells whether an answer of this response type has tokens in it.
func implicit(responseType string) bool { return strings.Contains(responseType, responseToken) }

// checkResponse refuses an answer that we do not give, that the client is not registered for, or that its response_mode
// cannot carry.
func checkResponse(c *client, q url.Values) error {
	asked := responseType(q.Get("response_type"))
	grant, flow := oidc.GrantTypeCode, "authorization code flow"
	if implicit(asked) {
		grant, flow = oidc.GrantTypeImplicit, "implicit flow with this response_type"
	}
	registered := slices.ContainsFunc(c.Client.ResponseTypes, func(s string) bool { return responseType(s) == asked })
	switch {
	case asked == "":
		return oidc.ErrInvalidRequest().WithDescription("The response_type is missing.")
	case !slices.Contains(responseTypes(), asked):
		return &oidc.Error{ErrorType: "unsupported_response_type", Description: "The response_type must be one of " + strings.Join(responseTypes(), ", ") + "."}
	case !registered || !c.grants(grant):
		return oidc.ErrUnauthorizedClient().WithDescription("The client may not use the %s.", flow)
	case implicit(asked) && q.Get("response_mode") == modeQuery:
		return oidc.ErrInvalidRequest().WithDescription("Tokens are not given in the query: leave out the response_mode.")
	case slices.Contains(fields(asked), responseIDToken) && q.Get("nonce") == "":
		return oidc.ErrInvalidRequest().WithDescription("The response_type id_token needs a nonce.")
	case slices.Contains(fields(asked), responseIDToken) && q.Get("scope") != "" && !slices.Contains(fields(q.Get("scope")), oidc.ScopeOpenID):
		return oidc.ErrInvalidScope().WithDescription("The response_type id_token needs the scope openid.")
	}
	return checkMode(q)
}

// frontChannel makes the tokens of an answer that has them in it: no refresh token among them.
func (p *Provider) frontChannel(ctx context.Context, g granted) (url.Values, error) {
	user, err := p.cfg.Store.User(ctx, g.authorization.UserID)
	if err != nil {
		return nil, err
	}
	api, err := p.audience(ctx, g.client, g.authorization.Audience)
	if err != nil {
		return nil, err
	}
	m := mint{client: g.client, authorization: g.authorization, user: user, scopes: fields(g.authorization.Scope), api: api}
	response, now, access := url.Values{}, p.cfg.Now(), ""
	asked := fields(g.request.ResponseType)
	if slices.Contains(asked, responseToken) {
		token, lifetime, err := p.newAccessToken(m, now)
		if err != nil {
			return nil, err
		}
		access = token
		response = url.Values{
			"access_token": {token}, "token_type": {oidc.BearerToken}, "expires_in": {strconv.Itoa(int(lifetime.Seconds()))}, "scope": {g.authorization.Scope},
		}
	}
	if slices.Contains(asked, responseIDToken) {
		token, err := p.idToken(m, access, now)
		if err != nil {
			return nil, err
		}
		response.Set("id_token", token)
	}
	return response, nil
}

// canAnswer refuses to begin an answer that cannot be given, before anything is spent for it: tokens without keys.
func (p *Provider) canAnswer(req storage.AuthRequest) error {
	if implicit(req.ResponseType) && !p.keys.fresh() {
		return errNoKeys
	}
	return nil
}
