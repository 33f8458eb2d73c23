package templates

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fetch is the content of an asset, empty when it is not served.
func fetch(s *Set, path string) string {
	w := httptest.NewRecorder()
	s.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		return ""
	}
	return w.Body.String()
}

func served(s *Set, path string) bool { return fetch(s, path) != "" }

func TestLanguageIsTheBestOfOurs(t *testing.T) {
	s := newSet(t, Site{})
	for _, c := range []struct {
		preferred []string
		want      string
	}{
		{nil, "en"},
		{[]string{"", "de"}, "de"},
		{[]string{"de-CH"}, "de"},
		{[]string{"fr-CA de en"}, "de"},
		{[]string{"fr", "de-AT, en;q=0.5"}, "de"},
		{[]string{"en-GB,en;q=0.9,de;q=0.8"}, "en"},
		{[]string{"en;q=0.1, de"}, "de"},
		{[]string{"de;q=0, en"}, "en"},
		{[]string{"ja", "ko"}, "en"},
		{[]string{"*"}, "en"},
		{[]string{"%%% de"}, "de"},
		{[]string{"\x00\xff,;;;q=q", "de"}, "de"},
		{[]string{strings.Repeat("a-", 100_000)}, "en"},
		{[]string{strings.Repeat("fr ", 10_000), "de"}, "de"},
	} {
		if got := s.Language(c.preferred...); got != c.want {
			t.Errorf("%.60q gives %q, not %q", c.preferred, got, c.want)
		}
	}
}

func TestEnglishStandsInForALanguageThatIsNotOurs(t *testing.T) {
	s := newSet(t, Site{})
	if text := render(t, s, "xx", LoggedOut{}); !strings.Contains(text, `<html lang="en" dir="ltr">`) {
		t.Error(text)
	}
	if text := render(t, s, "de", LoggedOut{}); !strings.Contains(text, `<html lang="de" dir="ltr">`) {
		t.Error(text)
	}
}

func TestNewRefusesWhatAPageCouldNotShow(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, site := range map[string]Site{
		"red is not a colour":  {PrimaryColor: "red"},
		`"#12345" is not`:      {PrimaryColor: "#12345"},
		`"#ggg" is not`:        {PrimaryColor: "#ggg"},
		`"123456" is not`:      {PrimaryColor: "123456"},
		`"#+12345" is not`:     {PrimaryColor: "#+12345"},
		"is not an .svg":       {Logo: write("logo.html", 1)},
		"no such file":         {Logo: filepath.Join(dir, "none.svg")},
		"bytes, more than 100": {Logo: write("big.png", maxLogo+1)},
	} {
		_, err := New(site)
		if err == nil {
			t.Errorf("%+v is accepted", site)
		} else if !strings.Contains(strings.ReplaceAll(err.Error(), `"red"`, "red"), name) {
			t.Errorf("%v does not say %q", err, name)
		}
	}
}

