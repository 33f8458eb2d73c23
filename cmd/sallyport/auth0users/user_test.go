package auth0users

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

var now = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

func email(a string) grants.Address { return grants.Address{Channel: grants.Email, Value: a} }

func TestAUserBecomesAnAccount(t *testing.T) {
	made := time.Date(2020, time.October, 6, 17, 22, 31, 123000000, time.UTC)
	a, dropped, err := Options{Now: now}.Account([]byte(`{
		"user_id": "email|5f7c8ec7c33c6c004bbafe82", "email": " Ada@Example.com", "email_verified": true,
		"name": "Ada Lovelace", "nickname": "Ada", "given_name": "Ada", "family_name": null, "picture": "https://a.example/p.png", "locale": {"country": "US"},
		"identities": [
			{"user_id": "5f7c8ec7c33c6c004bbafe82", "provider": "email", "connection": "email", "isSocial": false},
			{"user_id": 1034567890123456789, "provider": "google-oauth2", "connection": "google-oauth2", "isSocial": true, "profileData": {"email": 7, "picture": {}}},
			{"user_id": "600000000000000000000001", "provider": "sms", "connection": "sms", "isSocial": false,
				"profileData": {"phone_number": "+49 151 12345678", "phone_verified": true, "name": "+49 151 12345678"}}
		],
		"user_metadata": { "theme" : "dark" }, "app_metadata": null, "blocked": true,
		"created_at": "2020-10-06T17:22:31.123Z", "updated_at": "2021-01-02T03:04:05Z", "last_login": "2021-01-02T03:04:05+01:00",
		"last_ip": "203.0.113.9", "logins_count": 7, "unknown": [1, 2]}`))
	if err != nil {
		t.Fatal(err)
	}
	updated := time.Date(2021, time.January, 2, 3, 4, 5, 0, time.UTC)
	want := storage.Account{
		User: storage.User{
			ID: "email|5f7c8ec7c33c6c004bbafe82", Blocked: true, BlockedAt: updated, CreatedAt: made, UpdatedAt: updated,
			Profile: storage.Profile{Name: "Ada Lovelace", GivenName: "Ada", Nickname: "Ada", Picture: "https://a.example/p.png"},
			Identities: []storage.Identity{
				{ID: "5f7c8ec7c33c6c004bbafe82", Connection: "email", Address: email("ada@example.com"), VerifiedAt: made, CreatedAt: made},
				{
					ID: "600000000000000000000001", Connection: "sms", Address: grants.Address{Channel: grants.SMS, Value: "+4915112345678"},
					VerifiedAt: made, CreatedAt: made, Profile: &storage.Profile{},
				},
			},
		},
		UserMetadata: json.RawMessage(`{"theme":"dark"}`), AppMetadata: json.RawMessage(`{}`),
		LastLogin: updated.Add(-time.Hour), LastIP: "203.0.113.9", LoginsCount: 7,
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("account is\n%+v\nwant\n%+v", a, want)
	}
	if !reflect.DeepEqual(dropped, []string{"google-oauth2"}) {
		t.Errorf("dropped %v", dropped)
	}
}

func TestWhatAuth0MadeUpIsLeftOut(t *testing.T) {
	a, _, err := Options{Now: now}.Account([]byte(`{"user_id": "email|x", "email": "ada@example.com", "name": "ada@example.com", "nickname": "ada",
		"picture": "https://s.gravatar.com/avatar/0b?s=480&r=pg&d=https%3A%2F%2Fcdn.auth0.com%2Favatars%2Fad.png"}`))
	if err != nil || a.Profile != (storage.Profile{}) {
		t.Errorf("profile is %+v, %v", a.Profile, err)
	}
	if a.CreatedAt != now || !a.Identities[0].VerifiedAt.IsZero() || a.Identities[0].ID != "x" {
		t.Errorf("account is %+v", a)
	}
}

