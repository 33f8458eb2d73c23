package op_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage/storagetest"
)

const (
	wrongMail = "Wrong email or verification code."
	wrongSMS  = "Wrong phone number or verification code."
	codeOver  = "The verification code has expired. Please try to login again."
	tooMany   = "You've reached the maximum number of attempts. Please try to login again."
)

// derived is the code of the challenge that an API client has open for a mail address, sent or not.
func (p *provider) derived(client, to string) string {
	p.t.Helper()
	c, err := p.engine.Pending(context.Background(), client, "email", must(grants.ParseEmail(to)), grants.RequesterAPI)
	check(p.t, err)
	code, ok := p.ring.Code(c)
	if !ok {
		p.t.Fatal("no code")
	}
	return code
}

// not is a code that is not the right one.
func not(code string) string {
	return string('0'+(code[0]-'0'+1)%10) + code[1:]
}

func TestScopesOfWhichNoneCanBeGivenSpendNoCode(t *testing.T) {
	p := newProvider(t)
	code := p.mailed("ada@example.com")
	form := []string{"grant_type", grantOTP, "realm", "email", "username", "ada@example.com"}
	for _, otp := range []string{code, not(code)} {
		p.token(append(form, "otp", otp, "scope", "nonsense read:things")...).wants(t, http.StatusBadRequest, "invalid_scope")
	}
	if a := p.token(append(form, "otp", code, "scope", "openid nonsense")...); a.StatusCode != http.StatusOK || a.str("scope") != "openid" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func (p *provider) guess(to, code string, more ...string) answer {
	p.t.Helper()
	return p.token(append([]string{"grant_type", grantEmail, "username", to, "code", code}, more...)...)
}

// refused checks for 403 invalid_grant with a text.
func (a answer) refused(t *testing.T, description string) {
	t.Helper()
	a.wants(t, http.StatusForbidden, "invalid_grant")
	if a.str("error_description") != description {
		t.Fatalf("%s, want %q", a.body, description)
	}
}

func TestPasswordlessGrantsGiveTokens(t *testing.T) {
	p := newProvider(t)
	n := 0
	for grant, c := range map[string]struct {
		connection, field string
		form              []string
	}{
		grantOTP + " email": {"email", "email", []string{"grant_type", grantOTP, "realm", "email"}},
		grantOTP + " sms":   {"sms", "phone_number", []string{"grant_type", grantOTP, "realm", "sms"}},
		grantEmail:          {"email", "email", []string{"grant_type", grantEmail}},
		grantSMS:            {"sms", "phone_number", []string{"grant_type", grantSMS}},
	} {
		for name, client := range map[string][]string{"basic": {"web", webSecret}, "post": {"web", webSecret}, "public": {"spa", ""}} {
			t.Run(grant+" "+name, func(t *testing.T) {
				n++
				to := fmt.Sprintf("user%d@example.com", n)
				if c.connection == "sms" {
					to = fmt.Sprintf("+4917012345%02d", n)
				}
				secret := any(client[1])
				if name == "public" {
					secret = nil
				}
				p.start(map[string]any{"client_id": client[0], "client_secret": secret, "connection": c.connection, c.field: to}).wants(t, http.StatusOK, "")
				code := p.code(to, 1)
				form := append([]string{"username", to, "code", code, "otp", code, "scope", offline}, c.form...)
				var a answer
				switch name {
				case "basic":
					a = p.callAs(client[0], client[1], "/oauth/token", form...)
				case "post":
					a = p.call("/oauth/token", append(form, "client_id", client[0], "client_secret", client[1])...)
				default:
					a = p.call("/oauth/token", append(form, "client_id", client[0])...)
				}
				a.wants(t, http.StatusOK, "")
				got := claims(t, a.str("id_token"))
				if a.str("access_token") == "" || a.str("refresh_token") == "" || got["aud"] != client[0] || got["iss"] != p.url || a.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %v", a.body, got)
				}
				if sub := sub(t, a); !strings.HasPrefix(sub, c.connection+"|") || len(sub) != len(c.connection)+25 {
					t.Errorf("sub %q", sub)
				}
				p.alive(t, a.str("access_token"))
			})
		}
	}
}

