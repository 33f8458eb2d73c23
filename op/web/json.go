package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"
)

const maxJSONDepth = 8

// Object reads a JSON object of a request's body: application/json, one object, no name twice, at most eight levels,
// valid UTF-8 without NUL, nothing after it. What is wrong with it is a *Fault.
func Object(r *http.Request) (map[string]any, error) {
	v, err := JSON(r)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, notJSON("object", errJSON)
	}
	return m, nil
}

func notJSON(kind string, err error) *Fault {
	return &Fault{Status: http.StatusBadRequest, Code: "invalid_request", Description: "The body is not one valid JSON " + kind + ".", Err: err}
}

// JSON is [Object] for a value of any kind.
func JSON(r *http.Request) (any, error) {
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
		return nil, &Fault{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "The body must be application/json."}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, &Fault{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "Content-Encoding is not supported."}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unread(err)
	}
	v, err := decodeStrict(body)
	if err != nil {
		return nil, notJSON("value", err)
	}
	return v, nil
}

var errJSON = errors.New("not one JSON value")

func decodeStrict(body []byte) (any, error) {
	if !utf8.Valid(body) || bytes.Contains(body, []byte{0}) || bytes.Contains(body, []byte(`\u0000`)) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := value(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return v, nil
}

// value reads one value token by token, so that depth and doubled names are seen before anything is built.
func value(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth >= maxJSONDepth {
		return nil, errJSON
	}
	if delim == '[' {
		return array(d, depth)
	}
	return object(d, depth)
}

func array(d *json.Decoder, depth int) (any, error) {
	out := []any{}
	for d.More() {
		v, err := value(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func object(d *json.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if _, twice := out[name]; !ok || twice {
			return nil, errJSON
		}
		if out[name], err = value(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return out, err
}

// JSONType names the type of a value as [JSON] and [Object] give it, for whoever sent another one.
func JSONType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}
