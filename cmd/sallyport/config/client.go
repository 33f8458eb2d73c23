package config

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
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
)

// passwordless is short for the three grant types in configuration and commands.
const passwordless = "passwordless"

// PasswordlessGrants are the three grant types of passwordless login (Auth0's names).
var PasswordlessGrants = []string{
	"http://auth0.com/oauth/grant-type/passwordless/otp",
	"http://auth0.com/oauth/grant-type/passwordless/email-code",
	"http://auth0.com/oauth/grant-type/passwordless/sms-code",
}

// The ways in which a client proves itself at the token endpoint.
const (
	SecretBasic = "client_secret_basic"
	SecretPost  = "client_secret_post"
	NoSecret    = "none"
)

// minSecretChars is the least length of a plain client secret.
const minSecretChars = 32

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
}

// Public tells whether a client of this type cannot keep a secret.
func (c Client) Public() bool { return c.Type == SPA || c.Type == Native }

// LacksRedirectURI tells whether people could sign in to a client through /authorize, but nowhere to go back to is known.
func (c Client) LacksRedirectURI() bool {
	return slices.Contains(c.GrantTypes, AuthorizationCode) && len(c.RedirectURIs) == 0
}

// WithDefaults fills in what a client of this type has when nothing else is said, and writes passwordless out as the
// three grant types.
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
	if c.ResponseTypes == nil && c.Type != Machine {
		c.ResponseTypes = []string{"code"}
	}
	if c.Connections == nil {
		c.Connections = []string{"email", "sms"}
	}
	if c.AuthMethods == nil {
		c.AuthMethods = Strings{SecretBasic, SecretPost}
		if c.Public() {
			c.AuthMethods = Strings{NoSecret}
		}
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = "RS256"
	}
	if c.EmbeddedLinks == "" {
		c.EmbeddedLinks = "refuse"
	}
	return c
}

func expand(grantTypes []string) []string {
	out := []string{}
	for _, g := range grantTypes {
		names := []string{g}
		if g == passwordless {
			names = PasswordlessGrants
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
	r.oneOf(path+"type", c.Type, Web, SPA, Native, Machine)
	c.checkSecrets(path, r, loopback)
	c.checkURLs(path, r)
	c.checkGrants(path, r)
	for i, name := range c.Connections {
		r.oneOf(fmt.Sprintf("%sconnections[%d]", path, i), name, "email", "sms")
	}
	r.oneOf(path+"id_token_signed_response_alg", c.IDTokenAlg, "RS256", "ES256", "EdDSA")
	r.oneOf(path+"embedded_links", c.EmbeddedLinks, "refuse", "allow")
	c.checkAPIs(path, r, apis)
}

func (c Client) checkSecrets(path string, r *report, loopback bool) {
	switch {
	case c.Public() && len(c.Secrets) > 0:
		r.add(path+"secrets", "a client of type %s cannot keep a secret; remove it, or make the type web", c.Type)
	case !c.Public() && len(c.Secrets) == 0:
		r.add(path+"secrets", "a client of type %s needs a secret; write one of %d characters or more, such as from: openssl rand -base64 32", c.Type, minSecretChars)
	}
	for i, s := range c.Secrets {
		if problem := checkSecret(s, loopback); problem != "" {
			r.add(fmt.Sprintf("%ssecrets[%d]", path, i), "%s", problem)
		}
	}
	allowed := []string{SecretBasic, SecretPost}
	if c.Public() {
		allowed = []string{NoSecret}
	}
	for _, m := range c.AuthMethods {
		if m == "private_key_jwt" || m == "client_secret_jwt" {
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

func (c Client) checkGrants(path string, r *report) {
	key := path + "grant_types"
	if len(c.GrantTypes) == 0 {
		r.add(key, "the list is empty; remove the key for the default")
	}
	for _, g := range c.GrantTypes {
		switch {
		case g == AuthorizationCode && c.Type == Machine:
			r.add(key, "a client of type machine has no pages to sign in from; make the type web, or remove %s", g)
		case g == ClientCredentials && c.Public():
			r.add(key, "a client of type %s has no credentials; remove %s, or make the type web or machine", c.Type, g)
		case !knownGrant(g):
			r.add(key, "%q is not available in this version; write some of: %s, %s, %s, %s", g, AuthorizationCode, RefreshToken, ClientCredentials, passwordless)
		}
	}
	for i, t := range c.ResponseTypes {
		if t != "code" {
			r.add(fmt.Sprintf("%sresponse_types[%d]", path, i), "%q is not available in this version; write code", t)
		}
	}
}

func knownGrant(g string) bool {
	return g == AuthorizationCode || g == RefreshToken || g == ClientCredentials || slices.Contains(PasswordlessGrants, g)
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
