package courier

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"sallyport/grants"
)

// oneAlert is an AlertStore of one alert.
type oneAlert struct {
	alert    grants.Alert
	due      time.Time
	outcomes []grants.Outcome
}

func (o *oneAlert) LeaseAlerts(_ context.Context, now time.Time, _ int, until time.Time) ([]grants.Alert, error) {
	n := len(o.outcomes)
	if o.due.After(now) || n > 0 && o.outcomes[n-1].Status != grants.OutcomeRetry {
		return nil, nil
	}
	o.due = until
	return []grants.Alert{o.alert}, nil
}

func (o *oneAlert) RecordAlert(_ context.Context, _ string, told []string, outcome grants.Outcome) error {
	o.outcomes = append(o.outcomes, outcome)
	o.alert.Told, o.due = told, outcome.NextAttemptAt
	o.alert.Attempts++
	return nil
}

// alerting is the teller of one alert, on a clock of its own.
type alerting struct {
	*Alerts
	store *oneAlert
	now   time.Time
	log   bytes.Buffer
}

func newAlerting(t *testing.T, mail Mailer, to ...string) *alerting {
	t.Helper()
	a := &alerting{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	a.store = &oneAlert{alert: grants.Alert{ID: "a1", Cause: grants.AlertIPBlocked, Detail: "203.0.113.9", At: a.now, Times: 3}}
	a.Alerts = NewAlerts(AlertsConfig{
		Store: a.store, Templates: newTemplates(t), Mail: mail, To: to, Now: func() time.Time { return a.now }, Log: slog.New(slog.NewTextHandler(&a.log, nil)),
		Place: func(a grants.Alert) (link, command string) {
			return "https://login.example.com/admin/blocks?ip=" + a.Detail, ""
		},
	})
	return a
}

// after tells what is due so much later, and gives the status of the last try.
func (a *alerting) after(t *testing.T, d time.Duration) grants.OutcomeStatus {
	t.Helper()
	a.now = a.now.Add(d)
	a.tellAll(t.Context())
	if len(a.store.outcomes) == 0 {
		return ""
	}
	return a.store.outcomes[len(a.store.outcomes)-1].Status
}

func TestAlertReachesEveryOwnerOnceMailIsBack(t *testing.T) {
	server := startMailServer(t, "none")
	a := newAlerting(t, newSMTP(t, server, func(c *SMTPConfig) { c.TLS = "none" }), "one@example.com", "two@example.com")
	server.set(func() { server.mail = &smtp.SMTPError{Code: 451, Message: "later"} })
	if got := a.after(t, 0); got != grants.OutcomeRetry {
		t.Fatalf("while mail is down: %s", got)
	}
	if got := a.after(t, 10*time.Second); len(a.store.outcomes) != 1 {
		t.Errorf("tried again before its time: %s", got)
	}
	a.after(t, 10*time.Minute)
	server.set(func() { server.mail = nil })
	if got := a.after(t, time.Hour); got != grants.OutcomeSent {
		t.Fatalf("when mail is back: %s; %s", got, a.log.String())
	}
	a.after(t, time.Hour)
	mails := server.mails()
	if len(mails) != 2 || !slices.Equal(mails[0].to, []string{"one@example.com"}) || !slices.Equal(mails[1].to, []string{"two@example.com"}) {
		t.Fatalf("mails: %+v", mails)
	}
	for _, want := range []string{"an IP address is blocked", "203.0.113.9", "3 times", "https://login.example.com/admin/blocks?ip=3D203.0.113.9", "Auto-Submitted: auto-generated"} {
		if !strings.Contains(strings.ReplaceAll(mails[0].data, "=\r\n", ""), want) {
			t.Errorf("%q is not in %s", want, mails[0].data)
		}
	}
	if n := strings.Count(a.log.String(), "msg=alert cause=ip_blocked detail=203.0.113.9 times=3"); n != 1 {
		t.Errorf("logged %d times: %s", n, a.log.String())
	}
}

func TestAlertThatOneOwnerRefusesStillReachesTheOther(t *testing.T) {
	server := startMailServer(t, "none")
	mailer := newSMTP(t, server, func(c *SMTPConfig) { c.TLS = "none" })
	a := newAlerting(t, mailerFunc(func(ctx context.Context, m Mail) (Receipt, error) {
		if m.To == "gone@example.com" {
			server.set(func() { server.rcpt = &smtp.SMTPError{Code: 550, Message: "no such mailbox"} })
			defer server.set(func() { server.rcpt = nil })
		}
		return mailer.SendMail(ctx, m)
	}), "gone@example.com", "two@example.com")
	if got := a.after(t, 0); got != grants.OutcomeSent || len(server.mails()) != 1 {
		t.Errorf("%s, %d mails; %s", got, len(server.mails()), a.log.String())
	}
	if !strings.Contains(a.log.String(), "an alert was refused for good") || strings.Contains(a.log.String(), "gone@example.com") {
		t.Errorf("log: %s", a.log.String())
	}
}

func TestAlertIsGivenUpAfterADay(t *testing.T) {
	server := startMailServer(t, "none")
	server.set(func() { server.mail = &smtp.SMTPError{Code: 451, Message: "later"} })
	a := newAlerting(t, newSMTP(t, server, func(c *SMTPConfig) { c.TLS = "none" }), "one@example.com")
	status, tries := grants.OutcomeStatus(""), 0
	for ; tries < 200 && status != grants.OutcomeTooLate; tries++ {
		status = a.after(t, 20*time.Minute)
	}
	if status != grants.OutcomeTooLate || tries < 70 || tries > 75 {
		t.Errorf("%s after %d tries", status, tries)
	}
}

func TestAlertWithoutOwnersIsLogged(t *testing.T) {
	for name, a := range map[string]*alerting{"nobody": newAlerting(t, NewInbox(1)), "no mail": newAlerting(t, nil, "one@example.com")} {
		if got := a.after(t, 0); got != grants.OutcomeSuppressed || !strings.Contains(a.log.String(), "msg=alert cause=ip_blocked") {
			t.Errorf("%s: %s; %s", name, got, a.log.String())
		}
	}
}

func TestEveryCauseHasAMail(t *testing.T) {
	inbox := NewInbox(100)
	for _, cause := range grants.AlertCauses() {
		a := newAlerting(t, inbox, "one@example.com")
		a.store.alert.Cause = cause
		if got := a.after(t, 0); got != grants.OutcomeSent {
			t.Errorf("%s: %s; %s", cause, got, a.log.String())
		}
	}
}

type mailerFunc func(context.Context, Mail) (Receipt, error)

func (f mailerFunc) SendMail(ctx context.Context, m Mail) (Receipt, error) { return f(ctx, m) }
