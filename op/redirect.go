package op

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// redirectAllowed compares exact strings, before any decoding (RFC 9700, section 2.1). Only a native client may vary
// the port, on 127.0.0.1 and [::1] (RFC 8252, section 7.3).
func redirectAllowed(c *client, uri string) bool {
	if uri == "" {
		return false
	}
	if slices.Contains(c.Client.RedirectURIs, uri) {
		return true
	}
	if c.Type != "native" {
		return false
	}
	bare, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(c.Client.RedirectURIs, func(registered string) bool {
		other, ok := withoutLoopbackPort(registered)
		return ok && other == bare
	})
}

// withoutLoopbackPort cuts the port out of http://127.0.0.1:1234/x and http://[::1]:1234/x, byte by byte.
func withoutLoopbackPort(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, ok := strings.CutPrefix(rest, ":"); ok {
			digits := len(port) - len(strings.TrimLeft(port, "0123456789"))
			if _, err := strconv.ParseUint(port[:digits], 10, 16); err != nil {
				return "", false
			}
			rest = port[digits:]
		}
		if rest != "" && !strings.ContainsRune("/?", rune(rest[0])) {
			return "", false
		}
		return host + rest, true
	}
	return "", false
}

// withQuery adds parameters to an address that is kept as it is registered, byte by byte.
func withQuery(uri string, more url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + more.Encode()
}

// withFragment adds parameters behind an address that is kept as it is registered. Spaces are %20: not every script that
// reads a fragment knows the plus sign.
func withFragment(uri string, more url.Values) string {
	return uri + "#" + strings.ReplaceAll(more.Encode(), "+", "%20")
}
