package templates

import (
	"strings"
	"testing"
)

func TestSmoke(t *testing.T) {
	s, err := New(Site{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		var b strings.Builder
		if err := s.Render(&b, "en", p); err != nil {
			t.Error(err)
		}
	}
}
