package templates

import (
	"html/template"
	"math"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// codeKeys are the texts that code names rather than a template.
var codeKeys = []string{
	"wait.seconds", "wait.minutes", "wait.hours",
	"mail.code.subject", "mail.code.subject_plain", "mail.link.subject", "mail.no_account.subject",
	"sms.code", "sms.code_plain", "sms.minutes",
}

// problemTitle and problemText are the keys of an error page.
func problemTitle(kind ProblemKind) string { return "problem." + string(kind) + ".title" }
func problemText(kind ProblemKind) string  { return "problem." + string(kind) + ".text" }

// funcs are the functions of all templates, bound to one language.
func (s *Set) funcs(c catalogue) template.FuncMap {
	return template.FuncMap{
		"t":            c.text,
		"wait":         c.wait,
		"asset":        s.assets.Path,
		"web":          webURL,
		"initial":      initial,
		"atSigns":      func(address string) []string { return strings.Split(address, "@") },
		"inUnicode":    inUnicode,
		"links":        links,
		"seconds":      seconds,
		"filler":       func() []struct{} { return make([]struct{}, 9) },
		"moment":       moment,
		"alertText":    func(cause string) (string, error) { _, text, _ := alertKeys(cause); return c.text(text) },
		"alertWhat":    func(cause string) (string, error) { _, _, what := alertKeys(cause); return c.text(what) },
		"problemTitle": func(k ProblemKind) (string, error) { return c.text(problemTitle(known(k))) },
		"problemText":  func(k ProblemKind) (string, error) { return c.text(problemText(known(k))) },
	}
}

// known is the kind, or ProblemInternal for one that has no texts.
func known(kind ProblemKind) ProblemKind {
	for _, k := range problemKinds {
		if k == kind {
			return k
		}
	}
	return ProblemInternal
}

// wait says how long, rounded up so that nobody comes too early.
func (c catalogue) wait(d time.Duration) (string, error) {
	switch {
	case d <= 90*time.Second:
		return c.text("wait.seconds", "n", max(1, seconds(d)))
	case d <= 90*time.Minute:
		return c.text("wait.minutes", "n", int(math.Ceil(d.Minutes())))
	}
	return c.text("wait.hours", "n", int(math.Ceil(d.Hours())))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// webURL is the address if a person can be sent there: absolute, http or https.
func webURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return u.String()
}

// initial is the letter or digit that stands for a name, or nothing.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

// inUnicode is an e-mail address with its domain as its owner writes it: münchen.example for xn--mnchen-3ya.example.
// It is to be read only, and only by the person who typed it just now: in Unicode a foreign domain can look like any
// other. What has no such form stays as it is.
func inUnicode(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	shown, err := idna.Display.ToUnicode(address[at+1:])
	if err != nil {
		return address
	}
	if again, err := idna.Display.ToASCII(shown); err != nil || again != address[at+1:] {
		return address
	}
	return address[:at+1] + shown
}

// maxName is how much of a stranger's name is shown, in characters.
const maxName = 60

// wholeLine makes a text safe for a subject or a line of a message: no line breaks, no other control characters, no marks that
// turn the direction of the text around it, single spaces.
func wholeLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// oneLine is for a stranger's text: besides, at most maxName characters.
func oneLine(s string) string {
	s = wholeLine(s)
	if utf8.RuneCountInString(s) <= maxName {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:maxName-1])) + "…"
}

// piece is a part of a text that is an address or not.
type piece struct{ Text, URL string }

var webAddress = regexp.MustCompile(`https?://[^\s<>"]+`)

// links cuts a text into its addresses and what is between them.
func links(text string) []piece {
	var pieces []piece
	for text != "" {
		at := webAddress.FindStringIndex(text)
		if at == nil {
			return append(pieces, piece{Text: text})
		}
		if at[0] > 0 {
			pieces = append(pieces, piece{Text: text[:at[0]]})
		}
		address := text[at[0]:at[1]]
		pieces = append(pieces, piece{Text: address, URL: webURL(address)})
		text = text[at[1]:]
	}
	return pieces
}
