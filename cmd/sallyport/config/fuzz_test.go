package config_test

import (
	"net/url"
	"strings"
	"testing"

	"sallyport/cmd/sallyport/config"
)

// FuzzRedirectURI holds what every accepted redirect URI must be, whatever it was made of.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://app.example.com/cb", "http://localhost:3000/cb", "http://127.0.0.1/", "http://[::1]:1/", "com.example.app:/cb",
		"https://a@b/", "https://a\\@b/", "http://localhost.evil.example/", "https://a/#", "javascript:alert(1)", "https://[::1%25lo]/",
		"http://127.0.0.1:80@evil.example/", "HTTPS://A/", "https://a:/", "//a", "http://2130706433/", "http://LOCALHOST/",
	} {
		f.Add(seed, config.Web)
		f.Add(seed, config.Native)
	}
	f.Fuzz(func(t *testing.T, uri, typ string) {
		c := config.Client{ID: "a", Type: typ, RedirectURIs: []string{uri}, Secrets: []string{strings.Repeat("s", 32)}}
		if typ != config.Web {
			c.Type, c.Secrets = config.Native, nil
		}
		if len(c.WithDefaults().Check(false, nil)) > 0 {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || !u.IsAbs() || u.User != nil || strings.ContainsAny(uri, "#*\\ \t\r\n") {
			t.Fatalf("%q is accepted", uri)
		}
		switch u.Scheme {
		case "https":
			if u.Hostname() == "" {
				t.Fatalf("%q has no host and is accepted", uri)
			}
		case "http":
			if h := u.Hostname(); h != "localhost" && h != "::1" && !strings.HasPrefix(h, "127.") {
				t.Fatalf("%q is http to %q and is accepted", uri, h)
			}
		default:
			if c.Type != config.Native || !strings.Contains(u.Scheme, ".") {
				t.Fatalf("%q is accepted for %s", uri, c.Type)
			}
		}
	})
}

// FuzzFile holds that no file makes the reading of it panic.
func FuzzFile(f *testing.F) {
	f.Add("issuer: http://localhost:8080\nclients: [{id: a, type: spa, apis: {x: [y]}}]")
	f.Add("a: &a [*a]")
	f.Add("&a : *a")
	f.Add("secret: [a, b]\nlimits: {all: 0}\n")
	f.Add("? {}\n: x")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse(config.Default(), "f", []byte(text), nil)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
	})
}
