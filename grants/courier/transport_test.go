package courier

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"sallyport/grants"
)

// await polls until a message's outcome is final. It has the clock of the world, unlike the tests in bubbles.
func (b *bench) await(d grants.Delivery) grants.Outcome {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if all := b.out.outcomes(d.Message.ID); len(all) > 0 && all[len(all)-1].Status != grants.OutcomeRetry {
			return all[len(all)-1]
		}
	}
	b.t.Fatalf("the message came to no end; log:\n%s", b.log)
	return grants.Outcome{}
}

func TestServersThatRecoverGetEachMessageOnce(t *testing.T) {
	server, twilio := startMailServer(t, "starttls"), startTwilio(t)
	server.rcpt = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}
	twilio.answer = func(w http.ResponseWriter) { twilioSays(w, http.StatusInternalServerError, 20500, "down") }
	b := newBench(t)
	b.cfg.Mail, b.cfg.SMS = newSMTP(t, server, nil), newTwilio(t, twilio, nil)
	c, stop := b.run()
	defer stop()
	mail, sms := b.message("alice@example.com"), b.message("+491701234567")
	c.Deliver(b.out.put(mail))
	c.Deliver(b.out.put(sms))
	for len(b.out.outcomes(mail.Message.ID)) == 0 || len(b.out.outcomes(sms.Message.ID)) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	server.set(func() { server.rcpt = nil })
	twilio.mu.Lock()
	twilio.answer = nil
	twilio.mu.Unlock()
	if o := b.await(mail); o.Status != grants.OutcomeSent || o.Provider != "smtp" || !strings.HasPrefix(o.ProviderID, mail.Message.ID+"@") {
		t.Errorf("the mail's outcome is %+v", o)
	}
	if o := b.await(sms); o.Status != grants.OutcomeSent || o.Provider != "twilio" || o.ProviderID != "SM1" {
		t.Errorf("the SMS's outcome is %+v", o)
	}
	if got := server.mails(); len(got) != 1 || !strings.Contains(got[0].data, b.code(mail)) {
		t.Errorf("%d mails arrived: %+v", len(got), got)
	}
	if len(twilio.texts) != 1 || !strings.HasSuffix(twilio.texts[0].Get("Body"), "@login.example.com #"+b.code(sms)) {
		t.Errorf("the texts are %v", twilio.texts)
	}
}

func TestRefusedAddressesAreRecordedWithoutThem(t *testing.T) {
	server, twilio := startMailServer(t, "starttls"), startTwilio(t)
	server.rcpt = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<alice@example.com>: no such user"}
	twilio.answer = func(w http.ResponseWriter) {
		twilioSays(w, http.StatusBadRequest, 21211, "The 'To' number +491701234567 is not a valid phone number.")
	}
	b := newBench(t)
	b.cfg.Mail, b.cfg.SMS = newSMTP(t, server, nil), newTwilio(t, twilio, nil)
	c, stop := b.run()
	defer stop()
	for to, want := range map[string]string{
		"alice@example.com": "smtp: error 550: 5.1.1 <…>: no such user",
		"+491701234567":     "twilio: error 21211 (status 400): The 'To' number … is not a valid phone number.",
	} {
		d := b.message(to)
		c.Deliver(b.out.put(d))
		if o := b.await(d); o.Status != grants.OutcomeFailed || o.Answer != want {
			t.Errorf("the outcome is %+v, want the answer %q", o, want)
		}
	}
}
