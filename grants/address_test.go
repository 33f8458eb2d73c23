package grants

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseEmailGivesOneCanonicalForm(t *testing.T) {
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b", 61) + "." + strings.Repeat("c", 61) + "." + strings.Repeat("d", 62) + ".de"
	if len(long) != 254 {
		t.Fatalf("the long mailbox has %d bytes", len(long))
	}
	for typed, want := range map[string]string{
		"ada@example.com":         "ada@example.com",
		" \tada@example.com \t":   "ada@example.com",
		"Ada.Lovelace@EXAMPLE.Co": "ada.lovelace@example.co",
		"ada+news@example.com":    "ada+news@example.com",
		"a.b@example.com":         "a.b@example.com",
		"!#$%&'*+-/=?^_`{|}~@a.b": "!#$%&'*+-/=?^_`{|}~@a.b",
		"007@example.com":         "007@example.com",
		"a@b.c":                   "a@b.c",
		"a@1.example":             "a@1.example",
		"a@123.com":               "a@123.com",
		"ada@bücher.example":      "ada@xn--bcher-kva.example",
		"ada@BÜCHER.example":      "ada@xn--bcher-kva.example",
		"ada@bu\u0308cher.de":     "ada@xn--bcher-kva.de", // decomposed
		"ada@XN--BCHER-KVA.de":    "ada@xn--bcher-kva.de",
		"ada@BU\u0308CHER.de":     "ada@xn--bcher-kva.de",
		"ada@straße.de":           "ada@xn--strae-oqa.de", // not strasse.de
		"ada@STRA\u1E9EE.de":      "ada@xn--strae-oqa.de",
		"ada@ПРИМЕР.рф":           "ada@xn--e1afmkfd.xn--p1ai",
		"ada@日本語.jp":              "ada@xn--wgv71a119e.jp",
		"ada@mail.пример.рф":      "ada@mail.xn--e1afmkfd.xn--p1ai",
		"ada@xn--e1afmkfd.рф":     "ada@xn--e1afmkfd.xn--p1ai",
		"ada@ıx.com":              "ada@xn--x-eka.com",
		long:                      long,
	} {
		got, err := ParseEmail(typed)
		if err != nil || got != (Address{Channel: Email, Value: want}) {
			t.Errorf("ParseEmail(%q) = %+v, %v, want %q", typed, got, err, want)
		}
		if again, err := ParseEmail(got.Value); err != nil || again != got {
			t.Errorf("ParseEmail(%q) again = %+v, %v", got.Value, again, err)
		}
	}
}

// notMailboxes are no mailboxes for what stands before the @, and with it.
var notMailboxes = map[string]string{
	"nothing":                        "",
	"spaces":                         " \t ",
	"no at":                          "example.com",
	"no local part":                  "@example.com",
	"no domain":                      "ada@",
	"only an at":                     "@",
	"two ats":                        "ada@evil.com@example.com",
	"full-width at":                  "ada＠example.com",
	"full-width at in the domain":    "ada@evil.com＠example.com",
	"full-width at before the at":    "ada＠evil.com@example.com",
	"small at":                       "ada@evil.com\uFE6Bexample.com",
	"ideographic full stop":          "ada@example\u3002com",
	"full-width full stop":           "ada@example．com",
	"half-width full stop":           "ada@example\uFF61com",
	"ideographic stop and dot":       "ada@mail\u3002example.com",
	"one dot leader":                 "ada@example\u2024com",
	"two dot leader":                 "ada@a\u2025b.com",
	"digit full stop":                "ada@a\u2488b.com", // 1.
	"account of":                     "ada@a\u2100b.com", // a/c
	"quoted local part":              `"ada"@example.com`,
	"quoted at":                      `"ada@evil.com"@example.com`,
	"quoted with a space":            `"ada smith"@example.com`,
	"comment":                        "ada(comment)@example.com",
	"comment in the domain":          "ada@(comment)example.com",
	"display name":                   "Ada <ada@example.com>",
	"angle brackets":                 "<ada@example.com>",
	"source route":                   "@relay.com:ada@example.com",
	"percent route is no second at":  "ada@relay.com%example.com",
	"bang route in the domain":       "ada@relay.com!example",
	"mailto":                         "mailto:ada@example.com",
	"several with comma":             "ada@example.com,eve@evil.com",
	"several with semicolon":         "ada@example.com;eve@evil.com",
	"several with space":             "ada@example.com eve@evil.com",
	"comma in the local part":        "eve,ada@example.com",
	"space in the local part":        "ada smith@example.com",
	"space in the domain":            "ada@exam ple.com",
	"CR LF":                          "ada@example.com\r\nBcc: eve@evil.com",
	"LF at the end":                  "ada@example.com\n",
	"CR at the beginning":            "\rada@example.com",
	"LF in the local part":           "a\nda@example.com",
	"NUL":                            "ada\x00@example.com",
	"NUL in the domain":              "ada@example.com\x00.evil.com",
	"DEL":                            "ada\x7f@example.com",
	"C1 control":                     "ada\u0085@example.com",
	"escape":                         "ada\x1b[31m@example.com",
	"invalid UTF-8":                  "ada\xff@example.com",
	"invalid UTF-8 in the domain":    "ada@ex\xc3ample.com",
	"backslash":                      `ada\@example.com`,
	"leading dot":                    ".ada@example.com",
	"trailing dot in the local part": "ada.@example.com",
	"two dots in the local part":     "a..da@example.com",
	"letter outside ASCII":           "adä@example.com",
	"Kelvin sign, lower case is k":   "\u212Aay@example.com",
	"dotted I, lower case is i":      "\u0130da@example.com",
	"dotless i":                      "\u0131da@example.com",
	"ligature in the local part":     "ﬁ@example.com",
	"full-width letter":              "ａda@example.com",
	"zero width space":               "ad\u200ba@example.com",
	"right-to-left override":         "ad\u202ea@example.com",
}

