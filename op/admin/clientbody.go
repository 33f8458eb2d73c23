package admin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sallyport/storage"
)

// readClientBody lays what a body says over a client and checks what comes of it. The secret is one that was made, or
// given, for the client just now: it is shown once.
func (a *API) readClientBody(c storage.Client, o *object) (storage.Client, string, error) {
	typeBefore := c.Type
	setName(o, &c.Name)
	readType(o, &c)
	setTexts(o, "callbacks", &c.RedirectURIs)
	setTexts(o, "allowed_logout_urls", &c.PostLogoutRedirectURIs)
	readOrigins(o, &c)
	if typeBefore != c.Type {
		c.GrantTypes, c.AuthMethods = defaultGrants(c.Type), defaultMethods(c.Type)
	}
	setTexts(o, "grant_types", &c.GrantTypes)
	readMethod(o, &c)
	c.ResponseTypes = responseTypes(c)
	readSettings(o, &c)
	given, _ := o.text("client_secret")
	o.same("is_first_party", true)
	o.same("oidc_conformant", true)
	o.same("global", false)
	for _, name := range []string{"sso", "sso_disabled", "cross_origin_authentication", "cross_origin_auth", "custom_login_page_on"} {
		o.flag(name) // these are so, or not, without being asked for
	}
	o.without(" in this version", "addons", "allowed_clients", "client_aliases", "client_authentication_methods", "compliance_level", "cross_origin_loc",
		"custom_login_page", "custom_login_page_preview", "default_organization", "encryption_key", "form_template", "mobile", "native_social_login",
		"oidc_backchannel_logout", "oidc_logout", "organization_require_behavior", "organization_usage", "require_proof_of_possession",
		"require_pushed_authorization_requests", "signed_request_object", "signing_keys", "token_exchange")
	if err := o.done(); err != nil {
		return c, "", err
	}
	secret, err := a.settleSecret(&c, given)
	if err != nil {
		return c, "", err
	}
	return c, secret, checked(a.cfg.CheckClient, c)
}

func setText(o *object, name string, to *string) {
	if s, ok := o.text(name); ok {
		*to = s
	}
}

// setName reads a name, which is never empty.
func setName(o *object, to *string) {
	if setText(o, "name", to); o.has("name") && *to == "" {
		o.wrong("String is too short (0 chars), minimum 1: %sname", o.path)
	}
}

func setTexts(o *object, name string, to *[]string) {
	if s, ok := o.texts(name); ok {
		*to = s
	}
}

func clearText(o *object, name string, to *string) {
	if s, ok := o.clearable(name); ok {
		*to = s
	}
}

// maxSeconds is the longest that any lifetime can be, a year.
const maxSeconds = 31_622_400

func setSeconds(o *object, name string, to *time.Duration) {
	if n, ok := o.number(name, 1, maxSeconds); ok {
		*to = time.Duration(n) * time.Second
	}
}

func readType(o *object, c *storage.Client) {
	name, ok := o.text("app_type")
	switch {
	case !ok && c.Type == "":
		c.Type = "web"
	case ok:
		c.Type = ""
		for ours, theirs := range appTypes {
			if theirs == name {
				c.Type = ours
			}
		}
		if c.Type == "" {
			o.wrong("app_type must be one of native, spa, regular_web, non_interactive")
		}
	}
}

// readOrigins reads the two names that the one list of origins has at Auth0.
func readOrigins(o *object, c *storage.Client) {
	web, isWeb := o.texts("web_origins")
	allowed, isAllowed := o.texts("allowed_origins")
	if isWeb || isAllowed {
		c.WebOrigins = nil
		for _, origin := range slices.Concat(web, allowed) {
			if !slices.Contains(c.WebOrigins, origin) {
				c.WebOrigins = append(c.WebOrigins, origin)
			}
		}
	}
}

func defaultGrants(kind string) []string {
	if kind == "machine" {
		return []string{"client_credentials"}
	}
	return []string{"authorization_code", "refresh_token"}
}

func defaultMethods(kind string) []string {
	if kind == "spa" || kind == "native" {
		return []string{"none"}
	}
	return []string{"client_secret_post", "client_secret_basic"}
}

