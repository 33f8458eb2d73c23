package templates

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// reference is the language whose catalogue is complete by definition and the answer when nothing fits.
const reference = "en"

// catalogue is the texts of one language by key. A text may have {placeholders}.
type catalogue struct {
	lang, dir string
	tag       language.Tag
	texts     map[string]text
}

// text is one text, or one for each plural form of the number {n} that the language knows ("one", "other", ...).
type text map[string]string

// UnmarshalJSON reads a string, or an object of strings by plural form.
func (t *text) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = text{"other": one}
		return nil
	}
	var forms map[string]string
	if err := json.Unmarshal(b, &forms); err != nil {
		return fmt.Errorf("a text is a string or an object of plural forms: %w", err)
	}
	for form := range forms {
		if !slices.Contains(pluralForms[:], form) {
			return fmt.Errorf("%q is not a plural form", form)
		}
	}
	if forms["other"] == "" {
		return errors.New(`the plural form "other" is missing`)
	}
	*t = forms
	return nil
}

var pluralForms = [...]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// text fills a text with pairs of a placeholder's name and its value; the number "n" picks the plural form.
func (c catalogue) text(key string, pairs ...any) (string, error) {
	forms, ok := c.texts[key]
	if !ok {
		return "", fmt.Errorf("there is no text %q for %q", key, c.lang)
	}
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("the text %q was given a placeholder without a value", key)
	}
	if len(pairs) == 0 {
		return forms["other"], nil
	}
	form := "other"
	replace := make([]string, 0, len(pairs))
	for pair := range slices.Chunk(pairs, 2) {
		name, value := pair[0], pair[1]
		if n, isNumber := value.(int); isNumber && name == "n" {
			form = pluralForms[plural.Cardinal.MatchPlural(c.tag, n, 0, 0, 0, 0)]
		}
		replace = append(replace, fmt.Sprintf("{%v}", name), fmt.Sprint(value))
	}
	text, ok := forms[form]
	if !ok {
		text = forms["other"]
	}
	if len(replace) == 2 { // what a Replacer would do, without making its tables
		return strings.ReplaceAll(text, replace[0], replace[1]), nil
	}
	return strings.NewReplacer(replace...).Replace(text), nil
}

// filled are the templates with those texts in place that are the same every time: they are looked up once, when the
// templates are parsed. Such texts stand between tags and in quoted attributes only, where escape is right.
type filled struct {
	embed.FS
	catalogue catalogue
	escape    func(string) string
}

// fixedText finds the texts that take nothing.
var fixedText = regexp.MustCompile(`\{\{t "([^"]+)"\}\}`)

// ReadFile implements fs.ReadFileFS.
func (f filled) ReadFile(name string) ([]byte, error) {
	source, err := f.FS.ReadFile(name)
	return fixedText.ReplaceAllFunc(source, func(use []byte) []byte {
		text, err := f.catalogue.text(string(fixedText.FindSubmatch(use)[1]))
		if err != nil || strings.Contains(text, "{{") {
			return use
		}
		return []byte(f.escape(text))
	}), err
}

func plain(text string) string { return text }

// languages is all catalogues, the reference first.
type languages struct {
	catalogues []catalogue
	matcher    language.Matcher
}

// readCatalogues reads the embedded catalogues and holds them against each other and against the templates.
func readCatalogues() (*languages, error) {
	names, err := fs.Glob(files, "locales/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing the catalogues: %w", err)
	}
	l := &languages{}
	for _, name := range names {
		c, err := readCatalogue(name)
		if err != nil {
			return nil, fmt.Errorf("reading the catalogue %s: %w", name, err)
		}
		l.catalogues = append(l.catalogues, c)
	}
	slices.SortStableFunc(l.catalogues, func(a, b catalogue) int {
		switch reference {
		case a.lang:
			return -1
		case b.lang:
			return 1
		}
		return strings.Compare(a.lang, b.lang)
	})
	var tags []language.Tag
	for _, c := range l.catalogues {
		tags = append(tags, c.tag)
	}
	l.matcher = language.NewMatcher(tags)
	return l, l.check()
}

func readCatalogue(name string) (catalogue, error) {
	b, err := files.ReadFile(name)
	if err != nil {
		return catalogue{}, err
	}
	lang := strings.TrimSuffix(path.Base(name), ".json")
	tag, err := language.Parse(lang)
	if err != nil {
		return catalogue{}, err
	}
	c := catalogue{lang: lang, tag: tag, dir: "ltr"}
	script, _ := tag.Script()
	if slices.Contains([]string{"Arab", "Hebr", "Thaa", "Syrc", "Nkoo"}, script.String()) {
		c.dir = "rtl"
	}
	return c, json.Unmarshal(b, &c.texts)
}

// check reports every key that a template, a page or another language has and a catalogue lacks.
func (l *languages) check() error {
	used, err := usedKeys()
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range l.catalogues {
		for key := range used {
			if _, ok := c.texts[key]; !ok {
				errs = append(errs, fmt.Errorf("the text %q is missing in %q", key, c.lang))
			}
		}
		for key := range c.texts {
			if !used[key] {
				errs = append(errs, fmt.Errorf("the text %q of %q is used nowhere", key, c.lang))
			}
		}
	}
	return errors.Join(errs...)
}

// keyUse finds the texts of a template: function t takes the key as a literal.
var keyUse = regexp.MustCompile(`\bt "([^"]+)"`)

// usedKeys are those that templates name and those that code makes.
func usedKeys() (map[string]bool, error) {
	used := map[string]bool{}
	for _, key := range codeKeys {
		used[key] = true
	}
	for _, kind := range problemKinds {
		used[problemTitle(kind)], used[problemText(kind)] = true, true
	}
	for _, cause := range alertCauses {
		title, text, what := alertKeys(cause)
		used[title], used[text], used[what] = true, true, true
	}
	return used, fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".json" {
			return err
		}
		source, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		for _, match := range keyUse.FindAllSubmatch(source, -1) {
			used[string(match[1])] = true
		}
		return nil
	})
}

func (l *languages) tags() []string {
	var tags []string
	for _, c := range l.catalogues {
		tags = append(tags, c.lang)
	}
	return tags
}

// find is the catalogue of a language, or the reference.
func (l *languages) find(lang string) catalogue {
	for _, c := range l.catalogues {
		if c.lang == lang {
			return c
		}
	}
	return l.catalogues[0]
}

// maxPreference bounds what is read of one header or parameter, in bytes.
const maxPreference = 200

func (l *languages) match(preferred []string) string {
	var wanted []language.Tag
	for _, p := range preferred {
		if len(p) > maxPreference {
			p = p[:maxPreference]
		}
		if strings.ContainsAny(p, ",;") { // Accept-Language
			tags, _, _ := language.ParseAcceptLanguage(p)
			wanted = append(wanted, tags...)
			continue
		}
		for _, locale := range strings.Fields(p) {
			if tag, err := language.Parse(locale); err == nil {
				wanted = append(wanted, tag)
			}
		}
	}
	_, i, confidence := l.matcher.Match(wanted...)
	if confidence == language.No {
		return reference
	}
	return l.catalogues[i].lang
}
