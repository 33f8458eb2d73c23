package main

import (
	"encoding/json"
	"errors"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

// storedClient is a described client as it is stored: plain secrets are hashed, hashed ones stay as they are.
func storedClient(c config.Client, ring *grants.Ring) storage.Client {
	secrets := make([]string, len(c.Secrets))
	for i, s := range c.Secrets {
		secrets[i] = s
		if !config.HashedSecret(s) {
			secrets[i] = ring.HashSecret(s)
		}
	}
	return storage.Client{
		ID: c.ID, Name: c.Name, Type: c.Type, Secrets: secrets,
		RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, WebOrigins: c.WebOrigins,
		GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes, Connections: c.Connections, AuthMethods: c.AuthMethods,
		IDTokenAlg: c.IDTokenAlg, EmbeddedLinks: c.EmbeddedLinks == "allow", APIs: c.APIs,
		Settings: storage.ClientSettings{
			AccessTokenLifetime: c.AccessTokenLifetime, IDTokenLifetime: c.IDTokenLifetime,
			Refresh: storage.RefreshSettings{
				NonRotating: c.Refresh.Rotation == config.NonRotating, Leeway: c.Refresh.Leeway, Idle: c.Refresh.Idle, Absolute: c.Refresh.Absolute,
			},
			TrustForwardedFor: c.TrustForwardedFor, RequirePKCE: c.RequirePKCE, JWKS: json.RawMessage(c.JWKS), Description: c.Description,
		},
	}
}

// describedClient is a stored client as flags and validation see it.
func describedClient(s storage.Client) config.Client {
	links, rotation := "refuse", config.Rotating
	if s.EmbeddedLinks {
		links = "allow"
	}
	if s.Settings.Refresh.NonRotating {
		rotation = config.NonRotating
	}
	return config.Client{
		ID: s.ID, Name: s.Name, Type: s.Type, Secrets: s.Secrets,
		RedirectURIs: s.RedirectURIs, PostLogoutRedirectURIs: s.PostLogoutRedirectURIs, WebOrigins: s.WebOrigins,
		GrantTypes: s.GrantTypes, ResponseTypes: s.ResponseTypes, Connections: s.Connections, AuthMethods: s.AuthMethods,
		IDTokenAlg: s.IDTokenAlg, EmbeddedLinks: links, APIs: s.APIs,
		AccessTokenLifetime: s.Settings.AccessTokenLifetime, IDTokenLifetime: s.Settings.IDTokenLifetime,
		Refresh: config.Refresh{
			Rotation: rotation, Leeway: s.Settings.Refresh.Leeway, Idle: s.Settings.Refresh.Idle, Absolute: s.Settings.Refresh.Absolute,
		},
		JWKS: config.JWKS(s.Settings.JWKS), TrustForwardedFor: s.Settings.TrustForwardedFor, RequirePKCE: s.Settings.RequirePKCE,
		Description: s.Settings.Description,
	}
}

// clientCheck holds a client that the management API makes to what file and commands are held to. Its grants for APIs are
// not looked at: they are given one by one.
func clientCheck(cfg *config.Config) func(storage.Client) error {
	return func(s storage.Client) error {
		c := describedClient(s)
		c.APIs = nil
		return problemsOf(c.Check(cfg.Loopback(), nil))
	}
}

// problemsOf is what validation found, a problem a line.
func problemsOf(problems config.Problems) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = errors.New(p.String())
	}
	return errors.Join(errs...)
}

// clientView is a client as commands show it. Secrets are counted, never shown.
type clientView struct {
	ID                     string              `json:"id"`
	Name                   string              `json:"name"`
	Description            string              `json:"description,omitempty"`
	Type                   string              `json:"type"`
	Secrets                int                 `json:"secrets"`
	RedirectURIs           []string            `json:"redirect_uris"`
	PostLogoutRedirectURIs []string            `json:"post_logout_redirect_uris"`
	WebOrigins             []string            `json:"web_origins"`
	GrantTypes             []string            `json:"grant_types"`
	ResponseTypes          []string            `json:"response_types"`
	Connections            []string            `json:"connections"`
	AuthMethods            []string            `json:"token_endpoint_auth_method"`
	JWKS                   json.RawMessage     `json:"jwks,omitempty"`
	IDTokenAlg             string              `json:"id_token_signed_response_alg"`
	EmbeddedLinks          string              `json:"embedded_links"`
	TrustForwardedFor      bool                `json:"trust_forwarded_for"`
	RequirePKCE            bool                `json:"require_pkce"`
	AccessTokenLifetime    string              `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime        string              `json:"id_token_lifetime,omitempty"`
	Refresh                refreshView         `json:"refresh"`
	APIs                   map[string][]string `json:"apis"`
	FromFile               bool                `json:"from_file"`
	Disabled               bool                `json:"disabled"`
	TokensValidFrom        *time.Time          `json:"tokens_valid_from"`
	CreatedAt              *time.Time          `json:"created_at"`
	UpdatedAt              *time.Time          `json:"updated_at"`
}

// refreshView leaves out what is the provider's default.
type refreshView struct {
	Rotation string `json:"rotation"`
	Leeway   string `json:"leeway,omitempty"`
	Idle     string `json:"idle,omitempty"`
	Absolute string `json:"absolute,omitempty"`
}

func viewClient(s storage.Client) clientView {
	d := describedClient(s)
	v := clientView{
		ID: d.ID, Name: d.Name, Description: d.Description, Type: d.Type, Secrets: len(d.Secrets),
		RedirectURIs: list(d.RedirectURIs), PostLogoutRedirectURIs: list(d.PostLogoutRedirectURIs), WebOrigins: list(d.WebOrigins),
		GrantTypes: list(d.GrantTypes), ResponseTypes: list(d.ResponseTypes), Connections: list(d.Connections), AuthMethods: list(d.AuthMethods),
		JWKS: json.RawMessage(d.JWKS), IDTokenAlg: d.IDTokenAlg, EmbeddedLinks: d.EmbeddedLinks, TrustForwardedFor: d.TrustForwardedFor, RequirePKCE: d.RequirePKCE,
		AccessTokenLifetime: duration(d.AccessTokenLifetime), IDTokenLifetime: duration(d.IDTokenLifetime),
		Refresh: refreshView{Rotation: d.Refresh.Rotation, Idle: duration(d.Refresh.Idle), Absolute: duration(d.Refresh.Absolute)},
		APIs:    d.APIs, FromFile: s.FromFile, Disabled: s.Disabled,
		TokensValidFrom: moment(s.TokensValidFrom), CreatedAt: moment(s.CreatedAt), UpdatedAt: moment(s.UpdatedAt),
	}
	if d.Refresh.Leeway != nil {
		v.Refresh.Leeway = d.Refresh.Leeway.String()
	}
	return v
}

// duration is empty for none.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// storedAPI is a described API, with its defaults, as it is stored.
func storedAPI(a config.API) storage.API {
	return storage.API{
		Audience: a.Audience, Name: a.Name, Scopes: a.Scopes, Alg: a.Alg, TokenLifetime: a.TokenLifetime,
		OfflineAccess: a.OfflineAccess == nil || *a.OfflineAccess,
	}
}

// describedAPI is a stored API as flags and validation see it.
func describedAPI(s storage.API) config.API {
	return config.API{
		Audience: s.Audience, Name: s.Name, Scopes: s.Scopes, Alg: s.Alg, TokenLifetime: s.TokenLifetime, OfflineAccess: &s.OfflineAccess,
	}
}
