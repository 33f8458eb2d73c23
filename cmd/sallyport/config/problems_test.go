package config_test

import (
	"strings"
	"testing"
)

func TestProblemsNameLineKeyCauseAndRemedy(t *testing.T) {
	const public = "issuer: https://login.example.com\n"
	long := strings.Repeat("t", 32)
	for name, test := range map[string]struct {
		text string
		want []string // each is part of the message
	}{
		"unknown key":           {"isuer: x", []string{"sallyport.yaml:1: isuer:", "did you mean issuer?"}},
		"unknown nested key":    {"mail:\n  smtp:\n    host: x", []string{"sallyport.yaml:3: mail.smtp.host:", "addr"}},
		"key given twice":       {"listen: ':1'\nlisten: ':2'", []string{"sallyport.yaml:2", "listen", "second time"}},
		"not YAML":              {"issuer: x\n  listen: [", []string{"sallyport.yaml:", "not YAML"}},
		"two documents":         {"issuer: http://localhost:1\n---\nlisten: x", []string{"more than one document"}},
		"a list at the top":     {"- a", []string{"sallyport.yaml:1", "not a list of keys"}},
		"group for a value":     {"issuer: {a: b}", []string{"sallyport.yaml:1: issuer:", "one value"}},
		"value for a group":     {"mail: smtp", []string{"mail:", "from, transport, smtp"}},
		"bad duration":          {"passwordless:\n  lifetime: 5", []string{"sallyport.yaml:2: passwordless.lifetime:", "5m"}},
		"long lifetime":         {"passwordless: {lifetime: 11m}", []string{"passwordless.lifetime", "10m"}},
		"short lifetime":        {"passwordless: {lifetime: 999ms}", []string{"passwordless.lifetime", "1s"}},
		"short code":            {"passwordless: {code: {length: 5}}", []string{"passwordless.code.length"}},
		"bad number":            {"passwordless: {code: {length: six}}", []string{"whole number"}},
		"bad boolean":           {"passwordless: {code: {in_subject: maybe}}", []string{"neither true nor false"}},
		"bad limit":             {"limits:\n  start_per_ip: many", []string{"sallyport.yaml:2: limits.start_per_ip:", "5/10m"}},
		"limits off by another": {"limits: {all: '1'}", []string{"limits.all", `"0"`}},
		"http off loopback":     {"issuer: http://login.example.com", []string{"issuer", "https"}},
		"issuer with path":      {"issuer: https://example.com/auth", []string{"issuer", "host name of its own"}},
		"issuer with query":     {"issuer: https://example.com/?a", []string{"issuer", "query"}},
		"bad listen":            {"listen: '8080'", []string{"listen", "host:port"}},
		"half of TLS":           {"tls: {cert: a.pem}", []string{"tls", "both"}},
		"bad proxy":             {"trusted_proxies: [10.0.0.0/8, nginx]", []string{"trusted_proxies[1]", "CIDR"}},
		"other database":        {"database: {url: 'mysql://x'}", []string{"database.url", "sqlite:", "postgres://"}},
		"short secret":          {"secret: short", []string{"secret[0]", "32"}},
		"no sender":             {"mail: {from: nobody}", []string{"mail.from"}},
		"two senders":           {"mail: {from: 'a@b.c, d@e.f'}", []string{"mail.from"}},
		"SMTP without server":   {"mail: {transport: smtp}", []string{"mail.smtp.addr", "smtp.example.com:587"}},
		"SMTP password open":    {"mail: {transport: smtp, smtp: {addr: 'm.example.com:25', username: a, password: b, tls: none}}", []string{"mail.smtp.tls"}},
		"Twilio half":           {"sms: {transport: twilio}", []string{"account_sid", "auth_token", "from"}},
		"UK is GB":              {"sms: {countries: [UK]}", []string{"sms.countries[0]", "write GB"}},
		"inbox off loopback":    {public + "mail: {transport: inbox}", []string{"sallyport.yaml:2: mail.transport", "admin token"}},
		"allow_inbox":           {public + "allow_inbox: true", []string{"allow_inbox", "admin token"}},
		"unknown captcha":       {"captcha: {provider: recaptcha}", []string{"captcha.provider", "pow, turnstile, hcaptcha"}},
		"captcha without keys":  {"captcha: {provider: turnstile, site_key: a}", []string{"captcha.secret_key", "turnstile"}},
		"keys without captcha":  {"captcha: {site_key: a}", []string{"captcha.site_key", "remove it"}},
		"idle past absolute":    {"session: {idle: 2h, absolute: 1h}", []string{"session.absolute"}},
		"another picture":       {"profile: {picture: facebook}", []string{"profile.picture", "none, gravatar"}},
		"same_site none":        {"session: {same_site: none}", []string{"session.same_site", "https"}},
		"bad colour":            {"branding: {primary_color: 'red; x'}", []string{"branding.primary_color", "#1a73e8"}},
		"short retention":       {"audit: {retention: 23h}", []string{"sallyport.yaml:1: audit.retention", "24h", "for ever"}},
		"later transport":       {"mail:\n  transport: sendgrid", []string{"sallyport.yaml:2", "not available in this version", "smtp"}},
		"later key":             {"metrics: {listen: ':9'}", []string{"sallyport.yaml:1: metrics", "not available in this version"}},
		"start wait":            {"sms: {start_wait: 11s}", []string{"sms.start_wait", "10s"}},
		"admin without name":    {"admin:\n  tokens:\n    - {token: '" + long + "', scopes: ['*']}", []string{"sallyport.yaml:3: admin.tokens[0].name"}},
		"admin short token":     {"admin: {tokens: [{name: a, token: short, scopes: ['*']}]}", []string{"admin.tokens[0].token", "32"}},
		"admin without token":   {"admin: {tokens: [{name: a, scopes: ['*']}]}", []string{"admin.tokens[0].token", "openssl"}},
		"admin foreign hash":    {"admin: {tokens: [{name: a, token: 'hmac:k:00', scopes: ['*']}]}", []string{"admin.tokens[0].token", "sha256"}},
		"admin missing file":    {"admin: {tokens: [{name: a, token_file: /nowhere/t, scopes: ['*']}]}", []string{"admin.tokens[0].token_file", "/nowhere/t"}},
		"admin token twice":     {"admin: {tokens: [{name: a, token: '" + long + "', scopes: ['*']}, {name: a, token: '" + long + "', scopes: ['*']}]}", []string{"tokens[1].name", "tokens[1].token", "stands twice"}},
		"admin no scopes":       {"admin: {tokens: [{name: a, token: '" + long + "'}]}", []string{"admin.tokens[0].scopes"}},
		"admin unknown scope":   {"admin: {tokens: [{name: a, token: '" + long + "', scopes: ['read:everything']}]}", []string{"admin.tokens[0].scopes[0]", "read:users"}},
		"admin bad expiry":      {"admin: {tokens: [{name: a, token: '" + long + "', scopes: ['*'], expires: soon}]}", []string{"admin.tokens[0].expires", "2027-12-31"}},
		"bad allowed network":   {"limits: {allow_ips: [198.51.100.0/24, office]}", []string{"limits.allow_ips[1]", "CIDR"}},
		"watch looks too far":   {"limits: {spraying: 50/48h}", []string{"limits.spraying", "between 1m and 24h"}},
		"later link":            {"passwordless: {link: {cross_device: approve}}", []string{"not available in this version"}},
		"revision":              {"clients_revision: 0", []string{"clients_revision"}},
		"own audience":          {"apis: [{audience: 'http://localhost:8080/api/v2/'}]", []string{"apis[0].audience", "Sallyport itself"}},
		"scope with a space":    {"apis: [{audience: a, scopes: ['a b']}]", []string{"apis[0].scopes[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := parse(t, test.text)
			for _, want := range test.want {
				if !strings.Contains(problems, want) {
					t.Errorf("%q does not say %q", problems, want)
				}
			}
		})
	}
}

