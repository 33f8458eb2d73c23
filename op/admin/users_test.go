package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// user makes one and gives their id, escaped for a path.
func (a *api) user(body object) (path string, u object) {
	a.t.Helper()
	if body["connection"] == nil {
		body["connection"] = "email"
	}
	u = a.call(http.MethodPost, "users", body).object(http.StatusCreated)
	id, _ := u["user_id"].(string)
	return "users/" + url.PathEscape(id), u
}

func TestCreateUser(t *testing.T) {
	a := newAPI(t)
	path, u := a.user(object{
		"email": " Ada@Example.com", "email_verified": true, "name": "Ada L.", "given_name": "Ada", "family_name": "L.", "nickname": "al",
		"picture": "https://img.example.com/a.png", "user_metadata": object{"color": "blue", "n": 1}, "app_metadata": object{"plan": "full"},
		"verify_email": false, "password": "", "blocked": false,
	})
	id, _ := u["user_id"].(string)
	if !strings.HasPrefix(id, "email|") || len(id) != len("email|")+24 {
		t.Errorf("user_id %q", id)
	}
	for name, want := range map[string]any{
		"email": "ada@example.com", "email_verified": true, "name": "Ada L.", "given_name": "Ada", "family_name": "L.", "nickname": "al", "blocked": false,
		"picture": "https://img.example.com/a.png", "created_at": "2026-11-22T10:00:00.000Z", "updated_at": "2026-11-22T10:00:00.000Z", "logins_count": 0.0,
	} {
		if u[name] != want {
			t.Errorf("%s: %v, want %v", name, u[name], want)
		}
	}
	for name, want := range map[string]string{
		"user_metadata": "map[color:blue n:1]", "app_metadata": "map[plan:full]",
		"identities": "[map[connection:email isSocial:false provider:email user_id:" + id[len("email|"):] + "]]",
	} {
		if got := fmt.Sprint(u[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := a.get(path).object(http.StatusOK); fmt.Sprint(got) != fmt.Sprint(u) {
		t.Errorf("read %v\nmade %v", got, u)
	}
	if _, there := u["last_login"]; there {
		t.Error("a login before the first")
	}
	events := must(a.store.Events(t.Context(), storage.EventFilter{UserID: id}))
	details := map[string]string{}
	for _, e := range events {
		details[e.Type] = e.Detail
		if e.RequestID == "" || e.RequestID != events[0].RequestID || e.IP != "127.0.0.1" {
			t.Errorf("event: %+v", e)
		}
	}
	if fmt.Sprint(details) != "map[api.operation:by token root: POST /api/v2/users user.created:by token root]" {
		t.Errorf("events: %v", details)
	}
}

func TestCreateUserWithPhoneAndOwnID(t *testing.T) {
	a := newAPI(t)
	_, u := a.user(object{"connection": "sms", "phone_number": "+49 170 1234567", "phone_verified": true, "user_id": "57f0a1"})
	if u["user_id"] != "sms|57f0a1" || u["phone_number"] != "+491701234567" || u["phone_verified"] != true || u["name"] != "+491701234567" || u["email"] != nil {
		t.Errorf("%v", u)
	}
	_, u = a.user(object{"email": "b@example.com", "user_id": "email|0123456789abcdef01234567"})
	if u["user_id"] != "email|0123456789abcdef01234567" || u["email_verified"] != false || u["nickname"] != "b" {
		t.Errorf("%v", u)
	}
}

func TestErrorRowsOfUsers(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_id": "ada"})
	a.user(object{"email": "bob@example.com", "user_id": "bob"})
	post := func(body string) answer { return a.call(http.MethodPost, "users", body) }
	patch := func(body string) answer { return a.call(http.MethodPatch, path, body) }
	for name, row := range map[string]struct {
		an      answer
		status  int
		code    string
		message string
	}{
		"missing":                  {a.get("users/email%7Cnobody"), 404, "inexistent_user", "The user does not exist."},
		"missing, changed":         {a.call(http.MethodPatch, "users/email%7Cnobody", "{}"), 404, "inexistent_user", "The user does not exist."},
		"address taken":            {post(`{"connection":"email","email":"ADA@example.com"}`), 409, "user_exists", "The user already exists."},
		"id taken":                 {post(`{"connection":"email","email":"c@example.com","user_id":"ada"}`), 409, "user_exists", "The user already exists."},
		"another's address":        {patch(`{"email":"bob@example.com"}`), 409, "user_exists", "The user already exists."},
		"no connection":            {post(`{"email":"c@example.com"}`), 400, "invalid_body", "Missing required property: connection"},
		"unknown connection":       {post(`{"connection":"fax","email":"c@example.com"}`), 400, "invalid_body", "The connection does not exist"},
		"no address":               {post(`{"connection":"email"}`), 400, "invalid_body", "Missing required property: email"},
		"no number":                {post(`{"connection":"sms"}`), 400, "invalid_body", "Missing required property: phone_number"},
		"bad address":              {post(`{"connection":"email","email":"ada"}`), 400, "invalid_body", "name@example.com"},
		"two recipients":           {post(`{"connection":"email","email":"a@example.com,b@example.com"}`), 400, "invalid_body", "email"},
		"bad number":               {post(`{"connection":"sms","phone_number":"123"}`), 400, "invalid_body", "phone_number"},
		"wrong kind":               {post(`{"connection":"email","email":7}`), 400, "invalid_body", "Expected type string but found type number: email"},
		"both addresses":           {post(`{"connection":"email","email":"c@example.com","phone_number":"+491701234567"}`), 400, "invalid_body", "can have it linked"},
		"password":                 {post(`{"connection":"email","email":"c@example.com","password":"x"}`), 400, "invalid_body", "there are no passwords here"},
		"verification mail":        {post(`{"connection":"email","email":"c@example.com","verify_email":true}`), 400, "invalid_body", "the first login proves the address"},
		"id of another kind":       {post(`{"connection":"email","email":"c@example.com","user_id":"sms|1"}`), 400, "invalid_body", "user_id"},
		"id with a slash":          {post(`{"connection":"email","email":"c@example.com","user_id":"a/b"}`), 400, "invalid_body", "user_id"},
		"picture by http":          {patch(`{"picture":"http://img.example.com/a"}`), 400, "invalid_body", "https://"},
		"picture of data":          {patch(`{"picture":"data:image/png;base64,AAAA"}`), 400, "invalid_body", "https://"},
		"name of two lines":        {patch(`{"name":"a\nb"}`), 400, "invalid_body", "no line breaks"},
		"metadata that is none":    {patch(`{"app_metadata":"x"}`), 400, "invalid_body", "Expected type object but found type string"},
		"metadata too deep":        {patch(`{"app_metadata":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}}`), 400, "invalid_body", "valid JSON"},
		"unknown member":           {patch(`{"last_login":"2026-01-01"}`), 400, "invalid_body", "Additional properties not allowed: last_login"},
		"sub":                      {patch(`{"user_id":"email|bob"}`), 400, "invalid_body", "Additional properties not allowed: user_id"},
		"a number they never had":  {patch(`{"phone_number":"+491701234567"}`), 400, "invalid_body", "link one"},
		"blocked, not a yes or no": {patch(`{"blocked":"true"}`), 400, "invalid_body", "Expected type boolean"},
		"no e-mail":                {a.get("users-by-email"), 400, "invalid_query_string", "email"},
	} {
		t.Run(name, func(t *testing.T) { row.an.t = t; row.an.refused(row.status, row.code, row.message) })
	}
}

// A deleted user's id is never given again, and deleting twice is no error.
func TestDeleteUser(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_id": "ada"})
	for range 2 {
		if an := a.call(http.MethodDelete, path, nil); an.StatusCode != http.StatusNoContent || an.text != "" {
			t.Fatalf("%d %s", an.StatusCode, an.text)
		}
	}
	a.get(path).refused(http.StatusNotFound, "inexistent_user", "The user does not exist.")
	a.call(http.MethodPost, "users", object{"connection": "email", "email": "ada@example.com", "user_id": "ada"}).refused(http.StatusConflict, "user_exists", "exists")
	a.user(object{"email": "ada@example.com"})
}

func TestMetadataMergesAtTheTop(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_metadata": object{"a": 1, "b": object{"c": 1, "d": 2}}, "app_metadata": object{"roles": []string{"x"}}})
	for _, step := range []struct{ body, user, app string }{
		{`{"user_metadata":{"a":2,"e":null}}`, "map[a:2 b:map[c:1 d:2]]", "map[roles:[x]]"},
		{`{"user_metadata":{"b":{"c":3}}}`, "map[a:2 b:map[c:3]]", "map[roles:[x]]"},
		{`{"user_metadata":{"a":null},"app_metadata":{"plan":"full"}}`, "map[b:map[c:3]]", "map[plan:full roles:[x]]"},
		{`{"app_metadata":{}}`, "map[b:map[c:3]]", "map[]"},
		{`{"name":"Ada"}`, "map[b:map[c:3]]", "map[]"},
		{`{"user_metadata":{"big":12345678901234567890}}`, "", "map[]"},
	} {
		an := a.call(http.MethodPatch, path, step.body)
		u := an.object(http.StatusOK)
		if fmt.Sprint(u["user_metadata"]) != step.user && step.user != "" || fmt.Sprint(u["app_metadata"]) != step.app {
			t.Errorf("%s: %v %v", step.body, u["user_metadata"], u["app_metadata"])
		}
		if step.user == "" && !strings.Contains(an.text, "12345678901234567890") {
			t.Errorf("the number is another: %s", an.text)
		}
	}
}

func TestMetadataIsBounded(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com"})
	half := strings.Repeat("x", 40_000)
	a.call(http.MethodPatch, path, object{"app_metadata": object{"a": half}}).wants(http.StatusOK)
	a.call(http.MethodPatch, path, object{"app_metadata": object{"b": half}}).refused(http.StatusBadRequest, "invalid_body", "65536 bytes")
	a.call(http.MethodPatch, path, object{"app_metadata": object{"a": half}}).wants(http.StatusOK)
}

// The scope for metadata changes metadata and nothing else.
func TestMetadataScopeOpensNothingElse(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com"})
	b := a.as("update:users_app_metadata")
	if u := b.call(http.MethodPatch, path, `{"app_metadata":{"a":1}}`).object(http.StatusOK); fmt.Sprint(u["app_metadata"]) != "map[a:1]" {
		t.Errorf("%v", u)
	}
	for _, body := range []string{`{"email":"eve@example.com"}`, `{"email_verified":true}`, `{"blocked":true}`, `{"app_metadata":{"b":1},"name":"Eve"}`} {
		b.call(http.MethodPatch, path, body).refused(http.StatusForbidden, "insufficient_scope", "update:users")
	}
	if u := a.get(path).object(http.StatusOK); u["email"] != "ada@example.com" || u["email_verified"] != false || fmt.Sprint(u["app_metadata"]) != "map[a:1]" {
		t.Errorf("%v", u)
	}
}

// An address that an admin changes keeps the sub, is unverified unless they say otherwise, and ends what was open.
func TestChangeOfAddressKeepsTheSub(t *testing.T) {
	a := newAPI(t)
	path, before := a.user(object{"email": "ada@example.com", "email_verified": true})
	id, _ := before["user_id"].(string)
	check(t, a.session(id, "s1"))
	u := a.call(http.MethodPatch, path, `{"email":"ADA@new.example.com","connection":"email","client_id":"x"}`).object(http.StatusOK)
	if u["user_id"] != id || u["email"] != "ada@new.example.com" || u["email_verified"] != false || u["name"] != "ada@new.example.com" {
		t.Errorf("%v", u)
	}
	a.get("sessions/s1").wants(http.StatusNotFound)
	if u := a.call(http.MethodPatch, path, `{"email_verified":true}`).object(http.StatusOK); u["email_verified"] != true {
		t.Errorf("%v", u)
	}
	if u := a.call(http.MethodPatch, path, `{"email":"c@example.com","email_verified":true}`).object(http.StatusOK); u["email"] != "c@example.com" || u["email_verified"] != true {
		t.Errorf("%v", u)
	}
	if l := a.get("users-by-email?email=ada%40example.com").list(http.StatusOK); len(l) != 0 {
		t.Errorf("the old address finds %v", l)
	}
}

func TestProfileMembersCanBeCleared(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "name": "Ada", "picture": "https://img.example.com/a.png"})
	u := a.call(http.MethodPatch, path, `{"name":null,"picture":null}`).object(http.StatusOK)
	if _, there := u["picture"]; there || u["name"] != "ada@example.com" {
		t.Errorf("%v", u)
	}
}

func TestSearchUsers(t *testing.T) {
	a := newAPI(t)
	for n := range 5 {
		a.skew.Add(int64(time.Second))
		a.user(object{"email": fmt.Sprintf("u%d@example.com", n), "user_id": fmt.Sprintf("id%d", 9-n)})
	}
	a.skew.Add(int64(time.Second))
	a.user(object{"connection": "sms", "phone_number": "+491701234567", "user_id": "p"})
	a.call(http.MethodPatch, "users/email%7Cid9", `{"blocked":true}`).wants(http.StatusOK)
	for _, c := range [][2]string{
		{`email:"u1@example.com"`, "email|id8"},
		{`email:U1@Example.com`, "email|id8"},
		{`email:u*`, "email|id5 email|id6 email|id7 email|id8 email|id9"},
		{`email:"u*"`, "email|id5 email|id6 email|id7 email|id8 email|id9"},
		{`email:nobody@example.com`, ""},
		{`email:"not an address"`, ""},
		{`phone_number:"+491701234567"`, "sms|p"},
		{`phone_number:+4917*`, "sms|p"},
		{`user_id:"email|id5"`, "email|id5"},
		{`user_id:("email|id5" OR "sms|p" OR "email|none")`, "email|id5 sms|p"},
		{`blocked:true`, "email|id9"},
		{`blocked:true AND email:"u1@example.com"`, ""},
		{`email:u* AND blocked:false`, "email|id5 email|id6 email|id7 email|id8"},
		{`identities.connection:"sms"`, "sms|p"},
		{`identities.provider:email AND blocked:true`, "email|id9"},
	} {
		q, want := c[0], c[1]
		got := []string{}
		for _, u := range a.get("users?search_engine=v3&primary_order=true&q=" + url.QueryEscape(q)).list(http.StatusOK) {
			got = append(got, fmt.Sprint(u["user_id"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", q, got, want)
		}
	}
	if all := a.get("users?q=%20").list(http.StatusOK); len(all) != 6 {
		t.Errorf("an empty search: %d users", len(all))
	}
	for _, q := range []string{
		"ada", `name:"Ada"`, `email:a OR email:b`, `email:a AND`, `email:a AND email:b`, `email:"a" email:"b"`, `email:`, `email:""`, `email:*`, `email:*@example.com`,
		`email:(`, `email:("a"`, `NOT email:a`, `-email:a`, `email:[a TO b]`, `email:a~`, `blocked:yes`, `email:("a" OR "b")`, `email:a AND user_id:b`, `_exists_:email`,
		`email:"a`, `(email:a)`, "\x00", "email:a\xff", `user_metadata.color:"blue"`,
	} {
		a.get("users?q="+url.QueryEscape(q)).refused(http.StatusBadRequest, "invalid_query_string", "")
	}
}

func TestPagesOfUsers(t *testing.T) {
	a := newAPI(t)
	for n := range 5 {
		a.skew.Add(int64(time.Second))
		a.user(object{"email": fmt.Sprintf("u%d@example.com", n), "user_id": fmt.Sprintf("id%d", 9-n)})
	}
	o := a.get("users?include_totals=true&per_page=2&page=1&sort=created_at:-1&fields=user_id,email&include_fields=true").object(http.StatusOK)
	if got := fmt.Sprint(o); got != "map[length:2 limit:2 start:2 total:5 users:[map[email:u2@example.com user_id:email|id7] map[email:u1@example.com user_id:email|id8]]]" {
		t.Error(got)
	}
	if o := a.get("users?include_totals=true&per_page=2&page=7").object(http.StatusOK); fmt.Sprint(o["users"]) != "[]" || o["total"] != 5.0 {
		t.Errorf("%v", o)
	}
	u := a.get("users?per_page=1&fields=identities,user_metadata&include_fields=false&sort=created_at:1").list(http.StatusOK)[0]
	if u["email"] != "u0@example.com" || u["identities"] != nil {
		t.Errorf("%v", u)
	}
	if u := a.get("users/email%7Cid5?fields=email").object(http.StatusOK); fmt.Sprint(u) != "map[email:u4@example.com]" {
		t.Errorf("%v", u)
	}
	for _, q := range []string{"per_page=0", "per_page=101", "page=-1", "page=x", "page=1.5", "include_totals=1", "page=10&per_page=100", "sort=email:1", "sort=created_at", "sort=created_at:2", "search_engine=v2", "page=0&page=1", "include_fields=maybe", "take=1", "from=1", "%zz"} {
		a.get("users?"+q).refused(http.StatusBadRequest, "invalid_query_string", "")
	}
	a.get("users?page=9&per_page=100").wants(http.StatusOK)
	a.get("users?page=19&per_page=51").refused(http.StatusBadRequest, "invalid_query_string", "You can only page through the first 1000 records")
}

func TestUsersByEmail(t *testing.T) {
	a := newAPI(t)
	a.user(object{"email": "ada@example.com"})
	if l := a.get("users-by-email?email=ADA%40Example.com&fields=email").list(http.StatusOK); len(l) != 1 || fmt.Sprint(l[0]) != "map[email:ada@example.com]" {
		t.Errorf("%v", l)
	}
	for _, none := range []string{"eve%40example.com", "rubbish", "%2B491701234567"} {
		if an := a.get("users-by-email?email=" + none); an.StatusCode != http.StatusOK || an.text != "[]" {
			t.Errorf("%s: %d %s", none, an.StatusCode, an.text)
		}
	}
}

// session signs a user in, as a browser would.
func (a *api) session(user, id string) error {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).Add(time.Duration(a.skew.Load()))
	_, err := a.store.SignIn(a.t.Context(), "", storage.Session{
		ID: id, SecretHash: "hash of " + id, UserID: user, AMR: grants.AMR(grants.Email), AuthTime: at, CreatedAt: at, SeenAt: at,
		ExpiresAt: at.Add(30 * 24 * time.Hour), IdleExpiresAt: at.Add(3 * 24 * time.Hour),
	})
	return err
}
