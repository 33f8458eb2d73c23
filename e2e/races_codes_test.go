package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// None of these tests is one by itself: TestRaces runs them.

func raceForOneCode(a *arena) {
	const who = "ada@one.example.com"
	code := a.ask("app", who)
	answers := a.atOnce(50, func(p *person, _ int) answer { return redeem(p, "app", who, code) })
	a.winner(answers, "wrong")
}

func raceOfTwoChallenges(a *arena) {
	const who = "ada@two.example.com"
	codes := map[int]string{0: a.ask("race-0", who), 1: a.ask("race-1", who)}
	clients := map[int]string{0: "race-0", 1: "race-1"}
	answers := a.atOnce(20, func(p *person, i int) answer { return redeem(p, clients[i/10], who, codes[i/10]) })
	a.winner(answers[:10], "wrong")
	a.winner(answers[10:], "wrong")
}

func raceOfFirstLogins(a *arena) {
	const who = "ada@first.example.com"
	codes := make([]string, raceApps)
	for i := range codes {
		codes[i] = a.ask(raceApp(i), who)
	}
	answers := a.atOnce(raceApps, func(p *person, i int) answer { return redeem(p, raceApp(i), who, codes[i]) })
	a.wants("answers", tally(answers, verdict), map[string]int{"granted": raceApps})
	users := tally(answers, func(resp answer) string { return claim(a.t, resp.str("id_token"), "sub") })
	if len(users) != 1 {
		a.t.Errorf("%d users: %v", len(users), users)
	}
}

func raceOfStarts(a *arena) {
	const who = "ada@starts.example.com"
	answers := a.atOnce(2*raceStarts, func(p *person, _ int) answer { return a.start(p, "app", who) })
	a.wants("starts", tally(answers, func(resp answer) string {
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
			return "429 without Retry-After"
		}
		return resp.Status
	}), map[string]int{"200 OK": raceStarts, "429 Too Many Requests": raceStarts})
	code := received(a.t, 1, func() []mail { return a.mails.to(who) }).code() // copies that wait together go out once
	a.winner(a.atOnce(3, func(p *person, _ int) answer { return redeem(p, "app", who, code) }), "wrong")
	for _, m := range a.mails.to(who) {
		if m.code() != code {
			a.t.Error("two codes were sent")
		}
	}
}

func raceOfLinkAndCode(a *arena) {
	const who, verifier = "ada@link.example.com", "a-verifier-of-the-races-that-has-43-characters-and-more"
	resp := a.person(0).postJSON("/passwordless/start", with("app", map[string]any{
		"connection": "email", "email": who, "send": "link",
		"authParams": map[string]any{
			"response_type": "code", "redirect_uri": callback, "scope": "openid email", "state": "s",
			"code_challenge": s256(verifier), "code_challenge_method": "S256",
		},
	}))
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	m := received(a.t, 1, func() []mail { return a.mails.to(who) })
	presses := a.atOnce(3, func(p *person, _ int) answer {
		return p.post("/u/login/link", fill(p.get(strings.TrimPrefix(m.link(), a.issuer))))
	})
	answers := a.atOnce(30, func(p *person, i int) answer {
		if i%2 == 0 {
			return redeem(p, "app", who, m.code())
		}
		return tokenOf(p, "app", "grant_type", "authorization_code", "code", authorizationCode(a.t, presses[i%3]), "redirect_uri", callback, "code_verifier", verifier)
	})
	if counts := tally(answers, verdict); counts["granted"] != 1 || counts["granted"]+counts["wrong"]+counts["refused"] != len(answers) {
		a.t.Errorf("answers: %v", counts)
	}
}

// guess tries a code at one of the doors of an API challenge that are open without a secret.
func guess(p *person, door int, address, code string) answer {
	switch door % 3 {
	case 0:
		return redeem(p, "spa", address, code)
	case 1:
		return p.postJSON("/passwordless/verify", with("spa", map[string]any{"connection": "email", "email": address, "verification_code": code}))
	}
	return crossOrigin(p, address, code)
}

// crossOrigin shows a code as a page of the app's.
func crossOrigin(p *person, address, code string) answer {
	p.t.Helper()
	r := must(http.NewRequest(http.MethodPost, p.base+"/co/authenticate", strings.NewReader(quote(map[string]string{
		"client_id": "spa", "username": address, "otp": code, "realm": "email", "credential_type": "http://auth0.com/oauth/grant-type/passwordless/otp",
	}))))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", raceOrigin)
	return p.do(r)
}

