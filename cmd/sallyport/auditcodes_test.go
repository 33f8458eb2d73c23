package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryEventIsDocumented holds the constants of events, wherever they are, against the table in docs/audit-log.md: people's tools
// know the codes.
func TestEveryEventIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/audit-log.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, m := range regexp.MustCompile("`([a-z]+\\.[a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	codes := eventCodes(t)
	if len(codes) < 25 {
		t.Fatalf("only %d codes were found: %v", len(codes), codes)
	}
	for _, code := range codes {
		if !slices.Contains(documented, code) {
			t.Errorf("%s is not in the table of docs/audit-log.md", code)
		}
	}
}

// eventCodes are the values of all constants whose names begin with Event.
func eventCodes(t *testing.T) (codes []string) {
	t.Helper()
	form := regexp.MustCompile(`^[a-z]+\.[a-z_]+$`)
	for _, root := range []string{"../../grants", "../../storage", "../../op", "."} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok {
					return true
				}
				for i, name := range spec.Names {
					if !strings.HasPrefix(strings.ToLower(name.Name), "event") || i >= len(spec.Values) {
						continue
					}
					if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
						if code, err := strconv.Unquote(lit.Value); err == nil && form.MatchString(code) {
							codes = append(codes, code)
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