// notDomains are no mailboxes for what stands behind the @, or for their length.
var notDomains = map[string]string{
	"one label":                     "ada@localhost",
	"leading dot in the domain":     "ada@.example.com",
	"two dots in the domain":        "ada@example..com",
	"trailing dot":                  "ada@example.com.",
	"trailing ideographic stop":     "ada@example.com\u3002",
	"only dots":                     "ada@..",
	"underscore in the domain":      "ada@exam_ple.com",
	"label begins with a hyphen":    "ada@-example.com",
	"label ends with a hyphen":      "ada@example-.com",
	"IPv4":                          "ada@127.0.0.1",
	"IPv4 literal":                  "ada@[127.0.0.1]",
	"IPv6 literal":                  "ada@[IPv6:::1]",
	"IPv6":                          "ada@::1",
	"IPv4 with a hexadecimal part":  "ada@127.0.0.0x1",
	"short IPv4":                    "ada@127.1",
	"full-width IPv4":               "ada@１２７.0.0.１",
	"numeric top-level domain":      "ada@example.123",
	"top-level domain with a digit": "ada@example.1com",
	"port":                          "ada@example.com:25",
	"slash":                         "ada@example.com/x",
	"query":                         "ada@example.com?bcc=eve",
	"punycode of ASCII":             "ada@xn--example-.com",
	"punycode of nothing":           "ada@xn--.com",
	"broken punycode":               "ada@xn--a.com",
	"punycode of upper case":        "ada@xn--bcher-2pa.com",
	"zero width joiner":             "ada@exam\u200dple.com",
	"mixed directions":              "ada@aא.com",
	"full-width letters":            "ada@ＥＸＡＭ-ple.com",
	"full-width letter in a word":   "ada@bｕ\u0308cher.de",
	"full-width top-level domain":   "ada@example.ｃom",
	"full-width punycode":           "ada@ｘn--bcher-kva.de",
	"ligature":                      "ada@ﬁsh.com",
	"Kelvin sign":                   "ada@\u212Aay.com",
	"Kelvin sign in a word":         "ada@\u212Aüche.de",
	"dotted I":                      "ada@\u0130x.com",
	"long s":                        "ada@\u017Fhop.com",
	"soft hyphen":                   "ada@exam\u00adple.com",
	"soft hyphen in a word":         "ada@bü\u00adcher.de",
	"zero width space in a word":    "ada@bü\u200bcher.de",
	"zero width no-break space":     "ada@exam\ufeffple.com",
	"variation selector":            "ada@exam\ufe0fple.com",
	"combining grapheme joiner":     "ada@exam\u034fple.com",
	"circled digit":                 "ada@shop\u2460.com",
	"circled letters":               "ada@\u24d4xample.com",
	"superscript digit":             "ada@shop\u00b2.com",
	"ordinal":                       "ada@exampl\u00aa.com",
	"Roman numeral":                 "ada@\u2170x.com",
	"mathematical letters":          "ada@\U0001D41Dx.com",
	"numero sign":                   "ada@\u2116.com",
	"half-width katakana":           "ada@ﾊﾟ.jp",
	"micro sign":                    "ada@\u00b5x.com", // μ, U+03BC
	"full-width hyphen":             "ada@exam\uff0dple.com",
	"label of 64 bytes":             "ada@" + strings.Repeat("b", 64) + ".com",
	"local part of 65 bytes":        strings.Repeat("a", 65) + "@example.com",
	"255 bytes":                     strings.Repeat("a", 64) + "@" + strings.Repeat("b", 61) + "." + strings.Repeat("c", 61) + "." + strings.Repeat("d", 62) + ".com",
	"very long":                     strings.Repeat("a", 1<<20) + "@example.com",
	"very long domain":              "a@" + strings.Repeat("a.", 1<<19) + "com",
	"very long with many ats":       strings.Repeat("@", 1<<20),
	"phone number":                  "+49 170 1234567",
}