func TestUsersOfOtherProviders(t *testing.T) {
	for line, want := range map[string]struct{ strict, byEmail string }{
		`{"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "identities": [{"user_id": "1", "provider": "auth0"}]}`: {
			"has no e-mail or SMS identity, only auth0", "ada@example.com",
		},
		`{"user_id": "auth0|1", "email": "ada@example.com", "email_verified": false}`: {
			"has no e-mail or SMS identity, only auth0", "has no e-mail or SMS identity, only auth0, and no verified e-mail address",
		},
		// Linked, the primary being another provider's: the sub stays.
		`{"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "identities": [{"user_id": "1", "provider": "auth0"},
			{"user_id": "2", "provider": "email", "profileData": {"email": "ada@example.org", "email_verified": true}}]}`: {"ada@example.org", "ada@example.org"},
		// The address of an SMS user is nobody's proof.
		`{"user_id": "sms|1", "phone_number": "+12025550123", "phone_verified": true, "email": "ada@example.com", "email_verified": true}`: {"+12025550123", "+12025550123"},
	} {
		for byEmail, want := range map[bool]string{false: want.strict, true: want.byEmail} {
			a, _, err := Options{Now: now, ByVerifiedEmail: byEmail}.Account([]byte(line))
			var got []string
			for _, i := range a.Identities {
				got = append(got, i.Address.Value)
			}
			if err != nil {
				got = []string{err.Error()}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s by verified e-mail %v: %v, want %q", line, byEmail, got, want)
			}
		}
	}
}

func TestLinesThatAreNoUsersSayWhy(t *testing.T) {
	for line, want := range map[string]string{
		`{`:                      "is not a user in JSON: unexpected end of JSON input",
		"{\"a\":\"\xff\"}":       "is not UTF-8",
		`"x"`:                    "is not an object: it is a JSON string",
		`{}`:                     "has no user_id",
		`{"user_id": 7}`:         "user_id is a JSON number",
		`{"user_id": "x"}`:       `user_id "x" is not provider|id of at most 128 visible ASCII characters`,
		`{"user_id": "email|"}`:  `user_id "email|" is not provider|id of at most 128 visible ASCII characters`,
		`{"user_id": "email|é"}`: `user_id "email|é" is not provider|id of at most 128 visible ASCII characters`,
		`{"user_id": "email|a b", "email": "a@example.com"}`:                                                                 `user_id "email|a b" is not provider|id of at most 128 visible ASCII characters`,
		`{"user_id": "email|1"}`:                                                                                             "its email identity has no address",
		`{"user_id": "sms|1", "email": "a@example.com"}`:                                                                     "its sms identity has no address",
		`{"user_id": "email|1", "email": "nobody"}`:                                                                          "the address of its email identity cannot be used: An e-mail address looks like name@example.com.",
		`{"user_id": "sms|1", "phone_number": "123"}`:                                                                        "the address of its sms identity cannot be used: Write the number with its country code, such as +49 170 1234567.",
		`{"user_id": "email|1", "email": 7}`:                                                                                 "email is a JSON number",
		`{"user_id": "email|1", "email": "a@example.com", "email_verified": "yes"}`:                                          "email_verified is a JSON string",
		`{"user_id": "email|1", "email": "a@example.com", "user_metadata": []}`:                                              "user_metadata is not an object",
		`{"user_id": "email|1", "email": "a@example.com", "created_at": "yesterday"}`:                                        `is not a user in JSON: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"`,
		`{"user_id": "email|1", "email": "a@example.com", "identities": [{"user_id":{}, "provider":"email"}]}`:               "an identity's user_id is neither a string nor a number",
		`{"user_id": "email|1", "email": "a@example.com", "name": "` + strings.Repeat("x", 2049) + `"}`:                      "name has more than 2048 bytes",
		`{"user_id": "email|1", "email": "a@example.com", "app_metadata": {"x":"` + strings.Repeat("x", MaxMetadata) + `"}}`: "app_metadata has more than 65536 bytes",
		`{"user_id": "email|1", "email": "a@example.com", "identities": [{"user_id": "1", "provider": "email"}, {"user_id": "2", "provider": "sms", "profileData": "x"}]}`: "the profileData of its sms identity: is not an object: it is a JSON string",
		// Whoever chooses names of members gets nobody's address, and makes none verified.
		`{"user_id": "saml|eve", "email": "eve@example.com", "email_verified": true, "Email": "victim@example.com"}`:                  `has a member "Email", which is not email`,
		`{"user_id": "saml|eve", "email": "victim@example.com", "email_verified": false, "Email_Verified": true}`:                     `has a member "Email_Verified", which is not email_verified`,
		`{"user_id": "saml|eve", "email": "victim@example.com", "email_verified": false, "email_verified": true}`:                     `has the member email_verified twice`,
		`{"user_id": "saml|eve", "email": "eve@example.com", "email_verified": true, "\u0065mail": "victim@example.com"}`:             `has the member email twice`,
		`{"user_id": "ſaml|eve", "email": "eve@example.com", "uſer_id": "email|1"}`:                                                   `has a member "uſer_id", which is not user_id`,
		`{"user_id": "email|1", "email": "a@example.com", "identities": [{"user_id": "1", "provider": "auth0", "Provider":"email"}]}`: `in identities: it has a member "Provider", which is not provider`,
		`{"user_id": "email|1", "email": "a@example.com", "identities": [{"user_id": "1", "provider": "email"},
			{"user_id": "2", "provider": "email", "profileData": {"email": "eve@example.com", "EMAIL": "victim@example.com"}}]}`: `the profileData of its email identity: has a member "EMAIL", which is not email`,
		`{"user_id": "email|1", "email": "Ada@example.com", "identities": [{"user_id": "1", "provider": "email"},
			{"user_id": "2", "provider": "email", "profileData": {"email": "ada@example.com"}}]}`: "has a…@example.com twice",
		manyIdentities(51): "has more than 50 e-mail and SMS identities",
		`{"user_id": "email|` + strings.Repeat("x", 128) + `"}`: `user_id "email|` + strings.Repeat("x", 122) + `…" is not provider|id of at most 128 visible ASCII characters`,
	} {
		_, _, err := Options{Now: now}.Account([]byte(line))
		if err == nil || err.Error() != want {
			t.Errorf("%.120s\ngives %v\nwant  %s", line, err, want)
		}
	}
}

