package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxPerPage = 100
	// maxOffset is how far pages reach: Auth0's window.
	maxOffset = 1000
)

// query reads the parameters of a request, one by one. What was never asked for is not allowed. The first thing that is
// wrong is kept until [query.done].
type query struct {
	values url.Values
	asked  map[string]bool
	fault  error
}

func (c *call) query() *query {
	q := &query{asked: map[string]bool{}}
	var err error
	if q.values, err = url.ParseQuery(c.URL.RawQuery); err != nil {
		q.wrong("The query string cannot be read")
	}
	return q
}

func (q *query) wrong(format string, args ...any) {
	if q.fault == nil {
		q.fault = badQuery(fmt.Sprintf(format, args...))
	}
}

// done gives the first fault, that of a parameter that nobody asked for included.
func (q *query) done() error {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if !q.asked[name] {
			q.fault = cmp.Or(q.fault, unasked(badQuery, name))
		}
	}
	return q.fault
}

// all are the values of a parameter that can be repeated.
func (q *query) all(name string) []string {
	q.asked[name] = true
	for _, v := range q.values[name] {
		if strings.ToValidUTF8(v, "") != v || strings.ContainsRune(v, 0) {
			q.wrong("%s has characters that are not allowed", name)
		}
	}
	return q.values[name]
}

func (q *query) text(name string) string {
	v := q.all(name)
	if len(v) == 0 {
		return ""
	}
	if len(v) > 1 {
		q.wrong("%s is given more than once", name)
	}
	return v[0]
}

func (q *query) number(name string, otherwise, least, most int) int {
	s := q.text(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		q.wrong("%s must be a whole number from %d to %d", name, least, most)
		return otherwise
	}
	return n
}

func (q *query) flag(name string, otherwise bool) bool {
	switch q.text(name) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	}
	q.wrong("%s must be true or false", name)
	return otherwise
}

// ignored accepts parameters that mean nothing here.
func (q *query) ignored(names ...string) {
	for _, name := range names {
		q.text(name)
	}
}

// page is a part of a list and how the list is shown.
type page struct {
	offset, size int
	totals       bool
	checkpoint   bool // asked for by from and take: the next page is named
	fields       fields
}

// page reads which part is asked for, by page and per_page or by from and take. Where most is not zero there are pages
// alone, which reach to the record most.
func (q *query) page(most int) page {
	p := page{size: q.number("per_page", 50, 1, maxPerPage), totals: q.flag("include_totals", false), fields: q.fields()}
	p.offset = q.number("page", 0, 0, 1<<20) * p.size
	if most == 0 && (q.values.Has("take") || q.values.Has("from")) {
		p.checkpoint, p.size, p.offset = true, q.number("take", 50, 1, maxPerPage), q.number("from", 0, 0, 1<<30)
	}
	if most > 0 && p.offset+p.size > most {
		q.wrong("You can only page through the first %d records: narrow the search", most)
	}
	return p
}

// of cuts the page out of a list that is there as a whole.
func of[T any](p page, all []T) []T {
	from := min(p.offset, len(all))
	return all[from:min(from+p.size, len(all))]
}

// show gives a page of a list of total records: bare, or in an object under a name.
func show[T any](p page, name string, total int, records []T) reply {
	shown := make([]any, len(records))
	for i, r := range records {
		shown[i] = p.fields.of(r)
	}
	if !p.totals && !p.checkpoint {
		return reply{body: shown}
	}
	answer := map[string]any{"start": p.offset, "limit": p.size, "length": len(shown), "total": total, name: shown}
	if end := p.offset + len(shown); p.checkpoint && end < total {
		answer["next"] = strconv.Itoa(end)
	}
	return reply{body: answer}
}

// fields are those members of a record that are shown, or those that are not.
type fields struct {
	names   []string
	without bool
}

func (q *query) fields() fields {
	f := fields{without: !q.flag("include_fields", true)}
	if s := q.text("fields"); s != "" {
		f.names = strings.Split(s, ",")
	}
	return f
}

func (f fields) of(record any) any {
	if len(f.names) == 0 {
		return record
	}
	b, err := json.Marshal(record)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(b, &members) != nil {
		return record
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return slices.Contains(f.names, name) == f.without })
	return members
}

// iso is a moment as Auth0 writes it.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// isoOrNil is iso, and nil for no moment.
func isoOrNil(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := iso(t)
	return &s
}

// noContent is what a removal answers, of what is not there as well.
var noContent = reply{status: http.StatusNoContent}