func TestParseEmailRefuses(t *testing.T) {
	cases := maps.Clone(notMailboxes)
	maps.Copy(cases, notDomains)
	for why, typed := range cases {
		got, err := ParseEmail(typed)
		if err == nil {
			t.Errorf("%s: ParseEmail gives %q", why, got.Value)
			continue
		}
		assertReason(t, why, err)
	}
}

// assertReason wants words for the person, which do not repeat what was typed.
func assertReason(t *testing.T, why string, err error) {
	t.Helper()
	bad, ok := err.(*AddressError) //nolint:errorlint // the contract is this very type
	if !ok {
		t.Fatalf("%s: the error is a %T, not an *AddressError", why, err)
	}
	if !reasonForm.MatchString(bad.Reason) {
		t.Errorf("%s: reason %q is no sentence", why, bad.Reason)
	}
}

var (
	reasonForm = regexp.MustCompile(`^[A-Z][ -~]{10,90}\.$`)
	ownLabel   = regexp.MustCompile(`^u@xn--[a-z0-9-]+\.com$`)
)

// No letter outside ASCII becomes syntax or a letter of ASCII, alone or in a word.
func TestNoLetterTurnsIntoSyntaxOrAnother(t *testing.T) {
	for r := rune(0x80); r <= 0x10FFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		if a, err := ParseEmail("u" + string(r) + "@example.com"); err == nil {
			t.Errorf("%U in the local part gives %q", r, a.Value)
		}
		for _, domain := range []string{string(r), "a" + string(r) + "b"} {
			if a, err := ParseEmail("u@" + domain + ".com"); err == nil && !ownLabel.MatchString(a.Value) {
				t.Errorf("%U in the domain gives %q", r, a.Value)
			}
		}
	}
}

func TestParsePhoneGivesOneCanonicalForm(t *testing.T) {
	for typed, want := range map[string]string{
		"+491701234567":             "+491701234567",
		"  +49 170 1234567\t":       "+491701234567",
		"+49-170-123-4567":          "+491701234567",
		"+49 (0)170 1234567":        "+491701234567",
		"+490170 1234567":           "+491701234567",
		"+49.170/1234567":           "+491701234567",
		"0049 170 1234567":          "+491701234567",
		"＋４９ １７０ １２３４５６７":           "+491701234567",
		"+1 (202) 555-0123":         "+12025550123",
		"001 202 555 0123":          "+12025550123",
		"+44 20 7946 0958":          "+442079460958",
		"+39 06 1234567":            "+39061234567", // the zero belongs to it
		"+54 9 11 2345 6789":        "+5491123456789",
		"+54 11 15 2345 6789":       "+5491123456789",
		"+41 44 668 18 00":          "+41446681800",
		"+8613800138000":            "+8613800138000",
		"+881612345678":             "+881612345678", // satellite: an address, though not texted
		"+49\u00a0170\u00a01234567": "+491701234567", // no-break spaces, as pasted
	} {
		got, err := ParsePhone(typed)
		if err != nil || got != (Address{Channel: SMS, Value: want}) {
			t.Errorf("ParsePhone(%q) = %+v, %v, want %q", typed, got, err, want)
		}
		if again, err := ParsePhone(got.Value); err != nil || again != got {
			t.Errorf("ParsePhone(%q) again = %+v, %v", got.Value, again, err)
		}
	}
}

