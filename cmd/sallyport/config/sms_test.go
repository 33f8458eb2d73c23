package config_test

import (
	"strings"
	"testing"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants/courier"
)

func TestPricesAndCapsAreExactAmounts(t *testing.T) {
	c, problems := parse(t, `
sms:
  countries: [DE, US]
  prices: {"*": "0.0835", DE: 0.1}
  cap: {daily: 50, countries: {DE: "12.5"}}
limits: {sms: 10/1m, mails: "0"}`, "SALLYPORT_SMS_DRY_RUN=true")
	if problems != "" {
		t.Fatal(problems)
	}
	g := c.Guard()
	if g.Prices.Of("US") != 83_500 || g.Prices.Of("DE") != 100_000 || g.Cap.Daily != 50_000_000 || g.Cap.Countries["DE"] != 12_500_000 {
		t.Errorf("prices %v, cap %v", g.Prices, g.Cap)
	}
	if g.SMS.String() != "10/1m" || !g.Mails.Off() || g.SMSPerRange.Off() || !g.Breaker || !g.DryRun {
		t.Errorf("the guard is %+v", g)
	}
	if c, problems = parse(t, "", "SALLYPORT_SMS_CAP_DAILY=7.5"); problems != "" || c.Guard().Cap.Daily != 7_500_000 {
		t.Errorf("by a variable: %s", problems)
	}
}

func TestPriceThatNoCapWouldCountIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"prices: {DE: '0.1'}":               "there is no price for US",
		"prices: {'*': '-1'}":               "is not an amount",
		"prices: {'*': 1e3}":                "is not an amount",
		"prices: {'*': '1', XX: '1'}":       "is not a country",
		"prices: {'*': '1', UK: '1'}":       "write GB",
		"prices: ['0.1']":                   "countries with an amount each",
		"cap: {daily: ten}":                 "is not an amount",
		"cap: {countries: {germany: '10'}}": "is not a country",
	} {
		if _, problems := parse(t, "sms: {countries: [DE, US], "+text+"}"); !strings.Contains(problems, want) {
			t.Errorf("%s: %q lacks %q", text, problems, want)
		}
	}
}

func TestNothingIsBoundedWhereAllLimitsAreOff(t *testing.T) {
	c, problems := parse(t, `limits: {all: "0"}`)
	if problems != "" {
		t.Fatal(problems)
	}
	g := c.Guard()
	if g.Cap.Daily != 0 || g.Breaker || !g.SMS.Off() || !g.Mails.Off() || !g.SMSPerRange.Off() {
		t.Errorf("the guard is %+v", g)
	}
	if _, bounded := c.WorstSMSBill(); bounded {
		t.Error("the bill is bounded")
	}
}

func TestWorstBillIsTheTightestCap(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "100.00",
		"cap: {daily: '0'}":                   "none",
		"cap: {daily: '5'}":                   "5.00",
		"cap: {countries: {DE: '2', US: 1}}":  "3.00",
		"cap: {countries: {DE: '2'}}":         "100.00",
		"prices: {'*': '0'}":                  "none",
		"prices: {'*': '1', DE: '0'}":         "none",
		"prices: {'*': '1', FR: '0'}":         "100.00",
		"cap: {daily: 0, countries: {DE: 2}}": "none",
	} {
		c, problems := parse(t, "sms: {countries: [DE, US], "+text+"}")
		if problems != "" {
			t.Fatal(problems)
		}
		got := "none"
		if bill, bounded := c.WorstSMSBill(); bounded {
			got = bill.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestDefaultBoundsADeploymentThatSaysNothing(t *testing.T) {
	g := config.Default().Guard()
	if g.Cap.Daily/g.Prices.Of("DE") != 1000 || g.SMS.Off() || g.SMSPerRange.Off() || g.Mails.Off() || !g.Breaker || g.DryRun {
		t.Errorf("the guard is %+v", g)
	}
	if _, named := g.Prices[courier.AnyCountry]; !named {
		t.Error("there is no price for all countries")
	}
}