// readMethod reads how a client authenticates. With a secret it may send it either way, as at Auth0.
func readMethod(o *object, c *storage.Client) {
	method, ok := o.text("token_endpoint_auth_method")
	switch {
	case !ok:
	case method == "none":
		c.AuthMethods = []string{"none"}
	case method == "client_secret_post":
		c.AuthMethods = []string{"client_secret_post", "client_secret_basic"}
	case method == "client_secret_basic":
		c.AuthMethods = []string{"client_secret_basic", "client_secret_post"}
	case len(c.AuthMethods) > 0 && method == c.AuthMethods[0]: // another one, from the file or a command
	default:
		o.wrong("token_endpoint_auth_method must be one of none, client_secret_post, client_secret_basic")
	}
}

// responseTypes are those that the grant types allow.
func responseTypes(c storage.Client) []string {
	var out []string
	if slices.Contains(c.GrantTypes, "authorization_code") {
		out = append(out, "code")
	}
	if slices.Contains(c.GrantTypes, "implicit") {
		out = append(out, "token", "id_token", "token id_token")
	}
	return out
}

func readSettings(o *object, c *storage.Client) {
	s := &c.Settings
	clearText(o, "description", &s.Description)
	clearText(o, "logo_uri", &s.LogoURI)
	clearText(o, "initiate_login_uri", &s.InitiateLoginURI)
	for _, name := range []string{"logo_uri", "initiate_login_uri"} {
		if v, _ := o.clearable(name); v != "" && !isHTTPS(v) {
			o.wrong("%s must be an address that begins with https://", name)
		}
	}
	if trusts, ok := o.flag("is_token_endpoint_ip_header_trusted"); ok {
		s.TrustForwardedFor = trusts
	}
	readJWT(o, c)
	readRefresh(o, &s.Refresh)
	readClientMetadata(o, s)
}

func readJWT(o *object, c *storage.Client) {
	jwt, _ := o.object("jwt_configuration")
	setText(jwt, "alg", &c.IDTokenAlg)
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = "RS256"
	}
	setSeconds(jwt, "lifetime_in_seconds", &c.Settings.IDTokenLifetime)
	jwt.without("", "secret_encoded", "scopes")
	o.within(jwt)
}

func readRefresh(o *object, r *storage.RefreshSettings) {
	refresh, _ := o.object("refresh_token")
	if kind, ok := refresh.text("rotation_type"); ok {
		if kind != rotating && kind != nonRotating {
			o.wrong("refresh_token.rotation_type must be one of %s, %s", rotating, nonRotating)
		}
		r.NonRotating = kind == nonRotating
	}
	refresh.same("expiration_type", "expiring")
	refresh.same("infinite_token_lifetime", false)
	refresh.same("infinite_idle_token_lifetime", false)
	if n, ok := refresh.number("leeway", 0, 60); ok {
		leeway := time.Duration(n) * time.Second
		r.Leeway = &leeway
	}
	setSeconds(refresh, "token_lifetime", &r.Absolute)
	setSeconds(refresh, "idle_token_lifetime", &r.Idle)
	refresh.without("", "policies")
	o.within(refresh)
}

// readClientMetadata merges client_metadata at its top level; null removes.
func readClientMetadata(o *object, s *storage.ClientSettings) {
	const mostKeys, mostChars = 10, 255
	given, _ := o.object("client_metadata")
	merged := maps.Clone(s.Metadata)
	if merged == nil {
		merged = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(given.members)) {
		v, ok := given.clearable(name)
		if len(name) > mostChars || len(v) > mostChars {
			o.wrong("client_metadata has names and values of at most %d characters", mostChars)
		}
		if merged[name] = v; ok && v == "" {
			delete(merged, name)
		}
	}
	if len(merged) > mostKeys {
		o.wrong("client_metadata has at most %d members", mostKeys)
	}
	s.Metadata = merged
	o.within(given)
}

const minSecretChars, maxSecretChars = 32, 256

// settleSecret gives a client the secret that was sent, or makes one where it needs one and has none.
func (a *API) settleSecret(c *storage.Client, given string) (string, error) {
	switch {
	case public(c.AuthMethods):
		c.Secrets = nil
		if given != "" {
			return "", badBody("client_secret: a client whose token_endpoint_auth_method is none has no secret")
		}
		return "", nil
	case given == "" && (len(c.Secrets) > 0 || !slices.ContainsFunc(c.AuthMethods, func(m string) bool { return strings.HasPrefix(m, "client_secret_") })):
		return "", nil
	case given == "":
		given = newSecret()
	case len(given) < minSecretChars || len(given) > maxSecretChars || strings.ContainsFunc(given, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", badBody(fmt.Sprintf("client_secret must have %d to %d printable ASCII characters", minSecretChars, maxSecretChars))
	}
	c.Secrets = []string{a.cfg.Ring.HashSecret(given)}
	return given, nil
}
