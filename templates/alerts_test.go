package templates

import (
	"strings"
	"testing"
	"time"
)

func TestAlertsLookAsTheyDid(t *testing.T) {
	s := newSet(t, Site{Name: "Acme ID"})
	all := map[string]AlertMail{
		"linked": {
			Cause: "ip_blocked", Detail: "203.0.113.9", At: sentAt, Times: 17, Before: sentAt.Add(-2 * time.Hour),
			Link: "https://login.example.com/admin/blocks?ip=203.0.113.9",
		},
		"command": {Cause: "ip_blocked", Detail: "2001:db8::/64", At: sentAt, Times: 1, Command: "sallyport block lift --ip 2001:db8::/64"},
	}
	for _, cause := range alertCauses {
		all[cause] = AlertMail{Cause: cause, At: sentAt, Times: 1}
	}
	for _, lang := range s.Languages() {
		for name, m := range all {
			mail, err := s.AlertMail(lang, m)
			if err != nil {
				t.Fatal(err)
			}
			goldenMail(t, lang+"/mail.alert."+name, mail)
		}
	}
	if _, err := s.AlertMail("en", AlertMail{Cause: "nonsense"}); err == nil {
		t.Error("a cause without texts is rendered")
	}
}

func TestAlertsTellTheWholeDetail(t *testing.T) {
	detail := "through the app " + strings.Repeat("long-", 20) + "id"
	m, err := newSet(t, Site{}).AlertMail("en", AlertMail{Cause: "spray", Detail: detail, At: sentAt})
	if err != nil || !strings.Contains(m.Text, "Details: "+detail+"\n") || !strings.Contains(m.HTML, detail+"<") {
		t.Errorf("%v\n%s", err, m.Text)
	}
}

func TestAlertsEscapeWhatTheyTell(t *testing.T) {
	m, err := newSet(t, Site{}).AlertMail("en", AlertMail{Cause: "spray", Detail: "<b>x</b>\r\nBcc: eve@example.com", Link: "javascript:alert(1)", Command: "a\nb"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.HTML, "<b>") || strings.Contains(m.HTML+m.Text, "javascript:") || strings.Contains(m.Text, "\nBcc") || strings.Contains(m.Subject, "\n") {
		t.Errorf("%+v", m)
	}
}
