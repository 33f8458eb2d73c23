package auth0tenant

import (
	"encoding/json"
	"time"

	"sallyport/grants"
)

type connection struct {
	Name     string   `json:"name"`
	Strategy string   `json:"strategy"`
	Enabled  []string `json:"enabled_clients"` // names, or ids
	Options  struct {
		DisableSignup *bool `json:"disable_signup"`
		TOTP          struct {
			Step   int64 `json:"time_step"`
			Length int   `json:"length"`
		} `json:"totp"`
	} `json:"options"`
}

// leastStep is the shortest time in which a code can come and be typed, as in the management API.
const leastStep = 30 * time.Second

// elsewhere are options that are set elsewhere, or not at all.
var elsewhere = map[string]string{ //nolint:gosec // names of options, no credentials
	"from":                  "set mail.from or sms.twilio.from in the configuration file",
	"email":                 "set mail.from in the configuration file; messages have texts of their own",
	"template":              "messages have texts of their own; set branding.name in the configuration file",
	"twilio_sid":            "set sms.twilio.account_sid in the configuration file",
	"twilio_token":          "set sms.twilio.auth_token in the configuration file",
	"messaging_service_sid": "set sms.twilio.messaging_service_sid in the configuration file",
	"provider":              "set sms.transport in the configuration file",
	"gateway_url":           "set sms.twilio.base_url in the configuration file, to a gateway that speaks Twilio's API",
}

// connection takes the options over, and notes who has the connection.
func (p *planner) connection(text json.RawMessage, enabled map[string][]string) {
	var c connection
	if !p.read("connection", text, func() string { return c.Name }, &c) {
		return
	}
	strategy := c.Strategy
	if strategy != string(grants.Email) && strategy != string(grants.SMS) {
		p.refuse("connection", c.Name, "there are no connections of the strategy %q here", strategy)
		return
	}
	if _, twice := enabled[strategy]; twice {
		p.refuse("connection", c.Name, "there is one connection of the strategy %s, and another stands before it", strategy)
		return
	}
	if c.Name != strategy {
		p.note("connection", c.Name, "it is called %s here: applications that name it have to use that name", strategy)
	}
	enabled[strategy] = append([]string{}, c.Enabled...)
	out := Connection{Name: strategy, DisableSignup: c.Options.DisableSignup}
	if n := c.Options.TOTP.Length; n != 0 {
		if out.CodeLength = min(max(n, 6), grants.LongCodeLength); out.CodeLength != n {
			p.note("connection", c.Name, "codes of %d digits are made %d, the nearest that there is", n, out.CodeLength)
		}
	}
	if s := c.Options.TOTP.Step; s != 0 {
		out.Lifetime = p.within("connection", c.Name, "totp.time_step", seconds(s), leastStep, grants.MaxChallengeAge)
	}
	p.Connections = append(p.Connections, out)
	p.optionNotes(c.Name, text)
}

func (p *planner) optionNotes(name string, text json.RawMessage) {
	var v struct {
		Options map[string]any `json:"options"`
	}
	_ = json.Unmarshal(text, &v)
	for _, option := range sortedKeys(v.Options) {
		if why, known := elsewhere[option]; known && !empty(v.Options[option]) {
			p.note("connection", name, "%s: %s", option, why)
		}
	}
}
