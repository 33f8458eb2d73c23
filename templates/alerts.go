package templates

import (
	"fmt"
	"slices"
	"time"
)

// AlertMail tells the owner of the deployment what happened and what to do.
type AlertMail struct {
	Cause, Detail string
	At            time.Time
	Times         int       // since the mail before
	Before        time.Time // the mail before; zero: there was none
	Link          string    // to the page where it is seen to; "" for none
	Command       string    // likewise, to type
}

// alertCauses are those that there are texts for: a title, what happened, and what to do.
var alertCauses = []string{"ip_blocked", "sms_cap", "sms_breaker", "mail_ceiling", "spray", "secret_compromised"}

func alertKeys(cause string) (title, text, what string) {
	return "alert." + cause + ".title", "alert." + cause + ".text", "alert." + cause + ".what"
}

// AlertMail renders the mail in a language of ours, or in English. It fails for a cause that is none.
func (s *Set) AlertMail(lang string, m AlertMail) (Mail, error) {
	if !slices.Contains(alertCauses, m.Cause) {
		return Mail{}, fmt.Errorf("%q is not a cause of alerts", m.Cause)
	}
	m.Detail, m.Command, m.Link = wholeLine(m.Detail), wholeLine(m.Command), webURL(m.Link)
	title, _, _ := alertKeys(m.Cause)
	return s.mail(lang, mailView{template: "alert", Name: s.name(""), M: m}, title)
}

// moment is a time that reads the same in every language.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
