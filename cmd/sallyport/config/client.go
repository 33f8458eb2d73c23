package config

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The types of clients.
const (
	Web     = "web"     // a server that keeps a secret
	SPA     = "spa"     // runs in a browser
	Native  = "native"  // runs on a person's device
	Machine = "machine" // acts for itself, or for an API of its own
)

// The grant types, by their names at the token endpoint.
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	ClientCredentials = "client_credentials"
	Implicit          = "implicit"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
)

// Short names of grant types in configuration and commands.
const (
	passwordless = "passwordless" // all three
	deviceCode   = "device_code"
)

// PasswordlessGrants are the three grant types of passwordless login (Auth0's names).
var PasswordlessGrants = []string{
	"http://auth0.com/oauth/grant-type/passwordless/otp",
	"http://auth0.com/oauth/grant-type/passwordless/email-code",
	"http://auth0.com/oauth/grant-type/passwordless/sms-code",
}

// The ways in which a client proves itself at the token endpoint.
const (
	SecretBasic   = "client_secret_basic"
	SecretPost    = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"
	NoSecret      = "none"
)

// The ways in which a refresh token is used again.
const (
	Rotating    = "rotating"
	NonRotating = "non_rotating"
)

const (
	minSecretChars = 32 // of a plain client secret
	maxDescription = 200
)