func TestMissingScopeIsTheUsualOne(t *testing.T) {
	p := newProvider(t)
	if a := p.guess("ada@example.com", p.mailed("ada@example.com")); a.str("scope") != "openid profile email phone" || a.str("refresh_token") != "" {
		t.Fatalf("%s", a.body)
	}
}

func TestWrongUsedUnknownAndNoPendingCodeLookAlike(t *testing.T) {
	p := newProvider(t)
	used := p.mailed("used@example.com")
	p.guess("used@example.com", used).wants(t, http.StatusOK, "")
	right := p.mailed("wrong@example.com")
	elsewhere := p.mailed("ada@example.com")
	blocked := p.login("blocked@example.com")
	p.mailed("blocked@example.com")
	check(t, p.store.SetBlocked(context.Background(), sub(t, blocked), true))
	want := same(p.guess("nobody@example.com", "123456"))
	for name, a := range map[string]answer{
		"wrong":                   p.guess("wrong@example.com", not(right)),
		"used":                    p.guess("used@example.com", used),
		"used, another":           p.guess("used@example.com", not(used)),
		"another's code":          p.guess("wrong@example.com", elsewhere+"1"),
		"another client's":        p.guess("ada@example.com", elsewhere, "client_id", "other", "client_secret", machineSecret),
		"not an address":          p.guess("nonsense", "123456"),
		"two addresses":           p.guess("ada@example.com, eve@example.com", "123456"),
		"line break":              p.guess("ada@example.com\r\nBcc: eve@example.com", "123456"),
		"letters":                 p.guess("wrong@example.com", "abcdef"),
		"long":                    p.guess("wrong@example.com", strings.Repeat("1", 5000)),
		"blocked, right":          p.guess("blocked@example.com", p.derived("web", "blocked@example.com")),
		"OTP grant, unknown":      p.guess("nobody@example.com", "", "grant_type", grantOTP, "realm", "email", "otp", "123456"),
		"OTP grant, not an email": p.guess("+491701234567", "", "grant_type", grantOTP, "realm", "email", "otp", "123456"),
	} {
		if got := same(a); got != want {
			t.Errorf("%s:\n%s\n%s", name, got, want)
		}
	}
	p.token("grant_type", grantSMS, "username", "+491701234567", "code", "123456").refused(t, wrongSMS)
	p.guess("wrong@example.com", right).wants(t, http.StatusOK, "")
}

func TestClosedSignupLooksLikeAWrongCode(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.SignupClosed = true })
	a := p.start(map[string]any{"email": "new@example.com"})
	a.wants(t, http.StatusOK, "")
	wrong := p.guess("nobody@example.com", "123456")
	if right := p.guess("new@example.com", p.derived("web", "new@example.com")); same(right) != same(wrong) {
		t.Errorf("%s\n%s", same(right), same(wrong))
	}
	if users := must(p.store.Users(context.Background(), "", 10)); len(users) != 0 {
		t.Errorf("users %v", users)
	}
}

func TestExpiredAndTooManyExistForUnknownAddresses(t *testing.T) {
	p := newProvider(t)
	p.login("known@example.com")
	for _, to := range []string{"known@example.com", "never-registered@example.com"} {
		code := p.mailed(to)
		for range 5 {
			p.guess(to, not(code)).refused(t, wrongMail)
		}
		p.guess(to, code).refused(t, tooMany)
		p.guess(to, not(code)).refused(t, tooMany)
	}
	for _, to := range []string{"known@example.com", "another@example.com"} {
		p.mailed(to)
	}
	p.pass(5 * time.Minute)
	q := p.replica()
	for _, to := range []string{"known@example.com", "another@example.com"} {
		q.guess(to, p.derived("web", to)).refused(t, codeOver)
		q.guess(to, "000000").refused(t, codeOver)
	}
}

