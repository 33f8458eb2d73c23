package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sallyport/cmd/sallyport/auth0users"
)

// A transaction ends before its time is over, however far away the database is.
func TestBatchesOfAnImport(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for i := range 2100 {
		fmt.Fprintf(&lines, "{\"user_id\":\"email|%d\",\"email\":\"%d@example.com\"}\n", i, i)
	}
	for update, want := range map[bool]string{false: "1000 1000 100", true: strings.TrimSpace(strings.Repeat("50 ", 42))} {
		o := importOptions{update: update}
		report, err := newImportReport(o, nil, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		batches := make(chan []candidate, 100)
		if err := readExport(t.Context(), strings.NewReader(lines.String()), auth0users.Options{}, importSink{o: o, report: report}, batches); err != nil {
			t.Fatal(err)
		}
		close(batches)
		var got []string
		for batch := range batches {
			got = append(got, fmt.Sprint(len(batch)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("update %v: batches of %v users, want %s", update, got, want)
		}
	}
}
