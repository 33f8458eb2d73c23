package config

import (
	"cmp"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"sallyport/grants"
)

// maxShutdownDelay is shorter than the patience of those who stop services.
const maxShutdownDelay = time.Minute

// maxStartWait leaves a start time to answer within the server's own.
const maxStartWait = 10 * time.Second

// widestOwn is how many bits the widest network has that somebody may call their own, such as 10.0.0.0/8.
const widestOwn = 8

var color = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)

// validate finds everything that is wrong with the values, and fills in the defaults of clients and APIs.
func (c *Config) validate(r *report) {
	c.checkServer(r)
	c.checkKeeping(r)
	c.checkKeys(r)
	c.checkMail(r)
	c.checkSMS(r)
	c.checkAlerts(r)
	c.checkInbox(r)
	c.checkPasswordless(r)
	c.checkCaptcha(r)
	c.checkSession(r)
	c.checkBranding(r)
	c.APIs = slices.Clone(c.APIs)
	for i := range c.APIs {
		c.APIs[i] = c.APIs[i].WithDefaults()
	}
	c.checkAPIs(r)
	c.checkClients(r)
	c.checkAdmin(r)
	c.checkAudit(r)
	c.findOddities(r)
}

// findOddities warns about what is allowed, and is hardly meant off a developer's machine.
func (c *Config) findOddities(r *report) {
	odd := func(key, text string) {
		c.warnings = append(c.warnings, Problem{Origin: r.origin(key), Key: key, Text: text})
	}
	if c.noTransport() && !slices.ContainsFunc(c.Clients, Client.signsIn) {
		odd("mail.transport", "nobody could sign in: there is no way to send a code; set mail.transport or sms.transport")
	}
	if a, err := mail.ParseAddress(c.Mail.From); err == nil && c.MailTransport() == TransportSMTP && !c.Loopback() && strings.HasSuffix(a.Address, "@localhost") {
		odd("mail.from", "mails from "+a.Address+" are refused by most mail servers; write an address of a domain of yours")
	}
	for i, n := range c.TrustedProxies {
		if network, err := parseNetwork(n); err == nil && network.Bits() < widestOwn && !network.Addr().IsPrivate() {
			odd(fmt.Sprintf("trusted_proxies[%d]", i), n+" trusts strangers: anybody can write X-Forwarded-For, and so be a new source at every try; name your proxies alone")
		}
	}
	if c.Limits.All == "0" {
		odd("limits.all", "every limit is off: codes can be guessed and messages sent without end; remove it, it is for tests")
	}
}

func (c *Config) checkServer(r *report) {
	if problem := checkIssuer(c.Issuer); problem != "" {
		r.add("issuer", "%s", problem)
	}
	if problem := checkAddr(c.Listen); problem != "" {
		r.add("listen", "%s", problem)
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		r.add("tls", "cert and key belong together; set both, or neither")
	}
	if c.TLS.Cert != "" && strings.HasPrefix(c.Issuer, "http:") {
		r.add("tls", "the server speaks https then, but the issuer is http; write the issuer with https")
	}
	if c.ShutdownDelay < 0 || c.ShutdownDelay > maxShutdownDelay {
		r.add("shutdown_delay", "%s is not between 0s and %s", c.ShutdownDelay, maxShutdownDelay)
	}
	for i, s := range c.TrustedProxies {
		if _, err := parseNetwork(s); err != nil {
			r.add(fmt.Sprintf("trusted_proxies[%d]", i), "%q is not a network; write a CIDR, such as 10.0.0.0/8", s)
		}
	}
	r.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.oneOf("log.format", c.Log.Format, "text", "json")
}

func (c *Config) checkKeeping(r *report) {
	postgres := strings.HasPrefix(c.Database.URL, "postgres://") || strings.HasPrefix(c.Database.URL, "postgresql://")
	if !postgres && c.SQLitePath() == "" {
		r.add("database.url", "this is not a database; write sqlite: and a file, or postgres://user:password@host/name")
	}
	if postgres {
		if u, err := url.Parse(c.Database.URL); err != nil || u.Host == "" && u.Query().Get("host") == "" {
			r.add("database.url", "this is not the URL of a Postgres database; write postgres://user:password@host/name")
		}
	}
	for i, s := range c.Secret {
		if len(s) < grants.MinSecretBytes {
			r.add(fmt.Sprintf("secret[%d]", i), "the secret has %d bytes, at least %d are needed; make one with: openssl rand -base64 32", len(s), grants.MinSecretBytes)
		}
		if slices.Contains(c.Secret[:i], s) {
			r.add(fmt.Sprintf("secret[%d]", i), "the secret stands twice in the list; remove one")
		}
	}
	if len(c.Secret) == 0 && c.SecretFile == "" {
		r.add("secret", "there is no secret; set secret, or secret_file to the file that holds it")
	}
}

