package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"sallyport/grants/courier"
)

// The ways to deliver mails and SMS.
const (
	TransportInbox  = "inbox"
	TransportSMTP   = "smtp"
	TransportTwilio = "twilio"
	TransportNone   = "none"
)

// Config is a deployment's configuration. Its keys are documented in config.example.yaml. A field tagged secret can
// come from a file that the environment names.
type Config struct {
	Issuer          string        `yaml:"issuer"`
	Listen          string        `yaml:"listen"`
	TLS             TLS           `yaml:"tls"`
	ShutdownDelay   time.Duration `yaml:"shutdown_delay"`
	TrustedProxies  []string      `yaml:"trusted_proxies"`
	Database        Database      `yaml:"database"`
	Secret          Strings       `yaml:"secret"`
	SecretFile      string        `yaml:"secret_file"`
	Keys            Keys          `yaml:"keys"`
	Log             Log           `yaml:"log"`
	AllowInbox      bool          `yaml:"allow_inbox"`
	Mail            Mail          `yaml:"mail"`
	SMS             SMS           `yaml:"sms"`
	Passwordless    Passwordless  `yaml:"passwordless"`
	Limits          Limits        `yaml:"limits"`
	Captcha         Captcha       `yaml:"captcha"`
	Alerts          Alerts        `yaml:"alerts"`
	Session         Session       `yaml:"session"`
	Profile         Profile       `yaml:"profile"`
	Branding        Branding      `yaml:"branding"`
	APIs            []API         `yaml:"apis"`
	ClientsRevision int           `yaml:"clients_revision"`
	Clients         []Client      `yaml:"clients"`
	Admin           Admin         `yaml:"admin"`
	Audit           Audit         `yaml:"audit"`

	file     string
	origins  map[string]string // path of a key -> the line or variable that it came from
	warnings []Problem
}

// TLS makes the server speak https itself.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Database says where everything is kept.
type Database struct {
	URL string `yaml:"url" secret:"true"`
}

// Log is what is logged and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Mail is how mails are sent.
type Mail struct {
	From      string `yaml:"from"`
	Transport string `yaml:"transport"`
	SMTP      SMTP   `yaml:"smtp"`
}

// SMTP is a mail server.
type SMTP struct {
	Addr     string `yaml:"addr"`
	Username string `yaml:"username"`
	Password string `yaml:"password" secret:"true"`
	TLS      string `yaml:"tls"`
}

// SMS is how text messages are sent, and where to.
type SMS struct {
	Transport string        `yaml:"transport"`
	Twilio    Twilio        `yaml:"twilio"`
	Countries []string      `yaml:"countries"`
	StartWait time.Duration `yaml:"start_wait"`

	Prices courier.Prices `yaml:"prices"`
	Cap    Cap            `yaml:"cap"`
	DryRun bool           `yaml:"dry_run"`
}

// Twilio is an account at Twilio, or at a gateway that speaks its API.
type Twilio struct {
	AccountSID          string `yaml:"account_sid"`
	AuthToken           string `yaml:"auth_token" secret:"true"`
	APIKey              string `yaml:"api_key"`
	APISecret           string `yaml:"api_secret" secret:"true"`
	From                string `yaml:"from"`
	MessagingServiceSID string `yaml:"messaging_service_sid"`
	BaseURL             string `yaml:"base_url"`
}

// Passwordless bounds challenges.
type Passwordless struct {
	Lifetime time.Duration `yaml:"lifetime"`
	Code     Code          `yaml:"code"`
	Link     Link          `yaml:"link"`
	Signup   string        `yaml:"signup"`
}

// Code is what a one-time code is like.
type Code struct {
	Length      int  `yaml:"length"`
	MaxAttempts int  `yaml:"max_attempts"`
	InSubject   bool `yaml:"in_subject"`
}

// Link is what a magic link may do.
type Link struct {
	CrossDevice string `yaml:"cross_device"`
}

// Session is how long a browser stays signed in.
type Session struct {
	Idle     time.Duration `yaml:"idle"`
	Absolute time.Duration `yaml:"absolute"`
	SameSite string        `yaml:"same_site"`
}

// Profile is what apps are told of a person beside what is stored.
type Profile struct {
	Picture string `yaml:"picture"`
}

// Branding is how pages and messages look.
type Branding struct {
	Name         string `yaml:"name"`
	Logo         string `yaml:"logo"`
	PrimaryColor string `yaml:"primary_color"`
}

// Strings is a list that may also be written as one string.
type Strings []string

// Default is the configuration of an empty file.
func Default() *Config {
	return &Config{
		Issuer:     "http://localhost:8080",
		Listen:     "127.0.0.1:8080",
		Database:   Database{URL: "sqlite:sallyport.db"},
		SecretFile: "sallyport.secret",
		Keys:       Keys{RotateEvery: defaultRotation},
		Log:        Log{Level: "info", Format: "text"},
		Mail:       Mail{From: "Sallyport <login@localhost>", SMTP: SMTP{TLS: "starttls"}},
		SMS: SMS{StartWait: 2 * time.Second, Countries: []string{
			"US", "CA", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "AT", "CH", "IE", "SE", "NO", "DK", "FI", "PT", "AU", "NZ",
		}, Prices: courier.Prices{courier.AnyCountry: defaultPrice}, Cap: Cap{Daily: defaultDaily, Countries: map[string]courier.Money{}}},
		Passwordless: Passwordless{
			Lifetime: 5 * time.Minute,
			Code:     Code{Length: 6, MaxAttempts: 5, InSubject: true},
			Link:     Link{CrossDevice: "none"},
			Signup:   "open",
		},
		Limits:          defaultLimits(),
		Captcha:         Captcha{Provider: CaptchaPow},
		Session:         Session{Idle: 72 * time.Hour, Absolute: 720 * time.Hour, SameSite: "lax"},
		Profile:         Profile{Picture: "none"},
		ClientsRevision: 1,
		Admin:           Admin{Tokens: []AdminToken{}},
		Audit:           Audit{Retention: 90 * 24 * time.Hour},
	}
}

// Warnings are what is odd but allowed. Load fills them.
func (c *Config) Warnings() []Problem { return c.warnings }

// Loopback tells whether the issuer is this very machine: a development deployment.
func (c *Config) Loopback() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && isLoopback(u.Hostname())
}

// MailTransport is the transport of mails with its default resolved.
func (c *Config) MailTransport() string { return c.transport(c.Mail.Transport) }

// SMSTransport is the transport of SMS with its default resolved.
func (c *Config) SMSTransport() string { return c.transport(c.SMS.Transport) }

func (c *Config) transport(set string) string {
	switch {
	case set != "":
		return set
	case c.Loopback():
		return TransportInbox
	}
	return TransportNone
}

// Proxies are the networks of trusted_proxies.
func (c *Config) Proxies() []netip.Prefix { return networks(c.TrustedProxies) }

// networks are those of a list. A single address is a network of one.
func networks(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		if p, err := parseNetwork(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// SQLitePath is the database file, or empty when the database is not SQLite.
func (c *Config) SQLitePath() string {
	path, ok := strings.CutPrefix(c.Database.URL, "sqlite:")
	if !ok {
		return ""
	}
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "//"), "?")
	return path
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// isLoopback tells whether a host is this machine by its very name.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
