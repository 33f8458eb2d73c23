package grants

import (
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func seed(n int) []byte {
	b := make([]byte, seedBytes)
	binary.BigEndian.PutUint64(b, uint64(n))
	return b
}

func TestCodeIsTheWholeMACInDigits(t *testing.T) {
	r := newRing(t, firstSecret)
	for length := 1; length <= LongCodeLength; length++ {
		for n := range 100 {
			c := Challenge{KeyID: r.KeyID(), Seed: seed(n), CodeLength: length}
			mac, _ := r.MAC(c.KeyID, "code", c.Seed)
			all := new(big.Int).SetBytes(mac).String()
			got, known := r.Code(c)
			if want := all[len(all)-length:]; !known || got != want {
				t.Fatalf("code of %d digits is %q, %v, want %q", length, got, known, want)
			}
		}
	}
}

func TestCodesSpreadEvenlyWithLeadingZeros(t *testing.T) {
	r := newRing(t, firstSecret)
	const codes = 2000 // the seeds are fixed, so the outcome is too
	for length := minCodeLength; length <= LongCodeLength; length++ {
		seen := map[string]bool{}
		counts := make([][10]float64, length)
		for n := range codes {
			code, known := r.Code(Challenge{KeyID: r.KeyID(), Seed: seed(n), CodeLength: length})
			if !known || len(code) != length {
				t.Fatalf("code %q, %v", code, known)
			}
			seen[code] = true
			for i := range code {
				counts[i][code[i]-'0']++
			}
		}
		if len(seen) < codes-10 {
			t.Errorf("%d digits: %d different codes of %d", length, len(seen), codes)
		}
		for i := range counts {
			var chi2 float64
			for _, n := range counts[i] {
				chi2 += (n - codes/10) * (n - codes/10) / (codes / 10)
			}
			if chi2 > 33 { // 9 degrees of freedom: beyond it once in ten thousand
				t.Errorf("%d digits: those at %d are uneven: %v (%.1f)", length, i, counts[i], chi2)
			}
		}
	}
}

func TestCodeAndLinkAreOfOneChallengeOnly(t *testing.T) {
	r := newRing(t, firstSecret, secondSecret)
	c := Challenge{KeyID: r.KeyID(), Seed: seed(1), CodeLength: 10}
	code, _ := r.Code(c)
	link, known := r.LinkToken(c)
	if raw, err := base64.RawURLEncoding.DecodeString(link); !known || err != nil || len(raw) != 32 || len(link) != 43 {
		t.Errorf("link token %q, %v, %v", link, known, err)
	}
	for why, other := range map[string]Challenge{
		"other seed": {KeyID: c.KeyID, Seed: seed(2), CodeLength: 10},
		"other key":  {KeyID: r.KeyIDs()[1], Seed: c.Seed, CodeLength: 10},
	} {
		if got, known := r.Code(other); !known || got == code {
			t.Errorf("%s: code %q, %v", why, got, known)
		}
		if got, known := r.LinkToken(other); !known || got == link {
			t.Errorf("%s: link token %q, %v", why, got, known)
		}
	}
	for why, bad := range map[string]Challenge{
		"zero":        {},
		"no seed":     {KeyID: c.KeyID, CodeLength: 6},
		"short seed":  {KeyID: c.KeyID, Seed: c.Seed[1:], CodeLength: 6},
		"unknown key": {KeyID: "00000000", Seed: c.Seed, CodeLength: 6},
	} {
		if got, known := r.Code(bad); known || got != "" {
			t.Errorf("%s: code %q", why, got)
		}
		if got, known := r.LinkToken(bad); known || got != "" {
			t.Errorf("%s: link token %q", why, got)
		}
	}
}

func TestStatusIsTestedInOrder(t *testing.T) {
	over := Challenge{
		SpentAt: start, EndedAt: start, ExpiresAt: start, CreatedAt: start.Add(-time.Minute), Attempts: 5, MaxAttempts: 5,
	}
	for _, step := range []struct {
		want Status
		then func(*Challenge)
	}{
		{Spent, func(c *Challenge) { c.SpentAt = time.Time{} }},
		{Ended, func(c *Challenge) { c.EndedAt = time.Time{} }},
		{Expired, func(c *Challenge) { c.ExpiresAt = start.Add(1) }},
		{Exhausted, func(c *Challenge) { c.Attempts-- }},
		{Open, func(*Challenge) {}},
	} {
		if got := over.Status(start); got != step.want {
			t.Fatalf("status is %d, want %d", got, step.want)
		}
		step.then(&over)
	}
}

func TestStatusAtTheExactSecond(t *testing.T) {
	c := Challenge{ExpiresAt: start, MaxAttempts: 1}
	for after, want := range map[time.Duration]Status{
		-time.Hour: Open, -1: Open, 0: Expired, 1: Expired, time.Hour: Expired,
	} {
		if got := c.Status(start.Add(after)); got != want {
			t.Errorf("%s after its end the status is %d, want %d", after, got, want)
		}
	}
	for attempts, want := range map[int]Status{0: Open, 1: Exhausted, 2: Exhausted} {
		c.Attempts = attempts
		if got := c.Status(start.Add(-1)); got != want {
			t.Errorf("after %d attempts the status is %d, want %d", attempts, got, want)
		}
	}
	if got := (Challenge{}).Status(start); got != Expired {
		t.Errorf("the zero challenge has status %d", got)
	}
}

func TestNoTwoPlacesShareASlot(t *testing.T) {
	base := Challenge{ClientID: "app", Connection: "email", Address: Address{Email, "ada@example.com"}, Purpose: PurposeLogin, Requester: RequesterAPI}
	zeros := strings.Repeat("\x00", 8)
	parts := []string{"", "a", "ab", "b", "a\x00", "\x00a", "\x00", "a\x00b", ":", "a:b", "\x01a", "\x00\x00\x00\x00\x00\x00\x00\x01a", zeros, "a" + zeros, "a" + zeros + "b", zeros + "b"}
	seen := map[string]Challenge{}
	add := func(c Challenge) {
		t.Helper()
		slot := c.Slot()
		if other, ok := seen[slot]; ok {
			t.Fatalf("%+v and %+v share a slot", other, c)
		}
		seen[slot] = c
	}
	add(base)
	for _, change := range []func(*Challenge){
		func(c *Challenge) { c.ClientID = "App" },
		func(c *Challenge) { c.Connection = "sms" },
		func(c *Challenge) { c.Address.Channel = SMS },
		func(c *Challenge) { c.Address.Value = "eve@example.com" },
		func(c *Challenge) { c.Purpose = "link" },
		func(c *Challenge) { c.Requester = "browser" },
	} {
		c := base
		change(&c)
		add(c)
	}
	for _, client := range parts {
		for _, connection := range parts {
			for _, address := range parts {
				for _, requester := range parts {
					add(Challenge{ClientID: client, Connection: connection, Address: Address{Value: address}, Requester: requester})
				}
			}
		}
	}
}

func TestSlotIsOfThePlaceOnly(t *testing.T) {
	a := Challenge{ClientID: "app", Connection: "email", Address: Address{Email, "ada@example.com"}, Purpose: PurposeLogin, Requester: RequesterAPI}
	b := a
	b.ID, b.Seed, b.KeyID, b.Device, b.CodeLength, b.ExpiresAt, b.SpentAt = NewID(), seed(1), "key", "device", 10, start, start
	if a.Slot() != b.Slot() {
		t.Error("what is no part of the place changes the slot")
	}
}

func TestNewIDIsRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if len(id) != 22 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
