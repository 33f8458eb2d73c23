package auth0tenant_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/cmd/sallyport/auth0tenant"
	"sallyport/cmd/sallyport/config"
)

// planOf is the plan of an export whose only client has these members more.
func planOf(t *testing.T, members string) auth0tenant.Plan {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "clients", "a.json"), `{"client_id": "a", "name": "A", `+members+`}`)
	export, err := auth0tenant.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return export.Plan(auth0tenant.Deployment{Issuer: "https://login.example.com/", Management: config.API{Audience: "https://login.example.com/api/v2/"}})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefreshTokens(t *testing.T) {
	const day = 24 * time.Hour
	leeway := func(d time.Duration) *time.Duration { return &d }
	for name, test := range map[string]struct {
		appType, refresh string
		want             config.Refresh
		notes            int
	}{
		"rotating": {
			"spa", `{"rotation_type": "rotating", "leeway": 30, "token_lifetime": 86400, "idle_token_lifetime": 3600}`,
			config.Refresh{Rotation: "rotating", Leeway: leeway(30 * time.Second), Absolute: day, Idle: time.Hour},
			0,
		},
		"no leeway":   {"spa", `{"rotation_type": "rotating", "leeway": 0}`, config.Refresh{Rotation: "rotating", Leeway: leeway(0)}, 0},
		"long leeway": {"spa", `{"rotation_type": "rotating", "leeway": 600}`, config.Refresh{Rotation: "rotating", Leeway: leeway(time.Minute)}, 1},
		"kept":        {"regular_web", `{"rotation_type": "non-rotating", "leeway": 3}`, config.Refresh{Rotation: "non_rotating"}, 0},
		"public kept": {"native", `{"rotation_type": "non-rotating"}`, config.Refresh{Rotation: "rotating"}, 1},
		"without end": {
			"regular_web", `{"rotation_type": "non-rotating", "expiration_type": "non-expiring"}`,
			config.Refresh{Rotation: "non_rotating", Absolute: 365 * day, Idle: 365 * day},
			1,
		},
		"never idle":        {"spa", `{"infinite_idle_token_lifetime": true}`, config.Refresh{Rotation: "rotating", Idle: 30 * day}, 0},
		"idle past the end": {"spa", `{"idle_token_lifetime": 99999999, "token_lifetime": 3600}`, config.Refresh{Rotation: "rotating", Idle: time.Hour, Absolute: time.Hour}, 1},
		"too short":         {"spa", `{"token_lifetime": 1}`, config.Refresh{Rotation: "rotating", Absolute: time.Minute}, 1},
	} {
		plan := planOf(t, `"app_type": "`+test.appType+`", "callbacks": ["https://a.example/"], "refresh_token": `+test.refresh)
		if len(plan.Clients) != 1 {
			t.Errorf("%s: %+v", name, plan.Notes)
			continue
		}
		got := plan.Clients[0].Refresh
		if (got.Leeway == nil) != (test.want.Leeway == nil) || got.Leeway != nil && *got.Leeway != *test.want.Leeway {
			t.Errorf("%s: leeway %v", name, got.Leeway)
		}
		got.Leeway = test.want.Leeway
		if got != test.want || len(plan.Notes) != test.notes {
			t.Errorf("%s: %+v, want %+v; notes %+v", name, got, test.want, plan.Notes)
		}
	}
}

func TestSecretsOfTheExport(t *testing.T) {
	plan := planOf(t, `"app_type": "non_interactive", "client_secret": "`+strings.Repeat("s", 64)+`"`)
	if len(plan.Clients) != 1 || plan.Clients[0].Secrets[0] != strings.Repeat("s", 64) {
		t.Errorf("%+v", plan)
	}
	if plan := planOf(t, `"app_type": "non_interactive", "client_secret": "short"`); len(plan.Clients) != 0 || !plan.Notes[0].Refused {
		t.Errorf("a short secret: %+v", plan)
	}
}

// A folder from somewhere else reads nothing of ours.
func TestExportThatLinksOutOfItself(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside.json")
	write(t, outside, `{"client_id": "stolen", "name": "Stolen", "app_type": "spa"}`)
	write(t, filepath.Join(dir, "clients", "a.json"), `{"client_id": "a", "name": "A", "app_type": "spa"}`)
	if err := os.Symlink(outside, filepath.Join(dir, "clients", "b.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := auth0tenant.Read(dir); err == nil || !strings.Contains(err.Error(), "b.json") {
		t.Errorf("read it: %v", err)
	}
}
