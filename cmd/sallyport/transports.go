package main

import (
	"fmt"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants/courier"
)

// transports are the ways out. A nil one does not exist, and neither does its connection.
type transports struct {
	mail  courier.Mailer
	sms   courier.Texter
	inbox *courier.Inbox // when one of them is the inbox
}

func newTransports(cfg *config.Config, now func() time.Time) (transports, error) {
	var t transports
	inbox := func() *courier.Inbox {
		if t.inbox == nil {
			t.inbox = courier.NewInbox(0)
			t.inbox.Now = now
		}
		return t.inbox
	}
	switch cfg.MailTransport() {
	case config.TransportInbox:
		t.mail = inbox()
	case config.TransportSMTP:
		smtp, err := newSMTP(cfg)
		if err != nil {
			return t, err
		}
		t.mail = smtp
	}
	switch cfg.SMSTransport() {
	case config.TransportInbox:
		t.sms = inbox()
	case config.TransportTwilio:
		twilio, err := newTwilio(cfg)
		if err != nil {
			return t, err
		}
		t.sms = twilio
	}
	return t, nil
}

func newSMTP(cfg *config.Config) (*courier.SMTP, error) {
	c := cfg.Mail.SMTP
	smtp, err := courier.NewSMTP(courier.SMTPConfig{Addr: c.Addr, Username: c.Username, Password: c.Password, TLS: c.TLS, From: cfg.Mail.From})
	if err != nil {
		return nil, fmt.Errorf("mail.smtp: %w", err)
	}
	return smtp, nil
}

func newTwilio(cfg *config.Config) (*courier.Twilio, error) {
	c := cfg.SMS.Twilio
	twilio, err := courier.NewTwilio(courier.TwilioConfig{
		AccountSID: c.AccountSID, AuthToken: c.AuthToken, APIKey: c.APIKey, APISecret: c.APISecret,
		From: c.From, MessagingServiceSID: c.MessagingServiceSID, BaseURL: c.BaseURL,
	})
	if err != nil {
		return nil, fmt.Errorf("sms.twilio: %w", err)
	}
	return twilio, nil
}
