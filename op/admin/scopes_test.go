package admin

import (
	"regexp"
	"slices"
	"testing"
)

func TestScopesAreVerbAndNoun(t *testing.T) {
	form := regexp.MustCompile(`^(read|create|update|delete):[a-z_]+$`)
	all := Scopes()
	for _, s := range all {
		if !form.MatchString(s) {
			t.Errorf("%q", s)
		}
	}
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("a scope is there twice: %v", all)
	}
}
