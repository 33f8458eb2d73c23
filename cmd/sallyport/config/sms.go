package config

import (
	"maps"
	"slices"
	"time"

	"sallyport/grants"
	"sallyport/grants/courier"
)

// Cap is how much the SMS of one day may cost.
type Cap struct {
	Daily     courier.Money            `yaml:"daily"`
	Countries map[string]courier.Money `yaml:"countries"`
}

// defaultPrice and defaultDaily let a deployment that says nothing send a thousand SMS a day.
const (
	defaultPrice courier.Money = 100_000
	defaultDaily courier.Money = 1000 * defaultPrice
)

// The budgets of the whole deployment, by default. A burst uses up a third of the day's SMS before somebody can look.
func defaultSMS() grants.Limit         { return grants.Limit{N: 300, Per: time.Hour} }
func defaultSMSPerRange() grants.Limit { return grants.Limit{N: 30, Per: 24 * time.Hour} }
func defaultMails() grants.Limit       { return grants.Limit{N: 20_000, Per: time.Hour} }

// Guard is what bounds the messages of the deployment, as the courier takes it: nothing when limits.all says so.
func (c *Config) Guard() courier.Guard {
	if c.Limits.All == "0" {
		return courier.Guard{DryRun: c.SMS.DryRun}
	}
	return courier.Guard{
		Prices: c.SMS.Prices, Cap: courier.Cap(c.SMS.Cap), SMS: c.Limits.SMS, SMSPerRange: c.Limits.SMSPerRange, Mails: c.Limits.Mails,
		Breaker: true, DryRun: c.SMS.DryRun,
	}
}

// WorstSMSBill is the most that the SMS of one day can cost by the configuration's prices; false where nothing bounds it.
func (c *Config) WorstSMSBill() (courier.Money, bool) {
	g := c.Guard()
	if len(g.Prices) == 0 {
		return 0, false
	}
	var sum courier.Money
	capped := true
	for _, country := range c.SMS.Countries {
		sum += g.Cap.Countries[country]
		capped = capped && g.Prices.Of(country) > 0 && g.Cap.Countries[country] > 0
	}
	switch {
	case capped && g.Cap.Daily > 0:
		return min(sum, g.Cap.Daily), true
	case capped:
		return sum, true
	}
	free := slices.ContainsFunc(c.SMS.Countries, func(country string) bool { return g.Prices.Of(country) == 0 })
	return g.Cap.Daily, g.Cap.Daily > 0 && !free
}

func (c *Config) checkPrices(r *report) {
	for _, country := range slices.Sorted(maps.Keys(c.SMS.Prices)) {
		if problem := checkCountry(country); country != courier.AnyCountry && problem != "" {
			r.add("sms.prices["+country+"]", "%s", problem)
		}
	}
	for _, country := range slices.Sorted(maps.Keys(c.SMS.Cap.Countries)) {
		if problem := checkCountry(country); problem != "" {
			r.add("sms.cap.countries["+country+"]", "%s", problem)
		}
	}
	if _, all := c.SMS.Prices[courier.AnyCountry]; all {
		return
	}
	for _, country := range c.SMS.Countries {
		if _, own := c.SMS.Prices[country]; !own {
			r.add("sms.prices", "there is no price for %s, so no cap would count its SMS; write one, or %q for all others", country, courier.AnyCountry)
			return
		}
	}
}
