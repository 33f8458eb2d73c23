package op

import (
	"context"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"
)

// ClientCredentialsExchange implements zop.Server: the client_credentials grant (RFC 6749, section 4.4). It writes
// nothing. Without a scope the client gets all that it may have of the API; of scopes none of which it may have it gets no
// token.
func (s *server) ClientCredentialsExchange(ctx context.Context, r *zop.ClientRequest[oidc.ClientCredentialsRequest]) (*zop.Response, error) {
	p, c := s.p, asClient(r.Client)
	api, err := p.machineAudience(ctx, c, r.Form.Get("audience"))
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	named := fields(r.Data.Scope.String())
	asked := named
	if len(asked) == 0 && api != nil {
		asked = c.APIs[api.Audience]
	}
	scopes := allowedScopes(c, api, asked, false)
	if len(named) > 0 && len(scopes) == 0 {
		return nil, errNoScope()
	}
	return p.respond(ctx, mint{client: c, scopes: scopes, api: api})
}
