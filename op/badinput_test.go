package op_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var internals = regexp.MustCompile(`(?i)sql|gorm|pgx|postgres|database|table|column|syntax|\.go\b|goroutine|runtime|/tmp/|/root/|/home/|panic|schema|json:|unmarshal|\bEOF\b|strconv|mime:|http: |net/url|ErrorType|Parent=`)

var reference = regexp.MustCompile(`Reference: <code>[A-Z0-9]+</code>`) // random

// internal checks that an answer has no text that is not meant for strangers.
func internal(t *testing.T, a answer) {
	t.Helper()
	if a.StatusCode == http.StatusOK {
		return
	}
	if found := internals.FindString(reference.ReplaceAllString(a.body, "")); found != "" {
		t.Errorf("%q in %d %s", found, a.StatusCode, a.body)
	}
}

func TestBadFormsAtEveryMachineEndpoint(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		credentials := values("client_id", "web", "client_secret", webSecret).Encode()
		for path, form := range map[string]string{
			"/oauth/token":       "grant_type=client_credentials",
			"/oauth/revoke":      "token=x",
			"/oauth/introspect":  "token=x",
			"/userinfo":          "access_token=x",
			"/oauth/par":         "response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcb",
			"/oauth/device/code": "scope=openid",
		} {
			good := credentials + "&" + form
			for name, c := range map[string]struct {
				status int
				body   string
				header []string
			}{
				"over 64 kB":         {413, good + "&x=" + strings.Repeat("x", 64<<10), nil},
				"a parameter twice":  {400, good + "&" + form, nil},
				"client_id twice":    {400, good + "&client_id=web", nil},
				"unknown twice":      {400, good + "&a=1&a=1", nil},
				"invalid UTF-8":      {400, good + "&x=%ff%fe", nil},
				"invalid UTF-8, raw": {400, good + "&x=\xff", nil},
				"invalid UTF-8 name": {400, good + "&%c3%28=x", nil},
				"NUL":                {400, good + "&x=a%00b", nil},
				"NUL, raw":           {400, good + "&x=a\x00b", nil},
				"NUL in the name":    {400, good + "&%00=x", nil},
				"bad escape":         {400, good + "&x=%zz", nil},
				"half an escape":     {400, good + "&x=%", nil},
				"semicolon":          {400, good + ";x=1", nil},
				"JSON, no object":    {400, "[]", jsonType},
				"JSON, broken":       {400, `{"client_id":"web"`, jsonType},
				"JSON, two":          {400, `{"client_id":"web"}{}`, jsonType},
				"JSON, a name twice": {400, `{"client_id":"web","client_id":"web"}`, jsonType},
				"JSON, no text":      {400, `{"client_id":"web","client_secret":1}`, jsonType},
				"JSON, list":         {400, `{"client_id":["web"]}`, jsonType},
				"JSON, null":         {400, `{"client_id":"web","scope":null}`, jsonType},
				"JSON, NUL":          {400, `{"client_id":"web\u0000"}`, jsonType},
				"JSON, UTF-8":        {400, "{\"x\":\"\xff\"}", jsonType},
				"JSON, deep":         {400, `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, jsonType},
				"JSON, over 64 kB":   {413, `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, jsonType},
				"JSON, gzip":         {415, `{}`, append([]string{"Content-Encoding", "gzip"}, jsonType...)},
				"JSON of a kind":     {415, `{}`, []string{"Content-Type", "application/problem+json"}},
				"text":               {415, good, []string{"Content-Type", "text/plain"}},
				"multipart":          {415, "--x\r\n\r\n--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}},
				"broken type":        {415, good, []string{"Content-Type", "application/x-www-form-urlencoded; ="}},
				"no type":            {415, good, []string{"Content-Type", ""}},
				"gzip":               {415, good, []string{"Content-Type", formType, "Content-Encoding", "gzip"}},
			} {
				t.Run(path+", "+name, func(t *testing.T) {
					header := c.header
					if header == nil {
						header = []string{"Content-Type", formType}
					}
					a := p.send(http.MethodPost, path, c.body, header...)
					a.wants(t, c.status, "invalid_request")
					internal(t, a)
				})
			}
			for _, strange := range []string{
				"&x=a%0d%0aSet-Cookie:%20y", "&%0d%0a=1", "&scope=%22%5c%0a", "&redirect_uri=%0d%0a", "&audience=%0a", "&" + strings.Repeat("a.b.", 500) + "=1",
				"&scope.0=x", "&scope.99999999999=x", "&scope[0]=x", "&Data.0.x=1", strings.Repeat("&", 60_000), manyParameters(4000), "&token_type_hint=%0a", "&=", "&=x",
			} {
				a := p.send(http.MethodPost, path, good+strange, "Content-Type", formType)
				if a.StatusCode >= 500 {
					t.Errorf("%s %.40q: %d %s", path, strange, a.StatusCode, a.body)
				}
				internal(t, a)
			}
		}
	})
}

