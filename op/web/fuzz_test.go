package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// FuzzSource: the headers of a peer that is no trusted proxy change nothing, and those of one that is give an address that is in them.
func FuzzSource(f *testing.F) {
	for _, header := range []string{"203.0.113.7", "203.0.113.7, 192.0.2.2", "evil, 203.0.113.7:80", "[2001:db8::1]:1, ::ffff:203.0.113.7", "fe80::1%eth0", ",,", "203.0.113.7\r\n", "192.0.2.9"} {
		f.Add(header, "192.0.2.1:1234")
		f.Add(header, "198.51.100.1:1234")
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	f.Fuzz(func(t *testing.T, header, peer string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		direct := Source(r, trusted)
		r.Header.Set("X-Forwarded-For", header)
		got := Source(r, trusted)
		if !contains(trusted, direct) && got != direct {
			t.Errorf("%q of %s makes it %s", header, peer, got)
		}
		if got != direct && (!got.IsValid() || got.Zone() != "" && !strings.Contains(header, "%")) {
			t.Errorf("%q of %s makes it %v", header, peer, got)
		}
		_ = Info{IP: got}.Network() + Info{IP: got}.Payer() + Info{IP: got}.Host()
	})
}

// FuzzJSON: what is accepted is what encoding/json reads too, with nothing lost, and says the same when it is written again.
func FuzzJSON(f *testing.F) {
	for _, body := range []string{`{"a":1e400,"b":[true,null,"\ud83d\ude00"]}`, `{"a":1,"\u0061":2}`, `[[[[[[[[[]]]]]]]]]`, `"x" "y"`, `{"a":"\u0000"}`, "\xff", `-0`, `{}x`, ``} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := decodeStrict(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is accepted", body)
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", body, err)
		}
		again, err := decodeStrict(written)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", body, written, err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(twice, written) {
			t.Fatalf("%q is written as %q, then as %q", body, written, twice)
		}
	})
}
