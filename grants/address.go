package grants

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Channel is how a message reaches a person.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// Address is one mailbox or one phone number in its canonical form: the only form in which it is compared, counted,
// stored and delivered to. Two addresses are the same person's exactly when they are equal.
type Address struct {
	Channel Channel
	Value   string // mailbox in lower case with an ASCII domain, or E.164 (+ and digits)
}

// AddressError says why something is not an address, in words for the person who typed it.
type AddressError struct {
	Reason string
}

// Error implements error.
func (e *AddressError) Error() string { return e.Reason }

func badAddress(format string, args ...any) (Address, error) {
	return Address{}, &AddressError{Reason: fmt.Sprintf(format, args...)}
}

const (
	maxAddressBytes = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets
	maxLocalBytes   = 64  // RFC 5321, section 4.5.3.1.1
	maxTypedBytes   = 2 * maxAddressBytes
)

// ParseAddress reads what a person typed into one field: a number when it begins like one, else a mailbox.
func ParseAddress(s string) (Address, error) {
	if looksLikePhone(s) {
		return ParsePhone(s)
	}
	return ParseEmail(s)
}

func looksLikePhone(s string) bool {
	if len(s) > maxTypedBytes {
		return false
	}
	t := strings.TrimSpace(norm.NFKC.String(s))
	return t != "" && !strings.Contains(t, "@") && strings.IndexByte("+0123456789(", t[0]) >= 0
}

