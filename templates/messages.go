package templates

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Mail is a rendered mail: a subject of one line and the same content as text and as HTML.
type Mail struct{ Subject, Text, HTML string }

// LoginMail is the mail with a code, a link, or both.
type LoginMail struct {
	App         string
	Code        string // "" for a mail with a link only
	Link        string // "" for a mail with a code only
	Minutes     int    // until both end; 0 says nothing
	InSubject   bool   // the code stands in the subject and the preview
	Browser, IP string // what asked, from a list of known names rather than as the request says; "" says nothing
	At          time.Time
	Recent      int // messages asked for in the last hour; more than 1 is told
}

// NoAccountMail tells somebody that there is no account and nobody can make one.
type NoAccountMail struct {
	App string
	At  time.Time
}

// LoginSMS is the text message with a code.
type LoginSMS struct {
	App, Code string
	Minutes   int // until it ends; 0 says nothing
}

// errNoProof is a message that would help nobody to sign in.
var errNoProof = errors.New("a login message needs a code or a link")

// mailView is what a mail's templates see.
type mailView struct {
	Lang, Dir, Subject  string
	Name, Site          string
	Background, OnColor string // of the button
	At                  string
	M                   any
}

// LoginMail renders the mail in a language of ours, or in English. It fails without code and link.
func (s *Set) LoginMail(lang string, m LoginMail) (Mail, error) {
	if m.Code == "" && m.Link == "" {
		return Mail{}, errNoProof
	}
	key := "mail.code.subject_plain"
	switch {
	case m.Code == "":
		key = "mail.link.subject"
	case m.InSubject:
		key = "mail.code.subject"
	}
	m.Browser, m.IP = oneLine(m.Browser, maxName), oneLine(m.IP, maxName)
	return s.mail(lang, "login", m.App, m.At, m, key, "code", m.Code)
}

// NoAccountMail renders the mail in a language of ours, or in English.
func (s *Set) NoAccountMail(lang string, m NoAccountMail) (Mail, error) {
	return s.mail(lang, "no_account", m.App, m.At, m, "mail.no_account.subject")
}

func (s *Set) mail(lang, name, app string, at time.Time, m any, subject string, pairs ...any) (Mail, error) {
	c := s.languages.find(lang)
	v := mailView{
		Lang: c.lang, Dir: c.dir, Name: s.name(app), Site: s.site.Name, M: m,
		Background: s.mailColor.brand.String(), OnColor: s.mailColor.onBrand.String(),
	}
	if !at.IsZero() {
		v.At = at.Format("2006-01-02 15:04 MST")
	}
	var err error
	if v.Subject, err = c.text(subject, append(pairs, "app", v.Name)...); err != nil {
		return Mail{}, err
	}
	var text, html strings.Builder
	if err := s.mailText[c.lang].ExecuteTemplate(&text, name+".txt", v); err != nil {
		return Mail{}, fmt.Errorf("rendering the text of the mail %q: %w", name, err)
	}
	if err := s.mailHTML[c.lang].ExecuteTemplate(&html, name+".html", v); err != nil {
		return Mail{}, fmt.Errorf("rendering the mail %q: %w", name, err)
	}
	return Mail{Subject: v.Subject, Text: text.String(), HTML: html.String()}, nil
}
