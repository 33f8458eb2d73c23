package grants

import (
	"testing"
	"time"
)

func TestParseLimitReadsWhatStringWrites(t *testing.T) {
	for text, want := range map[string]Limit{
		"0":             {},
		"5/10m":         {5, 10 * time.Minute},
		"1/1s":          {1, time.Second},
		"40/24h":        {40, 24 * time.Hour},
		"100/1h30m":     {100, 90 * time.Minute},
		"3/1m0.5s":      {3, 60*time.Second + 500*time.Millisecond},
		"7/10h20m":      {7, 620 * time.Minute},
		"7/1h0m5s":      {7, time.Hour + 5*time.Second},
		"1000000/8760h": {1_000_000, 365 * 24 * time.Hour},
		"100000/1s":     {100_000, time.Second},
	} {
		got, err := ParseLimit(text)
		if err != nil || got != want {
			t.Errorf("ParseLimit(%q) = %v, %v", text, got, err)
		}
		if got.Off() != (text == "0") {
			t.Errorf("%q is off: %v", text, got.Off())
		}
		if got.String() != text {
			t.Errorf("%q is written %q", text, got)
		}
	}
}

func TestParseLimitRefuses(t *testing.T) {
	for _, text := range []string{
		"", "5", "/", "5/", "/10m", "5/10", "five/10m", "5/ten", "-5/10m", "0/10m", "5/0s", "5/-10m", "5/999ms", "5.5/10m", "5/10m/3",
		" 5/10m", "5/10m ", "5 / 10m", "00", "99999999999999999999/10m", "5/9999999999999h", "1e3/10m", "0x5/10m", "5/1d", "٥/10m",
		"100001/1s", "100000000/1s", "9223372036854775807/10m",
	} {
		if got, err := ParseLimit(text); err == nil {
			t.Errorf("ParseLimit(%q) = %v", text, got)
		}
	}
}

func TestDefaultLimitsKeepTheirPromises(t *testing.T) {
	l := DefaultLimits()
	for name, pair := range map[string][2]any{
		"start_per_address":        {l.StartPerAddress.String(), "5/10m"},
		"start_per_address_day":    {l.StartPerAddressDay.String(), "20/24h"},
		"messages_per_address":     {l.MessagesPerAddress.String(), "50/24h"},
		"messages for strangers":   {l.MessagesForStrangers().String(), "40/24h"},
		"failures_per_address":     {l.FailuresPerAddress.String(), "10/1h"},
		"failures_per_address_day": {l.FailuresPerAddressDay.String(), "20/24h"},
		"failures_per_ip":          {l.FailuresPerIP.String(), "100/24h"},
		"start_per_ip":             {l.StartPerIP.String(), "50/1h"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if l.StartPerAddressDay.N >= l.MessagesForStrangers().N {
		t.Error("no work buys a message")
	}
	for n, want := range map[int]int{0: 0, 1: 1, 2: 1, 4: 3, 5: 4, 9: 8, 10: 8} { // what is limited is so for strangers, and never shut
		if got := (Limits{MessagesPerAddress: Limit{n, time.Hour}}).MessagesForStrangers(); got != (Limit{want, time.Hour}) {
			t.Errorf("of %d messages strangers have %v", n, got)
		}
	}
}

func TestBudgetsAreApartPerAddressAndDevice(t *testing.T) {
	l := DefaultLimits()
	mail, number := Address{Email, "ada@example.com"}, Address{SMS, "+491701234567"}
	keys := func(counters []Counter) map[string]bool {
		out := map[string]bool{}
		for _, c := range counters {
			if out[c.Key] {
				t.Errorf("counter %q stands twice", c.Key)
			}
			out[c.Key] = true
		}
		return out
	}
	unknown, device := keys(l.starts(mail, "", false)), keys(l.starts(mail, "laptop", false))
	shared := 0
	for k := range device {
		if unknown[k] {
			shared++
		}
	}
	if len(unknown) != 3 || len(device) != 3 || shared != 1 { // the messages
		t.Errorf("starts of a stranger %v and of a device %v", unknown, device)
	}
	shared = 0
	for k := range keys(l.failures(1, mail, "laptop")) {
		if keys(l.failures(1, mail, ""))[k] {
			t.Errorf("failures of a device count on %q of strangers", k)
		}
		if keys(l.failures(1, mail, "phone"))[k] {
			shared++
		}
	}
	if shared != 1 { // of all known devices
		t.Errorf("known devices share %d budgets", shared)
	}
	for k := range keys(l.starts(number, "", false)) {
		if unknown[k] {
			t.Errorf("two addresses share %q", k)
		}
	}
	for _, c := range l.failures(0, mail, "") {
		if c.Add != 0 || c.Limit.Off() {
			t.Errorf("watched counter %+v", c)
		}
	}
}

func TestNoLimitsNoCounters(t *testing.T) {
	a := Address{Email, "ada@example.com"}
	if got := (Limits{}).starts(a, "laptop", false); len(got) != 0 {
		t.Errorf("starts %v", got)
	}
	if got := (Limits{}).failures(1, a, ""); len(got) != 0 {
		t.Errorf("failures %v", got)
	}
}
