package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"sync"

	"sallyport/storage"
)

// importSummary counts what became of an export.
type importSummary struct {
	DryRun     bool `json:"dry_run,omitempty"`
	Read       int  `json:"read"`
	Added      int  `json:"added"`
	Unchanged  int  `json:"unchanged"`
	Updated    int  `json:"updated"`
	Kept       int  `json:"kept"` // although the file has them otherwise
	Refused    int  `json:"refused"`
	Unreadable int  `json:"unreadable"`
}

func (s importSummary) text(w io.Writer) {
	title := "users"
	if s.DryRun {
		title = "users (dry run: nothing was written)"
	}
	rows := [][]string{{fmt.Sprint(s.Read), title}}
	for _, r := range []struct {
		n    int
		text string
	}{
		{s.Added, "added"},
		{s.Unchanged, "were there already"},
		{s.Updated, "updated"},
		{s.Kept, "kept as they were, although the file differs; --update changes them"},
		{s.Refused, "refused"},
		{s.Unreadable, "not taken: malformed, or nothing that can sign in here"},
	} {
		if r.n > 0 {
			rows = append(rows, []string{fmt.Sprint(r.n), r.text})
		}
	}
	table(w, rows...)
}

// reportLine is one line of the report.
type reportLine struct {
	Line   int                  `json:"line"`
	UserID string               `json:"user_id,omitempty"`
	Status storage.ImportStatus `json:"status"`
	Reason string               `json:"reason"`
}

// shownLines is how many lines are shown where there is no file for them.
const shownLines = 20

// importReport counts, and writes down every line that needs a word. Both stages of an import use it.
type importReport struct {
	mu      sync.Mutex
	summary importSummary
	file    *os.File
	out     *bufio.Writer
	shown   io.Writer // nil where there is a file
	hidden  int
	err     error
}

// newImportReport opens the report, which never is the file that is read.
func newImportReport(o importOptions, input os.FileInfo, stderr io.Writer) (*importReport, error) {
	r := &importReport{summary: importSummary{DryRun: o.dryRun}, shown: stderr}
	if o.report == "" {
		return r, nil
	}
	if there, err := os.Stat(o.report); err == nil && input != nil && os.SameFile(there, input) {
		return nil, fmt.Errorf("writing the report: %s is the export itself", o.report)
	}
	f, err := os.OpenFile(o.report, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	r.file, r.out, r.shown = f, bufio.NewWriter(f), nil
	return r, nil
}

// users is how many there were so far.
func (r *importReport) users() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary.Read
}

// unreadable notes a line that is no user who could come in.
func (r *importReport) unreadable(line int, userID, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Read++
	r.summary.Unreadable++
	r.write(reportLine{line, userID, storage.ImportRefused, reason})
}

// result notes what became of an account.
func (r *importReport) result(c candidate, result storage.ImportResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.summary
	s.Read++
	line := reportLine{c.line, c.account.ID, result.Status, result.Reason}
	switch result.Status {
	case storage.ImportAdded:
		s.Added++
		if line.Reason = ""; len(c.dropped) > 0 {
			line.Reason = "without the identities of " + strings.Join(c.dropped, ", ")
		}
	case storage.ImportUnchanged:
		s.Unchanged++
	case storage.ImportUpdated:
		s.Updated++
	case storage.ImportDiffers:
		s.Kept++
	case storage.ImportRefused:
		s.Refused++
	}
	if line.Reason != "" {
		r.write(line)
	}
}

func (r *importReport) write(l reportLine) {
	if r.out != nil {
		enc := json.NewEncoder(r.out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(l); err != nil && r.err == nil {
			r.err = fmt.Errorf("writing the report: %w", err)
		}
		return
	}
	if l.Status != storage.ImportRefused {
		return
	}
	if r.hidden++; r.hidden <= shownLines {
		_, _ = fmt.Fprintf(r.shown, "line %d: %s\n", l.Line, plain(l.UserID+" "+l.Reason))
	}
}

func (r *importReport) close() error {
	if r.out == nil {
		if more := r.hidden - shownLines; more > 0 {
			_, _ = fmt.Fprintf(r.shown, "and %d more; --report FILE writes all\n", more)
		}
		return nil
	}
	if err := r.out.Flush(); err != nil && r.err == nil {
		r.err = fmt.Errorf("writing the report: %w", err)
	}
	if err := r.file.Close(); err != nil && r.err == nil {
		r.err = fmt.Errorf("writing the report: %w", err)
	}
	return r.err
}

// seen stands in for the database in a dry run, which forgets every batch: it remembers ids and addresses by their hash.
type seen struct {
	seed maphash.Seed
	is   map[uint64]struct{}
}

func newSeen() *seen { return &seen{maphash.MakeSeed(), map[uint64]struct{}{}} }

// judge is the result that an account would have had after those before it.
func (s *seen) judge(a storage.Account, result storage.ImportResult) storage.ImportResult {
	if result.Status != storage.ImportAdded {
		return result
	}
	keys := []uint64{maphash.String(s.seed, "id:"+a.ID)}
	for _, i := range a.Identities {
		keys = append(keys, maphash.String(s.seed, i.Connection+":"+i.Address.Value))
	}
	for n, k := range keys {
		if _, there := s.is[k]; !there {
			continue
		}
		if n == 0 {
			return storage.ImportResult{Status: storage.ImportDiffers, Reason: "the file has this user before"}
		}
		return storage.ImportResult{Status: storage.ImportRefused, Reason: a.Identities[n-1].Address.Masked() + " belongs to a user before in the file"}
	}
	for _, k := range keys {
		s.is[k] = struct{}{}
	}
	return result
}
