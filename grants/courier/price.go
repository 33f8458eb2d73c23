package courier

import (
	"fmt"
	"strings"
	"time"

	"sallyport/grants"
)

// Money is an amount in millionths of the deployment's currency, whichever that is.
type Money int64

const (
	unit      = 1_000_000
	maxUnits  = 1_000_000_000
	precision = 6 // decimals
)

// ParseMoney reads an amount as it is written, "0.0835" or "50": at most six decimals, less than a billion, not negative.
func ParseMoney(s string) (Money, error) {
	whole, part, dotted := strings.Cut(s, ".")
	bad := fmt.Errorf("%q is not an amount: write digits with at most six decimals, such as 0.05", s)
	if whole == "" || len(whole) > 10 || dotted && part == "" || len(part) > precision {
		return 0, bad
	}
	var m Money
	for _, r := range whole + part + strings.Repeat("0", precision-len(part)) {
		if r < '0' || r > '9' {
			return 0, bad
		}
		m = m*10 + Money(r-'0')
	}
	if m >= maxUnits*unit {
		return 0, bad
	}
	return m, nil
}

// String writes the amount with two decimals, or more where it has them.
func (m Money) String() string {
	decimals := strings.TrimRight(fmt.Sprintf("%06d", m%unit), "0")
	return fmt.Sprintf("%d.%-2s", m/unit, decimals+strings.Repeat("0", max(2-len(decimals), 0)))
}

// AnyCountry is the key of the price for countries that have none of their own.
const AnyCountry = "*"

// Prices are what one SMS costs, by country (ISO 3166-1 alpha-2), and [AnyCountry].
type Prices map[string]Money

// Of is the price of an SMS to a country.
func (p Prices) Of(country string) Money {
	if price, own := p[country]; own {
		return price
	}
	return p[AnyCountry]
}

// Cap is how much the SMS of one day (UTC) may cost; zero, or a country without one, is not capped.
type Cap struct {
	Daily     Money
	Countries map[string]Money
}

// counters are what an SMS to a country draws on: its price, of the day's money, of which so many per cent may be used.
func (c Cap) counters(country string, price Money, now time.Time, percent int) []grants.Counter {
	day := now.UTC().Format(time.DateOnly)
	var out []grants.Counter
	add := func(key string, most Money) {
		if most > 0 && price > 0 {
			limit := grants.Limit{N: int(most) / 100 * percent, Per: 24 * time.Hour}
			out = append(out, grants.Counter{Key: key + day, Limit: limit, Add: int(price)})
		}
	}
	add(costKey, c.Daily)
	add(costKey+country+":", c.Countries[country])
	return out
}

// costKey begins the keys of the counters of money.
const costKey = "sms-cost:"
