package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sallyport/op/admin"
	"sallyport/storage"
)

// client makes one and gives its path, its secret and itself.
func (a *api) client(body object) (path, secret string, c object) {
	a.t.Helper()
	if body["name"] == nil {
		body["name"] = "Shop"
	}
	c = a.call(http.MethodPost, "clients", body).object(http.StatusCreated)
	id, _ := c["client_id"].(string)
	secret, _ = c["client_secret"].(string)
	return "clients/" + id, secret, c
}

func (a *api) stored(path string) storage.Client {
	a.t.Helper()
	return must(a.store.Client(a.t.Context(), strings.TrimPrefix(path, "clients/")))
}

func (a *api) secretIs(path, secret string) bool {
	a.t.Helper()
	return slices.ContainsFunc(a.stored(path).Secrets, func(entry string) bool { return a.ring.VerifySecret(entry, secret) })
}

func TestCreateClient(t *testing.T) {
	a := newAPI(t)
	path, secret, c := a.client(object{
		"name": "Shop", "description": "Sells", "app_type": "regular_web", "callbacks": []string{"https://shop.example.com/cb"},
		"allowed_logout_urls": []string{"https://shop.example.com/"}, "web_origins": []string{"https://shop.example.com"}, "allowed_origins": []string{"https://shop.example.com", "https://www.example.com"},
		"grant_types":                []string{"authorization_code", "refresh_token", "http://auth0.com/oauth/grant-type/passwordless/otp"},
		"token_endpoint_auth_method": "client_secret_post", "jwt_configuration": object{"alg": "ES256", "lifetime_in_seconds": 600, "secret_encoded": false},
		"refresh_token":   object{"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 5, "token_lifetime": 86400, "idle_token_lifetime": 3600, "infinite_token_lifetime": false},
		"client_metadata": object{"team": "a"}, "oidc_conformant": true, "is_first_party": true, "sso_disabled": false, "custom_login_page_on": true,
		"logo_uri": "https://shop.example.com/logo.png", "initiate_login_uri": "https://shop.example.com/login", "is_token_endpoint_ip_header_trusted": true,
	})
	for name, want := range map[string]string{
		"name": "Shop", "description": "Sells", "app_type": "regular_web", "callbacks": "[https://shop.example.com/cb]", "allowed_logout_urls": "[https://shop.example.com/]",
		"web_origins": "[https://shop.example.com https://www.example.com]", "token_endpoint_auth_method": "client_secret_post",
		"jwt_configuration": "map[alg:ES256 lifetime_in_seconds:600 secret_encoded:false]", "client_metadata": "map[team:a]", "is_token_endpoint_ip_header_trusted": "true",
		"refresh_token": "map[expiration_type:expiring idle_token_lifetime:3600 infinite_idle_token_lifetime:false infinite_token_lifetime:false leeway:5 rotation_type:rotating token_lifetime:86400]",
		"logo_uri":      "https://shop.example.com/logo.png", "is_first_party": "true", "oidc_conformant": "true", "global": "false",
	} {
		if got := fmt.Sprint(c[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if len(secret) < 40 || !a.secretIs(path, secret) || a.secretIs(path, secret+"x") {
		t.Errorf("secret %q", secret)
	}
	an := a.get(path)
	if read := an.object(http.StatusOK); read["client_secret"] != nil || read["signing_keys"] != nil || strings.Contains(an.text, secret) || strings.Contains(an.text, "hmac:") {
		t.Errorf("shows a secret: %s", an.text)
	}
	if an := a.get("clients"); strings.Contains(an.text, secret) || strings.Contains(an.text, "hmac:") {
		t.Errorf("shows a secret: %s", an.text)
	}
	delete(c, "client_secret")
	if read := a.get(path).object(http.StatusOK); fmt.Sprint(read) != fmt.Sprint(c) {
		t.Errorf("read %v\nmade %v", read, c)
	}
	// What was read can be written back.
	if written := a.call(http.MethodPatch, path, without(c, "client_id")).object(http.StatusOK); fmt.Sprint(written) != fmt.Sprint(c) {
		t.Errorf("written %v\nmade %v", written, c)
	}
}

// Settings that Auth0's shape has no member for are the configuration's and the commands': a change here leaves them.
func TestPatchLeavesSettingsWithoutAMember(t *testing.T) {
	a := newAPI(t)
	path, _, c := a.client(object{})
	id, _ := c["client_id"].(string)
	check(t, a.store.UpdateClient(t.Context(), id, func(c *storage.Client) error {
		c.Settings.RequirePKCE = true
		return nil
	}))
	a.call(http.MethodPatch, path, object{"description": "x", "is_token_endpoint_ip_header_trusted": true}).object(http.StatusOK)
	if s := a.stored(path).Settings; !s.RequirePKCE || s.Description != "x" {
		t.Errorf("%+v", s)
	}
}

func without(o object, name string) object {
	out := object{}
	for n, v := range o {
		if n != name {
			out[n] = v
		}
	}
	return out
}

func TestClientDefaultsFollowTheType(t *testing.T) {
	a := newAPI(t)
	for kind, want := range map[string]string{
		"":                "regular_web client_secret_post [authorization_code refresh_token] true",
		"regular_web":     "regular_web client_secret_post [authorization_code refresh_token] true",
		"spa":             "spa none [authorization_code refresh_token] false",
		"native":          "native none [authorization_code refresh_token] false",
		"non_interactive": "non_interactive client_secret_post [client_credentials] true",
	} {
		body := object{}
		if kind != "" {
			body["app_type"] = kind
		}
		_, secret, c := a.client(body)
		if got := fmt.Sprintf("%s %s %s %t", c["app_type"], c["token_endpoint_auth_method"], c["grant_types"], secret != ""); got != want {
			t.Errorf("%q: %s, want %s", kind, got, want)
		}
	}
}

// A client that becomes a confidential one gets its secret then; one that becomes public loses it.
func TestClientTypeDecidesOfItsSecret(t *testing.T) {
	a := newAPI(t)
	path, _, _ := a.client(object{"app_type": "spa"})
	c := a.call(http.MethodPatch, path, object{"app_type": "regular_web"}).object(http.StatusOK)
	secret, _ := c["client_secret"].(string)
	if secret == "" || !a.secretIs(path, secret) {
		t.Fatalf("%v", c)
	}
	if c := a.call(http.MethodPatch, path, object{"description": "x"}).object(http.StatusOK); c["client_secret"] != nil || !a.secretIs(path, secret) {
		t.Errorf("%v", c)
	}
	if c := a.call(http.MethodPatch, path, object{"app_type": "spa"}).object(http.StatusOK); c["client_secret"] != nil || len(a.stored(path).Secrets) != 0 {
		t.Errorf("%v", c)
	}
}

func TestRotateSecret(t *testing.T) {
	a := newAPI(t)
	path, before, _ := a.client(object{})
	c := a.call(http.MethodPost, path+"/rotate-secret", nil).object(http.StatusOK)
	after, _ := c["client_secret"].(string)
	if after == before || !a.secretIs(path, after) || a.secretIs(path, before) {
		t.Errorf("%v", c)
	}
	own := strings.Repeat("my own secret ", 3)
	a.call(http.MethodPatch, path, object{"client_secret": own}).wants(http.StatusOK)
	if !a.secretIs(path, own) || a.secretIs(path, after) {
		t.Error("the secret that was given is not the one")
	}
	public, _, _ := a.client(object{"app_type": "native"})
	a.call(http.MethodPost, public+"/rotate-secret", nil).refused(http.StatusBadRequest, "invalid_body", "no secret")
	a.call(http.MethodPost, "clients/nobody/rotate-secret", nil).refused(http.StatusNotFound, "inexistent_client", "does not exist")
}

// Nobody becomes more than they are: by the secret of a client that may do more, or by a grant.
func TestNobodyGainsScopes(t *testing.T) {
	a := newAPI(t)
	path, secret, c := a.client(object{"app_type": "non_interactive"})
	management := admin.Audience(issuer)
	a.call(http.MethodPost, "client-grants", object{"client_id": c["client_id"], "audience": management, "scope": []string{"read:users", "update:clients"}}).wants(http.StatusCreated)
	b := a.as("update:clients", "update:client_keys", "create:client_grants", "update:client_grants", "read:client_grants")
	b.call(http.MethodPost, path+"/rotate-secret", nil).refused(http.StatusForbidden, "insufficient_scope", "read:users")
	b.call(http.MethodPatch, path, object{"client_secret": strings.Repeat("x", 40)}).refused(http.StatusForbidden, "insufficient_scope", "read:users")
	for _, body := range []object{{"app_type": "spa"}, {"token_endpoint_auth_method": "client_secret_basic"}} {
		b.call(http.MethodPatch, path, body).refused(http.StatusForbidden, "insufficient_scope", "read:users")
	}
	if !a.secretIs(path, secret) {
		t.Error("the secret was changed")
	}
	b.call(http.MethodPatch, path, object{"description": "x", "token_endpoint_auth_method": "client_secret_post", "app_type": "non_interactive"}).wants(http.StatusOK)

	web, _, c := a.client(object{"app_type": "regular_web"}) // one that cannot use its grant
	a.call(http.MethodPost, "client-grants", object{"client_id": c["client_id"], "audience": management, "scope": []string{"read:users"}}).wants(http.StatusCreated)
	b.call(http.MethodPatch, web, object{"grant_types": []string{"authorization_code", "client_credentials"}}).refused(http.StatusForbidden, "insufficient_scope", "read:users")
	b.call(http.MethodPatch, web, object{"grant_types": []string{"authorization_code"}}).wants(http.StatusOK)

	_, _, other := a.client(object{"app_type": "non_interactive"})
	grant := func(scope ...string) answer {
		return b.call(http.MethodPost, "client-grants", object{"client_id": other["client_id"], "audience": management, "scope": scope})
	}
	grant("update:clients", "delete:users").refused(http.StatusForbidden, "insufficient_scope", "delete:users")
	g := grant("update:clients").object(http.StatusCreated)
	id := fmt.Sprint(g["id"])
	b.call(http.MethodPatch, "client-grants/"+id, object{"scope": []string{"update:clients", "delete:users"}}).refused(http.StatusForbidden, "insufficient_scope", "delete:users")
	if g := b.get("client-grants/" + id).object(http.StatusOK); fmt.Sprint(g["scope"]) != "[update:clients]" {
		t.Errorf("%v", g)
	}
}

func TestErrorRowsOfClients(t *testing.T) {
	a := newAPI(t)
	path, _, _ := a.client(object{})
	post := func(body object) answer { return a.call(http.MethodPost, "clients", body) }
	patch := func(body object) answer { return a.call(http.MethodPatch, path, body) }
	for name, row := range map[string]struct {
		an      answer
		status  int
		code    string
		message string
	}{
		"missing":                {a.get("clients/nobody"), 404, "inexistent_client", "The client does not exist."},
		"missing, changed":       {a.call(http.MethodPatch, "clients/nobody", object{}), 404, "inexistent_client", "The client does not exist."},
		"no name":                {post(object{"app_type": "spa"}), 400, "invalid_body", "Missing required property: name"},
		"no id of one's own":     {post(object{"name": "x", "client_id": "mine"}), 400, "invalid_body", "Additional properties not allowed: client_id"},
		"empty name":             {patch(object{"name": ""}), 400, "invalid_body", "String is too short (0 chars), minimum 1: name"},
		"unknown type":           {post(object{"name": "x", "app_type": "rms"}), 400, "invalid_body", "app_type must be one of"},
		"wildcard callback":      {patch(object{"callbacks": []string{"https://*.example.com/cb"}}), 400, "invalid_body", "redirect_uris"},
		"http callback":          {patch(object{"callbacks": []string{"http://shop.example.com/cb"}}), 400, "invalid_body", "redirect_uris"},
		"any origin":             {patch(object{"web_origins": []string{"*"}}), 400, "invalid_body", "web_origins"},
		"unknown grant":          {patch(object{"grant_types": []string{"password"}}), 400, "invalid_body", "password"},
		"shared signing secret":  {patch(object{"jwt_configuration": object{"alg": "HS256"}}), 400, "invalid_body", "RS256"},
		"endless refresh tokens": {patch(object{"refresh_token": object{"expiration_type": "non-expiring"}}), 400, "invalid_body", "refresh_token.expiration_type can only be \"expiring\" here"},
		"infinite":               {patch(object{"refresh_token": object{"infinite_token_lifetime": true}}), 400, "invalid_body", "infinite_token_lifetime"},
		"rotation":               {patch(object{"refresh_token": object{"rotation_type": "none"}}), 400, "invalid_body", "rotation_type"},
		"long leeway":            {patch(object{"refresh_token": object{"leeway": 3600}}), 400, "invalid_body", "leeway"},
		"short secret":           {patch(object{"client_secret": "short"}), 400, "invalid_body", "client_secret"},
		"method":                 {patch(object{"token_endpoint_auth_method": "tls"}), 400, "invalid_body", "token_endpoint_auth_method"},
		"no secret for a web":    {patch(object{"token_endpoint_auth_method": "none"}), 400, "invalid_body", "secret"},
		"third party":            {patch(object{"is_first_party": false}), 400, "invalid_body", "is_first_party can only be true here"},
		"logo by http":           {patch(object{"logo_uri": "http://x.example.com/l"}), 400, "invalid_body", "https://"},
		"addons":                 {patch(object{"addons": object{"samlp": object{}}}), 400, "invalid_body", "addons is not supported"},
		"metadata":               {patch(object{"client_metadata": object{"a": 1}}), 400, "invalid_body", "client_metadata.a"},
		"much metadata":          {patch(object{"client_metadata": object{"a": strings.Repeat("x", 256)}}), 400, "invalid_body", "255 characters"},
		"list that is none":      {patch(object{"callbacks": "https://shop.example.com/cb"}), 400, "invalid_body", "Expected type array"},
		"list of other things":   {patch(object{"callbacks": []int{1}}), 400, "invalid_body", "Expected type string but found type number: callbacks"},
		"the file's, changed":    {a.call(http.MethodPatch, "clients/filed", object{"name": "x"}), 409, "managed_by_file", "managed by the configuration file"},
		"the file's, deleted":    {a.call(http.MethodDelete, "clients/filed", nil), 409, "managed_by_file", "managed by the configuration file"},
		"the file's, new secret": {a.call(http.MethodPost, "clients/filed/rotate-secret", nil), 409, "managed_by_file", "managed by the configuration file"},
	} {
		t.Run(name, func(t *testing.T) { row.an.t = t; row.an.refused(row.status, row.code, row.message) })
	}
}

func TestListAndDeleteClients(t *testing.T) {
	a := newAPI(t)
	path, _, _ := a.client(object{"app_type": "spa"})
	o := a.get("clients?include_totals=true&per_page=1&page=1&fields=name&include_fields=true").object(http.StatusOK)
	if o["total"] != 2.0 || o["start"] != 1.0 || o["limit"] != 1.0 || fmt.Sprint(o["length"]) != "1" {
		t.Errorf("%v", o)
	}
	for q, want := range map[string]int{"app_type=spa": 1, "app_type=spa,regular_web": 2, "is_global=true": 0, "is_first_party=false": 0, "is_first_party=true": 2, "app_type=native": 0} {
		if l := a.get("clients?" + q).list(http.StatusOK); len(l) != want {
			t.Errorf("%s: %d", q, len(l))
		}
	}
	for range 2 {
		a.call(http.MethodDelete, path, nil).wants(http.StatusNoContent)
	}
	a.get(path).wants(http.StatusNotFound)
}

func TestClientMetadataMerges(t *testing.T) {
	a := newAPI(t)
	path, _, _ := a.client(object{"client_metadata": object{"a": "1", "b": "2"}})
	if c := a.call(http.MethodPatch, path, object{"client_metadata": object{"a": nil, "c": "3"}}).object(http.StatusOK); fmt.Sprint(c["client_metadata"]) != "map[b:2 c:3]" {
		t.Errorf("%v", c["client_metadata"])
	}
}

func TestClientGrants(t *testing.T) {
	a := newAPI(t)
	path, _, c := a.client(object{"app_type": "non_interactive"})
	id := c["client_id"]
	body := object{"client_id": id, "audience": audience, "scope": []string{"read:things"}, "subject_type": "client", "organization_usage": "deny"}
	g := a.call(http.MethodPost, "client-grants", body).object(http.StatusCreated)
	if g["client_id"] != id || g["audience"] != audience || fmt.Sprint(g["scope"]) != "[read:things]" || !strings.HasPrefix(fmt.Sprint(g["id"]), "cgr_") {
		t.Errorf("%v", g)
	}
	if got := a.stored(path).APIs[audience]; !slices.Equal(got, []string{"read:things"}) {
		t.Errorf("stored: %v", got)
	}
	one := "client-grants/" + fmt.Sprint(g["id"])
	for _, q := range []string{"", "?client_id=" + fmt.Sprint(id), "?audience=" + audience} {
		if l := a.get("client-grants" + q).list(http.StatusOK); len(l) != 1 || fmt.Sprint(l[0]) != fmt.Sprint(g) {
			t.Errorf("%s: %v", q, l)
		}
	}
	if o := a.get("client-grants?take=50&include_totals=true&client_id=other").object(http.StatusOK); fmt.Sprint(o["client_grants"]) != "[]" || o["next"] != nil {
		t.Errorf("%v", o)
	}
	a.call(http.MethodPost, "client-grants", body).refused(http.StatusConflict, "", "already exists")
	a.call(http.MethodPost, "client-grants", object{"client_id": id, "audience": "https://other", "scope": []string{}}).refused(http.StatusBadRequest, "invalid_body", "no such resource server")
	a.call(http.MethodPost, "client-grants", object{"client_id": "nobody", "audience": audience, "scope": []string{}}).refused(http.StatusNotFound, "inexistent_client", "does not exist")
	a.call(http.MethodPost, "client-grants", object{"client_id": "filed", "audience": audience, "scope": []string{}}).refused(http.StatusConflict, "managed_by_file", "configuration file")
	a.call(http.MethodPost, "client-grants", object{"client_id": id, "audience": audience}).refused(http.StatusBadRequest, "invalid_body", "Missing required property: scope")
	a.call(http.MethodPatch, one, object{"scope": []string{"write:things"}}).refused(http.StatusBadRequest, "invalid_body", "no scope write:things")
	a.call(http.MethodPatch, one, object{"scope": []string{}, "allow_all_scopes": true}).refused(http.StatusBadRequest, "invalid_body", "allow_all_scopes")
	if g := a.call(http.MethodPatch, one, object{"scope": []string{}}).object(http.StatusOK); fmt.Sprint(g["scope"]) != "[]" {
		t.Errorf("%v", g)
	}
	for range 2 {
		a.call(http.MethodDelete, one, nil).wants(http.StatusNoContent)
	}
	a.get(one).refused(http.StatusNotFound, "inexistent_client_grant", "The grant does not exist.")
	if got := a.stored(path).APIs; len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

func TestResourceServers(t *testing.T) {
	a := newAPI(t)
	body := object{
		"name": "Orders", "identifier": "https://orders.example.com/", "scopes": []object{{"value": "read:orders", "description": "Read"}, {"value": "write:orders"}},
		"signing_alg": "ES256", "token_lifetime": 7200, "token_lifetime_for_web": 3600, "allow_offline_access": true, "enforce_policies": false,
	}
	r := a.call(http.MethodPost, "resource-servers", body).object(http.StatusCreated)
	id := fmt.Sprint(r["id"])
	for name, want := range map[string]string{
		"name": "Orders", "identifier": "https://orders.example.com/", "scopes": "[map[value:read:orders] map[value:write:orders]]", "signing_alg": "ES256",
		"token_lifetime": "7200", "allow_offline_access": "true",
	} {
		if got := fmt.Sprint(r[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, by := range []string{id, "https%3A%2F%2Forders.example.com%2F"} {
		if got := a.get("resource-servers/" + by).object(http.StatusOK); fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("%s: %v", by, got)
		}
	}
	o := a.get("resource-servers?include_totals=true&identifiers=https%3A%2F%2Forders.example.com%2F&fields=id&include_fields=true").object(http.StatusOK)
	if fmt.Sprint(o["resource_servers"]) != "[map[id:"+id+"]]" || o["total"] != 1.0 {
		t.Errorf("%v", o)
	}
	patch := func(id string, body object) answer { return a.call(http.MethodPatch, "resource-servers/"+id, body) }
	if r := patch(id, object{"scopes": []object{{"value": "read:orders"}}, "token_lifetime": 60}).object(http.StatusOK); fmt.Sprintf("%v %v %v", r["scopes"], r["token_lifetime"], r["name"]) != "[map[value:read:orders]] 60 Orders" {
		t.Errorf("%v", r)
	}
	a.call(http.MethodPost, "resource-servers", body).refused(http.StatusConflict, "", "already exists")
	a.call(http.MethodPost, "resource-servers", object{"identifier": admin.Audience(issuer)}).refused(http.StatusBadRequest, "invalid_body", "audience")
	a.call(http.MethodPost, "resource-servers", object{"name": "x"}).refused(http.StatusBadRequest, "invalid_body", "Missing required property: identifier")
	a.call(http.MethodPost, "resource-servers", object{"identifier": "https://x", "signing_alg": "HS256"}).refused(http.StatusBadRequest, "invalid_body", "signing_alg")
	patch(id, object{"identifier": "https://y"}).refused(http.StatusBadRequest, "invalid_body", "Additional properties not allowed: identifier")
	patch(id, object{"scopes": []object{{"value": "a b"}}}).refused(http.StatusBadRequest, "invalid_body", "scopes")
	patch(id, object{"scopes": []string{"a"}}).refused(http.StatusBadRequest, "invalid_body", "Expected type object")
	patch(id, object{"enforce_policies": true}).refused(http.StatusBadRequest, "invalid_body", "enforce_policies is not supported")
	patch("nobody", object{}).refused(http.StatusNotFound, "inexistent_resource_server", "does not exist")
	patch("https%3A%2F%2Fapi.example.com", object{"name": "x"}).refused(http.StatusConflict, "managed_by_file", "configuration file")
	a.call(http.MethodDelete, "resource-servers/https%3A%2F%2Fapi.example.com", nil).refused(http.StatusConflict, "managed_by_file", "configuration file")

	own := a.get("resource-servers/management").object(http.StatusOK)
	if own["is_system"] != true || own["identifier"] != "https://login.example.com/api/v2/" || strings.Count(fmt.Sprint(own["scopes"]), "value:") != len(admin.Scopes()) {
		t.Errorf("%v", own)
	}
	patch("management", object{"name": "x"}).refused(http.StatusBadRequest, "", "cannot be changed")
	a.call(http.MethodDelete, "resource-servers/management", nil).refused(http.StatusBadRequest, "", "cannot be changed")
	for range 2 {
		a.call(http.MethodDelete, "resource-servers/"+id, nil).wants(http.StatusNoContent)
	}
	a.get("resource-servers/" + id).wants(http.StatusNotFound)
}