func TestLogoAndColourAreServed(t *testing.T) {
	logo := filepath.Join(t.TempDir(), "Our Logo.SVG")
	if err := os.WriteFile(logo, []byte("<svg/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSet(t, Site{Name: "Acme ID", Logo: logo, PrimaryColor: "#c0f"})
	text := render(t, s, "en", Identify{App: "Shop"})
	if !strings.Contains(text, `<img class="logo" src="/static/logo.`) || !strings.Contains(text, `alt="Acme ID"`) {
		t.Error("the page lacks the logo")
	}
	if strings.Contains(text, `class="mark"`) {
		t.Error("the page shows a letter beside the logo")
	}
	if got := fetch(s, s.site.Logo); got != "<svg/>" {
		t.Errorf("the logo is served as %q", got)
	}
	if got := fetch(s, s.assets.Path("brand.css")); !strings.Contains(got, "--brand:#cc00ff") {
		t.Errorf("the colour is served as %q", got)
	}
	if strings.Contains(render(t, newSet(t, Site{}), "en", Identify{}), "brand.") {
		t.Error("a site without colour loads one")
	}
}

type brokenWriter struct{ written int }

func (w *brokenWriter) Write(b []byte) (int, error) {
	w.written += len(b)
	return 0, errors.New("broken")
}

func TestRenderReportsABrokenConnection(t *testing.T) {
	if err := newSet(t, Site{}).Render(&brokenWriter{}, "en", LoggedOut{}); err == nil {
		t.Error("no error")
	}
}

func TestNamesAreOneShortLine(t *testing.T) {
	for in, want := range map[string]string{
		"Acme\r\nBcc: x@y.z":         "Acme Bcc: x@y.z",
		"  a\t b\u00a0 ":             "a b",
		"\u202eemcA\u2066":           "emcA",
		"a\x00b\x7f":                 "a b",
		strings.Repeat("ä", 61):      strings.Repeat("ä", 59) + "…",
		strings.Repeat("ä", 60):      strings.Repeat("ä", 60),
		"\xff\xfeAcme":               "Acme",
		"\u2028line\u2029 end\u0085": "line end",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
}

func TestCataloguesHaveTheSameTextsAndPlaceholders(t *testing.T) {
	s := newSet(t, Site{})
	if got := s.Languages(); got[0] != "en" || len(got) < 2 {
		t.Fatalf("languages are %q", got)
	}
	english := s.languages.catalogues[0]
	for _, c := range s.languages.catalogues[1:] {
		for key, forms := range english.texts {
			others, ok := c.texts[key]
			if !ok {
				t.Errorf("%s lacks %q", c.lang, key)
				continue
			}
			if got, want := placeholders(others), placeholders(forms); got != want {
				t.Errorf("%s: %q has the placeholders %q, not %q", c.lang, key, got, want)
			}
		}
		if len(c.texts) != len(english.texts) {
			t.Errorf("%s has %d texts, English %d", c.lang, len(c.texts), len(english.texts))
		}
	}
}

// placeholders are those of the general form, each once, and none that only other forms have.
func placeholders(forms text) string {
	names := func(s string) string {
		var out []string
		for _, name := range []string{"{app}", "{code}", "{n}", "{time}", "{wait}"} {
			if strings.Contains(s, name) {
				out = append(out, name)
				s = strings.ReplaceAll(s, name, "")
			}
		}
		if rest := placeholder.FindString(s); rest != "" {
			out = append(out, "unknown "+rest)
		}
		return strings.Join(out, " ")
	}
	all := ""
	for _, form := range forms {
		all += form
	}
	if names(all) != names(forms["other"]) {
		return "differing " + names(all)
	}
	return names(all)
}

func TestNoPageShowsAPlaceholder(t *testing.T) {
	s := newSet(t, Site{})
	for name, page := range samples() {
		for _, lang := range s.Languages() {
			text := strings.ReplaceAll(render(t, s, lang, page), "{time}", "") // the script's
			if rest := placeholder.FindString(text); rest != "" {
				t.Errorf("%s in %q shows %s", name, lang, rest)
			}
		}
	}
}

func TestCheckNamesWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	s := newSet(t, Site{})
	english := s.languages.catalogues[0]
	texts := map[string]text{"never.used": {"other": "x"}}
	for key, value := range english.texts {
		if key != "continue" {
			texts[key] = value
		}
	}
	err := (&languages{catalogues: []catalogue{{lang: "fr", texts: texts}}}).check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`"continue" is missing in "fr"`, `"never.used" of "fr" is used nowhere`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (&languages{catalogues: []catalogue{english}}).check(); err != nil {
		t.Error(err)
	}
}

func TestPluralsFollowTheLanguage(t *testing.T) {
	var texts map[string]text
	if err := json.Unmarshal([]byte(`{"tries": {"one": "{n} próba", "few": "{n} próby", "many": "{n} prób", "other": "{n} próby"}}`), &texts); err != nil {
		t.Fatal(err)
	}
	c := newSet(t, Site{}).languages.catalogues[0]
	c.texts = texts
	c.tag = mustTag(t, "pl")
	for n, want := range map[int]string{1: "1 próba", 3: "3 próby", 5: "5 prób", 22: "22 próby"} {
		if got, err := c.text("tries", "n", n); err != nil || got != want {
			t.Errorf("%d is %q, %v", n, got, err)
		}
	}
	for _, bad := range []string{`{"a": 1}`, `{"a": {"one": "x"}}`, `{"a": {"other": "x", "some": "y"}}`} {
		if json.Unmarshal([]byte(bad), &texts) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestWaitsAreRoundedUp(t *testing.T) {
	c := newSet(t, Site{}).languages.find("en")
	for seconds, want := range map[float64]string{
		-5: "1 second", 0: "1 second", 0.2: "1 second", 41.5: "42 seconds", 90: "90 seconds", 91: "2 minutes", 3600: "60 minutes", 5401: "2 hours", 86400: "24 hours",
	} {
		if got, err := c.wait(duration(seconds)); err != nil || got != want {
			t.Errorf("%v s is %q, %v", seconds, got, err)
		}
	}
}
