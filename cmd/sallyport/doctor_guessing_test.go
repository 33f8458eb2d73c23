package main

import (
	"strings"
	"testing"

	"sallyport/cmd/sallyport/config"
)

func TestGuessingOdds(t *testing.T) {
	const sprayed = "a million addresses gets into: unwatched 20.0 accounts a day; watched 0.024, plus 1.25 for every million logins"
	for name, test := range map[string]struct {
		change   func(*config.Config)
		guessing verdict
		text     string
		spraying verdict
		more     string
	}{
		"default":      {func(*config.Config) {}, ok, "40 tries in the worst 24 hours at 6 digits: 1 in 12,487 for an account with two addresses", ok, sprayed},
		"hourly alone": {func(c *config.Config) { c.Limits.FailuresPerAddressDay.N = 0 }, warn, "250 tries", ok, "240.0 accounts"},
		"longer codes": {func(c *config.Config) { c.Limits.FailuresPerAddressDay.N = 0; c.Passwordless.Code.Length = 8 }, ok, "at 8 digits", ok, "2.4 accounts"},
		"fewer tries":  {func(c *config.Config) { c.Passwordless.Code.MaxAttempts = 1 }, ok, "1 in 12,497", ok, "20.0 accounts a day; watched 0.005, plus 0.25"},
		"no watch":     {func(c *config.Config) { c.Limits.Spraying.N = 0 }, ok, "1 in 12,487", warn, "nobody watches"},
		"no messages":  {func(c *config.Config) { c.Limits.MessagesPerAddress.N = 0 }, warn, "messages are not limited", "", ""},
		"all off":      {func(c *config.Config) { c.Limits.All = "0" }, warn, "not limited", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			test.change(c)
			got := checkGuessing(c, c.Passwordless.Code.Length)
			if got[0].Verdict != test.guessing || !strings.Contains(got[0].Text, test.text) {
				t.Errorf("got %+v", got[0])
			}
			if (test.spraying != "") != (len(got) == 2) {
				t.Fatalf("%d findings", len(got))
			}
			if len(got) == 2 && (got[1].Verdict != test.spraying || !strings.Contains(got[1].Text, test.more)) {
				t.Errorf("got %+v", got[1])
			}
		})
	}
}