func TestParsePhoneRefuses(t *testing.T) {
	for why, typed := range map[string]string{
		"nothing":              "",
		"spaces":               " \t ",
		"no country code":      "0170 1234567",
		"national US":          "(202) 555-0123",
		"only a plus":          "+",
		"only a country code":  "+49",
		"only zeros":           "00",
		"00 and a code":        "0049",
		"unknown country code": "+999 123456",
		"code zero":            "+0 123456",
		"two pluses":           "++49 170 1234567",
		"plus after 00":        "00+49 170 1234567",
		"plus inside":          "+49 170+1234567",
		"extension with x":     "+49 170 1234567x5",
		"extension in words":   "+49 170 1234567 ext. 5",
		"extension in a URI":   "+49 170 1234567;ext=5",
		"pause":                "+49 170 1234567,5",
		"hash":                 "+49 170 1234567#5",
		"tel URI":              "tel:+491701234567",
		"letters":              "+1 800 FLOWERS",
		"short code":           "12345",
		"emergency":            "112",
		"emergency with code":  "+49112",
		"local only":           "+1 253 0000", // seven digits can be dialled in town only
		"too short":            "+1 202 555",
		"too long":             "+1 202 555 0123 4567",
		"sixteen digits more":  "+49 170 1234 5678 9012 3456",
		"two trunk prefixes":   "+4900170 1234567", // would be a second form of +49170…
		"several":              "+491701234567,+491701234568",
		"several, spaced":      "+491701234567 +491701234568",
		"fraction":             "+49 170 ½234567",
		"Arabic digits":        "+٤٩١٧٠١٢٣٤٥٦٧",
		"NUL":                  "+49170\x001234567",
		"LF inside":            "+49170\n1234567",
		"CR LF and more":       "+491701234567\r\nX: y",
		"invalid UTF-8":        "+49170\xff1234567",
		"right-to-left":        "\u202e+491701234567",
		"mailbox":              "ada@example.com",
		"very long":            "+49" + strings.Repeat("1", 1<<20),
		"very long spaces":     "+49 170 1234567" + strings.Repeat(" ", 1<<20),
		"hexadecimal":          "+0x31",
		"exponent":             "+49e10",
	} {
		got, err := ParsePhone(typed)
		if err == nil {
			t.Errorf("%s: ParsePhone gives %q", why, got.Value)
			continue
		}
		assertReason(t, why, err)
	}
}

func TestParseAddressTellsChannelByTheBeginning(t *testing.T) {
	for typed, want := range map[string]Address{
		"ada@example.com":    {Email, "ada@example.com"},
		" Ada@Example.com ":  {Email, "ada@example.com"},
		"007@example.com":    {Email, "007@example.com"},
		"+ada@example.com":   {Email, "+ada@example.com"},
		"+49 170 1234567":    {SMS, "+491701234567"},
		" +49 170 1234567":   {SMS, "+491701234567"},
		"0049 170 1234567":   {SMS, "+491701234567"},
		"＋４９ １７０ １２３４５６７":    {SMS, "+491701234567"},
		"\u00a0+49170123456": {SMS, "+49170123456"},
	} {
		if got, err := ParseAddress(typed); err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %+v, %v, want %+v", typed, got, err, want)
		}
	}
}

func TestParseAddressRefusesOddBeginnings(t *testing.T) {
	for _, typed := range []string{
		"", " ", "\x00", "\xff", "\xff+49", "é", "\u202e", "（+49", "(", "0", "+", "1@", "+@", "０＠example.com", "ada＠example.com",
		strings.Repeat("\uFDFA", 1<<18), "+" + strings.Repeat("1", 1<<20), // NFKC makes eighteen letters of U+FDFA
	} {
		got, err := ParseAddress(typed)
		if err == nil {
			t.Errorf("ParseAddress(%.20q) gives %q", typed, got.Value)
			continue
		}
		assertReason(t, typed[:min(len(typed), 20)], err)
	}
}

func TestMaskedShowsEnoughToRecogniseOnly(t *testing.T) {
	for a, want := range map[Address]string{
		{Email, "ada.lovelace@example.com"}: "a…@example.com",
		{Email, "a@example.com"}:            "a…@example.com",
		{Email, "no-mailbox"}:               "…",
		{Email, "@example.com"}:             "…",
		{Email, ""}:                         "…",
		{SMS, "+491701234567"}:              "+49…67",
		{SMS, "+12345"}:                     "+…",
		{SMS, ""}:                           "+…",
		{}:                                  "…",
	} {
		if got := a.Masked(); got != want {
			t.Errorf("%+v masked is %q, want %q", a, got, want)
		}
	}
}

