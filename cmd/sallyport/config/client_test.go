package config_test

import (
	"slices"
	"strings"
	"testing"

	"sallyport/cmd/sallyport/config"
)

func TestRedirectURIs(t *testing.T) {
	for _, test := range []struct {
		uri, typ string
		ok       bool
	}{
		{"https://app.example.com/callback", config.Web, true},
		{"https://app.example.com/callback?a=b", config.Web, true},
		{"https://app.example.com:8443", config.SPA, true},
		{"http://localhost:3000/cb", config.Web, true},
		{"http://127.0.0.1:3000/cb", config.Web, true},
		{"http://[::1]/cb", config.Native, true},
		{"com.example.app:/callback", config.Native, true},
		{"com.example.app://callback", config.Native, true},

		{"http://app.example.com/callback", config.Web, false},
		{"http://localhost.example.com/", config.Web, false},
		{"http://127.0.0.1.example.com/", config.Web, false},
		{"https://app.example.com/callback#", config.Web, false},
		{"https://app.example.com/#/cb", config.Web, false},
		{"https://*.example.com/", config.Web, false},
		{"https://user@app.example.com/", config.Web, false},
		{"https://app.example.com:/", config.Web, false},
		{"https://app.example.com:99999/", config.Web, false},
		{"https:///callback", config.Web, false},
		{"https:callback", config.Web, false},
		{"https://app.example.com\\@evil.example/", config.Web, false},
		{"https://app.example.com/ /", config.Web, false},
		{"https://app.example.com/\n", config.Web, false},
		{"https://äpp.example.com/", config.Web, false},
		{"//app.example.com/", config.Web, false},
		{"/callback", config.Web, false},
		{"", config.Web, false},
		{"com.example.app:/callback", config.Web, false},
		{"com.example.app:/callback", config.SPA, false},
		{"myapp:/callback", config.Native, false},
		{"javascript:alert(1)", config.Native, false},
		{"data:text/html,x", config.Native, false},
	} {
		c := config.Client{ID: "a", Type: test.typ, RedirectURIs: []string{test.uri}, PostLogoutRedirectURIs: []string{test.uri}}
		if test.typ == config.Web {
			c.Secrets = []string{strings.Repeat("s", 32)}
		}
		problems := c.WithDefaults().Check(false, nil)
		if ok := len(problems) == 0; ok != test.ok {
			t.Errorf("%q for %s: problems %v", test.uri, test.typ, problems)
		}
		if !test.ok && len(problems) != 2 {
			t.Errorf("%q: the two lists have not one rule: %v", test.uri, problems)
		}
	}
}

func TestWebOriginsAreWhatBrowsersSend(t *testing.T) {
	for origin, ok := range map[string]bool{
		"https://app.example.com": true, "https://app.example.com:8443": true, "http://localhost:3000": true,
		"https://app.example.com/": false, "https://APP.example.com": false, "https://app.example.com:443": false,
		"http://app.example.com": false, "*": false, "null": false, "app.example.com": false, "https://a@b.example": false,
	} {
		c := config.Client{ID: "a", Type: config.SPA, WebOrigins: []string{origin}}
		if problems := c.WithDefaults().Check(false, nil); (len(problems) == 0) != ok {
			t.Errorf("%q: problems %v", origin, problems)
		}
	}
}

func TestClientDefaultsByType(t *testing.T) {
	for typ, want := range map[string]config.Client{
		config.Web:     {GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethods: config.Strings{"client_secret_basic", "client_secret_post"}},
		config.SPA:     {GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethods: config.Strings{"none"}},
		config.Native:  {GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethods: config.Strings{"none"}},
		config.Machine: {GrantTypes: []string{"client_credentials"}, AuthMethods: config.Strings{"client_secret_basic", "client_secret_post"}},
	} {
		got := config.Client{ID: "a", Type: typ}.WithDefaults()
		if !slices.Equal(got.GrantTypes, want.GrantTypes) || !slices.Equal(got.AuthMethods, want.AuthMethods) || got.Name != "a" ||
			!slices.Equal(got.Connections, []string{"email", "sms"}) || got.IDTokenAlg != "RS256" || got.EmbeddedLinks != "refuse" {
			t.Errorf("%s: %+v", typ, got)
		}
	}
}

