package op_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
)

func TestErrorRowsOfStart(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		fields      map[string]any
		status      int
		code        string
		description string // a part of it
	}{
		"no client_id":               {map[string]any{"client_id": nil, "email": "a@example.com"}, 400, "bad.client_id", "Missing required property: client_id"},
		"client_id a number":         {map[string]any{"client_id": 1, "email": "a@example.com"}, 400, "bad.client_id", "expected string"},
		"client_id null":             {map[string]any{"client_id": json.RawMessage("null"), "email": "a@example.com"}, 400, "bad.client_id", "invalid type: null"},
		"no such connection":         {map[string]any{"connection": "fax", "email": "a@example.com"}, 400, "bad.connection", "Connection does not exist"},
		"connection a list":          {map[string]any{"connection": []string{"email"}, "email": "a@example.com"}, 400, "bad.connection", "invalid type: array"},
		"authParams a text":          {map[string]any{"email": "a@example.com", "authParams": "x"}, 400, "bad.authParams", "error in authParams - invalid type: string (expected object)"},
		"authParams a list":          {map[string]any{"email": "a@example.com", "authParams": []any{}}, 400, "bad.authParams", "invalid type: array"},
		"authParams, a number in it": {map[string]any{"email": "a@example.com", "authParams": map[string]any{"state": 1}}, 400, "bad.authParams", "state"},
		"authParams, PKCE plain":     {map[string]any{"email": "a@example.com", "authParams": map[string]any{"code_challenge": s256(verifier), "code_challenge_method": "plain"}}, 400, "bad.authParams", "S256"},
		"authParams, bad challenge":  {map[string]any{"email": "a@example.com", "authParams": map[string]any{"code_challenge": "x", "code_challenge_method": "S256"}}, 400, "bad.authParams", "code_challenge"},
		"unregistered redirect_uri":  {map[string]any{"email": "a@example.com", "authParams": map[string]any{"redirect_uri": "http://evil.example.com/"}}, 400, "bad.authParams", "redirect_uri"},
		"another's redirect_uri":     {map[string]any{"email": "a@example.com", "authParams": map[string]any{"redirect_uri": "http://127.0.0.1:9/other"}}, 400, "bad.authParams", "redirect_uri"},
		"what is not allowed":        {map[string]any{"email": "a@example.com", "zeta": 1, "alpha": 2}, 400, "bad.request", "the following properties are not allowed: alpha, zeta"},
		"no number":                  {map[string]any{"connection": "sms"}, 400, "bad.phone_number", "Missing required property: phone_number"},
		"no number, a mail instead":  {map[string]any{"connection": "sms", "email": "a@example.com"}, 400, "bad.phone_number", "Missing required property: phone_number"},
		"number without +":           {map[string]any{"connection": "sms", "phone_number": "491701234567"}, 400, "bad.phone_number", `String does not match pattern: ^\+[0-9]{1,15}$`},
		"number too long":            {map[string]any{"connection": "sms", "phone_number": "+1234567890123456"}, 400, "bad.phone_number", "pattern"},
		"impossible number":          {map[string]any{"connection": "sms", "phone_number": "+4912"}, 400, "bad.phone_number", "possible"},
		"send sms without a number":  {map[string]any{"connection": nil, "send": "sms", "email": "a@example.com"}, 400, "bad.phone_number", "Missing"},
		"no connection, no address":  {map[string]any{"connection": nil}, 400, "bad.connection", "Missing required property: connection"},
		"no passwordless strategy":   {map[string]any{"connection": "Username-Password-Authentication", "email": "a@example.com"}, 400, "bad.connection", "Connection does not exist"},
		"captcha a number":           {map[string]any{"email": "a@example.com", "captcha": 1}, 400, "bad.captcha", "expected string"},
		"no mail":                    {map[string]any{}, 400, "bad.email", "Missing required property: email"},
		"not a mail":                 {map[string]any{"email": "nonsense"}, 400, "bad.email", "error in email - email format validation failed: nonsense"},
		"two mails":                  {map[string]any{"email": "a@example.com,b@example.com"}, 400, "bad.email", ""},
		"header injection":           {map[string]any{"email": "a@example.com\r\nBcc: b@example.com"}, 400, "bad.email", ""},
		"unknown send":               {map[string]any{"email": "a@example.com", "send": "pigeon"}, 400, "bad.send", "send"},
		"no secret":                  {map[string]any{"client_secret": nil, "email": "a@example.com"}, 403, "unauthorized_client", "Client authentication is required"},
		"unknown client, no secret":  {map[string]any{"client_id": "nobody", "client_secret": nil, "email": "a@example.com"}, 403, "unauthorized_client", "Client authentication is required"},
		"wrong secret":               {map[string]any{"client_secret": "wrong", "email": "a@example.com"}, 401, "access_denied", "Unauthorized"},
		"unknown client":             {map[string]any{"client_id": "nobody", "email": "a@example.com"}, 401, "access_denied", "Unauthorized"},
		"no passwordless grant":      {map[string]any{"client_id": "native", "client_secret": nil, "email": "a@example.com"}, 403, "unauthorized_client", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.start(c.fields)
			a.wants(t, c.status, c.code)
			if !strings.Contains(a.str("error_description"), c.description) {
				t.Errorf("%s", a.body)
			}
		})
	}
	if sent := p.inbox.Messages(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
	if log := p.log.String(); strings.Contains(log, "nonsense") || strings.Contains(log, "b@example.com") || !strings.Contains(log, "email format validation failed") {
		t.Errorf("the log has addresses, or not why:\n%s", log)
	}
}

