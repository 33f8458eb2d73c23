package admin

import (
	"slices"
	"strings"

	"sallyport/grants"
	"sallyport/storage"
)

// term is a part of a search: a field and the values that it may have.
type term struct {
	field  string
	values []string
}

// terms reads the parameter q: field:value, field:"value" or field:("a" OR "b"), joined by AND. It is the part of Lucene's
// language that an index can answer; of the rest the fault says so.
func (q *query) terms(known ...string) []term {
	rest := strings.TrimSpace(q.text("q"))
	var out []term
	for rest != "" {
		field, after, ok := strings.Cut(rest, ":")
		values, after, readable := readValues(after)
		if !ok || !readable || !slices.Contains(known, field) || slices.ContainsFunc(out, func(t term) bool { return t.field == field }) {
			q.wrong(`q must be terms such as %s:"value", joined by AND. The fields are %s, each at most once`, known[0], strings.Join(known, ", "))
			return nil
		}
		out = append(out, term{field, values})
		if rest = strings.TrimSpace(after); rest == "" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, "AND "); !ok {
			q.wrong("q can only join terms by AND")
			return nil
		}
		rest = strings.TrimSpace(rest)
	}
	return out
}

// maxValues bounds how many values a term can have.
const maxValues = 100

// readValues reads one value or a list in parentheses.
func readValues(s string) (values []string, rest string, ok bool) {
	inside, list := strings.CutPrefix(s, "(")
	if !list {
		v, rest, ok := readValue(s)
		return []string{v}, rest, ok
	}
	for len(values) < maxValues {
		v, after, ok := readValue(strings.TrimSpace(inside))
		if !ok {
			return nil, "", false
		}
		values = append(values, v)
		after = strings.TrimSpace(after)
		if rest, ok := strings.CutPrefix(after, ")"); ok {
			return values, rest, true
		}
		if inside, ok = strings.CutPrefix(after, "OR "); !ok {
			return nil, "", false
		}
	}
	return nil, "", false
}

// readValue reads a quoted value, or a word.
func readValue(s string) (value, rest string, ok bool) {
	if quoted, is := strings.CutPrefix(s, `"`); is {
		value, rest, ok = strings.Cut(quoted, `"`)
		return value, rest, ok && value != ""
	}
	end := strings.IndexAny(s, " )")
	if end < 0 {
		end = len(s)
	}
	value = s[:end]
	return value, s[end:], value != "" && !strings.ContainsAny(value, `"(<>[]{}~^`)
}

// users reads a search for users and its order.
func (q *query) users() storage.AccountQuery {
	var s storage.AccountQuery
	who := 0
	for _, t := range q.terms("email", "phone_number", "user_id", "blocked", "identities.connection", "identities.provider") {
		if t.field == "email" || t.field == "phone_number" || t.field == "user_id" {
			who++
		}
		if t.field == "user_id" {
			s.IDs = t.values
			continue
		}
		if len(t.values) > 1 {
			q.wrong("only user_id can have several values")
		}
		q.term(&s, t.field, t.values[0])
	}
	if who > 1 {
		q.wrong("q can name one of email, phone_number and user_id")
	}
	q.order(&s)
	return s
}

func (q *query) term(s *storage.AccountQuery, field, value string) {
	switch field {
	case "email":
		q.address(s, value, grants.ParseEmail)
	case "phone_number":
		q.address(s, value, grants.ParsePhone)
	case "blocked":
		if value != "true" && value != "false" {
			q.wrong("blocked must be true or false")
		}
		blocked := value == "true"
		s.Blocked = &blocked
	default:
		s.Connection = value
	}
}

// address looks for an address, or for those that begin so. What is no address is nobody's.
func (q *query) address(s *storage.AccountQuery, value string, parse func(string) (grants.Address, error)) {
	prefix, ok := strings.CutSuffix(value, "*")
	if strings.Contains(prefix, "*") || prefix == "" {
		q.wrong("* can only stand at the end, after something")
	}
	if ok {
		s.AddressPrefix = strings.ToLower(prefix)
		return
	}
	address, err := parse(value)
	if err != nil {
		s.IDs = []string{}
		return
	}
	s.Address = address
}

// order reads sort, such as created_at:-1.
func (q *query) order(s *storage.AccountQuery) {
	by := q.text("sort")
	if by == "" {
		return
	}
	field, direction, ok := strings.Cut(by, ":")
	if !ok || direction != "1" && direction != "-1" || !slices.Contains([]string{"created_at", "updated_at", "user_id"}, field) {
		q.wrong("sort must be created_at, updated_at or user_id with :1 or :-1")
		return
	}
	s.Sort, s.Descending = field, direction == "-1"
}
