package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// ledger is every secret of a run, by what it is, and every place that none of them may be in.
type ledger struct {
	t       *testing.T
	secrets map[string]string
	places  map[string][]byte
}

// note remembers a secret; an empty one means that the run did not do what it should.
func (l *ledger) note(what, secret string) string {
	l.t.Helper()
	if len(secret) < 8 {
		l.t.Fatalf("%s is %q", what, secret)
	}
	l.secrets[fmt.Sprintf("%s #%d", what, len(l.secrets))] = secret
	return secret
}

// cookies notes all cookies that a person has been given.
func (l *ledger) cookies(p *person) {
	l.t.Helper()
	for _, c := range p.http.Jar.Cookies(must(url.Parse(p.base))) {
		l.note("cookie "+c.Name, c.Value)
	}
}

// forms are the shapes in which a secret would still be one.
func forms(secret string) map[string][]byte {
	raw := []byte(secret)
	all := map[string][]byte{
		"raw": raw, "URL-encoded": []byte(url.QueryEscape(secret)), "hex": []byte(hex.EncodeToString(raw)),
		"HEX": []byte(strings.ToUpper(hex.EncodeToString(raw))),
	}
	// Inside a longer base64 text a secret begins at any of three offsets; the ends depend on what stands beside it.
	for offset := range 3 {
		if len(raw) < 12 {
			break
		}
		text := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{0}, offset), raw...))
		from, to := (offset*8+5)/6, (offset+len(raw))*8/6
		all[fmt.Sprintf("base64, offset %d", offset)] = []byte(text[from:to])
		all[fmt.Sprintf("base64url, offset %d", offset)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(text[from:to]))
	}
	return all
}

// leaks says where any form of a secret is.
func (l *ledger) leaks() []string {
	var found []string
	for what, secret := range l.secrets {
		for form, shape := range forms(secret) {
			for place, content := range l.places {
				if at := bytes.Index(content, shape); at >= 0 {
					from, to := max(0, at-120), min(len(content), at+len(shape)+60)
					found = append(found, fmt.Sprintf("%s (%s) is in %s: ...%q...", what, form, place, content[from:to]))
				}
			}
		}
	}
	return found
}

func (l *ledger) secretOf(kind string) string {
	for what, secret := range l.secrets {
		if strings.HasPrefix(what, kind) {
			return secret
		}
	}
	l.t.Fatalf("there was no %s", kind)
	return ""
}

func TestLeakSearchFindsEveryForm(t *testing.T) {
	const secret = "0123456789-a-secret"
	for form, text := range map[string]string{
		"raw": secret, "hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64": base64.StdEncoding.EncodeToString([]byte("x:" + secret + ":y")), "base64url": base64.RawURLEncoding.EncodeToString([]byte("xy" + secret)),
		"basic": base64.StdEncoding.EncodeToString([]byte("app:" + secret)), "query": "a=" + url.QueryEscape(secret+"&"),
	} {
		l := &ledger{t: t, secrets: map[string]string{"it": secret}, places: map[string][]byte{"there": []byte("before " + text + " after")}}
		if len(l.leaks()) == 0 {
			t.Errorf("%s is not found in %s", form, text)
		}
	}
	l := &ledger{t: t, secrets: map[string]string{"it": secret}, places: map[string][]byte{"there": []byte("nothing of it, 0123456789-a-secre")}}
	if len(l.leaks()) != 0 {
		t.Errorf("found what is not there: %v", l.leaks())
	}
}
