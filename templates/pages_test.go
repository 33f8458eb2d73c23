package templates

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files anew")

// puzzle has the solution 4321.
const puzzle = `{"algorithm": "SHA-256", "challenge": "ea855ec666acce05655aa329cb7948c6a883aed368f7f9be1149cac029019e6f", "maxNumber": 50000, "salt": "0123456789abcdef01234567?expires=1795356300&for=FORM&key=01234567&", "signature": "SIGNATURE"}`

const captchaScript = "https://challenges.cloudflare.com/turnstile/v0/api.js"

var sentAt = time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)

// samples are every page with its zero value, with all there is, and in each of its states.
func samples() map[string]Page {
	code := Code{
		App: "Acme Shop", Action: "/u/login/code?t=T", ResendAction: "/u/login/resend?t=T", ChangeURL: "/u/login?t=T", CSRF: "CSRF",
		Address: "jane@example.com", Length: 6, Link: true, Minutes: 5, CanResend: true, Wait: 30 * time.Second,
	}
	with := func(change func(*Code)) Code {
		c := code
		change(&c)
		return c
	}
	identify := Identify{App: "Acme Shop", Action: "/u/login?t=T", CSRF: "CSRF", Value: "jane@example.com", Email: true, SMS: true}
	problem := func(p IdentifyProblem, email, sms bool) Identify {
		i := identify
		i.Problem, i.Email, i.SMS, i.Wait = p, email, sms, 3*time.Minute
		return i
	}
	out := map[string]Page{
		"identify.full":        identify,
		"identify.signup":      Identify{App: "Acme Shop", Action: "/u/login?t=T", CSRF: "CSRF", Email: true, Signup: true},
		"identify.sms":         problem("", false, true),
		"identify.empty":       problem(IdentifyEmpty, true, false),
		"identify.invalid":     problem(IdentifyInvalid, true, true),
		"identify.unsupported": problem(IdentifyUnsupported, false, true),
		"identify.limited":     problem(IdentifyLimited, true, true),
		"code.full":            code,
		"code.sms":             with(func(c *Code) { c.SMS, c.Link, c.Address = true, false, "+1 415 555 0132" }),
		"code.wrong":           with(func(c *Code) { c.Problem, c.Remaining, c.Value = CodeWrong, 1, "111 111" }),
		"code.expired":         with(func(c *Code) { c.Problem = CodeExpired }),
		"code.used":            with(func(c *Code) { c.Problem = CodeUsed }),
		"code.too_many":        with(func(c *Code) { c.Problem, c.CanResend = CodeTooMany, false }),
		"code.limited":         with(func(c *Code) { c.Problem, c.Wait = CodeLimited, 42*time.Second }),
		"code.resent":          with(func(c *Code) { c.Resent, c.SentAt = true, sentAt }),
		"code.renewed":         with(func(c *Code) { c.Renewed, c.SentAt = true, sentAt }),
		"proof.full":           Proof{App: "Acme Shop", Action: "/u/login?t=T", CSRF: "CSRF", Held: "HELD", Puzzle: puzzle, Wait: 10 * time.Minute},
		"proof.widget": Proof{App: "Acme Shop", Action: "/u/login?t=T", CSRF: "CSRF", Held: "HELD", Wait: 10 * time.Minute, Widget: Widget{
			Class: "cf-turnstile", Script: captchaScript, SiteKey: "KEY", Action: "login", Data: "FORM",
		}},
		"link.full":           Link{App: "Acme Shop", Action: "/u/login/link", CSRF: "CSRF", ID: "ID", Token: "TOKEN", Address: "jane@example.com"},
		"link_api.full":       LinkAPI{App: "Acme Shop", Action: "/u/login/link", CSRF: "CSRF", ID: "ID", Token: "TOKEN", Address: "jane@example.com"},
		"app_login.full":      AppLogin{App: "Acme Shop", Action: "/u/login/app?tx=T", CSRF: "CSRF", Token: "TOKEN", Address: "jane@example.com"},
		"link_elsewhere.full": LinkElsewhere{App: "Acme Shop", AppURL: "https://acme.example/start"},
		"link_over.expired":   LinkOver{App: "Acme Shop", AppURL: "https://acme.example/start", Problem: CodeExpired},
		"link_over.used":      LinkOver{App: "Acme Shop", AppURL: "https://acme.example/start", Problem: CodeUsed},
		"confirm.full":        Confirm{App: "Acme Shop", Action: "/u/login/continue", OtherAction: "/u/login/other", CSRF: "CSRF", Account: "jane@example.com"},
		"device.full":         Device{Action: "/device", CSRF: "CSRF", Value: "BCDF-GHJK"},
		"device.wrong":        Device{Action: "/device", CSRF: "CSRF", Value: "<b>", Problem: DeviceWrong},
		"device.limited":      Device{Action: "/device", CSRF: "CSRF", Value: "BCDF-GHJK", Problem: DeviceLimited, Wait: 3 * time.Minute},
		"device_confirm.full": DeviceConfirm{App: "Acme TV", Action: "/device/confirm?tx=T", OtherURL: "/u/login?tx=T&other=1", CSRF: "CSRF", Account: "jane@example.com"},
		"device_done.full":    DeviceDone{App: "Acme TV", Approved: true},
		"form_post.full": FormPost{App: "Acme Shop", Action: "https://acme.example/cb?a=b&c=%2F", Fields: []Field{
			{Name: "code", Value: "CODE"}, {Name: "state", Value: `"><script>alert(1)</script>`},
		}},
		"web_message.full": WebMessage{App: "Acme Shop", Origin: "https://acme.example", Response: `{"code":"CODE","state":"\"><script>\u003c' onload=x"}`},
		"logout.full":      Logout{App: "Acme Shop", Action: "/oidc/logout/confirm", CSRF: "CSRF", Account: "jane@example.com"},
		"logged_out.full":  LoggedOut{App: "Acme Shop", AppURL: "https://acme.example/"},
		"problem.full":     Problem{App: "Acme Shop", AppURL: "https://acme.example/", Kind: ProblemBadRedirect, Reference: "7f3a9c2e"},
		"blocks.full": Blocks{Action: "/admin/blocks", CSRF: "CSRF", IP: "203.0.113.9", Done: true, Lifted: true, Shown: true, Blocked: []BlockedIP{
			{IP: "2001:db8:1:2::/64", Failures: 100, Until: sentAt}, {IP: "198.51.100.7", Failures: 1, Until: sentAt},
		}},
		"blocks.asked":   Blocks{Action: "/admin/blocks", CSRF: "CSRF", IP: "203.0.113.9"},
		"blocks.none":    Blocks{Action: "/admin/blocks", CSRF: "CSRF", IP: "203.0.113.9", Done: true, Shown: true},
		"blocks.refused": Blocks{Action: "/admin/blocks", CSRF: "CSRF", Problem: BlocksRefused},
		"blocks.limited": Blocks{Action: "/admin/blocks", CSRF: "CSRF", Problem: BlocksLimited, Wait: 3 * time.Minute},
		"blocks.no_ip":   Blocks{Action: "/admin/blocks", CSRF: "CSRF", Problem: BlocksNoIP},
		"blocks.closed":  Blocks{Action: "/admin/blocks", CSRF: "CSRF", IP: "203.0.113.9", Closed: true},
		"inbox.full": Inbox{Messages: []InboxMessage{
			{Channel: "email", To: "jane@example.com", Subject: "123456 is your code", Text: "Open\nhttps://login.example.com/u/login/link?m=1&t=2 now", At: sentAt},
			{Channel: "sms", To: "+14155550132", Text: "123456 is your code."},
		}},
	}
	for _, page := range pages {
		name, _ := page.page()
		out[name+".zero"] = page
	}
	return out
}

