package auth0tenant

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/cmd/sallyport/config"
)

type resourceServer struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Identifier string `json:"identifier"`
	System     bool   `json:"is_system"`
	Scopes     []struct {
		Value string `json:"value"`
	} `json:"scopes"`
	Alg           string `json:"signing_alg"`
	Lifetime      int64  `json:"token_lifetime"`
	OfflineAccess bool   `json:"allow_offline_access"`
}

// apiMembers are those that are read, and those that change nothing here.
var apiMembers = []string{
	"id", "name", "identifier", "is_system", "scopes", "signing_alg", "token_lifetime", "allow_offline_access",
	"token_lifetime_for_web", "skip_consent_for_verifiable_first_party_clients", "signing_secret", "token_dialect", "subject_type_authorization",
}

var apiID = regexp.MustCompile(`^[0-9a-f]{24}$`)

const maxAPILifetime = 720 * time.Hour

func (p *planner) api(text json.RawMessage) {
	var r resourceServer
	if !p.read("api", text, func() string { return r.Identifier }, &r) {
		return
	}
	name := r.Identifier
	switch {
	case p.management(name):
		p.note("api", name, "it is the tenant's management API, and there is one here already: %s", p.on.Management.Audience)
		return
	case r.System:
		p.refuse("api", name, "it is an API of Auth0 itself, which is not here")
		return
	}
	a := API{API: config.API{Audience: r.Identifier, Name: r.Name, Alg: r.Alg, OfflineAccess: &r.OfflineAccess}}
	if apiID.MatchString(r.ID) {
		a.ID = r.ID
	}
	for _, s := range r.Scopes {
		if !slices.Contains(a.Scopes, s.Value) {
			a.Scopes = append(a.Scopes, s.Value)
		}
	}
	if a.Alg != "" && a.Alg != "RS256" && a.Alg != "ES256" {
		p.note("api", name, "its tokens are signed with RS256 instead of %s, and verified with the keys at /.well-known/jwks.json", a.Alg)
		a.Alg = "RS256"
	}
	if r.Lifetime > 0 {
		a.TokenLifetime = p.within("api", name, "token_lifetime", seconds(r.Lifetime), time.Second, maxAPILifetime)
	}
	a.Said = said(text)
	a.API = a.WithDefaults()
	if problems := a.Check(p.on.Issuer); len(problems) > 0 {
		p.refuse("api", name, "%s", say(problems))
		return
	}
	p.leftOver("api", name, text, apiMembers...)
	p.APIs = append(p.APIs, a)
}

// say puts problems on one line.
func say(problems config.Problems) string {
	var out []string
	for _, problem := range problems {
		out = append(out, problem.String())
	}
	return strings.Join(out, "; ")
}

// managementAudience is what the audience of a tenant's management API looks like. Other APIs may look so too.
var managementAudience = regexp.MustCompile(`^https://([^/@:?#]+)/api/v2/$`)

// management tells whether an audience is the tenant's own management API. Whoever has scopes of it administers everything.
func (p *planner) management(audience string) bool {
	m := managementAudience.FindStringSubmatch(audience)
	if m == nil {
		return false
	}
	host := strings.ToLower(m[1])
	return p.system[audience] || strings.HasSuffix(host, ".auth0.com") || host == strings.ToLower(p.on.TenantDomain)
}

type clientGrant struct {
	ClientID string   `json:"client_id"` // or the client's name
	Audience string   `json:"audience"`
	Scope    []string `json:"scope"`
}

// grant gives a client its share of an API.
func (p *planner) grant(text json.RawMessage) {
	var g clientGrant
	if !p.read("grant", text, func() string { return g.ClientID }, &g) {
		return
	}
	name := g.ClientID + " for " + g.Audience
	of := slices.IndexFunc(p.Clients, func(c Client) bool { return c.ID == g.ClientID || c.Name == g.ClientID })
	if of < 0 {
		p.refuse("grant", name, "its client is not taken over")
		return
	}
	api, known := p.apiOf(g.Audience)
	switch {
	case !known:
		p.refuse("grant", name, "its API is not taken over")
		return
	case api.Audience == p.on.Management.Audience && !p.on.ManagementGrants:
		p.refuse("grant", name, "it is for the management API, and would administer this deployment; --management-grants gives it the scopes that there are here: %s",
			orText(strings.Join(common(g.Scope, api.Scopes), ", "), "none"))
		return
	}
	c := &p.Clients[of]
	if c.APIs == nil {
		c.APIs = map[string][]string{}
	}
	granted, none := append([]string{}, c.APIs[api.Audience]...), []string(nil) // more than one grant may name an API
	for _, s := range g.Scope {
		switch {
		case !slices.Contains(api.Scopes, s):
			none = append(none, s)
		case !slices.Contains(granted, s):
			granted = append(granted, s)
		}
	}
	c.APIs[api.Audience] = granted
	if len(none) > 0 {
		p.note("grant", name, "the API has no scopes %s", strings.Join(none, ", "))
	}
}

// apiOf is the API that an audience of the tenant is here.
func (p *planner) apiOf(audience string) (config.API, bool) {
	if p.management(audience) {
		return p.on.Management, true
	}
	for _, a := range p.APIs {
		if a.Audience == audience {
			return a.API, true
		}
	}
	at := slices.IndexFunc(p.on.APIs, func(a config.API) bool { return a.Audience == audience })
	if at < 0 {
		return config.API{}, false
	}
	return p.on.APIs[at], true
}

// common are the elements of a list that another has too.
func common(list, other []string) []string {
	var out []string
	for _, s := range list {
		if slices.Contains(other, s) {
			out = append(out, s)
		}
	}
	return out
}
