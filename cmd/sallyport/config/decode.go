package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sallyport/grants"
	"sallyport/grants/courier"
)

// decoder reads YAML into the configuration strictly: every key must be known and stand once, every value must have
// its key's type. It notes where each key stands.
type decoder struct {
	file   string
	report *report
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	limitType    = reflect.TypeFor[grants.Limit]()
	moneyType    = reflect.TypeFor[courier.Money]()
	stringsType  = reflect.TypeFor[Strings]()
	jwksType     = reflect.TypeFor[JWKS]()
)

func (d *decoder) decode(path string, n *yaml.Node, into *Config) {
	d.value(path, n, reflect.ValueOf(into).Elem())
}

func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "key:" with nothing behind it leaves the default
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem())
	case v.Type() == jwksType:
		d.jwks(path, n, v)
	case v.Type() == stringsType && n.Kind == yaml.ScalarNode:
		if n.Value != "" {
			v.Set(reflect.ValueOf(Strings{n.Value}))
		}
	case v.Type() == limitType:
		d.scalar(path, n, v)
	case v.Kind() == reflect.Struct:
		d.mapping(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	case v.Kind() == reflect.Map:
		d.table(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.report.add(path, "one value is needed here, not a list or a group of keys")
		return
	}
	if err := setScalar(v, n.Value); err != nil {
		d.report.add(path, "%v", err)
	}
}

func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.report.add(path, "keys are needed here: %s", strings.Join(keysOf(v.Type()), ", "))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, key := n.Content[i].Value, n.Content[i].Value
		if path != "" {
			key = path + "." + name
		}
		origin := fmt.Sprintf("%s:%d", d.file, n.Content[i].Line)
		if _, twice := d.report.origins[key]; twice {
			d.report.problems = append(d.report.problems, Problem{Origin: origin, Key: key, Text: "the key stands here a second time; remove one"})
			continue
		}
		d.report.origins[key] = origin
		field, ok := fieldOf(v, name)
		if _, later := reserved(key); !ok && later && hasNothing(n.Content[i+1]) {
			continue
		}
		if !ok {
			d.report.add(key, "%s", unknown(key, name, v.Type()))
			continue
		}
		d.value(key, n.Content[i+1], field)
	}
}

func (d *decoder) list(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.report.add(path, "a list is needed here, such as [a, b]")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		key := fmt.Sprintf("%s[%d]", path, i)
		d.report.origins[key] = fmt.Sprintf("%s:%d", d.file, item.Line)
		d.value(key, item, out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) table(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		want := "names with a list each are needed here, such as {\"https://api.example.com\": [read]}"
		if v.Type().Elem() == moneyType {
			want = "countries with an amount each are needed here, such as {DE: \"0.09\"}"
		}
		d.report.add(path, "%s", want)
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		key := path + "[" + name + "]"
		if _, twice := d.report.origins[key]; twice {
			d.report.add(key, "the name stands twice; remove one")
			continue
		}
		d.report.origins[key] = fmt.Sprintf("%s:%d", d.file, n.Content[i].Line)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(key, n.Content[i+1], item)
		out.SetMapIndex(reflect.ValueOf(name), item)
	}
	v.Set(out)
}

func (d *decoder) jwks(path string, n *yaml.Node, v reflect.Value) {
	var written any
	if err := n.Decode(&written); err != nil {
		d.report.add(path, "a JWK set or PEM public keys are needed here")
		return
	}
	set, err := ReadJWKS(written)
	if err != nil {
		d.report.add(path, "%v", err)
		return
	}
	v.Set(reflect.ValueOf(set))
}

// setScalar reads one value, from the file or the environment.
func setScalar(v reflect.Value, s string) error {
	switch v.Type() {
	case durationType:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write a number and a unit, such as 90s, 5m or 72h", s)
		}
		v.SetInt(int64(d))
		return nil
	case limitType:
		l, err := grants.ParseLimit(s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(l))
		return nil
	case moneyType:
		m, err := courier.ParseMoney(s)
		if err != nil {
			return err
		}
		v.SetInt(int64(m))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		v.SetBool(s == "true")
	default:
		return fmt.Errorf("one value is not enough here")
	}
	return nil
}

// fieldOf finds the field of a key.
func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "" {
			keys = append(keys, tag)
		}
	}
	return keys
}
