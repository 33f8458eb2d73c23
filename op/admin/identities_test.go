package admin_test

import (
	"fmt"
	"net/http"
	"testing"
)

func TestLinkAndUnlink(t *testing.T) {
	for name, body := range map[string]object{
		"by provider and id": {"provider": "sms", "user_id": "p"}, "by the whole id": {"provider": "sms", "user_id": "sms|p"},
		"with the connection": {"provider": "sms", "user_id": "p", "connection_id": "con_sms"}, "by ID token": {"link_with": "id token of sms|p"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			primary, _ := a.user(object{"email": "ada@example.com", "email_verified": true, "user_id": "a"})
			a.user(object{"connection": "sms", "phone_number": "+491701234567", "phone_verified": true, "user_id": "p", "name": "Phone", "user_metadata": object{"x": 1}})
			check(t, a.session("sms|p", "s1"))
			l := a.call(http.MethodPost, primary+"/identities", body).list(http.StatusCreated)
			want := "[map[connection:email isSocial:false provider:email user_id:a] map[connection:sms isSocial:false " +
				"profileData:map[name:Phone phone_number:+491701234567 phone_verified:true] provider:sms user_id:p]]"
			if fmt.Sprint(l) != want {
				t.Errorf("linked: %v", l)
			}
			a.get("users/sms%7Cp").refused(http.StatusNotFound, "inexistent_user", "does not exist")
			a.get("sessions/s1").wants(http.StatusNotFound)
			u := a.get(primary).object(http.StatusOK)
			if u["phone_number"] != "+491701234567" || u["user_id"] != "email|a" || fmt.Sprint(u["user_metadata"]) != "map[]" || fmt.Sprint(u["identities"]) != want {
				t.Errorf("%v", u)
			}
			if got := a.get("users?q=phone_number:%2B491701234567").list(http.StatusOK); len(got) != 1 || got[0]["user_id"] != "email|a" {
				t.Errorf("found %v", got)
			}

			l = a.call(http.MethodDelete, primary+"/identities/sms/p", nil).list(http.StatusOK)
			if fmt.Sprint(l) != "[map[connection:email isSocial:false provider:email user_id:a]]" {
				t.Errorf("unlinked: %v", l)
			}
			if u := a.get("users/sms%7Cp").object(http.StatusOK); u["phone_number"] != "+491701234567" || u["name"] != "Phone" || u["phone_verified"] != true {
				t.Errorf("%v", u)
			}
			if !a.logged("identity.linked") || !a.logged("identity.unlinked") {
				t.Errorf("%v", a.types())
			}
		})
	}
}

func TestErrorRowsOfIdentities(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_id": "a"})
	link := func(body any) answer { return a.call(http.MethodPost, path+"/identities", body) }
	link(object{"provider": "email", "user_id": "a"}).refused(http.StatusBadRequest, "invalid_body", "Main account and linked account are the same.")
	link(object{"link_with": "id token of email|a"}).refused(http.StatusBadRequest, "invalid_body", "Main account and linked account are the same.")
	link(object{"provider": "email", "user_id": "nobody"}).refused(http.StatusNotFound, "inexistent_user", "The user does not exist.")
	link(object{"link_with": "id token of email|nobody"}).refused(http.StatusNotFound, "inexistent_user", "The user does not exist.")
	link(object{"link_with": "forged"}).refused(http.StatusBadRequest, "invalid_body", "not an ID token")
	link(object{"link_with": "id token of email|a", "user_id": "a"}).refused(http.StatusBadRequest, "invalid_body", "link_with stands alone")
	link(object{"provider": "email"}).refused(http.StatusBadRequest, "invalid_body", "Missing required property: user_id")
	link(object{"user_id": "a"}).refused(http.StatusBadRequest, "invalid_body", "Missing required property: provider")
	link(object{"provider": "email", "user_id": "b", "connection_id": "con_sms"}).refused(http.StatusBadRequest, "invalid_body", "connection_id")
	a.call(http.MethodPost, "users/email%7Cnobody/identities", object{"provider": "email", "user_id": "a"}).refused(http.StatusNotFound, "inexistent_user", "does not exist")
	a.call(http.MethodDelete, path+"/identities/email/a", nil).refused(http.StatusBadRequest, "invalid_uri", "main identity")
	a.call(http.MethodDelete, path+"/identities/sms/a", nil).refused(http.StatusNotFound, "inexistent_identity", "does not exist")
	a.call(http.MethodDelete, "users/email%7Cnobody/identities/email/a", nil).refused(http.StatusNotFound, "inexistent_identity", "does not exist")
	if u := a.get(path).object(http.StatusOK); u["email"] != "ada@example.com" {
		t.Errorf("%v", u)
	}
}
