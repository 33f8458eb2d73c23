package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestSMSPastTheDaysMoneyAreWithheldBehindTheSameAnswer(t *testing.T) {
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	d := deploy(t, "", transports(mails, texts)+`
  start_wait: 100ms
  prices: {"*": "0.25"}
  cap: {daily: "2"}
`).serve("")
	app := newPerson(t, d.url)
	start := func(number string) answer {
		t.Helper()
		resp := app.startLogin("phone_number", number)
		if resp.StatusCode != http.StatusOK || resp.str("phone_number") != number {
			t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
		}
		return resp
	}
	const account = "+4915112345600"
	first := start(account)
	m := received(t, 1, func() []mail { return texts.to(account) })
	if tokens := app.otp("sms", account, m.code()); tokens.StatusCode != http.StatusOK {
		t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
	}
	for i := 1; i < 6; i++ { // three quarters of eight
		number := fmt.Sprintf("+491511234560%d", i)
		start(number)
		received(t, 1, func() []mail { return texts.to(number) })
	}

	const late = "+4915112345699"
	last := start(late)
	if len(last.body) != len(first.body) || strings.Join(last.Header.Values("Content-Type"), "") != strings.Join(first.Header.Values("Content-Type"), "") {
		t.Errorf("the answers differ: %s and %s", first.body, last.body)
	}
	eventually(t, "word of it in the log", func() bool { return strings.Contains(d.log.String(), "sending is limited") })
	if n := len(texts.to(late)); n != 0 {
		t.Errorf("%d SMS to a stranger past the cap", n)
	}
	start(account)
	received(t, 2, func() []mail { return texts.to(account) })
}

func TestLoginsByMailGoOnWhileTheSMSProviderHangs(t *testing.T) {
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	d := deploy(t, "", transports(mails, texts)+"  start_wait: 100ms\n").serve("")
	app := newPerson(t, d.url)
	release := make(chan struct{})
	texts.behave(func(int, http.ResponseWriter) bool { <-release; return false })
	for i := range 10 { // more than are sent at once
		if resp := app.startLogin("phone_number", fmt.Sprintf("+491511234560%d", i)); resp.StatusCode != http.StatusOK {
			t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
		}
	}
	if resp := app.startLogin("email", "ada@example.com"); resp.StatusCode != http.StatusOK {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	m := received(t, 1, func() []mail { return mails.to("ada@example.com") })
	if tokens := app.otp("email", "ada@example.com", m.code()); tokens.StatusCode != http.StatusOK {
		t.Errorf("token: %d %s", tokens.StatusCode, tokens.body)
	}
	close(release)
	for i := range 10 {
		number := fmt.Sprintf("+491511234560%d", i)
		received(t, 1, func() []mail { return texts.to(number) })
	}
}
