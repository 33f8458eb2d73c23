package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// requirements is how many lines the table of docs/security.md has.
const requirements = 74

var (
	requirementRow = regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \|$`)
	testName       = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	testFunction   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	localPage      = regexp.MustCompile(`\]\(([a-z0-9-]+\.md)\)`)
)

// TestEveryRequirementNamesItsTests holds the security page to the tests that there are.
func TestEveryRequirementNamesItsTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testFunctions(t)
	rows := requirementRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) != requirements {
		t.Fatalf("the page has %d requirements, want %d", len(rows), requirements)
	}
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Errorf("row %d has the number %s", i+1, row[1])
		}
		names := testName.FindAllString(row[3], -1)
		pages := localPage.FindAllStringSubmatch(row[3], -1)
		if len(names)+len(pages) == 0 && !strings.Contains(row[3], "`.ci/run`") {
			t.Errorf("requirement %s names no test: %s", row[1], row[3])
		}
		for _, name := range names {
			if !there[name] {
				t.Errorf("requirement %s: there is no %s", row[1], name)
			}
		}
		for _, p := range pages {
			if _, err := os.Stat(filepath.Join("../../docs", p[1])); err != nil {
				t.Errorf("requirement %s: %v", row[1], err)
			}
		}
		if strings.Contains(strings.ToLower(row[3]), "later") {
			t.Errorf("requirement %s is put off", row[1])
		}
	}
	// The tables of the other sections name tests too.
	for _, name := range testName.FindAllString(string(page), -1) {
		if !there[name] {
			t.Errorf("the page names %s, which there is not", name)
		}
	}
}

func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, f := range testFunction.FindAllSubmatch(source, -1) {
			found[string(f[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestFuzzingNothingFails: a script that finds no targets any more must not pass.
func TestFuzzingNothingFails(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../scripts/fuzz")
	if err != nil {
		t.Fatal(err)
	}
	scripts := filepath.Join(t.TempDir(), "scripts")
	if err := os.Mkdir(scripts, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scripts, "fuzz"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "bash", filepath.Join(scripts, "fuzz"), "1s").CombinedOutput(); err == nil || !strings.Contains(string(out), "no fuzz targets") {
		t.Errorf("%v: %s", err, out)
	}
}
