package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// withServers is a deployment whose messages go over a real SMTP session and to a server that speaks Twilio's API.
func withServers(t *testing.T) (*daemon, *smtpServer, *twilioServer) {
	t.Helper()
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	d := deploy(t, "", transports(mails, texts))
	return d.serve(""), mails, texts
}

// received waits for the n-th message.
func received(t *testing.T, n int, to func() []mail) mail {
	t.Helper()
	eventually(t, "message", func() bool { return len(to()) >= n })
	return to()[n-1]
}

func TestCodesOverSMTPAndTwilioGiveTokens(t *testing.T) {
	d, mails, texts := withServers(t)
	app := newPerson(t, d.url)
	for _, c := range []struct {
		field, realm, address string
		inbox                 func(string) []mail
	}{
		{"email", "email", "ada@example.com", mails.to},
		{"phone_number", "sms", "+4915112345678", texts.to},
	} {
		if resp := app.startLogin(c.field, c.address); resp.StatusCode != http.StatusOK {
			t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
		}
		m := received(t, 1, func() []mail { return c.inbox(c.address) })
		tokens := app.otp(c.realm, c.address, m.code())
		if tokens.StatusCode != http.StatusOK || tokens.str("id_token") == "" || tokens.str("refresh_token") == "" {
			t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
		}
	}
	text := texts.to("+4915112345678")[0].Text
	host := strings.TrimPrefix(d.url, "http://")
	host, _, _ = strings.Cut(host, ":")
	if last := text[strings.LastIndex(text, "\n")+1:]; last != "@"+host+" #"+codeOf.FindString(text) {
		t.Errorf("last line of the SMS: %q", last)
	}
	m := mails.to("ada@example.com")[0]
	if !strings.HasPrefix(m.Subject, m.code()) || !strings.Contains(m.HTML, m.code()) || !strings.Contains(m.Text, m.code()) {
		t.Errorf("mail: %+v", m)
	}
}

func TestMailComesThroughFailuresOfTheServer(t *testing.T) {
	d, mails, _ := withServers(t)
	app := newPerson(t, d.url)
	for name, fail := range map[string]func(int) (error, bool){
		"greylisted": func(seen int) (error, bool) {
			if seen == 1 {
				return &smtp.SMTPError{Code: 451, Message: "try again later"}, false
			}
			return nil, false
		},
		"dropped": func(seen int) (error, bool) { return nil, seen == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			mails.behave(fail)
			to := name + "@example.com"
			if resp := app.startLogin("email", to); resp.StatusCode != http.StatusOK {
				t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
			}
			m := received(t, 1, func() []mail { return mails.to(to) })
			if tokens := app.otp("email", to, m.code()); tokens.StatusCode != http.StatusOK {
				t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
			}
			if n := len(mails.to(to)); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

func TestMailThatIsRefusedForGoodIsNotSentAgain(t *testing.T) {
	d, mails, _ := withServers(t)
	app := newPerson(t, d.url)
	mails.behave(func(int) (error, bool) { return &smtp.SMTPError{Code: 550, Message: "no such sender"}, false })
	if resp := app.startLogin("email", "refused@example.com"); resp.StatusCode != http.StatusOK {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	eventually(t, "refusal", func() bool { mails.mu.Lock(); defer mails.mu.Unlock(); return mails.seen == 1 })
	mails.behave(nil)
	// A later one arrives, so the courier has gone on; the refused one was not tried again.
	if resp := app.startLogin("email", "later@example.com"); resp.StatusCode != http.StatusOK {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	received(t, 1, func() []mail { return mails.to("later@example.com") })
	if n := len(mails.to("refused@example.com")); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestSMSComesThroughFailuresOfTwilio(t *testing.T) {
	d, _, texts := withServers(t)
	app := newPerson(t, d.url)
	once := func(status int, body string) func(int, http.ResponseWriter) bool {
		return func(seen int, w http.ResponseWriter) bool {
			if seen > 1 {
				return false
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	numbers := map[string]string{"401": "+4915112345601", "429": "+4915112345602", "500": "+4915112345603"}
	for name, fail := range map[string]func(int, http.ResponseWriter) bool{
		"401": once(http.StatusUnauthorized, `{"code":20003,"message":"Authenticate","status":401}`),
		"429": once(http.StatusTooManyRequests, `{"code":20429,"message":"Too many requests","status":429}`),
		"500": once(http.StatusInternalServerError, `{"code":20500,"message":"internal","status":500}`),
	} {
		t.Run(name, func(t *testing.T) {
			texts.behave(fail)
			if resp := app.startLogin("phone_number", numbers[name]); resp.StatusCode != http.StatusOK {
				t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
			}
			m := received(t, 1, func() []mail { return texts.to(numbers[name]) })
			if tokens := app.otp("sms", numbers[name], m.code()); tokens.StatusCode != http.StatusOK {
				t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
			}
			if n := len(texts.to(numbers[name])); n != 1 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestSMSToANumberThatTwilioRefusesIsNotSentAgain(t *testing.T) {
	d, _, texts := withServers(t)
	app := newPerson(t, d.url)
	texts.behave(func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":21211,"message":"The 'To' number +4915112345678 is not a valid phone number.","status":400}`)
		return true
	})
	resp := app.startLogin("phone_number", "+4915112345678")
	if resp.StatusCode != http.StatusBadRequest || resp.str("error") != "sms_provider_error" || !strings.HasSuffix(resp.str("error_description"), "(Code: 21211)") {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	eventually(t, "refusal", func() bool { texts.mu.Lock(); defer texts.mu.Unlock(); return texts.seen == 1 })
	eventually(t, "log", func() bool { return strings.Contains(d.log.String(), "21211") })
	if strings.Contains(d.log.String(), "+4915112345678") {
		t.Error("the log has the whole number")
	}
	texts.behave(nil)
	if resp := app.startLogin("phone_number", "+4915112345679"); resp.StatusCode != http.StatusOK {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	received(t, 1, func() []mail { return texts.to("+4915112345679") })
	if n := len(texts.to("+4915112345678")); n != 0 {
		t.Errorf("%d messages", n)
	}
}
