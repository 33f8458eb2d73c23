package auth0tenant

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Export is an export as it was written: objects by what they are, still unread.
type Export struct {
	clients, connections, apis, grants []json.RawMessage

	hasConnections bool     // the export speaks of connections at all
	others         []string // parts of the export that are not read
}

// part is a kind of object that is read, by its names in the two forms.
type part struct {
	folder, key string
	into        func(*Export) *[]json.RawMessage
}

var parts = []part{
	{"clients", "clients", func(e *Export) *[]json.RawMessage { return &e.clients }},
	{"connections", "connections", func(e *Export) *[]json.RawMessage { return &e.connections }},
	{"resource-servers", "resourceServers", func(e *Export) *[]json.RawMessage { return &e.apis }},
	{"grants", "clientGrants", func(e *Export) *[]json.RawMessage { return &e.grants }},
}

// tenantFile is the whole export in its form of one file.
const tenantFile = "tenant.yaml"

var errNoExport = errors.New("this is no export of Auth0's deploy CLI: there is neither " + tenantFile + " nor a folder clients, connections, resource-servers or grants")

// Read reads the export in a folder, in the form of one tenant.yaml or of a folder for each kind.
func Read(dir string) (*Export, error) {
	root, err := os.OpenRoot(dir) // nothing outside of it is read, whatever it links to
	if err != nil {
		return nil, fmt.Errorf("opening the export: %w", err)
	}
	defer root.Close()
	e, files := &Export{}, root.FS()
	text, err := fs.ReadFile(files, tenantFile)
	switch {
	case err == nil:
		err = e.readYAML(text)
	case errors.Is(err, fs.ErrNotExist):
		err = e.readFolders(files)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Export) readYAML(text []byte) error {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("reading %s: %w", tenantFile, err)
	}
	for _, p := range parts {
		items, isList := doc[p.key].([]any)
		if doc[p.key] != nil && !isList {
			return fmt.Errorf("reading %s: %s is not a list", tenantFile, p.key)
		}
		e.hasConnections = e.hasConnections || isList && p.key == "connections"
		for _, item := range items {
			text, err := json.Marshal(item)
			if err != nil {
				return fmt.Errorf("reading %s: %s: %w", tenantFile, p.key, err)
			}
			*p.into(e) = append(*p.into(e), text)
		}
		delete(doc, p.key)
	}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if !empty(doc[key]) {
			e.others = append(e.others, key)
		}
	}
	return nil
}

func (e *Export) readFolders(files fs.FS) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return fmt.Errorf("reading the export: %w", err)
	}
	found := false
	for _, entry := range entries {
		name := entry.Name()
		at := slices.IndexFunc(parts, func(p part) bool { return p.folder == name })
		if !entry.IsDir() || at < 0 {
			e.others = append(e.others, name)
			continue
		}
		found = true
		e.hasConnections = e.hasConnections || name == "connections"
		if err := readFolder(files, name, parts[at].into(e)); err != nil {
			return err
		}
	}
	if !found {
		return errNoExport
	}
	return nil
}

func readFolder(files fs.FS, folder string, into *[]json.RawMessage) error {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return fmt.Errorf("reading %s: %w", folder, err)
	}
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".json") {
			continue // templates and pages, which their JSON files name
		}
		name := path.Join(folder, entry.Name())
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if !json.Valid(text) {
			return fmt.Errorf("reading %s: this is not JSON", name)
		}
		*into = append(*into, text)
	}
	return nil
}

// empty tells whether a value says nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, inner := range v {
			if !empty(inner) {
				return false
			}
		}
		return true
	}
	return false
}
