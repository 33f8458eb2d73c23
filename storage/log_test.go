package storage

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLogTellsSlowStatementsWithoutValuesOrErrors(t *testing.T) {
	var out bytes.Buffer
	l := slowLog{slog.New(slog.NewTextHandler(&out, nil))}
	statement := func() (string, int64) {
		text, values := l.ParamsFilter(t.Context(), "SELECT secret WHERE id = ?", "hunter2")
		if len(values) != 0 {
			t.Errorf("values are given away: %v", values)
		}
		return text, 1
	}
	l.Trace(t.Context(), time.Now(), statement, errors.New("a quick one's error"))
	if out.Len() != 0 {
		t.Errorf("a quick statement is logged: %s", out.String())
	}
	l.Trace(t.Context(), time.Time{}, statement, errors.New("a slow one's error"))
	if got := out.String(); !strings.Contains(got, "SELECT secret WHERE id = ?") || strings.Contains(got, "hunter2") || strings.Contains(got, "error") {
		t.Errorf("a slow statement is logged as %s", got)
	}
}