// Client is an app as configuration and commands describe it.
type Client struct {
	ID                     string              `yaml:"id"`
	Name                   string              `yaml:"name"`
	Type                   string              `yaml:"type"`
	Secrets                []string            `yaml:"secrets"`
	RedirectURIs           []string            `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string            `yaml:"post_logout_redirect_uris"`
	WebOrigins             []string            `yaml:"web_origins"`
	GrantTypes             []string            `yaml:"grant_types"`
	ResponseTypes          []string            `yaml:"response_types"`
	Connections            []string            `yaml:"connections"`
	AuthMethods            Strings             `yaml:"token_endpoint_auth_method"`
	IDTokenAlg             string              `yaml:"id_token_signed_response_alg"`
	EmbeddedLinks          string              `yaml:"embedded_links"`
	APIs                   map[string][]string `yaml:"apis"`
	AccessTokenLifetime    time.Duration       `yaml:"access_token_lifetime"`
	IDTokenLifetime        time.Duration       `yaml:"id_token_lifetime"`
	Refresh                Refresh             `yaml:"refresh"`
	JWKS                   JWKS                `yaml:"jwks"`
	TrustForwardedFor      bool                `yaml:"trust_forwarded_for"`
	RequirePKCE            bool                `yaml:"require_pkce"`
	Description            string              `yaml:"description"`
}

// Refresh is how a client's refresh tokens behave. Zero values, and a nil leeway, are the defaults of the provider.
type Refresh struct {
	Rotation string         `yaml:"rotation"`
	Leeway   *time.Duration `yaml:"leeway"`
	Idle     time.Duration  `yaml:"idle"`
	Absolute time.Duration  `yaml:"absolute"`
}

// Public tells whether a client of this type cannot keep a secret.
func (c Client) Public() bool { return c.Type == SPA || c.Type == Native }

// UsesSecret tells whether a secret is one of the ways in which the client proves itself.
func (c Client) UsesSecret() bool {
	return slices.Contains(c.AuthMethods, SecretBasic) || slices.Contains(c.AuthMethods, SecretPost)
}

// LacksRedirectURI tells whether people could sign in to a client through /authorize, but nowhere to go back to is known.
func (c Client) LacksRedirectURI() bool {
	return len(c.RedirectURIs) == 0 && (slices.Contains(c.GrantTypes, AuthorizationCode) || slices.Contains(c.GrantTypes, Implicit))
}

// WithDefaults fills in what a client of this type has when nothing else is said, and writes short names of grant types
// out.
func (c Client) WithDefaults() Client {
	if c.Type == "" {
		c.Type = Web
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{AuthorizationCode, RefreshToken}
		if c.Type == Machine {
			c.GrantTypes = []string{ClientCredentials}
		}
	}
	c.GrantTypes = expand(c.GrantTypes)
	if c.ResponseTypes == nil {
		c.ResponseTypes = c.defaultResponseTypes()
	}
	if c.Connections == nil {
		c.Connections = []string{"email", "sms"}
	}
	if c.AuthMethods == nil {
		c.AuthMethods = c.defaultAuthMethods()
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = "RS256"
	}
	if c.EmbeddedLinks == "" {
		c.EmbeddedLinks = "refuse"
	}
	if c.Refresh.Rotation == "" {
		c.Refresh.Rotation = Rotating
	}
	return c
}

func (c Client) defaultResponseTypes() []string {
	var types []string
	if c.Type != Machine {
		types = append(types, "code")
	}
	if slices.Contains(c.GrantTypes, Implicit) {
		types = append(types, implicitTypes...)
	}
	return types
}

func (c Client) defaultAuthMethods() Strings {
	var methods Strings
	switch {
	case c.Public():
		return Strings{NoSecret}
	case len(c.Secrets) > 0 || len(c.JWKS) == 0:
		methods = Strings{SecretBasic, SecretPost}
	}
	if len(c.JWKS) > 0 {
		methods = append(methods, PrivateKeyJWT)
	}
	return methods
}

func expand(grantTypes []string) []string {
	out := []string{}
	for _, g := range grantTypes {
		names := []string{g}
		switch g {
		case passwordless:
			names = PasswordlessGrants
		case deviceCode:
			names = []string{DeviceCode}
		}
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// Check finds what is wrong with a client that has its defaults. Secrets may be short where the issuer is loopback.
// The APIs are those that the deployment has.
func (c Client) Check(loopback bool, apis []API) Problems {
	r := &report{}
	c.check("", r, loopback, apis)
	return r.problems
}

func (c Client) check(path string, r *report, loopback bool, apis []API) {
	if path != "" {
		path += "."
	}
	if problem := checkClientID(c.ID); problem != "" {
		r.add(path+"id", "%s", problem)
	}
	if problem := checkName(c.Name, 100); problem != "" {
		r.add(path+"name", "%s", problem)
	}
	if utf8.RuneCountInString(c.Description) > maxDescription || !utf8.ValidString(c.Description) || strings.ContainsFunc(c.Description, unicode.IsControl) {
		r.add(path+"description", "it has control characters, or more than %d of any", maxDescription)
	}
	r.oneOf(path+"type", c.Type, Web, SPA, Native, Machine)
	c.checkSecrets(path, r, loopback)
	c.checkURLs(path, r)
	c.checkGrants(path, r)
	for i, name := range c.Connections {
		r.oneOf(fmt.Sprintf("%sconnections[%d]", path, i), name, "email", "sms")
	}
	r.oneOf(path+"id_token_signed_response_alg", c.IDTokenAlg, "RS256", "ES256", "EdDSA")
	r.oneOf(path+"embedded_links", c.EmbeddedLinks, "refuse", "allow")
	if c.RequirePKCE && c.EmbeddedLinks == "allow" {
		r.add(path+"require_pkce", "embedded_links: allow lets links go without PKCE; remove one of the two")
	}
	c.checkLifetimes(path, r)
	c.checkAPIs(path, r, apis)
}

func (c Client) checkSecrets(path string, r *report, loopback bool) {
	switch {
	case c.Public() && len(c.Secrets) > 0:
		r.add(path+"secrets", "a client of type %s cannot keep a secret; remove it, or make the type web", c.Type)
	case c.UsesSecret() && !c.Public() && len(c.Secrets) == 0:
		r.add(path+"secrets", "a client of type %s needs a secret; write one of %d characters or more, such as from: openssl rand -base64 32", c.Type, minSecretChars)
	case !c.UsesSecret() && !c.Public() && len(c.Secrets) > 0:
		r.add(path+"secrets", "no method of token_endpoint_auth_method uses a secret; remove it, or add %s", SecretBasic)
	}
	for i, s := range c.Secrets {
		if problem := checkSecret(s, loopback); problem != "" {
			r.add(fmt.Sprintf("%ssecrets[%d]", path, i), "%s", problem)
		}
	}
	if problem := c.JWKS.check(); problem != "" {
		r.add(path+"jwks", "%s", problem)
	}
	signs := slices.Contains(c.AuthMethods, PrivateKeyJWT)
	switch {
	case signs && len(c.JWKS) == 0:
		r.add(path+"jwks", "%s needs the client's public keys; write a JWK set or PEM public keys", PrivateKeyJWT)
	case !signs && len(c.JWKS) > 0:
		r.add(path+"jwks", "no method of token_endpoint_auth_method uses the keys; add %s, or remove them", PrivateKeyJWT)
	}
	if c.TrustForwardedFor && c.Public() {
		r.add(path+"trust_forwarded_for", "a client of type %s does not prove who it is, so anybody could name any address; remove it", c.Type)
	}
	allowed := []string{SecretBasic, SecretPost, PrivateKeyJWT}
	if c.Public() {
		allowed = []string{NoSecret}
	}
	if len(c.AuthMethods) == 0 {
		r.add(path+"token_endpoint_auth_method", "the list is empty; remove the key for the default")
	}
	for _, m := range c.AuthMethods {
		if m == "client_secret_jwt" {
			r.add(path+"token_endpoint_auth_method", "%q %s; write one of: %s", m, later, strings.Join(allowed, ", "))
			continue
		}
		if !slices.Contains(allowed, m) {
			r.add(path+"token_endpoint_auth_method", "%q does not fit a client of type %s; write one of: %s", m, c.Type, strings.Join(allowed, ", "))
		}
	}
}

// HashedSecret tells whether a secret is written as a hash, which is kept as it is.
func HashedSecret(s string) bool {
	return strings.HasPrefix(s, "sha256:") || strings.HasPrefix(s, "hmac:")
}

func checkSecret(s string, loopback bool) string {
	if HashedSecret(s) {
		sum := s[strings.LastIndexByte(s, ':')+1:]
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 || strings.ToLower(sum) != sum {
			return "the hash is not 64 hex digits in lower case; write sha256: and what sha256sum prints"
		}
		return ""
	}
	switch {
	case s == "":
		return "the secret is empty"
	case !printable(s):
		return "the secret has characters other than printable ASCII"
	case len(s) < minSecretChars && !loopback:
		return fmt.Sprintf("the secret has %d characters; off loopback at least %d are needed, such as from: openssl rand -base64 32", len(s), minSecretChars)
	}
	return ""
}

func (c Client) checkAPIs(path string, r *report, apis []API) {
	for audience, scopes := range c.APIs {
		key := path + "apis[" + audience + "]"
		at := slices.IndexFunc(apis, func(a API) bool { return a.Audience == audience })
		if at < 0 {
			r.add(key, "there is no such API; add it to apis")
			continue
		}
		for _, s := range scopes {
			if !slices.Contains(apis[at].Scopes, s) {
				r.add(key, "the API has no scope %q; add it to the API's scopes, or remove it here", s)
			}
		}
	}
}

// checkClientID accepts visible ASCII (RFC 6749, appendix A.1, without the space).
func checkClientID(id string) string {
	if id == "" {
		return "every client needs an id"
	}
	if len(id) > 128 || !printable(id) || strings.Contains(id, " ") {
		return fmt.Sprintf("%q is not an id; write at most 128 letters, digits and signs, without spaces", id)
	}
	return ""
}

func checkName(name string, most int) string {
	switch {
	case utf8.RuneCountInString(name) > most:
		return fmt.Sprintf("the name has more than %d characters", most)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "the name has control characters; it stands in pages and mails"
	}
	return ""
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
