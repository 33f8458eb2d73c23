package auth0tenant

import "testing"

// FuzzTenant: an export of any kind is read and planned, or refused, in one piece.
func FuzzTenant(f *testing.F) {
	for _, s := range []string{
		"clients:\n  - {name: A, app_type: spa, callbacks: [https://a.example.com/], client_id: a}\nconnections: [{name: email, strategy: email}]\n",
		"resourceServers: [{identifier: 'https://api.example.com', scopes: [{value: a}]}]\nclientGrants: [{client_id: a, audience: b, scope: [c]}]\n",
		"clients: x", "clients: [1, null, [], {}]", "a: &a [*a]", "{", "clients: [{callbacks: x, jwt_configuration: []}]", "tenant: {}\nroles: [1]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		e := &Export{}
		if e.readYAML(text) != nil {
			return
		}
		e.Plan(Deployment{})
	})
}
