package proof

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// siteverify is a captcha's provider on this machine. It speaks for one token and takes it once, as they do.
func siteverify(t *testing.T, answer func(asked url.Values) (int, string)) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || len(r.URL.RawQuery) > 0 {
			t.Errorf("asked by %s %s", r.Method, r.URL)
		}
		status, body := answer(r.PostForm)
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestCaptchaIsHeldAgainstWhatItWasShownFor(t *testing.T) {
	good := `{"success":true,"hostname":"login.example.com","action":"login","cdata":"` + login.id() + `"}`
	for name, c := range map[string]struct {
		provider, answer string
		good             bool
	}{
		"turnstile":           {"turnstile", good, true},
		"hcaptcha":            {"hcaptcha", `{"success":true,"hostname":"login.example.com"}`, true},
		"not solved":          {"turnstile", strings.Replace(good, "true", "false", 1), false},
		"another site's":      {"turnstile", strings.Replace(good, "login.example.com", "evil.example.com", 1), false},
		"hcaptcha, elsewhere": {"hcaptcha", `{"success":true,"hostname":"evil.example.com"}`, false},
		"hcaptcha, nowhere":   {"hcaptcha", `{"success":true}`, false},
		"another form's":      {"turnstile", strings.Replace(good, login.id(), "x", 1), false},
		"another action's":    {"turnstile", strings.Replace(good, `"login"`, `"signup"`, 1), false},
		"seen before":         {"turnstile", `{"success":false,"error-codes":["timeout-or-duplicate"]}`, false},
		"success is text":     {"hcaptcha", `{"success":"true","hostname":"login.example.com"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon
			address, _ := siteverify(t, func(asked url.Values) (int, string) {
				if asked.Get("secret") != "SECRET" || asked.Get("response") != "TOKEN" || c.provider == "hcaptcha" && asked.Get("sitekey") != "SITE" {
					t.Errorf("asked %v", asked)
				}
				return http.StatusOK, c.answer
			})
			g := newCaptchaGuard(t, &now, Captcha{Provider: c.provider, SiteKey: "SITE", SecretKey: "SECRET", Host: "login.example.com", VerifyURL: address}, oldSecret)
			page, _ := g.Ask(login)
			if page.Widget.SiteKey != "SITE" || page.Puzzle != "" || strings.Contains(page.Widget.Policy, "unsafe") {
				t.Errorf("%+v", page)
			}
			form := url.Values{providers[c.provider].field: {"TOKEN"}}
			if got := proven(t, g, login, form); got != c.good {
				t.Errorf("good: %v", got)
			}
			if proven(t, g, login, form) {
				t.Error("good twice")
			}
		})
	}
}

// A provider that gives no answer lets nobody through, and keeps nobody out: our own puzzle stands in.
func TestPuzzleStandsInForACaptchaThatIsDown(t *testing.T) {
	for name, answer := range map[string]func(url.Values) (int, string){
		"error": func(url.Values) (int, string) {
			return http.StatusInternalServerError, `{"success":true,"hostname":"login.example.com"}`
		},
		"no JSON": func(url.Values) (int, string) { return http.StatusOK, `<html>` },
		"endless": func(url.Values) (int, string) {
			return http.StatusOK, `{"success":true,"x":"` + strings.Repeat("x", maxAnswerBytes) + `"}`
		},
		"redirect": func(url.Values) (int, string) { return http.StatusFound, "" },
		"wrong secret": func(url.Values) (int, string) {
			return http.StatusOK, `{"success":false,"error-codes":["invalid-input-secret"]}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon
			address, asked := siteverify(t, answer)
			g := newCaptchaGuard(t, &now, Captcha{Provider: "hcaptcha", SiteKey: "SITE", SecretKey: "SECRET", Host: "login.example.com", VerifyURL: address}, oldSecret)
			if proven(t, g, login, url.Values{"h-captcha-response": {"TOKEN"}}) {
				t.Fatal("it lets everybody through")
			}
			page, _ := g.Ask(login)
			if page.Puzzle == "" || page.Widget.Class != "" {
				t.Fatalf("%+v", page)
			}
			if !proven(t, g, login, solved(t, g, login)) {
				t.Error("the puzzle is not taken")
			}
			now = now.Add(downFor + time.Second)
			if page, _ := g.Ask(login); page.Widget.Class == "" {
				t.Error("the captcha does not come back")
			}
			before := asked.Load()
			for _, token := range []string{"", strings.Repeat("x", maxTokenBytes+1)} {
				proven(t, g, login, url.Values{"h-captcha-response": {token}})
			}
			if asked.Load() != before {
				t.Error("the provider is asked about what is no token")
			}
		})
	}
}
