package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/op/admin"
)

// Admin is who may use the management API beside clients.
type Admin struct {
	Tokens []AdminToken `yaml:"tokens"`
}

// AdminToken opens the management API to whoever holds it.
type AdminToken struct {
	Name      string   `yaml:"name"`
	Token     string   `yaml:"token"`
	TokenFile string   `yaml:"token_file"` // instead of the token
	Scopes    []string `yaml:"scopes"`
	Expires   string   `yaml:"expires"`
}

// Until is when the token ends: the zero time for never. A bare date is the last day on which it works, in UTC.
func (t AdminToken) Until() (time.Time, error) {
	if t.Expires == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, t.Expires); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, t.Expires)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a date; write one such as 2027-12-31", t.Expires)
	}
	return at.UTC(), nil
}

// read takes the token from its file.
func (t *AdminToken) read() error {
	if t.TokenFile == "" {
		return nil
	}
	if t.Token != "" {
		return errors.New("token and token_file are both set; set one of the two")
	}
	text, err := os.ReadFile(t.TokenFile)
	if err != nil {
		return fmt.Errorf("%w; name a file that holds the token", err)
	}
	t.Token = strings.TrimRight(string(text), "\r\n")
	return nil
}

func (c *Config) checkAdmin(r *report) {
	c.Admin.Tokens = slices.Clone(c.Admin.Tokens)
	for i := range c.Admin.Tokens {
		path, t, before := fmt.Sprintf("admin.tokens[%d]", i), &c.Admin.Tokens[i], c.Admin.Tokens[:i]
		switch {
		case t.Name == "":
			r.add(path+".name", "every token needs a name; the audit log tells by it who did what")
		case checkName(t.Name, 100) != "":
			r.add(path+".name", "%s", checkName(t.Name, 100))
		case slices.ContainsFunc(before, func(o AdminToken) bool { return o.Name == t.Name }):
			r.add(path+".name", "%q stands twice; every token has a name of its own", t.Name)
		}
		if err := t.read(); err != nil {
			r.add(path+".token_file", "%v", err)
		} else if problem := checkToken(t.Token); problem != "" {
			r.add(path+".token", "%s", problem)
		} else if slices.ContainsFunc(before, func(o AdminToken) bool { return o.Token == t.Token }) {
			r.add(path+".token", "the token stands twice; every name has one of its own")
		}
		t.check(path, r)
	}
}

// checkToken is checkSecret without short ones and without the form that only this deployment's database has.
func checkToken(token string) string {
	switch {
	case token == "":
		return "the token is empty; make one with: openssl rand -base64 32"
	case strings.HasPrefix(token, "hmac:"):
		return "write the token, or sha256: and what sha256sum prints"
	}
	return strings.Replace(checkSecret(token, false), "the secret", "the token", 1)
}

func (t *AdminToken) check(path string, r *report) {
	if len(t.Scopes) == 0 {
		r.add(path+".scopes", `the token may do nothing; write its scopes, such as [read:users], or ["*"] for all`)
	}
	for j, s := range t.Scopes {
		if s != "*" && !slices.Contains(admin.Scopes(), s) {
			r.add(fmt.Sprintf("%s.scopes[%d]", path, j), `%q is not a scope of the management API; write "*" for all, or some of: %s`, s, strings.Join(admin.Scopes(), ", "))
		}
	}
	if _, err := t.Until(); err != nil {
		r.add(path+".expires", "%v", err)
	}
}