// Rows which would tell whether an address has an account, or is blocked, are the answer of every other address.
func TestErrorRowsOfStartThatWouldTellOfTheAccount(t *testing.T) {
	for name, closed := range map[string]bool{"public signup is disabled": true, "user is blocked": false} {
		p := newProvider(t, func(s *settings) { s.engine.SignupClosed = closed })
		if !closed {
			check(t, p.store.SetBlocked(t.Context(), sub(t, p.login("x@example.com")), true))
		}
		if a := p.start(map[string]any{"email": "x@example.com"}); a.StatusCode != http.StatusOK || a.json()["email_verified"] != false || len(a.json()) != 3 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

func TestStartWithTwoFaultsNamesTheSameOneAlways(t *testing.T) {
	p := newProvider(t)
	first := p.start(map[string]any{"client_id": 1, "connection": 2, "email": 3, "send": 4})
	for range 20 {
		if a := p.start(map[string]any{"client_id": 1, "connection": 2, "email": 3, "send": 4}); a.body != first.body {
			t.Fatalf("%s and %s", a.body, first.body)
		}
	}
}

func TestStartAnswersKnownAndUnknownAddressesAlike(t *testing.T) {
	p := newProvider(t)
	p.login("known@example.com")
	known, unknown := p.start(map[string]any{"email": "known@example.com"}), p.start(map[string]any{"email": "unkno@example.com"})
	shape := func(a answer) string {
		return regexp.MustCompile(`"_id":"[0-9a-f]{24}"`).ReplaceAllString(strings.NewReplacer("known@", "x@", "unkno@", "x@").Replace(same(a)), "_id")
	}
	if shape(known) != shape(unknown) || known.StatusCode != http.StatusOK || !strings.Contains(shape(known), "_id") {
		t.Errorf("%s\n%s", shape(known), shape(unknown))
	}
	if known.json()["email_verified"] != unknown.json()["email_verified"] {
		t.Error("email_verified tells")
	}
	if again := p.start(map[string]any{"email": " KNOWN@Example.com"}); again.body != known.body {
		t.Errorf("_id is not stable: %s %s", again.body, known.body)
	}
	if known.str("_id") == unknown.str("_id") {
		t.Error("_id is the same for all")
	}
	sms := p.start(map[string]any{"connection": nil, "send": "sms", "phone_number": "+491701234567"})
	if sms.str("phone_number") != "+491701234567" || sms.json()["phone_verified"] != false || len(sms.json()) != 3 {
		t.Errorf("%s", sms.body)
	}
}

func TestStartAcceptsWhatTheSDKsSend(t *testing.T) {
	p := newProvider(t)
	for name, fields := range map[string]map[string]any{
		"node-auth0, sms": {"send": nil, "connection": "sms", "phone_number": "+491701234567"},
		"auth0-js": {"client_id": "spa", "client_secret": nil, "email": "a@example.com", "send": "link", "authParams": map[string]any{
			"response_type": "code", "redirect_uri": "http://127.0.0.1:9/spa", "scope": "openid", "state": "x\r\ny", "nonce": "n", "_csrf": 1,
		}},
		"no connection": {"connection": nil, "email": "b@example.com"}, "a captcha": {"email": "b@example.com", "captcha": "x"},
	} {
		if a := p.start(fields); a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	a := p.send(http.MethodPost, "/passwordless/start", `{"email":"c@example.com","send":"code"}`, "Content-Type", "application/json; charset=utf-8", "Authorization", basic("web", webSecret))
	if a.StatusCode != http.StatusOK {
		t.Errorf("basic: %d %s", a.StatusCode, a.body)
	}
	p.start(map[string]any{"client_secret": webSecret, "email": "c@example.com"}).wants(t, http.StatusOK, "")
}

func TestStartIsLimited(t *testing.T) {
	p := newProvider(t, func(s *settings) {
		s.engine.Limits = grants.Limits{StartPerAddress: grants.Limit{N: 3, Per: 10 * time.Minute}, StartPerIP: grants.Limit{N: 5, Per: time.Hour}}
	})
	limited := func(a answer) {
		t.Helper()
		a.wants(t, http.StatusTooManyRequests, "too_many_requests")
		if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 3600 {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	budget := func(a answer, left string) {
		t.Helper()
		reset, err := strconv.ParseInt(a.Header.Get("X-RateLimit-Reset"), 10, 64)
		if wait := time.Until(time.Unix(reset, 0)); a.Header.Get("X-RateLimit-Limit") != "5" || a.Header.Get("X-RateLimit-Remaining") != left || err != nil || wait < 0 || wait > time.Hour+time.Second {
			t.Errorf("%v", a.Header)
		}
	}
	for range 3 {
		p.start(map[string]any{"email": "ada@example.com"}).wants(t, http.StatusOK, "")
	}
	limited(p.start(map[string]any{"email": "ada@example.com"}))
	limited(p.start(map[string]any{"email": "ADA@example.com", "client_id": "other", "client_secret": machineSecret}))
	for i := range 5 { // a public client's: nobody answers for it
		a := p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "p" + strconv.Itoa(i) + "@example.com"})
		a.wants(t, http.StatusOK, "")
		budget(a, strconv.Itoa(4-i))
	}
	over := p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "p6@example.com"})
	limited(over)
	budget(over, "0")
	authenticated := p.start(map[string]any{"email": "p7@example.com"}) // not by source
	authenticated.wants(t, http.StatusOK, "")
	if authenticated.Header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("%v", authenticated.Header)
	}
}

