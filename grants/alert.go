package grants

import (
	"context"
	"time"
)

// Causes of alerts: what the owner of a deployment is told when it happens.
const (
	AlertIPBlocked         = "ip_blocked"         // the detail is the source: an address or an IPv6 network
	AlertSMSCap            = "sms_cap"            // the day's money for SMS is spent, in total or for a country
	AlertSMSBreaker        = "sms_breaker"        // SMS to a prefix are asked for and not used
	AlertMailCeiling       = "mail_ceiling"       // more mail was asked for than the deployment sends
	AlertSpray             = "spray"              // guesses at many accounts
	AlertSecretCompromised = "secret_compromised" // a key was retired because somebody else may have it
)

// AlertCauses are all causes.
func AlertCauses() []string {
	return []string{AlertIPBlocked, AlertSMSCap, AlertSMSBreaker, AlertMailCeiling, AlertSpray, AlertSecretCompromised}
}

// AlertPeriod is how often the owner is told of one cause at most, over all processes.
const AlertPeriod = time.Hour

// Alerts tells the owner of a deployment what happened, at most once per cause and [AlertPeriod]. The detail is one line of plain
// text without secrets, addresses masked. Raise never fails towards its caller; whoever holds no Alerts holds [NoAlerts].
type Alerts interface {
	Raise(ctx context.Context, cause, detail string)
}

// NoAlerts tells nobody.
type NoAlerts struct{}

// Raise implements Alerts.
func (NoAlerts) Raise(context.Context, string, string) {}

// Alert is what the owner is to be told.
type Alert struct {
	ID, Cause, Detail string
	At                time.Time // when it was raised
	Times             int       // how often, since the owner was told of this cause before
	Before            time.Time // when that was; zero: never
	Attempts          int       // tries to tell so far
	Told              []string  // who has been told already
}
