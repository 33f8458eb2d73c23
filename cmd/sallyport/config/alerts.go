package config

import (
	"fmt"
	"slices"

	"sallyport/grants"
)

// Alerts is who is told when the deployment is attacked, or spends too much.
type Alerts struct {
	To Strings `yaml:"to"`
}

// maxOwners is how many may be told: the mails go out one after the other.
const maxOwners = 10

func (c *Config) checkAlerts(r *report) {
	c.Alerts.To = slices.Clone(c.Alerts.To)
	for i, to := range c.Alerts.To {
		address, err := grants.ParseEmail(to)
		if err != nil {
			r.add(fmt.Sprintf("alerts.to[%d]", i), "%q is not a mail address; write one such as ops@example.com", to)
		}
		c.Alerts.To[i] = address.Value
	}
	switch {
	case len(c.Alerts.To) > maxOwners:
		r.add("alerts.to", "%d addresses are more than %d; write one of a mailing list", len(c.Alerts.To), maxOwners)
	case len(c.Alerts.To) > 0 && c.MailTransport() == TransportNone:
		r.add("alerts.to", "there is no way to send mail; set mail.transport, or leave alerts.to empty: alerts are in the log then")
	}
}
