package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/op/admin"
)

// API is an audience that access tokens can be for.
type API struct {
	Audience      string        `yaml:"audience"`
	Name          string        `yaml:"name"`
	Scopes        []string      `yaml:"scopes"`
	Alg           string        `yaml:"alg"`
	TokenLifetime time.Duration `yaml:"token_lifetime"`
	OfflineAccess *bool         `yaml:"allow_offline_access"`
}

const (
	minTokenLifetime = time.Second
	maxTokenLifetime = 720 * time.Hour
)

// WithDefaults fills in what an API has when nothing else is said.
func (a API) WithDefaults() API {
	if a.Name == "" {
		a.Name = a.Audience
	}
	if a.Alg == "" {
		a.Alg = "RS256"
	}
	if a.TokenLifetime == 0 {
		a.TokenLifetime = time.Hour
	}
	if a.OfflineAccess == nil {
		a.OfflineAccess = new(true)
	}
	return a
}

func (c *Config) checkAPIs(r *report) {
	for i, a := range c.APIs {
		path := fmt.Sprintf("apis[%d]", i)
		a.check(path, r, c.Issuer)
		if slices.ContainsFunc(c.APIs[:i], func(b API) bool { return b.Audience == a.Audience }) {
			r.add(path+".audience", "%q stands twice; every API has an audience of its own", a.Audience)
		}
	}
}

// Check finds what is wrong with an API that has its defaults.
func (a API) Check(issuer string) Problems {
	r := &report{}
	a.check("", r, issuer)
	return r.problems
}

func (a API) check(path string, r *report, issuer string) {
	if path != "" {
		path += "."
	}
	own := strings.TrimSuffix(issuer, "/")
	switch {
	case a.Audience == "":
		r.add(path+"audience", "every API needs an audience; write the name that tokens carry, such as https://api.example.com")
	case len(a.Audience) > 255 || !printable(a.Audience) || strings.Contains(a.Audience, " "):
		r.add(path+"audience", "%q is not an audience; write at most 255 letters, digits and signs, without spaces", a.Audience)
	case a.Audience == own || strings.HasPrefix(a.Audience, own+"/"):
		r.add(path+"audience", "audiences under the issuer belong to Sallyport itself; choose another name")
	}
	if problem := checkName(a.Name, 100); problem != "" {
		r.add(path+"name", "%s", problem)
	}
	for j, s := range a.Scopes {
		if !isScope(s) {
			r.add(fmt.Sprintf("%sscopes[%d]", path, j), "%q is not a scope; write one word of printable ASCII, such as read:orders", s)
		}
	}
	r.oneOf(path+"alg", a.Alg, "RS256", "ES256", "EdDSA")
	if a.TokenLifetime < minTokenLifetime || a.TokenLifetime > maxTokenLifetime {
		r.add(path+"token_lifetime", "%s is not between %s and %s", a.TokenLifetime, minTokenLifetime, maxTokenLifetime)
	}
}

// ManagementAPI is the management API as clients may name it in their apis. It is not declared.
func (c *Config) ManagementAPI() API {
	return API{Audience: strings.TrimSuffix(c.Issuer, "/") + "/api/v2/", Scopes: admin.Scopes()}
}

// isScope accepts a scope-token (RFC 6749, section 3.3).
func isScope(s string) bool {
	return s != "" && printable(s) && !strings.ContainsAny(s, ` "\`)
}
