package templates

import (
	"slices"
	"strings"
	"testing"
)

// FuzzLanguage: whatever a browser prefers, it gets a language that there is.
func FuzzLanguage(f *testing.F) {
	set, err := New(Site{Name: "Sallyport", Host: "login.example.com"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"de", "en-GB, de;q=0.9", "*", "zh-Hant-TW x-y i-klingon", "de;q=2", ";;,,", strings.Repeat("a-", 500), "\xff", "de_DE.UTF-8", "und-u-va-posix"} {
		f.Add(s, "en")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		if got := set.Language(one, other); !slices.Contains(set.Languages(), got) {
			t.Errorf("%q, %q: %q", one, other, got)
		}
	})
}