// checkAddr accepts host:port. The host may be empty: all addresses of the machine.
func checkAddr(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("%q is not an address; write host:port, such as 127.0.0.1:8080", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Sprintf("%q has no valid port", addr)
	}
	return ""
}

func (c *Config) checkMail(r *report) {
	if a, err := mail.ParseAddress(c.Mail.From); err != nil || !printableName(a.Name) {
		r.add("mail.from", "%q is not a sender; write a name and one address, such as Example <login@example.com>", c.Mail.From)
	}
	if c.Mail.Transport != "" {
		r.oneOf("mail.transport", c.Mail.Transport, TransportInbox, TransportSMTP, TransportNone)
	}
	smtp := c.Mail.SMTP
	r.oneOf("mail.smtp.tls", smtp.TLS, "starttls", "implicit", "none")
	if c.Mail.Transport != TransportSMTP {
		return
	}
	problem := checkAddr(smtp.Addr)
	host, _, _ := net.SplitHostPort(smtp.Addr)
	switch {
	case smtp.Addr == "":
		r.add("mail.smtp.addr", "mail.transport is smtp, so a mail server is needed; write host:port, such as smtp.example.com:587")
	case problem != "" || host == "":
		r.add("mail.smtp.addr", "%q is not a mail server; write host:port, such as smtp.example.com:587", smtp.Addr)
	case smtp.TLS == "none" && smtp.Password != "" && !isLoopback(host):
		r.add("mail.smtp.tls", "a password is not sent without TLS; write starttls or implicit")
	}
	if (smtp.Username == "") != (smtp.Password == "") {
		r.add("mail.smtp.password", "username and password belong together; set both, or neither")
	}
}

func printableName(s string) bool { return checkName(s, 100) == "" }