func TestStartReadsStrictJSON(t *testing.T) {
	p := newProvider(t)
	good := `{"client_id":"web","client_secret":"` + webSecret + `","email":"ada@example.com","send":"code"`
	for name, body := range map[string]string{
		"empty":               "",
		"not closed":          good,
		"a list":              "[" + good + "}]",
		"a text":              `"x"`,
		"null":                "null",
		"a name twice":        good + `,"email":"eve@example.com"}`,
		"escaped, twice":      good + `,"\u0065mail":"eve@example.com"}`,
		"something after":     good + "} {}",
		"a comma too many":    good + ",}",
		"a comment":           good + "/* x */}",
		"single quotes":       strings.ReplaceAll(good, `"`, `'`) + "}",
		"NUL":                 good + `,"authParams":{"state":"\u0000"}}`,
		"a raw NUL":           good + ",\"authParams\":{\"state\":\"\x00\"}}",
		"not UTF-8":           good + ",\"authParams\":{\"state\":\"\xff\"}}",
		"a byte order mark":   "\xef\xbb\xbf" + good + "}",
		"deep":                good + `,"authParams":` + strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20) + "}",
		"very deep":           good + `,"authParams":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + "}",
		"UTF-16":              string([]byte{0xff, 0xfe, '{', 0, '}', 0}),
		"a form":              "client_id=web&email=ada%40example.com",
		"a number too far":    good + `,"x":1e`,
		"names in other case": `{"Client_ID":"web"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := p.send(http.MethodPost, "/passwordless/start", body, "Content-Type", "application/json")
			a.wants(t, http.StatusBadRequest, "invalid_request")
			internal(t, a)
		})
	}
	p.send(http.MethodPost, "/passwordless/start", `{"Client_ID":"web","EMAIL":"a@example.com"}`, "Content-Type", "application/json").wants(t, http.StatusBadRequest, "bad.request")
	for _, ct := range []string{"", "text/plain", formType, "application/json-patch+json", "multipart/form-data; boundary=x", "application/json;;"} {
		p.send(http.MethodPost, "/passwordless/start", good+"}", "Content-Type", ct).wants(t, http.StatusUnsupportedMediaType, "invalid_request")
	}
	for _, encoding := range []string{"gzip", "br", "identity"} {
		p.send(http.MethodPost, "/passwordless/start", good+"}", "Content-Type", "application/json", "Content-Encoding", encoding).
			wants(t, http.StatusUnsupportedMediaType, "invalid_request")
	}
	if sent := p.inbox.Messages(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
}
