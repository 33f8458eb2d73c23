package proof

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
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

// Strangers can neither switch the captcha off for others nor have us ask its provider without end: where a token cannot be
// shown to it, the puzzle stands in for that form.
func TestGarbageDoesNotSwitchTheCaptchaOff(t *testing.T) {
	refused := `{"success":false,"error-codes":["invalid-input-response"]}`
	form := url.Values{"cf-turnstile-response": {"GARBAGE"}, "h-captcha-response": {"GARBAGE"}}
	neighbour := login
	neighbour.Network = "203.0.113.10"
	asks := func(t *testing.T, g *Guard, f Form, widget bool) {
		t.Helper()
		if page, ok := g.Ask(f); !ok || (page.Widget.Class != "") != widget || (page.Puzzle != "") == widget {
			t.Errorf("%s is asked %v: %+v", f.Network, ok, page)
		}
	}
	guard := func(t *testing.T, provider string, answer func(url.Values) (int, string)) (*Guard, *atomic.Int32) {
		t.Helper()
		now := noon
		address, asked := siteverify(t, answer)
		return newCaptchaGuard(t, &now, Captcha{Provider: provider, SiteKey: "SITE", SecretKey: "SECRET", Host: "login.example.com", VerifyURL: address}, oldSecret), asked
	}
	t.Run("many at once", func(t *testing.T) {
		hold := make(chan struct{})
		g, asked := guard(t, "turnstile", func(url.Values) (int, string) { <-hold; return http.StatusOK, refused })
		var all sync.WaitGroup
		for range maxVerifying {
			all.Go(func() { proven(t, g, Form{Kind: "start"}, form) })
		}
		for range 5000 {
			if asked.Load() == maxVerifying {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if proven(t, g, login, form) || asked.Load() > maxVerifying {
			t.Error("one more is shown")
		}
		asks(t, g, login, false)
		close(hold)
		all.Wait()
		asks(t, g, login, true)
	})
	t.Run("many of one network", func(t *testing.T) {
		g, asked := guard(t, "turnstile", func(url.Values) (int, string) { return http.StatusOK, refused })
		for range 10 * login.Limit.N {
			proven(t, g, login, form)
		}
		if n := int(asked.Load()); n != login.Limit.N {
			t.Errorf("the provider is asked %d times", n)
		}
		asks(t, g, neighbour, true)
		asks(t, g, login, false)
		if proven(t, g, login, solved(t, newGuard(t, new(noon), oldSecret), login)) {
			t.Error("the cheapest work is taken for a captcha")
		}
		if left := g.left(login); left != login.Limit.N || !proven(t, g, login, solved(t, g, login)) {
			t.Errorf("%d proofs are left, and one is refused", left)
		}
	})
	t.Run("of another site", func(t *testing.T) {
		g, _ := guard(t, "hcaptcha", func(url.Values) (int, string) {
			return http.StatusOK, `{"success":false,"error-codes":["sitekey-secret-mismatch"]}`
		})
		proven(t, g, login, form)
		asks(t, g, login, true)
	})
}