func TestAttemptsAreCountedAcrossGrantNames(t *testing.T) {
	p := newProvider(t)
	to := "ada@example.com"
	code := p.mailed(to)
	otp := []string{"grant_type", grantOTP, "realm", "email", "otp"}
	p.guess(to, not(code)).refused(t, wrongMail)
	p.guess(to, "", append(otp, not(code))...).refused(t, wrongMail)
	p.guess(to, not(code)).refused(t, wrongMail)
	p.guess(strings.ToUpper(to), "", append(otp, not(code))...).refused(t, wrongMail)
	p.guess(" "+to+" ", not(code)).refused(t, wrongMail)
	p.guess(to, code).refused(t, tooMany)
	p.guess(to, "", append(otp, code)...).refused(t, tooMany)
}

func TestMissingParametersAreNoGuess(t *testing.T) {
	p := newProvider(t)
	to := "ada@example.com"
	code := p.mailed(to)
	for range 6 {
		p.guess(to, "").wants(t, http.StatusBadRequest, "invalid_request")
		p.guess("", code).wants(t, http.StatusBadRequest, "invalid_request")
		p.guess(to, code, "grant_type", grantOTP).wants(t, http.StatusBadRequest, "invalid_request")
		p.guess(to, code, "grant_type", grantOTP, "otp", code, "realm", "fax").wants(t, http.StatusBadRequest, "invalid_request")
		p.guess(to, code, "client_secret", "wrong").wants(t, http.StatusUnauthorized, "invalid_client")
	}
	p.guess(to, code[:3]+" "+code[3:]).wants(t, http.StatusOK, "")
}

func TestAudienceIsRefusedAlikeForRightAndWrongCodes(t *testing.T) {
	p := newProvider(t)
	to := "ada@example.com"
	code := p.mailed(to)
	bad := []string{"audience", "https://unknown.example.com"}
	right, wrong := p.guess(to, code, bad...), p.guess(to, not(code), bad...)
	right.wants(t, http.StatusBadRequest, "invalid_target")
	if same(right) != same(wrong) {
		t.Errorf("%s\n%s", same(right), same(wrong))
	}
	p.guess(to, code).wants(t, http.StatusOK, "")
}

// onBothDatabases runs a test on SQLite and on Postgres.
func onBothDatabases(t *testing.T, run func(t *testing.T, url func(*settings))) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { run(t, func(*settings) {}) })
	t.Run("Postgres", func(t *testing.T) {
		url := storagetest.PostgresURL(t)
		run(t, func(s *settings) { s.databaseURL = url })
	})
}

func TestParallelRedeemsHaveOneWinner(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		code := p.mailed("ada@example.com")
		got := tally(50, func() string {
			a := p.guess("ada@example.com", code)
			if a.StatusCode == http.StatusOK {
				return "won"
			}
			return a.str("error_description")
		})
		if got["won"] != 1 || got[wrongMail] != 49 {
			t.Fatalf("%v", got)
		}
		if users := must(p.store.Users(context.Background(), "", 10)); len(users) != 1 {
			t.Fatalf("users %v", users)
		}
	})
}

func TestParallelGuessesNeverPassTheBudget(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database, func(s *settings) {
			s.engine.Limits = grants.Limits{FailuresPerAddress: grants.Limit{N: 7, Per: time.Hour}}
		})
		to := "ada@example.com"
		code := p.mailed(to)
		asOther := []string{"client_id", "other", "client_secret", machineSecret}
		p.start(map[string]any{"client_id": "other", "client_secret": machineSecret, "email": to}).wants(t, http.StatusOK, "")
		second := p.code(to, 2)
		guessAll := func(code string, as ...string) map[string]int {
			return tally(200, func() string { return p.guess(to, code, as...).str("error_description") })
		}
		got := guessAll(not(code))
		if got[wrongMail] != 5 || got[tooMany] != 195 {
			t.Fatalf("first challenge: %v", got)
		}
		got = guessAll(not(second), asOther...)
		if got[wrongMail] != 2 || got[tooMany] != 198 {
			t.Fatalf("second challenge, five attempts of its own and two of the address: %v", got)
		}
		p.guess(to, code).refused(t, tooMany)
		p.guess(to, second, asOther...).refused(t, tooMany)
	})
}
