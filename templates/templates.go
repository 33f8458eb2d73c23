// Package templates is everything a person sees: the hosted pages, the mails and the text messages, in every language
// there is a catalogue for. Pages, messages and catalogues are embedded and checked by [New]; nothing is read later.
//
// A page goes through it like this: [Set.Language] picks a catalogue from what the browser prefers, the caller fills
// one of the page structs and [Set.Render] writes it whole or not at all. Messages have a struct and a method each.
// Stylesheet, script, icon, and the operator's colour and logo are served by [Set.Assets].
//
// Every string in a struct may come from a stranger: it is escaped where it lands and never trusted. The package
// decides no status code and sets no header of a page, and it does not know what a challenge or a client is.
//
// The pages hold to this policy and need no more: default-src 'none'; script-src 'self'; style-src 'self';
// img-src 'self' data:; form-action 'self' (and where the answer redirects to); base-uri 'none'; frame-ancestors 'none'.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	texttemplate "text/template"

	"sallyport/static"
)

//go:embed locales/*.json pages/*.html mails/*.html mails/*.txt
var files embed.FS

// maxLogo is the size of the largest logo, in bytes: every page loads it.
const maxLogo = 100_000

// Site is what all pages and messages of one deployment share. The zero Site is an unbranded one.
type Site struct {
	Name         string // shown where no app is named, and above the card; "" shows nothing there
	Logo         string // a file with the logo (.svg, .png, .jpg or .webp, at most 100 kB), read once; "" is none
	PrimaryColor string // of buttons and links, #rgb or #rrggbb; "" is DefaultColor
	Host         string // host name of the login page, without port, which binds codes in text messages to it; "" binds none
}

// Set renders pages and messages. It may be used by many goroutines.
type Set struct {
	site      Site
	mailColor palette
	assets    *static.Bundle
	languages *languages
	pages     map[string]*template.Template     // by language and page
	mailHTML  map[string]*template.Template     // by language
	mailText  map[string]*texttemplate.Template // by language
}

// New parses everything there is. The error tells of a missing template or catalogue key, a text that no template
// uses, a colour that is none or a logo that cannot be read.
func New(site Site) (*Set, error) {
	colour, err := parseColor(site.PrimaryColor)
	if err != nil {
		return nil, fmt.Errorf("reading the primary colour: %w", err)
	}
	languages, err := readCatalogues()
	if err != nil {
		return nil, err
	}
	s := &Set{
		site: site, mailColor: lightPalette(colour), assets: static.New(), languages: languages,
		pages:    map[string]*template.Template{},
		mailHTML: map[string]*template.Template{},
		mailText: map[string]*texttemplate.Template{},
	}
	s.site.Name = oneLine(site.Name)
	if site.PrimaryColor != "" {
		s.assets.Add("brand.css", brandStylesheet(colour))
	}
	if err := s.addLogo(site.Logo); err != nil {
		return nil, fmt.Errorf("reading the logo: %w", err)
	}
	for _, c := range languages.catalogues {
		if err := s.parse(c); err != nil {
			return nil, fmt.Errorf("parsing the templates for %q: %w", c.lang, err)
		}
	}
	return s, nil
}

func (s *Set) addLogo(file string) error {
	if file == "" {
		return nil
	}
	ext := strings.ToLower(filepath.Ext(file))
	switch ext {
	case ".svg", ".png", ".jpg", ".jpeg", ".webp":
	default:
		return fmt.Errorf("%s is not an .svg, .png, .jpg or .webp file", file)
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file in the configuration
	if err != nil {
		return err
	}
	if len(content) > maxLogo {
		return fmt.Errorf("%s has %d bytes, more than %d", file, len(content), maxLogo)
	}
	s.assets.Add("logo"+ext, content)
	s.site.Logo = s.assets.Path("logo" + ext)
	return nil
}

// parse binds all templates to one catalogue.
func (s *Set) parse(c catalogue) error {
	funcs, html := s.funcs(c), filled{files, c, template.HTMLEscapeString}
	layout, err := template.New("layout.html").Funcs(funcs).ParseFS(html, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return err
	}
	for _, page := range pages {
		name, _ := page.page()
		t, err := template.Must(layout.Clone()).ParseFS(html, "pages/"+name+".html")
		if err != nil {
			return err
		}
		s.pages[c.lang+"/"+name] = t
	}
	s.mailHTML[c.lang], err = template.New("mails").Funcs(funcs).ParseFS(html, "mails/*.html")
	if err != nil {
		return err
	}
	s.mailText[c.lang], err = texttemplate.New("mails").Funcs(funcs).ParseFS(filled{files, c, plain}, "mails/*.txt")
	return err
}

// Languages are the tags of all catalogues, "en" first.
func (s *Set) Languages() []string { return s.languages.tags() }

// Language is the best of our languages for what somebody prefers: values of ui_locales ("fr-CA de en") and of
// Accept-Language ("de-CH, en;q=0.5"), the most important first. What cannot be read is passed over; "en" is the answer
// when nothing fits.
func (s *Set) Language(preferred ...string) string { return s.languages.match(preferred) }

// Assets serves everything that the pages load, below [static.Prefix]: the files of package static and this
// deployment's colour and logo.
func (s *Set) Assets() http.Handler { return s.assets }

// view is what a page's template sees.
type view struct {
	Lang, Dir string
	Site      string // the site's name
	Logo      string // path
	Name      string // what the person signs in to: the app, else the site
	P         Page
}

// Render writes a page in a language of ours, or in English when lang is none. It writes nothing when it fails.
func (s *Set) Render(w io.Writer, lang string, page Page) error {
	c := s.languages.find(lang)
	name, app := page.page()
	v := view{
		Lang: c.lang, Dir: c.dir, P: page,
		Site: s.site.Name, Logo: s.site.Logo, Name: s.name(app),
	}
	var b bytes.Buffer
	if err := s.pages[c.lang+"/"+name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		return fmt.Errorf("rendering the page %q: %w", name, err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing the page %q: %w", name, err)
	}
	return nil
}

// name is what a person signs in to.
func (s *Set) name(app string) string {
	if app = oneLine(app); app != "" {
		return app
	}
	if s.site.Name != "" {
		return s.site.Name
	}
	return "Sallyport"
}
