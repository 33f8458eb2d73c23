package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestSourceBelievesTrustedProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                      {"203.0.113.9:1", nil, "203.0.113.9"},
		"a stranger's header":         {"203.0.113.9:1", []string{"1.1.1.1"}, "203.0.113.9"},
		"behind a proxy":              {"10.0.0.1:1", []string{"1.1.1.1"}, "1.1.1.1"},
		"behind two":                  {"10.0.0.1:1", []string{"1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
		"what the client made up":     {"10.0.0.1:1", []string{"9.9.9.9, 1.1.1.1"}, "1.1.1.1"},
		"in two headers":              {"10.0.0.1:1", []string{"9.9.9.9", "1.1.1.1"}, "1.1.1.1"},
		"with a port":                 {"10.0.0.1:1", []string{"1.1.1.1:4711"}, "1.1.1.1"},
		"garbage":                     {"10.0.0.1:1", []string{"1.1.1.1, nonsense"}, "10.0.0.1"},
		"garbage before the proxy":    {"10.0.0.1:1", []string{"nonsense, 10.0.0.2"}, "10.0.0.2"},
		"all trusted":                 {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no header":                   {"10.0.0.1:1", nil, "10.0.0.1"},
		"IPv6 proxy":                  {"[::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":            {"10.0.0.1:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		"a zone":                      {"10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
		"a zone that hides a proxy":   {"10.0.0.1:1", []string{"1.1.1.1, ::1%x"}, "1.1.1.1"},
		"spoofed as a proxy":          {"10.0.0.1:1", []string{"10.9.9.9, 1.1.1.1"}, "1.1.1.1"},
		"one hop too many":            {"10.0.0.1:1", []string{"9.9.9.9, 1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		"an empty hop":                {"10.0.0.1:1", []string{"1.1.1.1,"}, "10.0.0.1"},
		"two headers, spoofed first":  {"10.0.0.1:1", []string{"10.0.0.5", "1.1.1.1", "10.0.0.2"}, "1.1.1.1"},
		"IPv4 in IPv6":                {"[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		"IPv4 in IPv6, in the header": {"10.0.0.1:1", []string{"::ffff:1.1.1.1"}, "1.1.1.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = c.peer
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := Source(r, trusted); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestNetworkOfIPv6IsItsSubnet(t *testing.T) {
	for ip, want := range map[string]string{"203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		if got := (Info{IP: netip.MustParseAddr(ip)}).Network(); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
	if got := (Info{}).Network(); got != "" {
		t.Errorf("no address: %q", got)
	}
}

func TestDirectRefusesForwarded(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	if !Direct(r) {
		t.Error("loopback is not direct")
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"} {
		f := r.Clone(t.Context())
		f.Header.Set(h, "x")
		if Direct(f) {
			t.Errorf("%s is direct", h)
		}
	}
	r.RemoteAddr = "10.0.0.1:1"
	if Direct(r) {
		t.Error("another machine is direct")
	}
}

func TestNetworksThatNobodyKnowsPayForNothing(t *testing.T) {
	for ip, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "2001:db8::1": "2001:db8::/64", "100.63.255.255": "100.63.255.255", "100.128.0.1": "100.128.0.1",
		"127.0.0.1": "", "10.1.2.3": "", "192.168.0.1": "", "fd00::1": "", "fe80::1": "", "100.64.0.1": "", "100.127.255.255": "",
	} {
		if got := (Info{IP: netip.MustParseAddr(ip)}).Payer(); got != want {
			t.Errorf("%s: %q", ip, got)
		}
	}
}
