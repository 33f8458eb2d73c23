package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

// goal is the greatest chance per account and day that a deployment should give to somebody who guesses codes.
const goal = 1e-4

const (
	day = 24 * time.Hour
	// addressesOfAccount is how many ways in an account is taken to have: one mail address and one number.
	addressesOfAccount = 2
	// sprayed is how many addresses an attacker is taken to know who guesses a little at each.
	sprayed = 1e6
)

// odds are what guessing is worth, as docs/security.md, "Guessing", derives it.
type odds struct {
	tries   float64 // short codes that are looked at for one address, in the worst 24 hours
	account float64 // chance to get into one account in them
	spray   float64 // accounts of a million addresses, on an average day
	watched float64 // likewise, below what raises the risk, in a deployment without any login
	perUser float64 // and this more for each login
}

// oddsOf takes how many digits the shortest codes have.
func oddsOf(cfg *config.Config, digits int) odds {
	limits, attempts := cfg.GrantLimits(), float64(cfg.Passwordless.Code.MaxAttempts)
	short, long := 1/math.Pow10(digits), attempts/math.Pow10(grants.LongCodeLength)
	o := odds{tries: min(worst(limits.FailuresPerAddress), worst(limits.FailuresPerAddressDay))}
	o.account = addressesOfAccount * (o.tries*short + worst(limits.MessagesForStrangers())*long)
	o.spray = sprayed * (min(average(limits.FailuresPerAddress), average(limits.FailuresPerAddressDay))*short + average(limits.MessagesForStrangers())*long)
	o.watched = math.Inf(1)
	if !limits.Spraying.Off() {
		o.watched = average(limits.Spraying) * attempts * short
		o.perUser = attempts * short / grants.UsualLogins
	}
	return o
}

// worst is how much can be drawn on a limit in 24 hours: a period begins with the first draw after the last one's end, so that the
// hours may hold the end of one and the beginning of another.
func worst(l grants.Limit) float64 {
	if l.Off() {
		return math.Inf(1)
	}
	return float64(l.N) * (math.Floor(float64(day)/float64(l.Per)) + 1)
}

// average is how much can be drawn on a limit in a day, over many days.
func average(l grants.Limit) float64 {
	if l.Off() {
		return math.Inf(1)
	}
	return float64(l.N) * float64(day) / float64(l.Per)
}

// shortestCode is how many digits the shortest codes of the connections have.
func shortestCode(ctx context.Context, store *storage.Store, cfg *config.Config) (int, error) {
	shortest := grants.LongCodeLength
	for _, channel := range []grants.Channel{grants.Email, grants.SMS} {
		connection, err := store.Connection(ctx, string(channel))
		if err != nil {
			return 0, err
		}
		shortest = min(shortest, cmp.Or(connection.Options.CodeLength, cfg.Passwordless.Code.Length))
	}
	return shortest, nil
}

// checkGuessing says in numbers what guessing is worth where the shortest codes have so many digits.
func checkGuessing(cfg *config.Config, digits int) []finding {
	o := oddsOf(cfg, digits)
	switch {
	case math.IsInf(o.tries, 1):
		return []finding{{"guessing", warn, "wrong codes are not limited per address", "set limits.failures_per_address_day; limits.all is for tests"}}
	case math.IsInf(o.account, 1):
		return []finding{{"guessing", warn, "messages are not limited per address, and so neither are the tries at ten-digit codes", "set limits.messages_per_address"}}
	}
	text := fmt.Sprintf("a stranger has %.0f tries in the worst 24 hours at %d digits: 1 in %s for an account with two addresses",
		o.tries, digits, thousands(1/o.account))
	out := []finding{{"guessing", ok, text, ""}}
	if o.account > goal {
		out[0].Verdict, out[0].Remedy = warn, "for less than 1 in 10,000 lower limits.failures_per_address_day, or set passwordless.code.length, and that of both connections, to 7 or 8"
	}
	text = fmt.Sprintf("one who tries a million addresses gets into: unwatched %.1f accounts a day", o.spray)
	if math.IsInf(o.watched, 1) {
		return append(out, finding{"spraying", warn, text + "; nobody watches", "set limits.spraying"})
	}
	return append(out, finding{"spraying", ok, text + fmt.Sprintf("; watched %.3f, plus %.2f for every million logins", o.watched, 1e6*o.perUser), ""})
}

// thousands writes 25000 as 25,000.
func thousands(f float64) string {
	s := fmt.Sprintf("%.0f", math.Floor(f))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
