package grants

import (
	"strings"
	"testing"
	"time"
)

// FuzzLinkToken checks that nothing but the challenge's own link token, as it was sent, is right.
func FuzzLinkToken(f *testing.F) {
	ring, err := NewRing(strings.Repeat("a secret for tests ", 3))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	e := &Engine{cfg: Config{Ring: ring, Now: func() time.Time { return now }}}
	c := Challenge{ID: "c", Seed: []byte("0123456789abcdef"), KeyID: ring.KeyID(), CodeLength: 6, MaxAttempts: 5, ExpiresAt: now.Add(time.Minute)}
	link, _ := ring.LinkToken(c)
	code, _ := ring.Code(c)
	for _, seed := range []string{link, code, "", link + "=", link[:42], link + "\n", strings.ToUpper(link)} {
		f.Add(seed, uint8(0), uint8(0))
		f.Add(seed, uint8(7), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, at, cut uint8) {
		from := int(at) % (len(link) + 1)
		to := min(from+int(cut), len(link))
		for _, token := range []string{text, link[:from] + text + link[to:]} {
			if e.LinkRight(c, token) != (token == link) {
				t.Errorf("%q is right: %v", token, token != link)
			}
		}
	})
}
