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
	if !p.read("api", text, func() string { return r.Identifier }, &r) || r.System || managementAudience.MatchString(r.Identifier) {
		return // the management API is here already
	}
	name := r.Identifier
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
		a.TokenLifetime = p.within("api", name, "token_lifetime", time.Duration(r.Lifetime)*time.Second, time.Second, maxAPILifetime)
	}
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

// managementAudience is the audience of a tenant's management API.
var managementAudience = regexp.MustCompile(`^https://[^/]+/api/v2/$`)

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
	api := p.on.Management
	if !managementAudience.MatchString(g.Audience) {
		known := slices.Clone(p.on.APIs)
		for _, a := range p.APIs {
			known = append(known, a.API)
		}
		at := slices.IndexFunc(known, func(a config.API) bool { return a.Audience == g.Audience })
		if at < 0 {
			p.refuse("grant", name, "its API is not taken over")
			return
		}
		api = known[at]
	}
	scopes := []string{}
	var none []string
	for _, s := range g.Scope {
		if slices.Contains(api.Scopes, s) {
			scopes = append(scopes, s)
		} else {
			none = append(none, s)
		}
	}
	if len(none) > 0 {
		p.note("grant", name, "the API has no scopes %s", strings.Join(none, ", "))
	}
	c := &p.Clients[of]
	if c.APIs == nil {
		c.APIs = map[string][]string{}
	}
	c.APIs[api.Audience] = scopes
}
