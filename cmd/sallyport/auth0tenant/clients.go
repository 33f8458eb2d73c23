package auth0tenant

import (
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/cmd/sallyport/config"
)

type application struct {
	ID             string            `json:"client_id"`
	Secret         string            `json:"client_secret"`
	Name           string            `json:"name"`
	Description    string            `json:"description"`
	AppType        string            `json:"app_type"`
	FirstParty     *bool             `json:"is_first_party"`
	Global         bool              `json:"global"`
	Callbacks      []string          `json:"callbacks"`
	LogoutURLs     []string          `json:"allowed_logout_urls"`
	WebOrigins     []string          `json:"web_origins"`
	AllowedOrigins []string          `json:"allowed_origins"`
	GrantTypes     []string          `json:"grant_types"`
	AuthMethod     string            `json:"token_endpoint_auth_method"`
	TrustIPHeader  bool              `json:"is_token_endpoint_ip_header_trusted"`
	LogoURI        string            `json:"logo_uri"`
	LoginURI       string            `json:"initiate_login_uri"`
	Metadata       map[string]string `json:"client_metadata"`
	JWT            struct {
		Alg      string `json:"alg"`
		Lifetime int64  `json:"lifetime_in_seconds"`
	} `json:"jwt_configuration"`
	Refresh     *refreshToken `json:"refresh_token"`
	AuthMethods struct {
		Key *struct {
			Credentials []struct {
				PEM string `json:"pem"`
			} `json:"credentials"`
		} `json:"private_key_jwt"`
	} `json:"client_authentication_methods"`
}

// clientMembers are those that are read, and those that change nothing here.
var clientMembers = []string{
	"client_id", "client_secret", "name", "description", "app_type", "is_first_party", "global", "callbacks", "allowed_logout_urls",
	"web_origins", "allowed_origins", "grant_types", "token_endpoint_auth_method", "is_token_endpoint_ip_header_trusted", "logo_uri",
	"initiate_login_uri", "client_metadata", "jwt_configuration", "refresh_token", "client_authentication_methods",
	"oidc_conformant", "sso_disabled", "sso", "cross_origin_authentication", "cross_origin_auth", "custom_login_page", "custom_login_page_on",
	"callback_url_template", "signing_keys", "tenant", "native_social_login", "organization_require_behavior", "token_quota",
}

var types = map[string]string{"regular_web": config.Web, "spa": config.SPA, "native": config.Native, "non_interactive": config.Machine}

func (p *planner) client(text json.RawMessage, enabled map[string][]string) {
	var a application
	if !p.read("client", text, func() string { return a.Name }, &a) || a.Global {
		return
	}
	kind, known := types[a.AppType]
	switch {
	case a.ID == "":
		p.refuse("client", a.Name, "the export has no client_id; export with AUTH0_EXPORT_IDENTIFIERS=true")
		return
	case a.FirstParty != nil && !*a.FirstParty:
		p.refuse("client", a.Name, "it is an application of a third party, which cannot sign people in here")
		return
	case !known && a.AppType != "":
		p.refuse("client", a.Name, "there are no applications of the type %q here", a.AppType)
		return
	case !known:
		kind = p.guessType(a)
	case kind == config.Web && a.AuthMethod == config.NoSecret:
		p.refuse("client", a.Name, "it is a regular web application without a secret; make its app_type spa or native, or its token_endpoint_auth_method client_secret_post")
		return
	}
	c := Client{Said: said(text), LogoURI: a.LogoURI, InitiateLoginURI: a.LoginURI, Metadata: a.Metadata, Client: config.Client{
		ID: a.ID, Name: a.Name, Type: kind, Description: a.Description,
		RedirectURIs: unique(a.Callbacks), PostLogoutRedirectURIs: unique(a.LogoutURLs),
		WebOrigins:  unique(append(slices.Clip(a.WebOrigins), a.AllowedOrigins...)),
		Connections: p.connectionsOf(a, enabled),
	}}
	c.Said[EnabledClients] = p.export.hasConnections
	p.grantTypes(&c, a)
	p.credentials(&c, a)
	p.tokens(&c, a)
	c.Client = c.WithDefaults()
	if !p.clean(&c) {
		return
	}
	if c.LacksRedirectURI() {
		p.note("client", a.Name, "it has no callback, so nobody can sign in to it through /authorize")
	}
	if c.Connections != nil && len(c.Connections) == 0 && c.Type != config.Machine {
		p.note("client", a.Name, "it has no connection, so nobody can sign in to it: sallyport client set %s --connection email", a.ID)
	}
	p.leftOver("client", a.Name, text, clientMembers...)
	p.Clients = append(p.Clients, c)
}

