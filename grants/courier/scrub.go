package courier

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxAnswer     = 500      // bytes
	maxScrubbed   = 16 << 10 // what follows is not even looked at
	maxProviderID = 200
	hidden        = "…"
)

// digits is what may be a code, in one piece or in groups. Reply and error codes are shorter.
var digits = regexp.MustCompile(`\p{Nd}(?:[ -]?\p{Nd}){5,}`)

// scrub makes a provider's words fit to keep: one line of at most maxAnswer bytes, without the secrets in whatever
// case, and without anything that looks like a code.
func scrub(s string, secrets ...string) string {
	if s = clean(s, maxScrubbed); s == "" {
		return ""
	}
	for _, secret := range secrets {
		if secret = strings.ToValidUTF8(secret, ""); secret != "" {
			s = regexp.MustCompile("(?i)"+regexp.QuoteMeta(secret)).ReplaceAllLiteralString(s, hidden)
		}
	}
	return cut(digits.ReplaceAllLiteralString(s, hidden), maxAnswer)
}

// clean makes one line of printable text of at most so many bytes.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return cut(strings.Join(strings.Fields(s), " "), most)
}

// cut shortens to at most so many bytes, between characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
