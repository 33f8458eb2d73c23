package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// DefaultFile is the configuration file that is read when it exists and no other is named.
const DefaultFile = "sallyport.yaml"

// Load reads the configuration from the defaults, the file and the environment ("NAME=value" each), in this order,
// and validates it. An empty file name means the defaults and the environment alone. What is wrong with the
// configuration comes back as [Problems].
func Load(file string, environ []string) (*Config, error) {
	var text []byte
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil { //nolint:gosec // the operator names the file
			return nil, fmt.Errorf("reading the configuration: %w; name a file that can be read, with --config or %s", err, EnvFile)
		}
	}
	return Parse(Default(), file, text, environ)
}

// Parse is Load for a text that is in memory already, over a base that is not the default. The name of the file stands
// in problems.
func Parse(base *Config, file string, text []byte, environ []string) (*Config, error) {
	c := *base
	c.file = file
	c.origins = map[string]string{}
	c.warnings = nil
	r := &report{origins: c.origins}
	doc, err := document(file, text)
	if err != nil {
		return nil, err
	}
	if doc != nil {
		d := &decoder{file: file, report: r}
		d.decode("", doc, &c)
	}
	c.warnings = readEnv(&c, environ, r)
	// A value that could not be read keeps its default, so validation still finds what is wrong with the others.
	c.validate(r)
	if err := r.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// document is the one mapping of a YAML text, nil when the text is empty.
func document(file string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := dec.Decode(&doc); err != nil {
		if len(strings.TrimSpace(string(text))) == 0 || doc.Kind == 0 && isEOF(err) {
			return nil, nil //nolint:nilnil // an empty file is a configuration without keys
		}
		return nil, syntaxProblem(file, err)
	}
	if err := dec.Decode(new(yaml.Node)); !isEOF(err) {
		return nil, Problems{{Origin: file, Text: "there is more than one document; write one, without a --- in it"}}
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil //nolint:nilnil // only comments
	}
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{Origin: fmt.Sprintf("%s:%d", file, root.Line), Text: "this is not a list of keys; write \"key: value\" on each line"}}
	}
	return root, nil
}

// syntaxProblem makes "yaml: line 3: did not find ..." a problem at file:3.
func syntaxProblem(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
		file = fmt.Sprintf("%s:%d", file, line)
	}
	return Problems{{Origin: file, Text: "this is not YAML: " + text + "; check indentation and quotes"}}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
