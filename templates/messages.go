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
	Anywhere    bool   // the link works in any browser, else only in the one that asked for it
	Minutes     int    // until both end; 0 says nothing
	InSubject   bool   // the code stands in the subject and the preview
	Browser, IP string // what asked, from a list of known names rather than as the request says; "" says nothing
	At          time.Time
	Recent      int // codes asked for in the last 24 hours; more than 1 is told
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
	template            string // name without extension
	Lang, Dir, Subject  string
	Name, Site          string
	Background, OnColor string // of the button
	Asked               string // by what, from where, when
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
	return s.mail(lang, mailView{
		template: "login", Name: s.name(m.App), Asked: asked(m.Browser, m.IP, m.At), M: m,
	}, key, "code", m.Code)
}

// NoAccountMail renders the mail in a language of ours, or in English.
func (s *Set) NoAccountMail(lang string, m NoAccountMail) (Mail, error) {
	return s.mail(lang, mailView{
		template: "no_account", Name: s.name(m.App), Asked: asked("", "", m.At), M: m,
	}, "mail.no_account.subject")
}

// mail renders the view's template and the subject, a text with these placeholders and "app".
func (s *Set) mail(lang string, v mailView, subject string, pairs ...any) (Mail, error) {
	c := s.languages.find(lang)
	v.Lang, v.Dir, v.Site = c.lang, c.dir, s.site.Name
	v.Background, v.OnColor = s.mailColor.brand.String(), s.mailColor.onBrand.String()
	var err error
	if v.Subject, err = c.text(subject, append(pairs, "app", v.Name)...); err != nil {
		return Mail{}, err
	}
	var text, html strings.Builder
	if err := s.mailText[c.lang].ExecuteTemplate(&text, v.template+".txt", v); err != nil {
		return Mail{}, fmt.Errorf("rendering the text of the mail %q: %w", v.template, err)
	}
	if err := s.mailHTML[c.lang].ExecuteTemplate(&html, v.template+".html", v); err != nil {
		return Mail{}, fmt.Errorf("rendering the mail %q: %w", v.template, err)
	}
	return Mail{Subject: v.Subject, Text: strings.TrimSpace(text.String()) + "\n", HTML: html.String()}, nil
}

// asked says what asked for a message, from where and when, as far as it is known. The date is written so that it
// reads the same in every language.
func asked(browser, ip string, at time.Time) string {
	var parts []string
	for _, part := range []string{oneLine(browser), oneLine(ip)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if !at.IsZero() {
		parts = append(parts, at.Format("2006-01-02 15:04 MST"))
	}
	return strings.Join(parts, ", ")
}
