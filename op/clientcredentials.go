package op

import (
	"context"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"
)

// ClientCredentialsExchange implements zop.Server: the client_credentials grant (RFC 6749, section 4.4). It writes
// nothing. Without a scope the client gets all that it may have of the API.
func (s *server) ClientCredentialsExchange(ctx context.Context, r *zop.ClientRequest[oidc.ClientCredentialsRequest]) (*zop.Response, error) {
	p, c := s.p, asClient(r.Client)
	api, err := p.audience(ctx, c, r.Form.Get("audience"))
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	asked := []string(r.Data.Scope)
	if len(asked) == 0 && api != nil {
		asked = c.APIs[api.Audience]
	}
	return p.respond(ctx, mint{client: c, scopes: allowedScopes(c, api, asked, false), api: api})
}
