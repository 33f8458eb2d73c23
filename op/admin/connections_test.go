package admin_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"sallyport/op/admin"
)

func TestConnections(t *testing.T) {
	a := newAPI(t)
	const email = "map[enabled_clients:[filed] id:con_email is_domain_connection:false name:email " +
		"options:map[brute_force_protection:true disable_signup:false name:email totp:map[length:6 time_step:300]] realms:[email] strategy:email]"
	if got := fmt.Sprint(a.get("connections/con_email").object(http.StatusOK)); got != email {
		t.Error(got)
	}
	for q, want := range map[string]string{
		"": "email sms", "strategy=email&strategy=sms": "email sms", "strategy=sms": "sms", "name=email": "email", "strategy=auth0": "", "name=Username-Password-Authentication": "",
	} {
		got := ""
		for _, c := range a.get("connections?fields=name&" + q).list(http.StatusOK) {
			got += " " + fmt.Sprint(c["name"])
		}
		if want != "" {
			want = " " + want
		}
		if got != want {
			t.Errorf("%s: %q", q, got)
		}
	}
	if o := a.get("connections?include_totals=true&take=50").object(http.StatusOK); o["total"] != 2.0 || o["next"] != nil {
		t.Errorf("%v", o)
	}
	if o := a.get("connections?include_totals=true&per_page=50&name=sms").object(http.StatusOK); o["total"] != 1.0 {
		t.Errorf("%v", o)
	}
}

// PATCH replaces the whole options object.
func TestConnectionOptionsAreReplaced(t *testing.T) {
	a := newAPI(t)
	patch := func(body object) object {
		t.Helper()
		c := a.call(http.MethodPatch, "connections/con_email", body).object(http.StatusOK)
		options, _ := c["options"].(object)
		return options
	}
	if o := patch(object{"options": object{"disable_signup": true, "totp": object{"length": 8, "time_step": 120}, "brute_force_protection": true, "name": "email"}}); fmt.Sprint(o["totp"], o["disable_signup"]) != "map[length:8 time_step:120] true" {
		t.Errorf("%v", o)
	}
	if o := patch(object{"display_name": "x"}); fmt.Sprint(o["totp"], o["disable_signup"]) != "map[length:8 time_step:120] true" {
		t.Errorf("without options: %v", o)
	}
	if o := patch(object{"options": object{"totp": object{"length": 7}}}); fmt.Sprint(o["totp"], o["disable_signup"]) != "map[length:7 time_step:300] false" {
		t.Errorf("%v", o)
	}
	if o := patch(object{"options": object{}}); fmt.Sprint(o["totp"], o["disable_signup"]) != "map[length:6 time_step:300] false" {
		t.Errorf("%v", o)
	}
	stored := must(a.store.Connection(t.Context(), "email"))
	if stored.Options.CodeLength != 0 || stored.Options.Lifetime != 0 || !a.logged("connection.changed") {
		t.Errorf("%+v", stored)
	}
	// What was read can be written back.
	c := a.get("connections/con_sms").object(http.StatusOK)
	a.call(http.MethodPatch, "connections/con_sms", without(c, "enabled_clients")).wants(http.StatusOK)
}

func TestDeploymentThatClosesSignupKeepsItClosed(t *testing.T) {
	a := newAPI(t, func(c *admin.Config) {
		c.Connections["email"] = admin.Connection{SignupClosed: true, CodeLength: 6, Lifetime: time.Minute}
	})
	c := a.call(http.MethodPatch, "connections/con_email", object{"options": object{"disable_signup": false}}).object(http.StatusOK)
	if options, _ := c["options"].(object); options["disable_signup"] != true {
		t.Errorf("%v", options)
	}
}

// A removed connection is switched off with its users kept, and comes back when it is made again.
func TestRemoveAndBringBackAConnection(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"connection": "sms", "phone_number": "+491701234567"})
	if o := a.call(http.MethodDelete, "connections/con_sms", nil).object(http.StatusAccepted); o["deleted_at"] != "2026-11-22T10:00:00.000Z" {
		t.Errorf("%v", o)
	}
	a.call(http.MethodDelete, "connections/con_sms", nil).wants(http.StatusNoContent)
	a.get("connections/con_sms").refused(http.StatusNotFound, "inexistent_connection", "The connection does not exist")
	if l := a.get("connections").list(http.StatusOK); len(l) != 1 {
		t.Errorf("%v", l)
	}
	if !must(a.store.Connection(t.Context(), "sms")).Disabled {
		t.Error("it is not off")
	}
	a.get(path).wants(http.StatusOK)
	c := a.call(http.MethodPost, "connections", object{"name": "sms", "strategy": "sms", "options": object{"disable_signup": true}}).object(http.StatusCreated)
	if c["id"] != "con_sms" || must(a.store.Connection(t.Context(), "sms")).Disabled {
		t.Errorf("%v", c)
	}
}

