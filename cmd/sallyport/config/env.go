package config

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

const envPrefix = "SALLYPORT_"

// EnvFile is the variable that names the configuration file.
const EnvFile = envPrefix + "CONFIG"

// readEnv sets scalars and lists of strings from variables: database.url from SALLYPORT_DATABASE_URL, and secrets also
// from the file that SALLYPORT_DATABASE_URL_FILE names. An empty variable counts as not set. It returns warnings about
// variables that look like ours and are no key.
func readEnv(c *Config, environ []string, r *report) []Problem {
	vars := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" {
			vars[name] = value
		}
	}
	delete(vars, EnvFile)
	e := &env{vars: vars, report: r}
	e.group("", reflect.ValueOf(c).Elem())
	return e.leftOver()
}

type env struct {
	vars   map[string]string // those not used yet
	report *report
}

func (e *env) group(path string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag := field.Tag.Get("yaml")
		if tag == "" {
			continue
		}
		key := strings.TrimPrefix(path+"."+tag, ".")
		if field.Type.Kind() == reflect.Struct && field.Type != limitType {
			e.group(key, v.Field(i))
			continue
		}
		e.field(key, field, v.Field(i))
	}
}

func (e *env) field(key string, field reflect.StructField, v reflect.Value) {
	name := VariableOf(key)
	value, ok := e.take(name)
	if field.Tag.Get("secret") != "" {
		if file, fromFile := e.take(name + "_FILE"); fromFile {
			e.report.origins[key] = name + "_FILE"
			if ok {
				e.report.add(key, "%s is set too; set one of the two", name)
				return
			}
			text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
			if err != nil {
				e.report.add(key, "%v; name a file that holds the value", err)
				return
			}
			name, value, ok = name+"_FILE", strings.TrimRight(string(text), "\r\n"), true
		}
	}
	if !ok {
		return
	}
	e.report.origins[key] = name
	if field.Type.Kind() == reflect.Slice {
		e.list(key, value, v)
		return
	}
	if err := setScalar(v, value); err != nil {
		e.report.add(key, "%v", err)
	}
}

func (e *env) list(key, value string, v reflect.Value) {
	if v.Type().Elem().Kind() != reflect.String {
		e.report.add(key, "this list cannot be set by a variable; write it in the file")
		return
	}
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	v.Set(reflect.ValueOf(items).Convert(v.Type()))
}

func (e *env) take(name string) (string, bool) {
	value, ok := e.vars[name]
	delete(e.vars, name)
	return value, ok
}

// leftOver sorts what no key took: a key that comes later is refused like in the file, anything else only warned
// about, because container platforms set variables of their own from the name of a service.
func (e *env) leftOver() []Problem {
	var warnings []Problem
	for _, name := range slices.Sorted(maps.Keys(e.vars)) {
		if key := laterVariable(name); key != "" {
			e.report.origins[key] = name
			e.report.add(key, "%s", laterKeys[key])
			continue
		}
		if strings.HasPrefix(name, envPrefix+"TEST_") || strings.HasPrefix(name, envPrefix+"SERVICE_") || strings.HasPrefix(name, envPrefix+"PORT") {
			continue
		}
		warnings = append(warnings, Problem{Origin: name, Text: "this variable is no key of the configuration"})
	}
	return warnings
}

func laterVariable(name string) string {
	for key := range laterKeys {
		if v := VariableOf(key); name == v || strings.HasPrefix(name, v+"_") {
			return key
		}
	}
	return ""
}

// VariableOf is the environment variable of a key.
func VariableOf(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}