var jsonType = []string{"Content-Type", "application/json"}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x%d=y", i)
	}
	return b.String()
}

func TestBodiesWithoutALength(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{"/oauth/token", "/passwordless/start"} {
		body := io.LimitReader(endless{}, 200<<10)
		r := must(http.NewRequest(http.MethodPost, p.url+path, io.NopCloser(body)))
		r.Header.Set("Content-Type", map[string]string{"/oauth/token": formType, "/passwordless/start": "application/json"}[path])
		a := p.browser().do(r)
		a.wants(t, http.StatusRequestEntityTooLarge, "invalid_request")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestOtherMethodsAreRefusedEverywhere(t *testing.T) {
	p := newProvider(t)
	allowed := map[string][]string{}
	for _, route := range routes(t) {
		method, path, _ := strings.Cut(strings.Replace(route, "{file}", "web.js", 1), " ")
		allowed[path] = append(allowed[path], method)
	}
	for path, methods := range allowed {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "LINK", "get"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := p.send(method, path, "", "X-Http-Method-Override", methods[0])
			if a.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(a.Header.Get("Allow"), methods[0]) {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.StatusCode, a.Header.Get("Allow"))
			}
			if strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
				a.wants(t, http.StatusMethodNotAllowed, "invalid_request")
			} else {
				a.mustBePage(t, http.StatusMethodNotAllowed, "")
			}
		}
	}
	for _, path := range []string{"/oauth/token", "/userinfo"} {
		if a := p.send(http.MethodOptions, path, ""); a.StatusCode != http.StatusNoContent || corsHeaders(a.Header) != nil {
			t.Errorf("OPTIONS without Origin at %s: %d %v", path, a.StatusCode, a.Header)
		}
	}
	css := styleSheet.FindString(p.browser().get("/nothing").body)
	for _, method := range []string{"POST", "PUT", "DELETE", "TRACE"} {
		if a := p.send(method, css, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: %d, Allow %q", method, css, a.StatusCode, a.Header.Get("Allow"))
		}
	}
	if a := p.send(http.MethodOptions, "/oauth/introspect", "", "Origin", registered); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("OPTIONS at introspection: %d", a.StatusCode)
	}
}

var styleSheet = regexp.MustCompile(`/static/[a-z]+\.[0-9a-f]+\.css`)

// What lacks its last slash is not sent on to where it has it, with its method and body.
func TestNoPathIsSentOnForItsSlash(t *testing.T) {
	p := newProvider(t)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		if a := p.send(method, "/api/v2", ""); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
			t.Errorf("%s /api/v2: %d %v", method, a.StatusCode, a.Header)
		}
		if a := p.send(method, "/static", ""); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Location") != "" {
			t.Errorf("%s /static: %d %v", method, a.StatusCode, a.Header)
		}
	}
}