// manyIdentities is a user with that many addresses.
func manyIdentities(n int) string {
	line := `{"user_id": "email|0", "email": "0@example.com", "identities": [{"user_id": "0", "provider": "email"}`
	for i := 1; i < n; i++ {
		line += fmt.Sprintf(`,{"user_id": "%d", "provider": "email", "profileData": {"email": "%d@example.com"}}`, i, i)
	}
	return line + "]}"
}

func TestMembersThatAreNotReadHaveAnyName(t *testing.T) {
	a, _, err := Options{Now: now}.Account([]byte(`{"user_id": "email|1", "email": "ada@example.com", "x": {"email": 1, "Email": [{"email": 2}]}, "x": "\\\"{", "": [], "X" : 1,
		"user_metadata": {"email": "a", "Email": "b"}, "app_metadata": {"a": ["b", {"user_id": "c"}], "user_id": "d"}}`))
	if err != nil || a.Identities[0].Address != email("ada@example.com") {
		t.Errorf("account is %+v, %v", a, err)
	}
	if a, _, err := (Options{Now: now}).Account([]byte(manyIdentities(50))); err != nil || len(a.Identities) != 50 {
		t.Errorf("%d identities, %v", len(a.Identities), err)
	}
}

func TestAddressesOfVisitorsHaveNoZone(t *testing.T) {
	for ip, want := range map[string]string{`fe80::1%eth0`: "fe80::1", `fe80::1%a\u0000b`: "fe80::1", "nowhere": ""} {
		a, _, err := Options{Now: now}.Account([]byte(`{"user_id": "email|1", "email": "ada@example.com", "last_ip": "` + ip + `"}`))
		if err != nil || a.LastIP != want {
			t.Errorf("%s is %q, %v", ip, a.LastIP, err)
		}
	}
}

// FuzzAccount holds whatever a line makes to what the database and every token rely on.
func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"user_id": "email|1", "email": "ada@example.com", "email_verified": true, "user_metadata": {"a": 1}}`))
	f.Add([]byte(`{"user_id": "sms|1", "phone_number": "+12025550123", "identities": [{"user_id": 1, "provider": "sms"}], "last_ip": "::1"}`))
	f.Add([]byte(`{"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "identities": [{"user_id":"2","provider":"email","profileData":{"email":"b@example.com"}}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, o := range []Options{{Now: now}, {Now: now, ByVerifiedEmail: true}} {
			a, _, err := o.Account(line)
			if err != nil {
				continue
			}
			if !visible(a.ID) || !strings.Contains(a.ID, "|") || len(a.Identities) == 0 || a.CreatedAt.IsZero() {
				t.Fatalf("account is %+v", a)
			}
			if len(a.Identities) > maxIdentities || twice(a.Identities) != nil || strings.ContainsRune(a.LastIP, 0) {
				t.Fatalf("account is %+v", a)
			}
			for _, i := range a.Identities {
				again, err := grants.ParseAddress(i.Address.Value)
				if err != nil || again != i.Address || i.Connection != string(i.Address.Channel) {
					t.Fatalf("identity is %+v, %v", i, err)
				}
			}
			for _, raw := range []json.RawMessage{a.UserMetadata, a.AppMetadata} {
				if raw[0] != '{' || !json.Valid(raw) || strings.ContainsRune(string(raw), 0) || len(raw) > MaxMetadata {
					t.Fatalf("metadata is %q", raw)
				}
			}
		}
	})
}
