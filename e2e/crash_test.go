package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"sallyport/storage/storagetest"
)

// databases are those that every promise holds on.
func databases(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, storagetest.PostgresURL(t)) })
}

// TestKillBetweenStartAndDelivery kills the process while the mail server keeps it waiting: after the restart the mail
// arrives once, its code works, and what was granted before is still good.
func TestKillBetweenStartAndDelivery(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		t.Helper()
		mails, texts := newSMTPServer(t), newTwilioServer(t)
		d := deploy(t, url, transports(mails, texts))
		first := d.serve("")
		app := newPerson(t, d.issuer)
		if resp := app.startLogin("email", "before@example.com"); resp.StatusCode != http.StatusOK {
			t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
		}
		before := app.otp("email", "before@example.com", received(t, 1, func() []mail { return mails.to("before@example.com") }).code())
		if before.StatusCode != http.StatusOK {
			t.Fatalf("token: %d %s", before.StatusCode, before.body)
		}

		// Every MAIL command waits until the process is dead.
		reached, dead := make(chan struct{}, 16), make(chan struct{})
		mails.behave(func(int) (error, bool) {
			reached <- struct{}{}
			<-dead
			return &smtp.SMTPError{Code: 451, Message: "busy"}, false
		})
		if resp := app.startLogin("email", "ada@example.com"); resp.StatusCode != http.StatusOK {
			t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
		}
		<-reached
		first.kill()
		mails.behave(nil)
		close(dead)
		if n := len(mails.to("ada@example.com")); n != 0 {
			t.Fatalf("%d mails before the restart", n)
		}

		second := d.serve("")
		// The dead process's lease has up to half a minute to go.
		for end := time.Now().Add(time.Minute); len(mails.to("ada@example.com")) == 0 && time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
		}
		m := received(t, 1, func() []mail { return mails.to("ada@example.com") })
		if tokens := app.otp("email", "ada@example.com", m.code()); tokens.StatusCode != http.StatusOK {
			t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
		}
		if again := app.otp("email", "ada@example.com", m.code()); again.StatusCode != http.StatusForbidden {
			t.Errorf("the code worked twice: %d %s", again.StatusCode, again.body)
		}
		if refreshed := app.token("grant_type", "refresh_token", "refresh_token", before.str("refresh_token")); refreshed.StatusCode != http.StatusOK {
			t.Errorf("refresh token of before: %d %s", refreshed.StatusCode, refreshed.body)
		}
		second.stop()
		if n := len(mails.to("ada@example.com")); n != 1 {
			t.Errorf("%d mails", n)
		}
	})
}
