package op_test

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain silences the library, which writes every refusal to the default logger.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