// wrongOf is a code of the same length that is wrong.
func wrongOf(code string) string {
	return strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, code)
}

func raceOfGuesses(a *arena) {
	const who = "ada@guesses.example.com"
	code := a.ask("spa", who)
	answers := a.atOnce(200, func(p *person, i int) answer { return guess(p, i, who, wrongOf(code)) })
	a.wants("answers", tally(answers, verdict), map[string]int{"wrong": 5, "too many": 195})
	if n := a.failures(who); n != 5 {
		a.t.Errorf("%d guesses were looked at", n)
	}
	a.wants("the right code afterwards", tally(a.atOnce(3, func(p *person, i int) answer { return guess(p, i, who, code) }), verdict), map[string]int{"too many": 3})
}

func raceOfHostedGuesses(a *arena) {
	const who = "ada@hosted.example.com"
	ada := a.person(0)
	page, code := a.hosted(ada, who, authorizePath("app", ""))
	form := fill(ada.get(page), "code", wrongOf(code))
	answers := a.atOnce(100, func(p *person, _ int) answer {
		p.http.Jar = ada.http.Jar // tabs of one browser
		return p.post(page, form)
	})
	a.wants("answers", tally(answers, func(resp answer) string { return resp.Status }), map[string]int{"422 Unprocessable Entity": 100})
	if n := a.failures(who); n != 5 {
		a.t.Errorf("%d guesses were looked at", n)
	}
	form.Set("code", code)
	if resp := ada.post(page, form); resp.StatusCode != http.StatusUnprocessableEntity {
		a.t.Errorf("the right code afterwards: %d", resp.StatusCode)
	}
}

func raceOfRightGuess(a *arena) {
	const who = "ada@right.example.com"
	code := a.ask("spa", who)
	answers := a.atOnce(60, func(p *person, i int) answer {
		if i == 30 {
			return redeem(p, "spa", who, code)
		}
		return guess(p, i, who, wrongOf(code))
	})
	counts, looked := tally(answers, verdict), a.failures(who)
	switch {
	case counts["granted"] > 1, looked > 5, counts["granted"] == 1 && looked > 4, counts["granted"] == 0 && looked != 5:
		a.t.Errorf("%d wrong guesses were looked at: %v", looked, counts)
	}
}

func raceOfGuessesAtAddress(a *arena) {
	const who, clients, budget = "ada@address.example.com", 6, 10
	codes := make([]string, clients)
	for i := range codes {
		codes[i] = a.ask(raceApp(i), who)
	}
	ada := a.person(0)
	page, typed := a.hosted(ada, who, authorizePath("app", ""))
	form := fill(ada.get(page), "code", wrongOf(typed))
	answers := a.atOnce(200, func(p *person, i int) answer {
		if i%(clients+1) == clients {
			p.http.Jar = ada.http.Jar
			return p.post(page, form)
		}
		return redeem(p, raceApp(i%(clients+1)), who, wrongOf(codes[i%(clients+1)]))
	})
	counts := tally(answers, verdict)
	if n := a.failures(who); n != budget || counts["granted"] != 0 || counts["wrong"] > budget {
		a.t.Errorf("%d guesses were looked at, the budget is %d: %v", n, budget, counts)
	}
	for i, code := range codes {
		if resp := redeem(a.person(i), raceApp(i), who, code); verdict(resp) != "too many" {
			a.t.Errorf("a short code is good although the budget is used up: %s", verdict(resp))
		}
	}
	if long := a.ask("race-7", who); len(long) != 10 {
		a.t.Errorf("a stranger's next code has %d digits", len(long))
	} else if resp := redeem(a.person(2), "race-7", who, long); verdict(resp) != "granted" {
		a.t.Errorf("a long code: %s", verdict(resp))
	}
}

// authorizePath is what begins a login on the pages.
func authorizePath(client, verifier string, more ...string) string {
	q := url.Values{"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s"}}
	if verifier != "" {
		q.Set("code_challenge", s256(verifier))
		q.Set("code_challenge_method", "S256")
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/authorize?" + q.Encode()
}

// authorizationCode is in the address that an answer sends the browser to.
func authorizationCode(t *testing.T, resp answer) string {
	t.Helper()
	code := must(url.Parse(resp.Header.Get("Location"))).Query().Get("code")
	if code == "" {
		t.Errorf("no authorization code: %d %s %s", resp.StatusCode, resp.Header.Get("Location"), resp.body)
	}
	return code
}