// A file that is written for more than this version says "none" of what it does not use.
func TestReservedKeysMayStandEmpty(t *testing.T) {
	for _, none := range []string{
		"", "''", "0", "false", "~", "[]", "{}", "{listen: ''}", "{listen: , every: ''}", "['']", "{deeper: {listen: '', list: []}}", "False",
	} {
		for _, text := range []string{"metrics: " + none, "connections: " + none, "sms: {webhook: " + none + "}", "clients: [{id: a, type: spa, redirect_uris: ['https://a'], backchannel_logout_uri: " + none + "}]"} {
			if _, problems := parse(t, text); problems != "" {
				t.Errorf("%s: %s", text, problems)
			}
		}
		if _, problems := parse(t, "metrix: "+none); !strings.Contains(problems, "no such key") {
			t.Errorf("a mistyped key with %q: %s", none, problems)
		}
	}
	for _, some := range []string{"x", "1", "true", "'0'", "[a]", "{listen: ':9'}", "{deeper: {listen: '', on: true}}", "{sms: {enabled: false}}", "[0]", "&a [*a]"} {
		if _, problems := parse(t, "metrics: "+some); !strings.Contains(problems, "sallyport.yaml:1: metrics: is not available in this version") {
			t.Errorf("%s: %s", some, problems)
		}
	}
}

func TestAllProblemsAtOnceInOrder(t *testing.T) {
	_, problems := parse(t, "listen: x\nsms: {countries: [XX]}\nisuer: y\n", "SALLYPORT_LOG_LEVEL=loud")
	lines := strings.Split(problems, "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "4 problems") || !strings.Contains(lines[1], ":1: listen") ||
		!strings.Contains(lines[3], ":3: isuer") || !strings.Contains(lines[4], "SALLYPORT_LOG_LEVEL: log.level") {
		t.Errorf("got\n%s", problems)
	}
}

func TestProblemsDoNotShowSecrets(t *testing.T) {
	const secret = "k3y-of-nobody"
	_, problems := parse(t, "issuer: https://login.example.com\nsecret: "+secret+"\ndatabase: {url: 'mysql://u:"+secret+"@h/d'}\n"+
		"clients: [{id: a, secrets: ["+secret+"]}]")
	if problems == "" || strings.Contains(problems, secret) {
		t.Errorf("got %s", problems)
	}
}
