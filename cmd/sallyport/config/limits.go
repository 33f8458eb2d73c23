package config

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/grants"
)

// Limits are the budgets. All is "" or "0".
type Limits struct {
	All                   string       `yaml:"all"`
	StartPerAddress       grants.Limit `yaml:"start_per_address"`
	StartPerAddressDay    grants.Limit `yaml:"start_per_address_day"`
	MessagesPerAddress    grants.Limit `yaml:"messages_per_address"`
	FailuresPerAddress    grants.Limit `yaml:"failures_per_address"`
	FailuresPerAddressDay grants.Limit `yaml:"failures_per_address_day"`
	FailuresPerIP         grants.Limit `yaml:"failures_per_ip"`
	FailuresPerClient     grants.Limit `yaml:"failures_per_client"`
	Spraying              grants.Limit `yaml:"spraying"`
	StartPerIP            grants.Limit `yaml:"start_per_ip"`
	StartPerClient        grants.Limit `yaml:"start_per_client"`
	AllowIPs              []string     `yaml:"allow_ips"`

	SMS         grants.Limit `yaml:"sms"`
	SMSPerRange grants.Limit `yaml:"sms_per_range"`
	Mails       grants.Limit `yaml:"mails"`
}

func defaultLimits() Limits {
	l := grants.DefaultLimits()
	return Limits{
		StartPerAddress:       l.StartPerAddress,
		StartPerAddressDay:    l.StartPerAddressDay,
		MessagesPerAddress:    l.MessagesPerAddress,
		FailuresPerAddress:    l.FailuresPerAddress,
		FailuresPerAddressDay: l.FailuresPerAddressDay,
		FailuresPerIP:         l.FailuresPerIP,
		FailuresPerClient:     l.FailuresPerClient,
		Spraying:              l.Spraying,
		StartPerIP:            l.StartPerIP,
		StartPerClient:        l.StartPerClient,
		AllowIPs:              []string{},
		SMS:                   defaultSMS(),
		SMSPerRange:           defaultSMSPerRange(),
		Mails:                 defaultMails(),
	}
}

// GrantLimits are the limits as the engine takes them, all off when limits.all says so.
func (c *Config) GrantLimits() grants.Limits {
	if c.Limits.All == "0" {
		return grants.Limits{}
	}
	return grants.Limits{
		StartPerAddress:       c.Limits.StartPerAddress,
		StartPerAddressDay:    c.Limits.StartPerAddressDay,
		MessagesPerAddress:    c.Limits.MessagesPerAddress,
		FailuresPerAddress:    c.Limits.FailuresPerAddress,
		FailuresPerAddressDay: c.Limits.FailuresPerAddressDay,
		FailuresPerIP:         c.Limits.FailuresPerIP,
		FailuresPerClient:     c.Limits.FailuresPerClient,
		Spraying:              c.Limits.Spraying,
		StartPerIP:            c.Limits.StartPerIP,
		StartPerClient:        c.Limits.StartPerClient,
	}
}

// AllowedNetworks are the networks of limits.allow_ips.
func (c *Config) AllowedNetworks() []netip.Prefix { return networks(c.Limits.AllowIPs) }

// maxWatch is how far back the watch over guessing can look: ended challenges are kept for a day.
const maxWatch = 24 * time.Hour

func (c *Config) checkLimits(r *report) {
	if c.Limits.All != "" && c.Limits.All != "0" {
		r.add("limits.all", "%q is not known; write \"0\" to switch every limit off, or remove it", c.Limits.All)
	}
	for i, s := range c.Limits.AllowIPs {
		if _, err := parseNetwork(s); err != nil {
			r.add(fmt.Sprintf("limits.allow_ips[%d]", i), "%q is not a network; write a CIDR, such as 198.51.100.0/24", s)
		}
	}
	for key, l := range map[string]grants.Limit{"spraying": c.Limits.Spraying, "failures_per_client": c.Limits.FailuresPerClient} {
		if !l.Off() && (l.Per < time.Minute || l.Per > maxWatch) {
			r.add("limits."+key, "%s is not between 1m and 24h; write a number, a slash and a duration, such as 50/15m", l.Per)
		}
	}
}