func TestPasswordlessIsThreeGrants(t *testing.T) {
	got := config.Client{ID: "a", Type: config.Machine, GrantTypes: []string{"passwordless", "client_credentials", config.PasswordlessGrants[0]}}.WithDefaults()
	if len(got.GrantTypes) != 4 || !slices.Equal(got.GrantTypes[:3], config.PasswordlessGrants) {
		t.Errorf("got %v", got.GrantTypes)
	}
}

func TestClientProblems(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no id":                 {"{secrets: [$]}", "clients[0].id"},
		"id with space":         {"{id: 'a b', secrets: [$]}", "clients[0].id"},
		"unknown type":          {"{id: a, type: server, secrets: [$]}", "clients[0].type"},
		"no secret":             {"{id: a}", "needs a secret"},
		"short secret":          {"{id: a, secrets: [short]}", "clients[0].secrets[0]"},
		"broken hash":           {"{id: a, secrets: ['sha256:abc']}", "64 hex digits"},
		"public with secret":    {"{id: a, type: spa, secrets: [$]}", "cannot keep a secret"},
		"public with basic":     {"{id: a, type: spa, token_endpoint_auth_method: client_secret_basic}", "does not fit"},
		"no authentication":     {"{id: a, secrets: [$], token_endpoint_auth_method: none}", "does not fit"},
		"client_secret_jwt":     {"{id: a, secrets: [$], token_endpoint_auth_method: client_secret_jwt}", "not available in this version"},
		"signs without keys":    {"{id: a, token_endpoint_auth_method: private_key_jwt}", "clients[0].jwks"},
		"secret without use":    {"{id: a, secrets: [$], token_endpoint_auth_method: private_key_jwt, jwks: #}", "clients[0].secrets"},
		"keys without use":      {"{id: a, secrets: [$], token_endpoint_auth_method: client_secret_post, jwks: #}", "clients[0].jwks"},
		"public that signs":     {"{id: a, type: spa, token_endpoint_auth_method: private_key_jwt, jwks: #}", "does not fit"},
		"no keys":               {"{id: a, jwks: {keys: []}}", "JWK set"},
		"no way to prove":       {"{id: a, secrets: [$], token_endpoint_auth_method: []}", "token_endpoint_auth_method"},
		"implicit machine":      {"{id: a, type: machine, secrets: [$], grant_types: [implicit]}", "no pages"},
		"tokens without grant":  {"{id: a, secrets: [$], response_types: [token]}", "needs the grant type implicit"},
		"hybrid":                {"{id: a, secrets: [$], grant_types: [implicit], response_types: [code id_token]}", "not available in this version"},
		"short access tokens":   {"{id: a, secrets: [$], access_token_lifetime: 59s}", "clients[0].access_token_lifetime"},
		"long ID tokens":        {"{id: a, secrets: [$], id_token_lifetime: 721h}", "clients[0].id_token_lifetime"},
		"long refresh":          {"{id: a, secrets: [$], refresh: {absolute: 8761h}}", "clients[0].refresh.absolute"},
		"idle past absolute":    {"{id: a, secrets: [$], refresh: {idle: 2h, absolute: 1h}}", "clients[0].refresh.idle"},
		"idle past the default": {"{id: a, secrets: [$], refresh: {idle: 721h}}", "clients[0].refresh.idle"},
		"long leeway":           {"{id: a, secrets: [$], refresh: {leeway: 61s}}", "clients[0].refresh.leeway"},
		"negative leeway":       {"{id: a, secrets: [$], refresh: {leeway: -1s}}", "clients[0].refresh.leeway"},
		"rotation":              {"{id: a, secrets: [$], refresh: {rotation: never}}", "rotating, non_rotating"},
		"public non-rotating":   {"{id: a, type: native, refresh: {rotation: non_rotating}}", "stolen refresh token"},
		"leeway of nothing":     {"{id: a, secrets: [$], refresh: {rotation: non_rotating, leeway: 1s}}", "clients[0].refresh.leeway"},
		"public with trust":     {"{id: a, type: spa, trust_forwarded_for: true}", "anybody could name any address"},
		"links without PKCE":    {"{id: a, secrets: [$], require_pkce: true, embedded_links: allow}", "clients[0].require_pkce"},
		"description":           {`{id: a, secrets: [$], description: "a\nb"}`, "clients[0].description"},
		"other management API":  {"{id: a, secrets: [$], apis: {'https://login.example.com/api/v2/': ['read:everything']}}", `no scope "read:everything"`},
		"password":              {"{id: a, secrets: [$], grant_types: [password]}", "not available in this version"},
		"no grants":             {"{id: a, secrets: [$], grant_types: []}", "list is empty"},
		"response type":         {"{id: a, secrets: [$], response_types: [code, id_token]}", "clients[0].response_types[1]"},
		"machine with pages":    {"{id: a, type: machine, secrets: [$], grant_types: [authorization_code]}", "no pages"},
		"public with cc":        {"{id: a, type: spa, grant_types: [client_credentials]}", "no credentials"},
		"unknown connection":    {"{id: a, secrets: [$], connections: [fax]}", "clients[0].connections[0]"},
		"HS256":                 {"{id: a, secrets: [$], id_token_signed_response_alg: HS256}", "RS256, ES256, EdDSA"},
		"unknown API":           {"{id: a, secrets: [$], apis: {'https://x': []}}", "no such API"},
		"unknown scope":         {"{id: a, secrets: [$], apis: {'https://api': [write]}}", `no scope "write"`},
		"back-channel logout":   {"{id: a, secrets: [$], backchannel_logout_uri: 'https://x'}", "not available in this version"},
		"name with line break":  {`{id: a, secrets: [$], name: "a\nBcc: x"}`, "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "issuer: https://login.example.com\napis: [{audience: 'https://api', scopes: [read]}]\nclients:\n  - " +
				strings.NewReplacer("$", strings.Repeat("s", 32), "#", "{keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}").Replace(test.text)
			_, problems := parse(t, text)
			if !strings.Contains(problems, test.want) || !strings.Contains(problems, "sallyport.yaml:4") {
				t.Errorf("%q does not say %q at line 4", problems, test.want)
			}
		})
	}
}

