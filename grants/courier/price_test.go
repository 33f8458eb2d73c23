package courier

import "testing"

func TestMoneyIsExact(t *testing.T) {
	for text, want := range map[string]Money{
		"0": 0, "0.05": 50_000, "50": 50_000_000, "0.000001": 1, "12.3": 12_300_000, "999999999.999999": 999_999_999_999_999, "00.10": 100_000,
	} {
		if got, err := ParseMoney(text); err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".5", "5.", "-1", "+1", "1e3", "0x1", "1,50", "1.2.3", "0.0000001", "1000000000", "99999999999", " 1", "1 ", "٣", "NaN", "1_0"} {
		if got, err := ParseMoney(text); err == nil {
			t.Errorf("ParseMoney(%q) = %d", text, got)
		}
	}
}

func TestMoneyIsWrittenAsItIsRead(t *testing.T) {
	for m, want := range map[Money]string{0: "0.00", 1: "0.000001", 50_000: "0.05", 100_000: "0.10", 83_500: "0.0835", 50_000_000: "50.00", 1_234_500_000: "1234.50"} {
		if got := m.String(); got != want {
			t.Errorf("%d is written %q, want %q", m, got, want)
		}
		if back, err := ParseMoney(m.String()); err != nil || back != m {
			t.Errorf("%q is read as %d, %v", m.String(), back, err)
		}
	}
}

func TestCountryWithoutAPriceHasThatOfAll(t *testing.T) {
	p := Prices{AnyCountry: 5, "DE": 9, "US": 0}
	for country, want := range map[string]Money{"DE": 9, "US": 0, "FR": 5, "": 5} {
		if got := p.Of(country); got != want {
			t.Errorf("the price of %q is %d", country, got)
		}
	}
}