func newSet(t *testing.T, site Site) *Set {
	t.Helper()
	s, err := New(site)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func render(t *testing.T, s *Set, lang string, p Page) string {
	t.Helper()
	var b strings.Builder
	if err := s.Render(&b, lang, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var assetHash = regexp.MustCompile(`\.[0-9a-f]{16}\.`)

// golden holds a text against a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	got = assetHash.ReplaceAllString(got, ".")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with -update and git diff\n%s", file, got)
	}
}

func TestPagesLookAsTheyDid(t *testing.T) {
	s := newSet(t, Site{Name: "Acme ID"})
	for name, page := range samples() {
		for _, lang := range s.Languages() {
			golden(t, lang+"/"+name+".html", render(t, s, lang, page))
		}
	}
}

// TestPagesNeedNothingButTheirPolicy reads every page as a browser with the policy of the package comment would.
func TestPagesNeedNothingButTheirPolicy(t *testing.T) {
	s := newSet(t, Site{PrimaryColor: "#abc", Name: "Acme ID"})
	for name, page := range samples() {
		text := render(t, s, "en", page)
		for _, e := range elements(t, text) {
			switch e.Data {
			case "style", "iframe", "object", "base", "noscript":
				t.Errorf("%s has a <%s>", name, e.Data)
			case "script":
				if e.FirstChild != nil {
					t.Errorf("%s has an inline script", name)
				}
			}
			for _, a := range e.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "maxlength" || a.Key == "pattern" {
					t.Errorf("%s: <%s> has the attribute %s", name, e.Data, a.Key)
				}
				if (a.Key == "src" || (a.Key == "href" && e.Data == "link")) && !served(s, a.Val) && (a.Val != captchaScript || name != "proof.widget") {
					t.Errorf("%s loads %s, which is not served", name, a.Val)
				}
			}
		}
	}
}

