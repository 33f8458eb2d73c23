package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/cmd/sallyport/config"
)

// missingFile tells whether a file was named and is not there.
func missingFile(path string) (string, bool) {
	if path == "" {
		return "", false
	}
	_, err := os.Stat(path)
	return path, errors.Is(err, fs.ErrNotExist)
}

// checkSecretFile looks at where the master secret is kept.
func checkSecretFile(cfg *config.Config) []finding {
	if len(cfg.Secret) > 0 {
		return nil
	}
	info, err := os.Stat(cfg.SecretFile)
	if errors.Is(err, fs.ErrNotExist) && cfg.SQLitePath() != "" {
		return []finding{{"secret file", warn, cfg.SecretFile + " does not exist yet", "it is made at the first start; a database that exists already needs the one it was made with"}}
	}
	if err != nil {
		return []finding{{"secret file", fail, err.Error(), "set secret, or secret_file to a file that can be read"}}
	}
	var out []finding
	if info.Mode().Perm()&0o077 != 0 {
		out = append(out, finding{"secret file", warn, fmt.Sprintf("%s can be read by others (mode %o)", cfg.SecretFile, info.Mode().Perm()), "chmod 600 " + cfg.SecretFile})
	}
	if db := cfg.SQLitePath(); db != "" && sameFolder(db, cfg.SecretFile) {
		out = append(out, finding{"secret file", warn, cfg.SecretFile + " is in the same folder as the database, so a copy of the folder opens everything", "set secret_file to another folder, and back it up apart"})
	}
	if len(out) == 0 {
		out = append(out, finding{"secret file", ok, cfg.SecretFile, ""})
	}
	return out
}

func sameFolder(a, b string) bool {
	da, errA := filepath.Abs(filepath.Dir(a))
	db, errB := filepath.Abs(filepath.Dir(b))
	return errA == nil && errB == nil && da == db
}

// checkTLS looks at the certificate that the server itself shows.
func (c *cli) checkTLS(cfg *config.Config) []finding {
	if cfg.TLS.Cert == "" {
		return nil
	}
	cert, err := newCertificate(cfg.TLS.Cert, cfg.TLS.Key)
	if err != nil {
		return []finding{{"certificate", fail, err.Error(), "set tls.cert and tls.key to PEM files that belong together"}}
	}
	left := cert.current.Load().Leaf.NotAfter.Sub(c.now())
	text := fmt.Sprintf("%s ends %s", cfg.TLS.Cert, stamp(cert.current.Load().Leaf.NotAfter))
	switch {
	case left <= 0:
		return []finding{{"certificate", fail, text, "renew it, then send SIGHUP"}}
	case left < renewWithin:
		return []finding{{"certificate", warn, text, "renew it, then send SIGHUP"}}
	}
	return []finding{{"certificate", ok, text, ""}}
}

// renewWithin is the time in which somebody should have renewed a certificate.
const renewWithin = 14 * 24 * time.Hour

func checkMail(ctx context.Context, cfg *config.Config) finding {
	switch cfg.MailTransport() {
	case config.TransportNone:
		return finding{"mail", warn, "mail.transport is none: there is no login by e-mail", "set mail.transport to smtp"}
	case config.TransportInbox:
		return finding{"mail", ok, "mails are not sent, they are shown at " + inboxURL(cfg), ""}
	}
	smtp, err := newSMTP(cfg)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
		defer cancel()
		err = smtp.Check(ctx)
	}
	if err != nil {
		return finding{"mail", fail, err.Error(), "compare mail.smtp with what your mail provider says: host, port, tls, username, password"}
	}
	return finding{"mail", ok, cfg.Mail.SMTP.Addr + " accepts us", ""}
}

func checkSMS(ctx context.Context, cfg *config.Config) finding {
	switch cfg.SMSTransport() {
	case config.TransportNone:
		return finding{"SMS", ok, "sms.transport is none: there is no login by SMS", ""}
	case config.TransportInbox:
		return finding{"SMS", ok, "SMS are not sent, they are shown at " + inboxURL(cfg), ""}
	}
	twilio, err := newTwilio(cfg)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
		defer cancel()
		err = twilio.Check(ctx)
	}
	if err != nil {
		return finding{"SMS", fail, err.Error(), "compare sms.twilio with Twilio's console: account_sid, and auth_token or api_key and api_secret"}
	}
	return finding{"SMS", ok, "the account " + cfg.SMS.Twilio.AccountSID + " accepts us", ""}
}

func inboxURL(cfg *config.Config) string { return strings.TrimSuffix(cfg.Issuer, "/") + "/dev/inbox" }
