package auth0tenant

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/cmd/sallyport/config"
)

// Plan is an export in the words of the configuration.
type Plan struct {
	Clients     []Client
	APIs        []API
	Connections []Connection
	Notes       []Note // what is not taken over, or not as it was
}

// Client is a client that can be written as it is. Its secrets are those of the export, which mostly has none.
type Client struct {
	config.Client
	LogoURI, InitiateLoginURI string
	Metadata                  map[string]string
	Said                      Members
}

// API is an API that can be written as it is.
type API struct {
	config.API
	ID   string // empty where the export has none
	Said Members
}

// Members are those that the export has of an object: all else of it is a default of this plan.
type Members map[string]bool

// EnabledClients is the member of connections that tells which clients have them.
const EnabledClients = "enabled_clients"

// Any tells whether one of them is there.
func (m Members) Any(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return m[name] })
}

// said are the members of an object that have a value.
func said(text json.RawMessage) Members {
	var object map[string]any
	_ = json.Unmarshal(text, &object) // it was read before
	m := Members{}
	for name, value := range object {
		m[name] = value != nil
	}
	return m
}

// Connection is what a connection does otherwise than the deployment. What the export does not say is nil or zero.
type Connection struct {
	Name          string // email or sms
	DisableSignup *bool
	CodeLength    int
	Lifetime      time.Duration
}

// Note says of something in the export that it is not taken over, or changed.
type Note struct {
	Kind string `json:"kind"` // client, api, connection, grant or tenant
	Name string `json:"name"`
	Text string `json:"text"`
	// Refused tells that all of it is left out.
	Refused bool `json:"refused,omitempty"`
}

// Deployment is what a plan has to fit.
type Deployment struct {
	Issuer     string
	Loopback   bool
	Management config.API
	APIs       []config.API // that are there already

	TenantDomain     string // of the tenant, where it is none of auth0.com
	ManagementGrants bool   // grants for the tenant's management API become grants for this one's
}

// planner gathers a plan.
type planner struct {
	Plan
	export *Export
	on     Deployment
	system map[string]bool // audiences of APIs that are Auth0's own
}

// Plan maps the export. What it holds passes the checks of the configuration.
func (e *Export) Plan(on Deployment) Plan {
	p := &planner{export: e, on: on, system: map[string]bool{}}
	for _, name := range e.others {
		if why, said := otherParts[strings.TrimSuffix(name, ".json")]; !said || why != "" {
			p.note("tenant", name, "%s", orText(why, "nothing here corresponds to it"))
		}
	}
	for _, text := range e.apis {
		var r resourceServer
		if err := json.Unmarshal(text, &r); err == nil && r.System {
			p.system[r.Identifier] = true
		}
	}
	for _, text := range e.apis {
		p.api(text)
	}
	enabled := map[string][]string{} // name of a connection to the clients that have it
	for _, text := range e.connections {
		p.connection(text, enabled)
	}
	for _, text := range e.clients {
		p.client(text, enabled)
	}
	for _, text := range e.grants {
		p.grant(text)
	}
	if len(p.Clients) > 0 && len(p.APIs) > 0 {
		p.note("tenant", "apis", "an export does not say for which APIs applications ask on behalf of people; "+
			"allow each with: sallyport client set ID --api AUDIENCE=SCOPE,SCOPE")
	}
	return p.Plan
}

// otherParts are the other parts of an export: where to set them, or empty where nothing is lost.
var otherParts = map[string]string{
	"emailProvider": "set mail.transport in the configuration file", "emails": "set mail.transport in the configuration file",
	"emailTemplates": "set branding in the configuration file; messages have texts of their own",
	"pages":          "set branding in the configuration file", "branding": "set branding in the configuration file",
	"databases": "there are no passwords here", "database-connections": "there are no passwords here",
	"tenant": "", "_conflicts": "",
}

func (p *planner) note(kind, name, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Kind: kind, Name: name, Text: fmt.Sprintf(format, args...)})
}

func (p *planner) refuse(kind, name, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Kind: kind, Name: name, Text: fmt.Sprintf(format, args...), Refused: true})
}

// placeholder is what the deploy CLI fills in when it writes to a tenant: it stands for a value that we do not have.
var placeholder = regexp.MustCompile(`##[A-Za-z0-9_]+##|@@[A-Za-z0-9_]+@@`)

// read decodes an object, and tells of what would be taken for a value and is none.
func (p *planner) read(kind string, text json.RawMessage, name func() string, into any) bool {
	err := json.Unmarshal(text, into)
	taken, _ := json.Marshal(into) // what is not taken over may hold whatever it likes
	found := placeholder.Find(taken)
	if err != nil && found == nil {
		found = placeholder.Find(text)
	}
	switch {
	case found != nil:
		p.refuse(kind, orText(nameIn(text), "?"), "it has a placeholder, %s; export without the keyword replacement of the deploy CLI", found)
		return false
	case err != nil:
		p.refuse(kind, orText(nameIn(text), "?"), "it is malformed: %v", err)
		return false
	}
	if name() == "" {
		p.refuse(kind, "?", "it has no name")
		return false
	}
	return true
}

func nameIn(text json.RawMessage) string {
	var v map[string]any
	_ = json.Unmarshal(text, &v)
	for _, key := range []string{"name", "identifier", "client_id"} {
		if s, ok := v[key].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// leftOver notes members of an object that say something and are not taken over.
func (p *planner) leftOver(kind, name string, text json.RawMessage, known ...string) {
	var v map[string]any
	_ = json.Unmarshal(text, &v)
	var left []string
	for _, key := range slices.Sorted(maps.Keys(v)) {
		if !slices.Contains(known, key) && !empty(v[key]) {
			left = append(left, key)
		}
	}
	if len(left) > 0 {
		p.note(kind, name, "not taken over: %s", strings.Join(left, ", "))
	}
}

// within brings a duration into bounds and tells of it.
func (p *planner) within(kind, name, what string, d, least, most time.Duration) time.Duration {
	to := min(max(d, least), most)
	if to != d {
		p.note(kind, name, "%s of %s is made %s, the nearest that there is", what, d, to)
	}
	return to
}