func TestPagesAreLight(t *testing.T) {
	s := newSet(t, Site{PrimaryColor: "#abc"})
	shared := 0
	for _, name := range []string{"sallyport.css", "sallyport.js", "brand.css"} {
		size := len(fetch(s, s.assets.Path(name)))
		if size == 0 {
			t.Fatalf("%s is empty", name)
		}
		shared += size
	}
	for name, page := range samples() {
		for _, lang := range s.Languages() {
			if n := shared + len(render(t, s, lang, page)); n > 30_000 {
				t.Errorf("%s in %q weighs %d bytes with its style and script", name, lang, n)
			}
		}
	}
}

// TestStrangersTextStaysText renders every page with hostile strings in all its fields: elements and attributes must
// be those that harmless strings give.
func TestStrangersTextStaysText(t *testing.T) {
	s := newSet(t, Site{})
	for name, page := range samples() {
		want := skeleton(t, render(t, s, "en", fill(page, "x")))
		for _, hostile := range []string{
			`"><script>alert(1)</script>`, `' onmouseover='alert(1)' x='`, "x onfocus=alert(1) autofocus", `</title><img src=x onerror=alert(1)>`,
			"javascript:alert(1)", "x\x00<b>", "<!-- x", "{{.}} x", "x\u2028</script><svg onload=alert(1)>", "data:text/html,<script>alert(1)</script>",
		} {
			text := render(t, s, "en", fill(page, hostile))
			if got := skeleton(t, text); got != want {
				t.Errorf("%s with %q became\n%s\nnot\n%s", name, hostile, got, want)
			}
		}
	}
}

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	s := newSet(t, Site{})
	for address, linked := range map[string]bool{
		"https://acme.example/a?b=c": true, "http://localhost:8081/": true,
		"": false, "/relative": false, "//acme.example/": false, "javascript:alert(1)": false, "JavaScript://acme.example/%0aalert(1)": false,
		"data:text/html,x": false, "com.example.app:/start": false, "https:///nohost": false, "https://acme.example/\x00": false,
	} {
		for _, page := range []Page{LinkElsewhere{AppURL: address}, LinkOver{AppURL: address}, LoggedOut{AppURL: address}, Problem{AppURL: address}} {
			if got := strings.Contains(render(t, s, "en", page), "<a "); got != linked {
				t.Errorf("%T with %q: linked is %v", page, address, got)
			}
		}
	}
}

