package main

import (
	"fmt"

	"sallyport/cmd/sallyport/config"
)

// checkSending says what messages can cost at worst.
func checkSending(cfg *config.Config) []finding {
	var out []finding
	if cfg.SMSTransport() != config.TransportNone {
		out = append(out, checkSMSBill(cfg))
		if cfg.SMS.DryRun {
			out = append(out, finding{"SMS", warn, "sms.dry_run is on: no SMS is sent, and nobody signs in by one", "remove sms.dry_run"})
		}
	}
	if mails := cfg.Guard().Mails; mails.Off() && cfg.MailTransport() != config.TransportNone {
		out = append(out, finding{"mail ceiling", warn, "nothing bounds the mails of the deployment", "set limits.mails"})
	} else if !mails.Off() {
		out = append(out, finding{"mail ceiling", ok, fmt.Sprintf("%s, three quarters of it to addresses without account", mails), ""})
	}
	if len(cfg.Alerts.To) == 0 && cfg.MailTransport() == config.TransportSMTP {
		out = append(out, finding{"alerts", warn, "alerts.to is empty: blocked sources and reached ceilings are told in the log alone", "set alerts.to to who should know"})
	}
	return out
}

func checkSMSBill(cfg *config.Config) finding {
	bill, bounded := cfg.WorstSMSBill()
	if !bounded {
		return finding{
			"SMS cost", warn, "nothing bounds what the SMS of a day cost",
			"set sms.prices to what your provider charges and sms.cap.daily to what you can lose; limits.all is for tests",
		}
	}
	text := fmt.Sprintf("at most %s a day by sms.prices, %s of it by numbers without account", bill, bill/4*3)
	for _, country := range cfg.SMS.Countries {
		if own := cfg.SMS.Cap.Countries[country]; own > 0 {
			text += fmt.Sprintf("; %s at most %s", country, own)
		}
	}
	if limit := cfg.Guard().SMS; !limit.Off() {
		text += fmt.Sprintf("; at most %s", limit)
	}
	return finding{"SMS cost", ok, text, ""}
}