func TestUnknownPathsAre404(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{
		"/oauth/token/", "/oauth/device", "/device/", "/oidc/register", "/passwordless/verify/", "/co", "/passwordless/challenge",
		"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/vars", "/metrics", "/varz", "/statusz",
		"/admin", "/account", "/keys", "/ready", "/introspect", "/.well-known/openid-configuration/x", "/..%2f..%2fetc/passwd", "/%00", "/\xff",
	} {
		a := p.send(http.MethodGet, (&url.URL{Path: path}).String(), "")
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %d", path, a.StatusCode)
		}
		internal(t, a)
	}
}

func TestBadHeadersAreNoFault(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("access_token")
	for name, header := range map[string][]string{
		"long origin":     {"Origin", strings.Repeat("o", 20_000)},
		"long language":   {"Accept-Language", strings.Repeat("en,", 5000)},
		"bytes":           {"User-Agent", "\xff\xfe", "X-Request-Language", "\xff", "Accept-Language", "\xff", "X-Forwarded-For", "\xff, 1"},
		"forwarded":       {"X-Forwarded-For", strings.Repeat("1.2.3.4,", 1000), "Forwarded", "for=x"},
		"cookies":         {"Cookie", strings.Repeat("sallyport_session=x; ", 1000)},
		"method override": {"X-Http-Method-Override", "DELETE"},
	} {
		for _, path := range []string{"/userinfo", "/oauth/token", "/authorize", "/u/login?tx=x"} {
			method := http.MethodGet
			if path == "/oauth/token" {
				method = http.MethodPost
			}
			a := p.send(method, path, "", append(header, "Authorization", "Bearer "+token)...)
			if a.StatusCode >= 500 || path == "/userinfo" && a.StatusCode != http.StatusOK {
				t.Errorf("%s at %s: %d %s", name, path, a.StatusCode, a.body)
			}
			internal(t, a)
		}
		a := p.send(http.MethodPost, "/passwordless/start", `{"email":"h@example.com","send":"code"}`,
			append(header, "Content-Type", "application/json", "Authorization", basic("web", webSecret))...)
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s at start: %d %s", name, a.StatusCode, a.body)
		}
	}
}

func TestBrokenHTTPIsRefused(t *testing.T) {
	p := newProvider(t)
	host := strings.TrimPrefix(p.url, "http://")
	for name, request := range map[string]string{
		"two lengths":         "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"length and chunks":   "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"header with NUL":     "GET /userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x00\r\n\r\n",
		"no host":             "GET /userinfo HTTP/1.1\r\n\r\n",
		"a line that is none": "nonsense\r\n\r\n",
		"a length beyond all": "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nContent-Length: 99999999999999\r\nExpect: 100-continue\r\n\r\n",
		"headers without end": "GET /userinfo HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		conn := must(net.Dial("tcp", host))
		check(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, _ = conn.Write([]byte(request)) // the server may have hung up already
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			if resp.StatusCode < 400 || resp.StatusCode >= 500 {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
			resp.Body.Close()
		}
		conn.Close()
	}
	p.send(http.MethodGet, "/healthz", "").wants(t, http.StatusOK, "")
}

func TestBadQueriesAtHostedPages(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		for _, path := range []string{"/u/login", "/u/login/code", "/u/login/link", "/authorize", "/oidc/logout", "/v2/logout"} {
			for _, query := range []string{
				"", "tx=%00", "tx=%ff", "id=%00&token=x", "id=%ff&token=%ff", "tx=x&tx=y", "tx=%", "c=%00", "client_id=%00", "client_id=%ff&redirect_uri=%00",
				"client_id=web&redirect_uri=%ff", "id_token_hint=%00", "client_id=web&client_id=x", "a;b", "tx=" + strings.Repeat("x", 5000),
			} {
				a := p.send(http.MethodGet, path+"?"+query, "", "Cookie", "sallyport_browser=ABCDEFGHIJKLMNOPQRSTUVWXYZ; sallyport_session=x; sallyport_device=x")
				if a.StatusCode >= 500 {
					t.Errorf("%s?%.60s: %d", path, query, a.StatusCode)
				}
			}
		}
	})
}
