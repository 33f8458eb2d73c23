package op_test

import (
	"io"
	"log/slog"
	"os"
	"testing"
)

// TestMain silences the library, which writes every refusal to the default logger.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}
