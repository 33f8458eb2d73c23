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

	"sallyport/op/admin"
	"sallyport/storage"
)

// audience finds the API that a request asks tokens for. None asked is none given; one that does not exist or that
// the client has no grant for is an error, the same for both.
func (p *Provider) audience(ctx context.Context, c *client, audience string) (*storage.API, error) {
	if audience == "" {
		return nil, nil //nolint:nilnil // no API is an answer
	}
	if _, granted := c.APIs[audience]; !granted || audience == p.managementAudience() {
		return nil, errBadAudience()
	}
	api, err := p.apis.get(ctx, audience)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, errBadAudience()
	}
	if err != nil {
		return nil, err
	}
	return &api, nil
}

func errBadAudience() error {
	return zop.NewStatusError(oidc.ErrInvalidTarget().WithDescription("The audience is not one that this client may ask for."), http.StatusBadRequest)
}

// managementAudience names the management API, as Auth0's SDKs ask for it. It is no row among the APIs.
func (p *Provider) managementAudience() string { return p.url(pathManagement) }

// managementLifetime is how long a token for the management API lives, as long as Auth0's.
const managementLifetime = 24 * time.Hour

// machineAudience is audience for a client that asks for itself. Only so can it have the management API: whatever is
// signed in on behalf of a person administrates nothing.
func (p *Provider) machineAudience(ctx context.Context, c *client, audience string) (*storage.API, error) {
	if _, granted := c.APIs[audience]; granted && audience == p.managementAudience() {
		return &storage.API{Audience: audience, Name: "Management API", Scopes: admin.Scopes(), Alg: Algorithms()[0], TokenLifetime: managementLifetime}, nil
	}
	return p.audience(ctx, c, audience)
}

// allowedScopes keeps, of the scopes asked for, those that the client may have: ours, offline_access where it may have
// refresh tokens, and its share of the API's. Unknown ones are dropped (RFC 6749, section 3.3; the answer says
// which were given). Doubles go.
func allowedScopes(c *client, api *storage.API, asked []string, user bool) []string {
	var out []string
	for _, s := range asked {
		allowed := apiScope(c, api, s)
		if slices.Contains(Scopes(), s) {
			allowed = user && (s != oidc.ScopeOfflineAccess || offline(c, api))
		}
		if allowed && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// errNoScope is the answer to scopes of which none can be given: what was granted could not be told from what was asked.
func errNoScope() error {
	return oidc.ErrInvalidScope().WithDescription("None of the scopes can be given to this client.")
}

func apiScope(c *client, api *storage.API, scope string) bool {
	return api != nil && slices.Contains(api.Scopes, scope) && slices.Contains(c.APIs[api.Audience], scope)
}

// narrow gives the scopes that a refresh asks for, which must be among those granted (RFC 6749, section 6).
func narrow(asked, granted []string) ([]string, error) {
	if len(asked) == 0 {
		return granted, nil
	}
	for _, s := range asked {
		if !slices.Contains(granted, s) {
			return nil, oidc.ErrInvalidScope().WithDescription("The scope goes beyond what was granted.")
		}
	}
	return asked, nil
}

// validScope tells whether a scope parameter has the characters of RFC 6749, section 3.3, only.
func validScope(scope string) bool {
	for _, r := range scope {
		if r != 0x20 && r != 0x21 && (r < 0x23 || r > 0x7E || r == 0x5C) {
			return false
		}
	}
	return len(scope) <= 2048
}

func fields(scope string) []string { return strings.Fields(scope) }