func TestAddressesStandOnce(t *testing.T) {
	_, problems := parse(t, "clients:\n  - {id: a, type: spa, redirect_uris: ['https://a.example/', 'https://a.example/'],\n"+
		"     web_origins: ['https://a.example', 'https://a.example']}\n")
	for _, want := range []string{"redirect_uris[1]", "web_origins[1]", "stands twice"} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q does not say %q", problems, want)
		}
	}
}

func TestSameClientTwice(t *testing.T) {
	_, problems := parse(t, "clients:\n  - {id: a, type: spa}\n  - {id: a, type: spa}\n")
	if !strings.Contains(problems, "sallyport.yaml:3: clients[1].id") {
		t.Errorf("got %q", problems)
	}
}

func TestShortSecretsOnLoopbackOnly(t *testing.T) {
	const client = "\nclients: [{id: a, secrets: [demo], redirect_uris: ['http://localhost:1/cb']}]"
	if _, problems := parse(t, "issuer: http://127.0.0.1:8080"+client); problems != "" {
		t.Error(problems)
	}
	if _, problems := parse(t, "issuer: https://login.example.com"+client); problems == "" {
		t.Error("a short secret is accepted off loopback")
	}
}

func TestDefaultsFollowGrantsAndCredentials(t *testing.T) {
	text := "issuer: https://login.example.com/\nclients:\n" +
		"  - {id: a, redirect_uris: ['https://a.example/'], grant_types: [implicit, device_code], jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}\n" +
		"  - {id: b, type: machine, secrets: [$], jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}, apis: {'https://login.example.com/api/v2/': ['read:users']}, refresh: {leeway: 0s}}\n"
	c, problems := parse(t, strings.ReplaceAll(text, "$", strings.Repeat("s", 32)))
	if problems != "" {
		t.Fatal(problems)
	}
	a, b := c.Clients[0], c.Clients[1]
	if !slices.Equal(a.ResponseTypes, []string{"code", "token", "id_token", "token id_token"}) || a.GrantTypes[1] != config.DeviceCode ||
		!slices.Equal(a.AuthMethods, config.Strings{"private_key_jwt"}) || a.Refresh.Leeway != nil {
		t.Errorf("got %+v", a)
	}
	if len(b.ResponseTypes) != 0 || !slices.Equal(b.AuthMethods, config.Strings{"client_secret_basic", "client_secret_post", "private_key_jwt"}) ||
		b.Refresh.Leeway == nil || *b.Refresh.Leeway != 0 {
		t.Errorf("got %+v", b)
	}
}
