package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Problem is a problem of a key, at the line or variable that it came from.
func (c *Config) Problem(key, format string, args ...any) Problem {
	return Problem{Origin: (&report{origins: c.origins}).origin(key), Key: key, Text: fmt.Sprintf(format, args...)}
}

// CheckStart finds what is wrong with a valid configuration as soon as somebody serves with it: files that are missing
// or do not fit, and no way to sign in. It changes nothing.
func (c *Config) CheckStart() Problems {
	r := &report{origins: c.origins}
	c.checkSecretFile(r)
	c.checkCertificate(r)
	if c.noTransport() && slices.ContainsFunc(c.Clients, Client.signsIn) {
		r.add("mail.transport", "nobody can sign in: there is no way to send a code; set mail.transport or sms.transport")
	}
	return r.problems
}

// CheckSecret is the part of [Config.CheckStart] about the master secret.
func (c *Config) CheckSecret() Problems {
	r := &report{origins: c.origins}
	c.checkSecretFile(r)
	return r.problems
}

func (c *Config) checkSecretFile(r *report) {
	_, err := c.Ring()
	switch {
	case err == nil:
	case !errors.Is(err, ErrNoSecretFile):
		r.add("secret_file", "%v; place the secret there that the database was made with", err)
	case c.SQLitePath() == "":
		p := c.Problem("database.url", "Postgres needs a master secret that every process has; make one with \"openssl rand -base64 32\" and set secret, %s, or secret_file",
			VariableOf("secret"))
		p.Key = "secret"
		r.problems = append(r.problems, p)
	default:
		if info, err := os.Stat(filepath.Dir(c.SecretFile)); err != nil || !info.IsDir() {
			r.add("secret_file", "the folder of %s does not exist; make it, or name a file elsewhere", c.SecretFile)
		}
	}
}

func (c *Config) checkCertificate(r *report) {
	if c.TLS.Cert == "" {
		return
	}
	readable := true
	for _, file := range []struct{ key, path string }{{"tls.cert", c.TLS.Cert}, {"tls.key", c.TLS.Key}} {
		if _, err := os.ReadFile(file.path); err != nil {
			r.add(file.key, "%v; name a PEM file that can be read", err)
			readable = false
		}
	}
	if !readable {
		return
	}
	if _, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key); err != nil {
		r.add("tls", "%v; set cert and key to PEM files that belong together", err)
	}
}

func (c *Config) noTransport() bool {
	return c.MailTransport() == TransportNone && c.SMSTransport() == TransportNone
}

// signsIn tells whether people sign in to a client.
func (c Client) signsIn() bool {
	return slices.ContainsFunc(c.GrantTypes, func(g string) bool {
		return g == AuthorizationCode || slices.Contains(PasswordlessGrants, g)
	})
}
