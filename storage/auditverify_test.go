package storage

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sallyport/grants"
)

// TestFaultsOfWhatWasPurgedHideNoOthers: where the retention has taken seals while they were looked at, their faults go, and what they
// kept off the list is looked for once more.
func TestFaultsOfWhatWasPurgedHideNoOthers(t *testing.T) {
	ring, err := grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "a.db"), Ring: ring, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := s.lock(ctx, settingAnchor); err != nil {
			return err
		}
		return s.writeAnchor(ctx, tip{N: 5})
	})
	if err != nil {
		t.Fatal(err)
	}
	forget := func(faults int) ([]AuditFault, error) {
		v := verification{store: s}
		for i := range faults {
			v.fault(AuditFault{Kind: FaultEventMissing, Seal: 5 + int64(i)/(maxFaults/2)})
		}
		err := v.forgetPurged(t.Context())
		return v.report.Faults, err
	}
	if left, err := forget(maxFaults - 1); err != nil || len(left) != maxFaults/2-1 {
		t.Errorf("of a list that was not full %d are left, %v", len(left), err)
	}
	if _, err := forget(maxFaults + 1); !errors.Is(err, errAgain) {
		t.Errorf("of a full list: %v", err)
	}
}