func TestProblemsOfACodeSayWhatToDo(t *testing.T) {
	s := newSet(t, Site{})
	all := samples()
	for name, want := range map[string][]string{
		"code.wrong":    {"That code is not right. You have 1 more try.", `value="111 111"`, `aria-invalid="true"`, `aria-describedby="problem facts"`, "<title>Error: Check your email"},
		"code.expired":  {"This code has expired", "Send a new code", `action="/u/login/resend?t=T"`},
		"code.used":     {"This code is used up", "Send a new code"},
		"code.too_many": {"Too many wrong codes", "Start again", `href="/u/login?t=T"`},
		"code.limited":  {"ask for another in 42 seconds.", `id="code"`},
		"code.resent":   {"It is the same code as before.", `datetime="2026-11-22T14:05:00Z"`},
		"code.renewed":  {"It is a new code"},
	} {
		text := render(t, s, "en", all[name])
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
	}
	for _, over := range []string{"code.expired", "code.used", "code.too_many"} {
		if strings.Contains(render(t, s, "en", all[over]), `id="code"`) {
			t.Errorf("%s still asks for the code", over)
		}
	}
}

func TestOnlyWhatIsThisBrowsersOwnContinuesByItself(t *testing.T) {
	s := newSet(t, Site{})
	for name, page := range samples() {
		_, link := page.(Link)
		_, answer := page.(FormPost)
		if got := strings.Contains(render(t, s, "en", page), "data-auto"); got != (link || answer) {
			t.Errorf("%s continues by itself: %v", name, got)
		}
	}
}

// fill is the page with all its plain strings set.
func fill(page Page, value string) Page {
	p := reflect.New(reflect.TypeOf(page)).Elem()
	p.Set(reflect.ValueOf(page))
	fillStrings(p, value)
	return p.Interface().(Page) //nolint:errcheck // it was one before
}

func fillStrings(v reflect.Value, value string) {
	switch {
	case v.Type() == reflect.TypeFor[string]():
		v.SetString(value)
	case v.Type() == reflect.TypeFor[[]InboxMessage]():
		m := InboxMessage{}
		fillStrings(reflect.ValueOf(&m).Elem(), value)
		v.Set(reflect.ValueOf([]InboxMessage{m}))
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			fillStrings(v.Field(i), value)
		}
	}
}

// elements are all elements of a document in order.
func elements(t *testing.T, text string) []*html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

// skeleton is the names of elements and attributes of a document, without any of its texts. Hidden characters and
// what leads a browser somewhere count.
func skeleton(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for _, e := range elements(t, text) {
		b.WriteString("<" + e.Data)
		for _, a := range e.Attr {
			b.WriteString(" " + a.Key)
			scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && (scheme == "javascript" || scheme == "data") {
				b.WriteString("=" + scheme)
			}
		}
		b.WriteString(">")
	}
	return b.String()
}

func TestDescriptionsOfFieldsExist(t *testing.T) {
	s := newSet(t, Site{})
	described := 0
	for name, page := range samples() {
		all := elements(t, render(t, s, "en", page))
		ids := map[string]bool{}
		for _, e := range all {
			ids[attr(e, "id")] = true
		}
		for _, e := range all {
			for id := range strings.FieldsSeq(attr(e, "aria-describedby")) {
				if described++; !ids[id] {
					t.Errorf("%s: the field is described by %q, which is not there", name, id)
				}
			}
		}
	}
	if described == 0 {
		t.Error("no field is described")
	}
}

// Only the page that a person typed an address for shows its domain in Unicode: anywhere else one that looks like
// another would be taken for it.
func TestOwnerReadsTheDomainInUnicode(t *testing.T) {
	s := newSet(t, Site{})
	for address, want := range map[string]string{
		"jane@xn--mnchen-3ya.example": "jane<wbr>@münchen.example", "jane@example.com": "jane<wbr>@example.com", "+14155550132": "+14155550132",
		"jane@xn--zz.example": "jane<wbr>@xn--zz.example", "jane": "jane",
	} {
		if text := html.UnescapeString(render(t, s, "en", Code{Address: address})); !strings.Contains(text, "<bdi>"+want+"</bdi>") {
			t.Errorf("the code page does not show %s", want)
		}
		plain := "<bdi>" + strings.Replace(address, "@", "<wbr>@", 1) + "</bdi>"
		for _, page := range []Page{Link{Address: address}, LinkAPI{Address: address}, AppLogin{Address: address}, Confirm{Account: address}, Logout{Account: address}} {
			if text := html.UnescapeString(render(t, s, "en", page)); !strings.Contains(text, plain) {
				t.Errorf("%T does not show %s", page, plain)
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