func TestEnabledClients(t *testing.T) {
	a := newAPI(t)
	path, _, c := a.client(object{})
	id := fmt.Sprint(c["client_id"])
	clients := func() string {
		return fmt.Sprint(a.get("connections/con_sms/clients").object(http.StatusOK)["clients"])
	}
	if got := clients(); got != "[map[client_id:"+id+"]]" {
		t.Errorf("%s", got)
	}
	a.call(http.MethodPatch, "connections/con_sms/clients", []object{{"client_id": id, "status": false}}).wants(http.StatusNoContent)
	if got := clients(); got != "[]" || fmt.Sprint(a.stored(path).Connections) != "[email]" {
		t.Errorf("%s %v", got, a.stored(path).Connections)
	}
	con := a.call(http.MethodPatch, "connections/con_sms", object{"enabled_clients": []string{id}}).object(http.StatusOK)
	if fmt.Sprint(con["enabled_clients"]) != "["+id+"]" || fmt.Sprint(a.stored(path).Connections) != "[email sms]" {
		t.Errorf("%v %v", con, a.stored(path).Connections)
	}
	a.call(http.MethodPatch, "connections/con_sms", object{"enabled_clients": []string{}}).wants(http.StatusOK)
	if got := clients(); got != "[]" {
		t.Errorf("%s", got)
	}
	a.call(http.MethodPatch, "connections/con_sms/clients", []object{{"client_id": "filed", "status": true}}).refused(http.StatusConflict, "managed_by_file", "filed is managed by the configuration file")
	a.call(http.MethodPatch, "connections/con_email", object{"enabled_clients": []string{}}).refused(http.StatusConflict, "managed_by_file", "filed is managed by the configuration file")
	a.call(http.MethodPatch, "connections/con_sms/clients", []object{{"client_id": "nobody", "status": true}}).refused(http.StatusNotFound, "inexistent_client", "does not exist")
	a.call(http.MethodPatch, "connections/con_sms", object{"enabled_clients": []string{"nobody"}}).refused(http.StatusBadRequest, "invalid_body", "there is no client nobody")
	a.call(http.MethodPatch, "connections/con_sms/clients", object{"client_id": id}).refused(http.StatusBadRequest, "invalid_body", "Expected type array but found type object")
	a.call(http.MethodPatch, "connections/con_sms/clients", []object{{"client_id": id}}).refused(http.StatusBadRequest, "invalid_body", "Missing required property: status")
}

func TestErrorRowsOfConnections(t *testing.T) {
	a := newAPI(t)
	bare := newAPI(t, func(c *admin.Config) { delete(c.Connections, "sms") })
	options := func(o object) answer { return a.call(http.MethodPatch, "connections/con_sms", object{"options": o}) }
	for name, row := range map[string]struct {
		an      answer
		status  int
		code    string
		message string
	}{
		"missing":             {a.get("connections/con_D5volezxhPtjv7oA"), 404, "inexistent_connection", "The connection does not exist"},
		"by its name":         {a.get("connections/email"), 404, "inexistent_connection", "The connection does not exist"},
		"another strategy":    {a.call(http.MethodPost, "connections", object{"name": "x", "strategy": "google-oauth2"}), 400, "invalid_body", "strategy must be email or sms"},
		"another name":        {a.call(http.MethodPost, "connections", object{"name": "my-sms", "strategy": "sms"}), 400, "invalid_body", "the connection of strategy sms has the name sms"},
		"there already":       {a.call(http.MethodPost, "connections", object{"name": "sms", "strategy": "sms"}), 409, "", "A connection with the same name already exists"},
		"no transport":        {bare.call(http.MethodPost, "connections", object{"name": "sms", "strategy": "sms"}), 400, "invalid_body", "set sms.transport in the configuration file"},
		"no transport, read":  {bare.get("connections/con_sms"), 404, "inexistent_connection", "The connection does not exist"},
		"no strategy":         {a.call(http.MethodPost, "connections", object{"name": "sms"}), 400, "invalid_body", "Missing required property: strategy"},
		"short codes":         {options(object{"totp": object{"length": 4}}), 400, "invalid_body", "totp.length"},
		"long life":           {options(object{"totp": object{"time_step": 3600}}), 400, "invalid_body", "totp.time_step"},
		"from":                {options(object{"from": "+17777777777"}), 400, "invalid_body", "set sms.twilio.from in the configuration file"},
		"template":            {options(object{"template": "{{ code }}", "syntax": "liquid"}), 400, "invalid_body", "templates"},
		"Twilio":              {options(object{"twilio_sid": "AC1", "twilio_token": "x"}), 400, "invalid_body", "set sms.twilio in the configuration file"},
		"gateway":             {options(object{"gateway_url": "https://x"}), 400, "invalid_body", "set sms.webhook in the configuration file"},
		"mail's from":         {options(object{"email": object{"from": "x@example.com"}}), 400, "invalid_body", "set mail.from in the configuration file"},
		"no protection":       {options(object{"brute_force_protection": false}), 400, "invalid_body", "brute_force_protection can only be true here"},
		"renamed":             {a.call(http.MethodPatch, "connections/con_sms", object{"name": "x"}), 400, "invalid_body", `name can only be "sms" here`},
		"unknown option":      {options(object{"shoe_size": 42}), 400, "invalid_body", "Additional properties not allowed: options.shoe_size"},
		"unknown totp member": {options(object{"totp": object{"x": 1}}), 400, "invalid_body", "Additional properties not allowed: options.totp.x"},
	} {
		t.Run(name, func(t *testing.T) { row.an.t = t; row.an.refused(row.status, row.code, row.message) })
	}
	options(object{"from": nil, "messaging_service_sid": nil, "email": object{}}).wants(http.StatusOK) // as an SDK writes what is not set
}
