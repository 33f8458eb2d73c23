package courier

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestScrub(t *testing.T) {
	tests := []struct {
		in      string
		secrets []string
		want    string
	}{
		{"", nil, ""},
		{"250 2.0.0 OK", nil, "250 2.0.0 OK"},
		{"error 21211 (status 400): The 'To' number +491701234567 is not valid", []string{"+491701234567"}, "error 21211 (status 400): The 'To' number … is not valid"},
		{"550 <Alice@Example.com>: unknown", []string{"alice@example.com"}, "550 <…>: unknown"},
		{"spam: 123456 and 123 456 and 1-2-3-4-5-6", nil, "spam: … and … and …"},
		{"Your code is １２３４５６", nil, "Your code is …"},
		{"two\r\nlines\tand\x00\x1b[31m more\u2028end", nil, "two lines and [31m more end"},
		{"bad \xff\xfe bytes", nil, "bad bytes"},
		{"a short code 9876", []string{"9876"}, "a short code …"},
	}
	for _, test := range tests {
		if got := scrub(test.in, test.secrets...); got != test.want {
			t.Errorf("scrub(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	if got := scrub(strings.Repeat("é ", 1000)); len(got) > maxAnswer || len(got) < maxAnswer-4 || !utf8.ValidString(got) {
		t.Errorf("a long answer is cut to %d bytes: %q", len(got), got)
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("550 <alice@example.com> 123456", "alice@example.com")
	f.Add("1\x002\n3 4-5\u00a06", "\xff")
	f.Add("…………", "…")
	f.Add(strings.Repeat("9é", 400), "(")
	code := regexp.MustCompile(`\d{6}`)
	f.Fuzz(func(t *testing.T, s, secret string) {
		got := scrub(s, secret)
		if len(got) > maxAnswer || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid: %v", len(got), utf8.ValidString(got))
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("control characters in %q", got)
		}
		if code.MatchString(got) {
			t.Errorf("a code in %q", got)
		}
		if plain := strings.ToValidUTF8(secret, ""); plain != "" && !strings.Contains(hidden, plain) && strings.Contains(got, plain) {
			t.Errorf("the secret %q in %q", secret, got)
		}
	})
}