func (c *Config) checkSMS(r *report) {
	if c.SMS.Transport != "" {
		r.oneOf("sms.transport", c.SMS.Transport, TransportInbox, TransportTwilio, TransportNone)
	}
	if c.SMS.StartWait < 0 || c.SMS.StartWait > maxStartWait {
		r.add("sms.start_wait", "%s is not between 0s and %s", c.SMS.StartWait, maxStartWait)
	}
	c.checkPrices(r)
	for i, country := range c.SMS.Countries {
		if problem := checkCountry(country); problem != "" {
			r.add(fmt.Sprintf("sms.countries[%d]", i), "%s", problem)
		}
	}
	if c.SMS.Transport != TransportTwilio {
		return
	}
	t := c.SMS.Twilio
	if t.AccountSID == "" {
		r.add("sms.twilio.account_sid", "sms.transport is twilio, so its account is needed; copy the SID from Twilio's console")
	}
	key := t.APIKey != "" && t.APISecret != ""
	if (t.AuthToken == "") == !key || (t.APIKey == "") != (t.APISecret == "") {
		r.add("sms.twilio.auth_token", "set either auth_token, or api_key and api_secret")
	}
	if (t.From == "") == (t.MessagingServiceSID == "") {
		r.add("sms.twilio.from", "set either from, a number of yours, or messaging_service_sid")
	}
	if t.BaseURL != "" {
		u, err := url.Parse(t.BaseURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || checkWebURL(t.BaseURL, u) != "" {
			r.add("sms.twilio.base_url", "%q is not the URL of a gateway; write https and its host", t.BaseURL)
		}
	}
}

func checkCountry(code string) string {
	region, err := language.ParseRegion(code)
	if err != nil || !region.IsCountry() || len(code) != 2 {
		return fmt.Sprintf("%q is not a country; write its ISO 3166 code, such as DE", code)
	}
	if right := region.Canonicalize().String(); right != code {
		return fmt.Sprintf("%q is not the ISO 3166 code of a country; write %s", code, right)
	}
	return ""
}

// checkInbox refuses the inbox of development where strangers could read it.
func (c *Config) checkInbox(r *report) {
	if c.Loopback() {
		return
	}
	for key, transport := range map[string]string{"mail.transport": c.Mail.Transport, "sms.transport": c.SMS.Transport} {
		if transport == TransportInbox {
			r.add(key, "the inbox off loopback needs an admin token, which cannot show it in this version; use a real transport, or an issuer on localhost")
		}
	}
	if c.AllowInbox {
		r.add("allow_inbox", "the inbox off loopback is for holders of an admin token, who cannot see it in this version; remove it")
	}
}

func (c *Config) checkPasswordless(r *report) {
	p := c.Passwordless
	checkCodes(r, "passwordless.lifetime", p.Lifetime, "passwordless.code.length", p.Code.Length)
	if p.Code.MaxAttempts < 1 || p.Code.MaxAttempts > 5 {
		r.add("passwordless.code.max_attempts", "%d is not between 1 and 5", p.Code.MaxAttempts)
	}
	r.oneOf("passwordless.link.cross_device", p.Link.CrossDevice, "none")
	r.oneOf("passwordless.signup", p.Signup, "open", "closed")
	c.checkLimits(r)
}

func checkCodes(r *report, lifetimeKey string, lifetime time.Duration, lengthKey string, length int) {
	if lifetime < time.Second || lifetime > grants.MaxChallengeAge {
		r.add(lifetimeKey, "%s is not between 1s and %s", lifetime, grants.MaxChallengeAge)
	}
	if length < 6 || length > grants.LongCodeLength {
		r.add(lengthKey, "%d is not between 6 and %d", length, grants.LongCodeLength)
	}
}

// CheckConnection finds what is wrong with the options of a connection. Zero is the deployment's own.
func CheckConnection(codeLength int, lifetime time.Duration) Problems {
	r := &report{}
	checkCodes(r, "lifetime", cmp.Or(lifetime, time.Second), "code-length", cmp.Or(codeLength, grants.LongCodeLength))
	return r.problems
}

func (c *Config) checkSession(r *report) {
	s := c.Session
	switch {
	case s.Idle < time.Second:
		r.add("session.idle", "%s is shorter than 1s", s.Idle)
	case s.Absolute < s.Idle:
		r.add("session.absolute", "%s is shorter than session.idle, %s", s.Absolute, s.Idle)
	}
	r.oneOf("session.same_site", s.SameSite, "lax", "none")
	if s.SameSite == "none" && strings.HasPrefix(c.Issuer, "http:") {
		r.add("session.same_site", "browsers keep such cookies on https only; write lax, or an issuer with https")
	}
}

func (c *Config) checkBranding(r *report) {
	r.oneOf("profile.picture", c.Profile.Picture, "none", "gravatar")
	if problem := checkName(c.Branding.Name, 60); problem != "" {
		r.add("branding.name", "%s", problem)
	}
	if c.Branding.PrimaryColor != "" && !color.MatchString(c.Branding.PrimaryColor) {
		r.add("branding.primary_color", "%q is not a colour; write # and six hex digits, such as #1a73e8", c.Branding.PrimaryColor)
	}
}

func (c *Config) checkClients(r *report) {
	if c.ClientsRevision < 1 {
		r.add("clients_revision", "%d is less than 1", c.ClientsRevision)
	}
	c.Clients = slices.Clone(c.Clients)
	for i := range c.Clients {
		path := fmt.Sprintf("clients[%d]", i)
		c.Clients[i] = c.Clients[i].WithDefaults()
		client := c.Clients[i]
		client.check(path, r, c.Loopback(), append(slices.Clip(c.APIs), c.ManagementAPI()))
		if slices.ContainsFunc(c.Clients[:i], func(b Client) bool { return b.ID == client.ID }) {
			r.add(path+".id", "%q stands twice; every client has an id of its own", client.ID)
		}
		if client.LacksRedirectURI() {
			c.warnings = append(c.warnings, Problem{
				Origin: r.origin(path), Key: path, Text: fmt.Sprintf("client %q has no redirect_uris, so nobody can sign in to it through /authorize", client.ID),
			})
		}
	}
}
