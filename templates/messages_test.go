package templates

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
)

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func mustTag(t *testing.T, s string) language.Tag {
	t.Helper()
	tag, err := language.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

var fullMail = LoginMail{
	App: "Acme Shop", Code: "012345", Link: "https://login.example.com/u/login/link?m=MESSAGE&t=TOKEN", Minutes: 5, InSubject: true,
	Browser: "Firefox on Linux", IP: "203.0.113.7", At: sentAt, Recent: 3,
}

func TestMessagesLookAsTheyDid(t *testing.T) {
	s := newSet(t, Site{Name: "Acme ID", Host: "login.example.com"})
	codeOnly := LoginMail{Code: "012345"}
	linkOnly := fullMail
	linkOnly.Code = ""
	hidden := fullMail
	hidden.InSubject = false
	anywhere := fullMail
	anywhere.Anywhere = true
	for _, lang := range s.Languages() {
		for name, m := range map[string]LoginMail{"full": fullMail, "code": codeOnly, "link": linkOnly, "hidden": hidden, "anywhere": anywhere} {
			mail, err := s.LoginMail(lang, m)
			if err != nil {
				t.Fatal(err)
			}
			goldenMail(t, lang+"/mail.login."+name, mail)
		}
		for name, m := range map[string]NoAccountMail{"full": {App: "Acme Shop", At: sentAt}, "zero": {}} {
			mail, err := s.NoAccountMail(lang, m)
			if err != nil {
				t.Fatal(err)
			}
			goldenMail(t, lang+"/mail.no_account."+name, mail)
		}
		for name, m := range map[string]LoginSMS{"full": {App: "Acme Shop", Code: "012345", Minutes: 5}, "code": {Code: "012345"}} {
			text, err := s.LoginSMS(lang, m)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, lang+"/sms.login."+name+".txt", text)
		}
	}
}