// ParseEmail gives the canonical form of a mailbox: trimmed, lower case, the domain in IDNA's ASCII form. It accepts
// one mailbox with an ASCII local part of unquoted atoms (RFC 5321, section 4.1.2, Dot-string) at a domain of at
// least two labels, at most 254 bytes in all. It normalises first and validates the result, so that nothing turns
// into another address later, and takes no letter for another one. The error is an *AddressError.
func ParseEmail(s string) (Address, error) {
	if len(s) > maxTypedBytes {
		return badAddress("An e-mail address has at most %d characters.", maxAddressBytes)
	}
	if !utf8.ValidString(s) {
		return badAddress("This is not an e-mail address.")
	}
	s = strings.Trim(s, " \t")
	if s == "" {
		return badAddress("Enter an e-mail address.")
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.IndexByte(s, '@') != at {
		return badAddress("An e-mail address looks like name@example.com.")
	}
	if err := checkLocal(s[:at]); err != nil {
		return Address{}, err
	}
	local := strings.ToLower(s[:at])
	domain, err := canonicalDomain(s[at+1:])
	if err != nil {
		return Address{}, err
	}
	if len(local)+1+len(domain) > maxAddressBytes {
		return badAddress("An e-mail address has at most %d characters.", maxAddressBytes)
	}
	return Address{Channel: Email, Value: local + "@" + domain}, nil
}

// checkLocal looks at the local part as typed: outside ASCII lower case is another letter's, as K (U+212A) gives k.
func checkLocal(local string) error {
	if len(local) > maxLocalBytes {
		return &AddressError{Reason: fmt.Sprintf("The part before the @ has at most %d characters.", maxLocalBytes)}
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return &AddressError{Reason: "The part before the @ cannot begin or end with a dot or have two in a row."}
	}
	for _, r := range local {
		if !isAtomText(r) && r != '.' {
			return &AddressError{Reason: "The part before the @ can have letters a to z, digits and . _ - + only."}
		}
	}
	return nil
}

// isAtomText tells whether r is atext (RFC 5322, section 3.2.3).
func isAtomText(r rune) bool {
	return isLetter(r) || isDigit(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// profile is IDNA for registration, with the checks for names of hosts: it maps nothing. UTS 46 for look-up makes ASCII of
// full-width, circled and joined letters, drops soft hyphens and takes other stops for dots, and so would lead from one
// spelling to another one's mailbox.
var profile = idna.New(idna.ValidateForRegistration())

func canonicalDomain(s string) (string, error) {
	bad := &AddressError{Reason: "The part after the @ is not the name of a domain, such as example.com."}
	domain, err := profile.ToASCII(norm.NFC.String(strings.Map(lower, s)))
	if err != nil || len(domain) > 253 || !strings.Contains(domain, ".") {
		return "", bad
	}
	// A last label begins with a letter, else a resolver may read the whole as an IP address (127.0.0.0x1).
	if last := domain[strings.LastIndexByte(domain, '.')+1:]; last == "" || !isLetter(rune(last[0])) {
		return "", bad
	}
	again, err := profile.ToASCII(domain)
	if err != nil || again != domain {
		return "", bad
	}
	return domain, nil
}

// lower is a letter in lower case, or one that no domain has where that would make ASCII of another letter: K (U+212A), İ.
func lower(r rune) rune {
	l := unicode.ToLower(r)
	if l < utf8.RuneSelf && r >= utf8.RuneSelf {
		return utf8.RuneError
	}
	return l
}

// ParseFor parses an address of a channel: a phone number for SMS, else a mail address. Its errors are those of
// [ParsePhone] and [ParseEmail].
func ParseFor(c Channel, s string) (Address, error) {
	if c == SMS {
		return ParsePhone(s)
	}
	return ParseEmail(s)
}

// ParsePhone gives the canonical form of a phone number, E.164. It must be written with its country code, after a +
// or 00. A number is accepted when the numbering plans call it possible, from abroad too. The error is an
// *AddressError.
func ParsePhone(s string) (Address, error) {
	if len(s) > 64 || !utf8.ValidString(s) {
		return badAddress("This is not a phone number.")
	}
	s = strings.TrimSpace(norm.NFKC.String(s))
	if s == "" {
		return badAddress("Enter a phone number.")
	}
	for i, r := range s {
		if !isDigit(r) && !strings.ContainsRune(" -.()/", r) && (i > 0 || r != '+') {
			return badAddress("A phone number looks like +49 170 1234567.")
		}
	}
	if strings.HasPrefix(s, "00") {
		s = "+" + s[2:]
	}
	if !strings.HasPrefix(s, "+") {
		return badAddress("Write the number with its country code, such as +49 170 1234567.")
	}
	number, err := canonicalNumber(s)
	if errors.Is(err, phonenumbers.ErrInvalidCountryCode) {
		return badAddress("This country code does not exist.")
	}
	if err != nil {
		return badAddress("This is not a possible phone number: check its length.")
	}
	return Address{Channel: SMS, Value: number}, nil
}

var errImpossible = errors.New("impossible number")

// maxNumberBytes is a plus and the 15 digits of ITU-T E.164, section 6. Some numbering plans have longer numbers inside
// their country.
const maxNumberBytes = 16

// canonicalNumber gives the E.164 form and makes sure that it stands for itself: of +49 00170… parsing takes off one
// trunk prefix at a time.
func canonicalNumber(s string) (string, error) {
	n, err := phonenumbers.Parse(s, "")
	if err != nil {
		return "", err
	}
	if phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "", errImpossible
	}
	number := phonenumbers.Format(n, phonenumbers.E164)
	if len(number) > maxNumberBytes {
		return "", errImpossible
	}
	again, err := phonenumbers.Parse(number, "")
	if err != nil || phonenumbers.Format(again, phonenumbers.E164) != number {
		return "", errImpossible
	}
	return number, nil
}

// Mailbox is the address whose owner reads what is sent to this one, as far as that is known: without what follows a plus, and at
// Gmail, which has two names, without dots. It is for counting what somebody is sent, never for telling who somebody is: some
// servers read a plus otherwise.
func (a Address) Mailbox() Address {
	local, domain, ok := strings.Cut(a.Value, "@")
	if a.Channel != Email || !ok {
		return a
	}
	if base, _, tagged := strings.Cut(local, "+"); tagged && base != "" {
		local = base
	}
	if domain == "gmail.com" || domain == "googlemail.com" {
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return Address{Channel: Email, Value: local + "@" + domain}
}

// Masked is the address for logs and audit rows: enough to recognise, not enough to use.
func (a Address) Masked() string {
	if a.Channel == SMS {
		if len(a.Value) < 7 {
			return "+…"
		}
		return a.Value[:3] + "…" + a.Value[len(a.Value)-2:]
	}
	local, domain, ok := strings.Cut(a.Value, "@")
	if !ok || local == "" {
		return "…"
	}
	return local[:1] + "…@" + domain
}
