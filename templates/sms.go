package templates

import (
	"strings"
	"unicode/utf16"
)

// One SMS holds 160 characters of the GSM 7-bit alphabet (3GPP TS 23.038), or 70 of any other text.
const (
	gsmLength   = 160
	otherLength = 70
)

// LoginSMS renders the text message in a language of ours, or in English. The app's name gives way where the message
// would need a second segment. The last line binds the code to the site's host (WICG "Origin-bound one-time codes
// delivered via SMS"). It fails without a code.
func (s *Set) LoginSMS(lang string, m LoginSMS) (string, error) {
	if m.Code == "" {
		return "", errNoProof
	}
	c := s.languages.find(lang)
	rest := ""
	if m.Minutes > 0 {
		minutes, err := c.text("sms.minutes", "n", m.Minutes)
		if err != nil {
			return "", err
		}
		rest = " " + minutes
	}
	if s.site.Host != "" {
		rest += "\n\n@" + s.site.Host + " #" + m.Code
	}
	for _, name := range shorter(s.name(m.App)) {
		text, err := c.text("sms.code", "code", m.Code, "app", name)
		if err != nil {
			return "", err
		}
		if fits(text + rest) {
			return text + rest, nil
		}
	}
	text, err := c.text("sms.code_plain", "code", m.Code)
	return text + rest, err
}

// shorter is a name and then what remains of it, character by character, down to the first.
func shorter(name string) []string {
	names := []string{name}
	runes := []rune(name)
	for n := len(runes) - 1; n > 0; n-- {
		names = append(names, strings.TrimSpace(string(runes[:n]))+"...")
	}
	return names
}

// fits tells whether a text is one segment.
func fits(text string) bool {
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			n++
		case strings.ContainsRune(gsmExtended, r):
			n += 2
		default:
			return len(utf16.Encode([]rune(text))) <= otherLength
		}
	}
	return n <= gsmLength
}

const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)