func goldenMail(t *testing.T, name string, m Mail) {
	t.Helper()
	golden(t, name+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
	golden(t, name+".html", m.HTML)
}

func TestAMessageThatHelpsNobodyIsAnError(t *testing.T) {
	s := newSet(t, Site{})
	if _, err := s.LoginMail("en", LoginMail{}); err == nil {
		t.Error("a mail without code and link is rendered")
	}
	if _, err := s.LoginSMS("en", LoginSMS{}); err == nil {
		t.Error("a text message without code is rendered")
	}
}

func TestCodeIsInTheSubjectOnlyWhenAsked(t *testing.T) {
	s := newSet(t, Site{})
	m := fullMail
	for _, inSubject := range []bool{true, false} {
		m.InSubject = inSubject
		mail, err := s.LoginMail("en", m)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(mail.Subject, m.Code); got != inSubject {
			t.Errorf("InSubject %v gives %q", inSubject, mail.Subject)
		}
		_, body, _ := strings.Cut(mail.HTML, "<body")
		preview := firstText(t, mail.HTML)
		if got := strings.Contains(preview, m.Code); got != inSubject {
			t.Errorf("InSubject %v gives the preview %q", inSubject, preview)
		}
		if n := strings.Count(body, ">"+m.Code+"</p>"); n != 1 {
			t.Errorf("the code is %d times one text of its own", n)
		}
	}
}

// firstText is what a list of mails would show of a mail: its first 100 characters.
func firstText(t *testing.T, text string) string {
	t.Helper()
	for _, e := range elements(t, text) {
		if e.Data == "body" {
			var b strings.Builder
			for n := range e.Descendants() {
				if n.FirstChild == nil {
					b.WriteString(n.Data)
				}
			}
			return string([]rune(b.String())[:100])
		}
	}
	t.Fatal("the mail has no body")
	return ""
}

func TestMailLoadsNothing(t *testing.T) {
	mail, err := newSet(t, Site{}).LoginMail("en", fullMail)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements(t, mail.HTML) {
		switch e.Data {
		case "img", "link", "script", "iframe", "object":
			t.Errorf("the mail has a <%s>", e.Data)
		}
	}
	for _, loads := range []string{"url(", "@import", "src="} {
		if strings.Contains(mail.HTML, loads) {
			t.Errorf("the mail has %q", loads)
		}
	}
	for _, part := range []string{mail.HTML, mail.Text} {
		if strings.Contains(strings.ToLower(part), "click here") {
			t.Error("the mail says click here")
		}
	}
	if !strings.Contains(mail.Text, fullMail.Link) {
		t.Error("the text part lacks the link")
	}
}

func TestStrangersTextStaysTextInMessages(t *testing.T) {
	s := newSet(t, Site{Host: "login.example.com"})
	hostile := "Acme\r\nBcc: all@example.com\r\n\r\n</p><script>alert(1)</script>\" onload=\"x\u202e"
	m := LoginMail{App: "x", Code: "012345", Link: "https://login.example.com/", Browser: "x", IP: "x", InSubject: true}
	want, err := s.LoginMail("en", m)
	if err != nil {
		t.Fatal(err)
	}
	m.App, m.Browser, m.IP = hostile, hostile, hostile
	got, err := s.LoginMail("en", m)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(got.Subject, "\r\n\x00\u202e") {
		t.Errorf("the subject is %q", got.Subject)
	}
	if skeleton(t, got.HTML) != skeleton(t, want.HTML) {
		t.Errorf("the mail became %s", got.HTML)
	}
	if strings.Count(got.Text, "\n") != strings.Count(want.Text, "\n") || strings.Contains(got.Text, "\r") {
		t.Errorf("the text became %q", got.Text)
	}
	m.Link = "javascript:alert(1)"
	if got, err = s.LoginMail("en", m); err != nil || strings.Contains(got.HTML, "javascript:") {
		t.Errorf("a script is linked: %v", err)
	}
	text, err := s.LoginSMS("en", LoginSMS{App: "Acme\n@evil.example #999999", Code: "012345"})
	if err != nil || !strings.HasSuffix(text, "\n\n@login.example.com #012345") || strings.Count(text, "\n") != 2 {
		t.Errorf("the text message is %q, %v", text, err)
	}
}

func TestTextMessageIsOneSegment(t *testing.T) {
	for _, host := range []string{"", "login.example.com", "login.a-rather-long-department-name.example-company.com"} {
		s := newSet(t, Site{Host: host})
		for _, app := range []string{
			"", "Acme Shop", strings.Repeat("Very Long App Name ", 20), "Café Größe", "Магазин «Пример»", "日本語の店", "Shop 🎉", "€{}[]~^|\\ €€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€",
		} {
			for _, lang := range s.Languages() {
				text, err := s.LoginSMS(lang, LoginSMS{App: app, Code: "0123456789", Minutes: 10})
				if err != nil {
					t.Fatal(err)
				}
				if !fits(text) {
					t.Errorf("more than one segment: %q", text)
				}
				lines := strings.Split(text, "\n")
				if host != "" && lines[len(lines)-1] != "@"+host+" #0123456789" {
					t.Errorf("the last line is %q", lines[len(lines)-1])
				}
				if !strings.HasPrefix(text, "0123456789 ") {
					t.Errorf("the text does not come first: %q", text)
				}
			}
		}
	}
	s := newSet(t, Site{Host: "login.example.com"})
	if text, _ := s.LoginSMS("en", LoginSMS{App: "Acme Shop", Code: "012345", Minutes: 10}); !strings.Contains(text, "Acme Shop. It works for 10 minutes.") {
		t.Errorf("a usual name is shortened: %q", text)
	}
}

func TestSegmentsAreCountedAsNetworksDo(t *testing.T) {
	for text, want := range map[string]bool{
		strings.Repeat("a", 160):      true,
		strings.Repeat("a", 161):      false,
		strings.Repeat("€", 80):       true,
		strings.Repeat("€", 80) + "a": false,
		strings.Repeat("ж", 70):       true,
		strings.Repeat("ж", 71):       false,
		strings.Repeat("🎉", 35):       true,
		strings.Repeat("🎉", 35) + "a": false,
		strings.Repeat("a", 71) + "…": false,
		strings.Repeat("ä@\n_ß#", 26): true,
	} {
		if fits(text) != want {
			t.Errorf("%q fits: %v", text, !want)
		}
	}
}
