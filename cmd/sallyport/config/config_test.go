package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/cmd/sallyport/config"
)

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, text string, environ ...string) (*config.Config, string) {
	t.Helper()
	c, err := config.Parse(config.Default(), "sallyport.yaml", []byte(text), environ)
	if err != nil {
		return nil, err.Error()
	}
	return c, ""
}

func TestExampleIsTheDefaults(t *testing.T) {
	got, problems := parse(t, example(t))
	if problems != "" {
		t.Fatal(problems)
	}
	want, problems := parse(t, "")
	if problems != "" {
		t.Fatal(problems)
	}
	if len(got.Secret) == 1 && got.Secret[0] == "" {
		t.Error("an empty secret is a secret")
	}
	for i := range reflect.TypeFor[config.Config]().NumField() {
		field := reflect.TypeFor[config.Config]().Field(i)
		if !field.IsExported() {
			continue
		}
		g, w := reflect.ValueOf(*got).Field(i), reflect.ValueOf(*want).Field(i)
		if g.Kind() == reflect.Slice && g.Len() == 0 && w.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(g.Interface(), w.Interface()) {
			t.Errorf("%s: the example says %+v, the default is %+v", field.Name, g, w)
		}
	}
}

// uncommented is the example with its commented clients, APIs and tokens in the place of the empty lists.
func uncommented(t *testing.T) string {
	t.Helper()
	text := example(t)
	for _, empty := range []string{"apis: []", "clients: []", "admin:\n  tokens: []"} {
		text = strings.Replace(text, "\n"+empty+"\n", "\n", 1)
	}
	return regexp.MustCompile(`(?m)^#(apis:|clients:|admin:|  )`).ReplaceAllString(text, "$1")
}

func TestExampleOfClientsIsValid(t *testing.T) {
	text := strings.Replace(uncommented(t), "issuer: http://localhost:8080", "issuer: https://login.example.com", 1)
	c, problems := parse(t, text)
	if problems != "" {
		t.Fatal(problems)
	}
	if len(c.Clients) != 2 || len(c.APIs) != 1 || len(c.Admin.Tokens) != 1 {
		t.Fatalf("%d clients, %d APIs and %d tokens, want 2, 1 and 1", len(c.Clients), len(c.APIs), len(c.Admin.Tokens))
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	text := uncommented(t)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			field := typ.Field(i)
			key := field.Tag.Get("yaml")
			if key == "" {
				continue
			}
			if !regexp.MustCompile(`(?m)^[ -]*` + key + `:`).MatchString(text) {
				t.Errorf("config.example.yaml does not have the key %s of %s", key, typ.Name())
			}
			inner := field.Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner.Name() != "Limit" {
				walk(inner)
			}
		}
	}
	walk(reflect.TypeFor[config.Config]())
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	c, problems := parse(t, "database: {url: 'sqlite:a.db'}\npasswordless: {lifetime: 1m}\nsms: {countries: [US]}",
		"SALLYPORT_DATABASE_URL=sqlite:b.db", "SALLYPORT_PASSWORDLESS_LIFETIME=2m", "SALLYPORT_SMS_COUNTRIES=DE, FR",
		"SALLYPORT_PASSWORDLESS_CODE_IN_SUBJECT=false", "SALLYPORT_LIMITS_START_PER_IP=7/1m", "SALLYPORT_LOG_LEVEL=",
		"SALLYPORT_SECRET="+strings.Repeat("a", 32)+","+strings.Repeat("b", 32))
	if problems != "" {
		t.Fatal(problems)
	}
	if c.Database.URL != "sqlite:b.db" || c.Passwordless.Lifetime != 2*time.Minute || c.Passwordless.Code.InSubject ||
		c.Limits.StartPerIP.String() != "7/1m" || !slices.Equal(c.SMS.Countries, []string{"DE", "FR"}) || c.Log.Level != "info" || len(c.Secret) != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "mail: {transport: smtp, smtp: {addr: 'mail.example.com:587', username: ada}}"
	c, problems := parse(t, text, "SALLYPORT_MAIL_SMTP_PASSWORD_FILE="+file)
	if problems != "" || c.Mail.SMTP.Password != "hunter2" {
		t.Errorf("problems %q, config %+v", problems, c)
	}
	_, problems = parse(t, text, "SALLYPORT_MAIL_SMTP_PASSWORD_FILE="+file, "SALLYPORT_MAIL_SMTP_PASSWORD=x")
	if !strings.Contains(problems, "SALLYPORT_MAIL_SMTP_PASSWORD is set too") {
		t.Errorf("both forms at once: %s", problems)
	}
}

func TestUnknownVariableIsWarnedAbout(t *testing.T) {
	c, problems := parse(t, "", "SALLYPORT_ISUER=http://localhost:1", "SALLYPORT_SERVICE_HOST=10.0.0.1", "SALLYPORT_PORT=tcp://10.0.0.1:80")
	if problems != "" {
		t.Fatal(problems)
	}
	if w := c.Warnings(); len(w) != 1 || w[0].Origin != "SALLYPORT_ISUER" {
		t.Errorf("warnings %v", w)
	}
}

func TestAllLimitsOff(t *testing.T) {
	for _, all := range []string{`"0"`, "0"} {
		c, problems := parse(t, "limits: {all: "+all+"}")
		if problems != "" {
			t.Fatal(problems)
		}
		if l := c.GrantLimits(); !l.StartPerAddress.Off() || !l.StartPerIP.Off() || !l.FailuresPerIP.Off() || !l.FailuresPerAddressDay.Off() {
			t.Errorf("limits %+v", l)
		}
	}
}

func TestTransportDefaultFollowsIssuer(t *testing.T) {
	local, _ := parse(t, "")
	if local.MailTransport() != config.TransportInbox || local.SMSTransport() != config.TransportInbox {
		t.Error("an issuer on loopback has no inbox")
	}
	public, _ := parse(t, "issuer: https://login.example.com")
	if public.MailTransport() != config.TransportNone || public.SMSTransport() != config.TransportNone {
		t.Error("an issuer off loopback has a transport that nobody set")
	}
}
