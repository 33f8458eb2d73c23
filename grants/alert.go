package grants

import (
	"context"
	"log/slog"
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

// Alerts tells the owner of a deployment what happened, at most once per cause and hour over all processes. The detail is one line
// of plain text without secrets, addresses masked. Raise never fails towards its caller; whoever holds no Alerts holds [NoAlerts].
type Alerts interface {
	Raise(ctx context.Context, cause, detail string)
}

// NoAlerts tells nobody.
type NoAlerts struct{}

// Raise implements Alerts.
func (NoAlerts) Raise(context.Context, string, string) {}

// LogAlerts tells whoever reads the log, every time.
type LogAlerts struct {
	Log *slog.Logger
}

// Raise implements Alerts.
func (a LogAlerts) Raise(ctx context.Context, cause, detail string) {
	a.Log.WarnContext(ctx, "alert", "cause", cause, "detail", detail)
}
