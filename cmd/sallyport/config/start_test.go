package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStartNeedsItsFilesAndAWayToSignIn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.pem")
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	const public = "issuer: https://login.example.com\n"
	secret := "secret: " + strings.Repeat("a", 32) + "\n"
	spa := "clients: [{id: a, type: spa, redirect_uris: ['https://a.example.com/']}]"
	machine := "clients: [{id: a, type: machine, secrets: ['" + strings.Repeat("a", 32) + "']"
	for name, test := range map[string]struct{ text, want string }{
		"defaults":                    {"secret_file: " + filepath.Join(dir, "new"), ""},
		"short secret file":           {"secret_file: " + file, "sallyport.yaml:1: secret_file: "},
		"secret file in no folder":    {"secret_file: " + filepath.Join(dir, "no", "secret"), "make it, or name a file elsewhere"},
		"secret file is a folder":     {"secret_file: " + dir, "sallyport.yaml:1: secret_file: "},
		"certificate missing":         {public + "mail: {transport: none}\n" + secret + "tls: {cert: none.pem, key: " + file + "}", "sallyport.yaml:4: tls.cert: "},
		"key missing":                 {public + secret + "tls: {cert: " + file + ", key: none.pem}", "sallyport.yaml:3: tls.key: "},
		"certificate of nothing":      {public + secret + "tls: {cert: " + file + ", key: " + file + "}", "belong together"},
		"no way to sign in":           {public + secret + spa, "set mail.transport or sms.transport"},
		"no way, API's own screen":    {public + secret + machine + ", grant_types: [passwordless]}]", "set mail.transport or sms.transport"},
		"no way, for a machine":       {public + secret + machine + "}]", ""},
		"no way, without clients":     {public + secret, ""},
		"one way, and somebody on it": {public + secret + "mail: {transport: smtp, smtp: {addr: 'm.example.com:25'}}\n" + spa, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, problems := parse(t, test.text)
			if problems != "" {
				t.Fatal(problems)
			}
			got := c.CheckStart()
			if test.want == "" && len(got) > 0 || test.want != "" && !strings.Contains(got.Error(), test.want) {
				t.Errorf("got %v, want %q", got, test.want)
			}
		})
	}
}

func TestOddValuesAreWarnedAbout(t *testing.T) {
	const smtp = "mail: {transport: smtp, smtp: {addr: 'm.example.com:25'}}"
	for name, test := range map[string]struct{ text, want string }{
		"no transport":           {"issuer: https://login.example.com", "nobody could sign in"},
		"sender of localhost":    {"issuer: https://login.example.com\n" + smtp, "mail.from: mails from login@localhost"},
		"that on loopback":       {smtp, ""},
		"every limit off":        {"limits: {all: '0'}", "sallyport.yaml:1: limits.all: every limit is off"},
		"nothing odd by default": {"", ""},
		"the internet as proxy":  {"trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]", "sallyport.yaml:1: trusted_proxies[1]: 0.0.0.0/0 trusts strangers: anybody can write X-Forwarded-For"},
		"IPv6 as proxy":          {"trusted_proxies: ['::/0']", "trusted_proxies[0]: ::/0 trusts strangers"},
		"half of IPv4 as proxy":  {"trusted_proxies: [128.0.0.0/1]", "128.0.0.0/1 trusts strangers"},
		"all public IPv6":        {"trusted_proxies: ['2000::/3']", "2000::/3 trusts strangers"},
		"networks of one's own":  {"trusted_proxies: [10.0.0.0/8, 'fc00::/7', 172.16.0.0/12, 127.0.0.1, '::1', 104.16.0.0/13]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, problems := parse(t, test.text)
			if problems != "" {
				t.Fatal(problems)
			}
			var got []string
			for _, w := range c.Warnings() {
				got = append(got, w.String())
			}
			if test.want == "" && len(got) > 0 || !strings.Contains(strings.Join(got, "\n"), test.want) {
				t.Errorf("got %v, want %q", got, test.want)
			}
		})
	}
}
