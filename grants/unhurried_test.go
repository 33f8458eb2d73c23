package grants_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
)

// Every refusal of a code comes at the same moment, whatever was looked at for it; a right code and a failure come at once.
func TestRefusalsOfCodesTakeTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *grants.Config) { c.RefusalTime = time.Second })
		c := w.start(api(ada))
		broken := errors.New("broken")
		for _, row := range []struct {
			name  string
			look  func() error
			takes time.Duration
		}{
			{"wrong", func() error { _, err := w.redeem(c, wrongCodeFor(w.code(c))); return err }, time.Second},
			{"none pending", func() error { _, err := w.redeem(grants.Challenge{}, "123456"); return err }, time.Second},
			{"looked at slowly", func() error { time.Sleep(time.Second / 3); return grants.ErrWrongCode }, time.Second},
			{"failed", func() error { return broken }, 0},
			{"right", func() error { _, err := w.redeem(c, w.code(c)); return err }, 0},
		} {
			begin := time.Now()
			_ = w.engine.Unhurried(t.Context(), row.look)
			if took := time.Since(begin); took != row.takes {
				t.Errorf("%s: %s, want %s", row.name, took, row.takes)
			}
		}
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		begin := time.Now()
		if err := w.engine.Unhurried(gone, func() error { return grants.ErrWrongCode }); !errors.Is(err, grants.ErrWrongCode) || time.Since(begin) != 0 {
			t.Errorf("whoever has gone is waited for: %v", err)
		}
	})
}
