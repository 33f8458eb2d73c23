package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"sallyport/grants"
	"sallyport/templates"
)

// AlertStore keeps alerts until they are told.
type AlertStore interface {
	// LeaseAlerts takes at most limit alerts that are due, for the caller alone until a moment.
	LeaseAlerts(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Alert, error)

	// RecordAlert writes who has been told by now, and what became of the alert.
	RecordAlert(ctx context.Context, id string, told []string, o grants.Outcome) error
}

// AlertsConfig is what [Alerts] works with. All fields without a remark are needed.
type AlertsConfig struct {
	Store     AlertStore
	Templates *templates.Set
	Mail      Mailer   // nil: there is no mail
	To        []string // mail addresses; none: alerts are in the log only
	// Place is where the owner can see to a cause: a page, or a command where there is no page for it. Both may be empty.
	Place func(a grants.Alert) (link, command string)
	Now   func() time.Time
	Log   *slog.Logger
}

// Alerts tells the owner of the deployment what it raised alerts about, by mail and in the log. Start it with [Alerts.Run].
type Alerts struct {
	cfg AlertsConfig
}

const (
	alertsEvery   = 5 * time.Second
	alertsBatch   = 10
	firstAlertTry = 30 * time.Second // after the first failure; twice as long after each
	lastAlertTry  = 15 * time.Minute
	alertsEnd     = 24 * time.Hour // what nobody could be told for so long stays in the log
)

// NewAlerts makes one.
func NewAlerts(cfg AlertsConfig) *Alerts { return &Alerts{cfg} }

// Run tells alerts until ctx ends, and then finishes the mail that is being sent.
func (a *Alerts) Run(ctx context.Context) error {
	tick := time.NewTicker(alertsEvery)
	defer tick.Stop()
	for {
		a.tellAll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Alerts) tellAll(ctx context.Context) {
	now := a.cfg.Now()
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	alerts, err := a.cfg.Store.LeaseAlerts(within, now, alertsBatch, now.Add(lease+alertsBatch*time.Duration(len(a.cfg.To))*sendTimeout))
	if err != nil && !errors.Is(err, context.Canceled) {
		a.cfg.Log.WarnContext(ctx, "taking alerts failed", slog.Any("error", err))
	}
	for _, alert := range alerts {
		if ctx.Err() == nil { // what is left is taken again when its lease is over
			a.tell(context.WithoutCancel(ctx), alert)
		}
	}
}

// tell sends an alert to all who have not had it yet, and records that. Who is refused for good is not tried again.
func (a *Alerts) tell(ctx context.Context, alert grants.Alert) {
	log := a.cfg.Log.With(slog.String("cause", alert.Cause), slog.String("detail", alert.Detail))
	defer func() {
		if p := recover(); p != nil { // the mail library reads what a server says; the alert stays with its lease
			log.ErrorContext(ctx, "telling an alert panicked", slog.String("panic", scrub(fmt.Sprint(p))), slog.String("stack", string(debug.Stack())))
		}
	}()
	if alert.Attempts == 0 {
		log.WarnContext(ctx, "alert", slog.Int("times", alert.Times))
	}
	told, failure := a.send(ctx, log, alert)
	o := grants.Outcome{Status: grants.OutcomeSent, At: a.cfg.Now()}
	switch {
	case a.cfg.Mail == nil || len(a.cfg.To) == 0:
		o.Status, o.Answer = grants.OutcomeSuppressed, "nobody is told by mail"
	case failure != nil && o.At.Sub(alert.At) >= alertsEnd:
		o.Status, o.Answer = grants.OutcomeTooLate, scrub(failure.Error(), a.cfg.To...)
	case failure != nil:
		o.Status, o.Answer = grants.OutcomeRetry, scrub(failure.Error(), a.cfg.To...)
		o.NextAttemptAt = o.At.Add(min(lastAlertTry, firstAlertTry<<min(alert.Attempts, 10)))
	}
	within, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if err := a.cfg.Store.RecordAlert(within, alert.ID, told, o); err != nil {
		log.WarnContext(ctx, "recording an alert failed", slog.Any("error", err))
	}
}

// send gives who has the alert afterwards, and what kept the others from it.
func (a *Alerts) send(ctx context.Context, log *slog.Logger, alert grants.Alert) (told []string, failure error) {
	told = slices.Clone(alert.Told)
	if a.cfg.Mail == nil {
		return told, nil
	}
	link, command := a.cfg.Place(alert)
	lang := a.cfg.Templates.Language()
	m, err := a.cfg.Templates.AlertMail(lang, templates.AlertMail{
		Cause: alert.Cause, Detail: alert.Detail, At: alert.At, Times: alert.Times, Before: alert.Before, Link: link, Command: command,
	})
	if err != nil {
		return told, fmt.Errorf("%w an alert: %w", errCompose, err)
	}
	for n, to := range a.cfg.To {
		if slices.Contains(told, to) {
			continue
		}
		err := a.sendTo(ctx, Mail{
			To: to, Subject: m.Subject, Text: m.Text, HTML: m.HTML, MessageID: alert.ID + "." + strconv.Itoa(n), Language: lang, Date: alert.At,
		})
		var permanent *PermanentError
		switch {
		case errors.As(err, &permanent):
			log.ErrorContext(ctx, "an alert was refused for good", slog.String("answer", scrub(err.Error(), to)))
		case err != nil:
			failure = err
			log.WarnContext(ctx, "an alert was not sent", slog.String("answer", scrub(err.Error(), to)))
			continue
		}
		told = append(told, to)
	}
	return told, failure
}

func (a *Alerts) sendTo(ctx context.Context, m Mail) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err := a.cfg.Mail.SendMail(ctx, m)
	return err
}