func TestTextableTakesOrdinaryNumbersOfOpenCountries(t *testing.T) {
	open := []string{"DE", "US", "GB", "IT"}
	for number, want := range map[string]bool{
		"+491701234567":   true,  // mobile
		"+12025550123":    true,  // fixed line or mobile
		"+493012345678":   true,  // fixed line
		"+447400123456":   true,  // mobile
		"+393123456789":   true,  // mobile
		"+447911123":      false, // too short to be anything
		"+33612345678":    false, // France is closed here
		"+8613800138000":  false, // and China
		"+14165550123":    false, // Canada has the US's code
		"+18765550123":    false, // Jamaica too
		"+447624123456":   false, // the Isle of Man has Britain's
		"+499001234567":   false, // premium
		"+4990012345678":  false, // premium with a digit too many
		"+19005551234":    false, // premium
		"+18005551234":    false, // toll free
		"+15005550006":    false, // personal number
		"+4418001111":     false, // short toll free
		"+448451234567":   false, // shared cost
		"+447640123456":   false, // pager
		"+445512345678":   false, // UAN
		"+4918012345":     false, // shared cost
		"+881612345678":   false, // satellite
		"+8821612345678":  false, // satellite
		"+883510012345":   false, // international network
		"+979123456789":   false, // international premium
		"+80012345678":    false, // international toll free
		"+87812345678901": false, // universal personal number
		"+49110":          false, // emergency
		"":                false,
		"+":               false,
		"491701234567":    false, // not canonical
	} {
		if got := Textable(Address{SMS, number}, open); got != want {
			t.Errorf("Textable(%q) = %v", number, got)
		}
	}
	if Textable(Address{Email, "+491701234567"}, open) {
		t.Error("a mailbox is textable")
	}
	if Textable(Address{SMS, "+491701234567"}, nil) {
		t.Error("a number is textable though no country is open")
	}
}

var (
	emailForm = regexp.MustCompile(`^[a-z0-9!#$%&'*+/=?^_{|}~.\x60-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{3,14}$`)
)

func FuzzParseEmail(f *testing.F) {
	for _, s := range []string{"ada@example.com", "ada@bücher.de", "ada＠example.com", "a@xn--abc-.com", "a@127.0.0.0x1", "\"a\"@b.c", "\u212A@b.c", "a@\u212A\u0130.ｃ.ﬁ\u00ad.de", "a@BU\u0308.XN--BCHER-KVA.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseEmail(s)
		if err != nil {
			assertReason(t, s, err)
			return
		}
		if a.Channel != Email || len(a.Value) > maxAddressBytes || !emailForm.MatchString(a.Value) {
			t.Fatalf("ParseEmail(%q) = %+v", s, a)
		}
		if again, err := ParseEmail(a.Value); err != nil || again != a {
			t.Fatalf("ParseEmail(%q) = %+v, %v, from %q", a.Value, again, err, s)
		}
		if either, err := ParseAddress(a.Value); err != nil || either != a {
			t.Fatalf("ParseAddress(%q) = %+v, %v", a.Value, either, err)
		}
		typed := strings.Split(strings.Trim(s, " \t"), "@")
		if from, to := strings.Split(typed[1], "."), strings.Split(a.Value[strings.IndexByte(a.Value, '@')+1:], "."); !sameLabels(from, to) {
			t.Fatalf("ParseEmail(%q) = %+v: of %q it makes %q", s, a, from, to)
		}
	})
}

// sameLabels tells whether each label is what was typed, but for its case, or the punycode of what is not ASCII.
func sameLabels(typed, canonical []string) bool {
	return slices.EqualFunc(typed, canonical, func(from, to string) bool {
		if strings.IndexFunc(from, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
			return strings.ToLower(from) == to
		}
		return strings.HasPrefix(to, "xn--")
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{"+49 170 1234567", "0049170", "+1 (202) 555-0123", "+4900170 1234567", "+54 11 15 2345 6789", "+39 06 1", "＋４９", "+810100 0000010100 000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParsePhone(s)
		if err != nil {
			assertReason(t, s, err)
			return
		}
		if a.Channel != SMS || !phoneForm.MatchString(a.Value) {
			t.Fatalf("ParsePhone(%q) = %+v", s, a)
		}
		if again, err := ParsePhone(a.Value); err != nil || again != a {
			t.Fatalf("ParsePhone(%q) = %+v, %v, from %q", a.Value, again, err, s)
		}
		if either, err := ParseAddress(a.Value); err != nil || either != a {
			t.Fatalf("ParseAddress(%q) = %+v, %v", a.Value, either, err)
		}
	})
}