// guessType is for applications whose type was never set.
func (p *planner) guessType(a application) string {
	kind := config.Web
	switch {
	case a.AuthMethod == config.NoSecret:
		kind = config.SPA
	case slices.Equal(a.GrantTypes, []string{config.ClientCredentials}):
		kind = config.Machine
	}
	p.note("client", a.Name, "it has no app_type, and is taken for one of type %s", kind)
	return kind
}

// connectionsOf are the client's connections; all, where the export does not speak of connections.
func (p *planner) connectionsOf(a application, enabled map[string][]string) []string {
	if !p.export.hasConnections {
		return nil
	}
	out := []string{}
	for _, name := range sortedKeys(enabled) {
		if slices.Contains(enabled[name], a.Name) || slices.Contains(enabled[name], a.ID) {
			out = append(out, name)
		}
	}
	return out
}

var knownGrants = append([]string{config.AuthorizationCode, config.RefreshToken, config.ClientCredentials, config.Implicit, config.DeviceCode}, config.PasswordlessGrants...)

func (p *planner) grantTypes(c *Client, a application) {
	var none []string
	for _, g := range unique(a.GrantTypes) {
		pages := g == config.AuthorizationCode || g == config.Implicit
		switch {
		case !slices.Contains(knownGrants, g):
			none = append(none, g)
		case g == config.ClientCredentials && c.Public():
			p.note("client", a.Name, "without the grant type %s: it has no credentials", g)
		case pages && c.Type == config.Machine:
			p.note("client", a.Name, "without the grant type %s: a machine has no pages to sign in from", g)
		default:
			c.GrantTypes = append(c.GrantTypes, g)
		}
	}
	if len(none) > 0 {
		p.note("client", a.Name, "without the grant types %s, which do not exist here", strings.Join(none, ", "))
	}
	if slices.Contains(c.GrantTypes, config.Implicit) {
		p.note("client", a.Name, "it may use the implicit grant, which puts tokens into addresses; take it away when the application does not need it")
	}
}

// credentials keeps the secret that the export may have. Both ways to send it work, whichever the export names.
func (p *planner) credentials(c *Client, a application) {
	if c.Public() {
		if a.AuthMethod != "" && a.AuthMethod != config.NoSecret {
			p.note("client", a.Name, "it proves itself by %s, which an application on people's devices cannot; it needs PKCE instead", a.AuthMethod)
		}
		if a.TrustIPHeader {
			p.note("client", a.Name, "its header auth0-forwarded-for is not trusted: it does not prove who it is")
		}
		return
	}
	c.TrustForwardedFor = a.TrustIPHeader
	if a.Secret != "" {
		c.Secrets = []string{a.Secret}
	}
	key := a.AuthMethods.Key
	if key == nil && a.AuthMethod != config.PrivateKeyJWT {
		return
	}
	var pems []any
	if key != nil {
		for _, credential := range key.Credentials {
			if credential.PEM != "" {
				pems = append(pems, credential.PEM)
			}
		}
	}
	if keys, err := config.ReadJWKS(pems); err == nil {
		c.JWKS, c.AuthMethods = keys, config.Strings{config.PrivateKeyJWT}
		c.Secrets = nil
		return
	}
	p.note("client", a.Name, "its public keys are not in the export, so it gets a secret; set them with: sallyport client set %s --auth-method private_key_jwt --jwks FILE", a.ID)
}

// clean takes out the addresses that the checks refuse, and the client when anything else is wrong.
func (p *planner) clean(c *Client) bool {
	apis := append(slices.Clip(p.on.APIs), p.on.Management)
	check := c.Client
	if check.UsesSecret() && len(check.Secrets) == 0 {
		check.Secrets = []string{strings.Repeat("x", 32)} // one is made when it is written
	}
	problems := check.Check(p.on.Loopback, apis)
	var rest config.Problems
	gone := map[string][]int{}
	for _, problem := range problems {
		m := listItem.FindStringSubmatch(problem.Key)
		if m == nil {
			rest = append(rest, problem)
			continue
		}
		n, _ := strconv.Atoi(m[2])
		gone[m[1]] = append(gone[m[1]], n)
		p.note("client", c.Name, "%s: %s", m[1], problem.Text)
	}
	if len(rest) > 0 {
		p.refuse("client", c.Name, "%s", say(rest))
		return false
	}
	for key, list := range map[string]*[]string{"redirect_uris": &c.RedirectURIs, "post_logout_redirect_uris": &c.PostLogoutRedirectURIs, "web_origins": &c.WebOrigins} {
		var kept []string
		for i, item := range *list {
			if !slices.Contains(gone[key], i) {
				kept = append(kept, item)
			}
		}
		*list = kept
	}
	return true
}

var listItem = regexp.MustCompile(`^(redirect_uris|post_logout_redirect_uris|web_origins)\[(\d+)\]$`)

// unique trims and drops what stands twice.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// seconds is a duration that an export gives as a number; the longest there is for one beyond it.
func seconds(n int64) time.Duration {
	const most = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(max(n, -most), most)) * time.Second
}
