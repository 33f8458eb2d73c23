package storagetest

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// testFailures closes the database under every method.
func testFailures(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	want(t, s.Close(), nil)
	methods := ofAdministration(s, clock.Now())
	maps.Copy(methods, ofLogins(s, clock.Now()))
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			err := method(t.Context())
			want(t, err, storage.ErrUnavailable)
			if strings.Contains(err.Error(), "SELECT") || strings.Contains(err.Error(), "INSERT") {
				t.Fatalf("the error holds SQL: %v", err)
			}
		})
	}
}

func ofAdministration(s *storage.Store, now time.Time) map[string]func(context.Context) error {
	c := challenge("c", now)
	return map[string]func(context.Context) error{
		"Migrate":       s.Migrate,
		"Ping":          s.Ping,
		"CheckSecret":   s.CheckSecret,
		"Tx":            func(ctx context.Context) error { return s.Tx(ctx, func(context.Context) error { return nil }) },
		"WithKeyLock":   func(ctx context.Context) error { return s.WithKeyLock(ctx, func(context.Context) error { return nil }) },
		"SchemaVersion": func(ctx context.Context) error { _, _, err := s.SchemaVersion(ctx); return err },
		"DatabaseTime":  func(ctx context.Context) error { _, err := s.DatabaseTime(ctx); return err },

		"ApplyClients": func(ctx context.Context) error { return s.ApplyClients(ctx, 1, []storage.Client{{ID: "c"}}) },
		"Client":       func(ctx context.Context) error { _, err := s.Client(ctx, "c"); return err },
		"Clients":      func(ctx context.Context) error { _, err := s.Clients(ctx); return err },
		"AddClient":    func(ctx context.Context) error { return s.AddClient(ctx, storage.Client{ID: "c"}) },
		"UpdateClient": func(ctx context.Context) error {
			return s.UpdateClient(ctx, "c", func(*storage.Client) error { return nil })
		},
		"DeleteClient": func(ctx context.Context) error { return s.DeleteClient(ctx, "c") },
		"ApplyAPIs":    func(ctx context.Context) error { return s.ApplyAPIs(ctx, []storage.API{{Audience: "a"}}) },
		"API":          func(ctx context.Context) error { _, err := s.API(ctx, "a"); return err },
		"APIs":         func(ctx context.Context) error { _, err := s.APIs(ctx); return err },
		"APIByID":      func(ctx context.Context) error { _, err := s.APIByID(ctx, "a"); return err },
		"AddAPI":       func(ctx context.Context) error { return s.AddAPI(ctx, storage.API{Audience: "a"}) },
		"UpdateAPI":    func(ctx context.Context) error { return s.UpdateAPI(ctx, "a", func(*storage.API) error { return nil }) },
		"DeleteAPI":    func(ctx context.Context) error { return s.DeleteAPI(ctx, "a") },

		"Connection": func(ctx context.Context) error { _, err := s.Connection(ctx, "email"); return err },
		"PutConnection": func(ctx context.Context) error {
			return s.PutConnection(ctx, storage.Connection{Name: "email"}, rotated())
		},
		"AddTicket":            func(ctx context.Context) error { return s.AddTicket(ctx, storage.Ticket{ID: "t"}) },
		"Ticket":               func(ctx context.Context) error { _, err := s.Ticket(ctx, "k", "t"); return err },
		"SpendTicket":          func(ctx context.Context) error { return s.SpendTicket(ctx, "k", "t") },
		"AddDeviceCode":        func(ctx context.Context) error { return s.AddDeviceCode(ctx, storage.DeviceCode{ID: "d"}) },
		"DeviceCode":           func(ctx context.Context) error { _, err := s.DeviceCode(ctx, "d"); return err },
		"DeviceCodeByUserCode": func(ctx context.Context) error { _, err := s.DeviceCodeByUserCode(ctx, "d"); return err },
		"AnswerDeviceCode": func(ctx context.Context) error {
			return s.AnswerDeviceCode(ctx, "d", storage.DeviceAnswer{}, rotated())
		},
		"PollDeviceCode":  func(ctx context.Context) error { _, err := s.PollDeviceCode(ctx, "d", now); return err },
		"SpendDeviceCode": func(ctx context.Context) error { return s.SpendDeviceCode(ctx, "d") },

		"User":           func(ctx context.Context) error { _, err := s.User(ctx, ada); return err },
		"UserByAddress":  func(ctx context.Context) error { _, err := s.UserByAddress(ctx, c.Address); return err },
		"Users":          func(ctx context.Context) error { _, err := s.Users(ctx, "", 10); return err },
		"CreateUser":     func(ctx context.Context) error { return s.CreateUser(ctx, ada, identity("ada@example.com")) },
		"SetBlocked":     func(ctx context.Context) error { return s.SetBlocked(ctx, ada, true) },
		"LinkIdentity":   func(ctx context.Context) error { return s.LinkIdentity(ctx, ada, identity("ada@example.com")) },
		"UnlinkIdentity": func(ctx context.Context) error { return s.UnlinkIdentity(ctx, ada, c.Address) },
		"DeleteUser":     func(ctx context.Context) error { return s.DeleteUser(ctx, ada) },

		"Account":  func(ctx context.Context) error { _, err := s.Account(ctx, ada); return err },
		"Accounts": func(ctx context.Context) error { _, _, err := s.Accounts(ctx, storage.AccountQuery{}); return err },
		"AddAccount": func(ctx context.Context) error {
			return s.AddAccount(ctx, person(ada, "ada@example.com"), grants.Event{})
		},
		"UpdateAccount": func(ctx context.Context) error {
			_, err := s.UpdateAccount(ctx, ada, grants.Event{}, func(*storage.Account) error { return nil })
			return err
		},
		"LinkAccounts": func(ctx context.Context) error {
			_, err := s.LinkAccounts(ctx, ada, "email|2", grants.Event{})
			return err
		},
		"UnlinkAccount": func(ctx context.Context) error {
			_, err := s.UnlinkAccount(ctx, ada, "email", "2", grants.Event{})
			return err
		},

		"ImportAccounts": func(ctx context.Context) error {
			_, err := s.ImportAccounts(ctx, []storage.Account{person(ada, "ada@example.com")}, true)
			return err
		},

		"Log":          func(ctx context.Context) error { _, _, err := s.Log(ctx, storage.LogQuery{Total: true}); return err },
		"SealEvents":   func(ctx context.Context) error { _, _, err := s.SealEvents(ctx, now, 1); return err },
		"LearnClock":   s.LearnClock,
		"VerifyAudit":  func(ctx context.Context) error { _, err := s.VerifyAudit(ctx, now, nil); return err },
		"LoggedEvent":  func(ctx context.Context) error { _, err := s.LoggedEvent(ctx, "e"); return err },
		"ActiveUsers":  func(ctx context.Context) error { _, err := s.ActiveUsers(ctx, now); return err },
		"DailyStats":   func(ctx context.Context) error { _, err := s.DailyStats(ctx, now, now); return err },
		"Waits":        func(ctx context.Context) error { _, err := s.Waits(ctx, now, counter(1, 0, "k")); return err },
		"CountersFull": func(ctx context.Context) error { _, err := s.CountersFull(ctx, now, counter(1, 0, "k")); return err },
		"ResetCounters": func(ctx context.Context) error {
			_, err := s.ResetCounters(ctx, []string{"k"}, grants.Event{})
			return err
		},
		"UserSessions":          func(ctx context.Context) error { _, err := s.UserSessions(ctx, ada); return err },
		"SessionByID":           func(ctx context.Context) error { _, err := s.SessionByID(ctx, "s"); return err },
		"RefreshAuthorizations": func(ctx context.Context) error { _, err := s.RefreshAuthorizations(ctx, ada); return err },
		"RefreshAuthorization":  func(ctx context.Context) error { _, err := s.RefreshAuthorization(ctx, "a"); return err },
	}
}

func ofLogins(s *storage.Store, now time.Time) map[string]func(context.Context) error {
	c := challenge("c", now)
	return map[string]func(context.Context) error{
		"Open":      func(ctx context.Context) error { _, err := s.Open(ctx, opening(c, now)); return err },
		"Latest":    func(ctx context.Context) error { _, err := s.Latest(ctx, "s"); return err },
		"Challenge": func(ctx context.Context) error { _, err := s.Challenge(ctx, "c"); return err },
		"Message":   func(ctx context.Context) error { _, _, err := s.Message(ctx, "m"); return err },
		"Fail":      func(ctx context.Context) error { return s.Fail(ctx, guess(c, now)) },
		"Redeem":    func(ctx context.Context) error { _, err := s.Redeem(ctx, redemption(c, now), nothing); return err },

		"SaveAuthRequest": func(ctx context.Context) error { return s.SaveAuthRequest(ctx, storage.AuthRequest{ID: "r"}) },
		"AuthRequest":     func(ctx context.Context) error { _, err := s.AuthRequest(ctx, "r"); return err },
		"SignIn":          func(ctx context.Context) error { _, err := s.SignIn(ctx, "", session(ada, "s", now)); return err },
		"Session":         func(ctx context.Context) error { _, err := s.Session(ctx, "s"); return err },
		"TouchSession":    func(ctx context.Context) error { return s.TouchSession(ctx, "s", now) },
		"EndSession":      func(ctx context.Context) error { return s.EndSession(ctx, "s") },

		"Authorize":             func(ctx context.Context) error { return s.Authorize(ctx, fullAuthorization("a")) },
		"AuthorizationWithUser": func(ctx context.Context) error { _, _, err := s.AuthorizationWithUser(ctx, "a"); return err },
		"SpendCode":             func(ctx context.Context) error { return s.SpendCode(ctx, fullAuthorization("a"), exchanged()) },
		"RotateRefresh": func(ctx context.Context) error {
			_, _, err := s.RotateRefresh(ctx, "a", 1, now, grace, now, rotated())
			return err
		},
		"TouchRefresh":        func(ctx context.Context) error { return s.TouchRefresh(ctx, "a", 1, now, rotated()) },
		"RevokeAuthorization": func(ctx context.Context) error { return s.RevokeAuthorization(ctx, "a", rotated()) },
		"Live":                func(ctx context.Context) error { _, err := s.Live(ctx, "a", "j"); return err },
		"Live without":        func(ctx context.Context) error { _, err := s.Live(ctx, "", "j"); return err },
		"RevokeToken":         func(ctx context.Context) error { return s.RevokeToken(ctx, "j", now, rotated()) },

		"SigningKeys":       func(ctx context.Context) error { _, err := s.SigningKeys(ctx); return err },
		"AddSigningKey":     func(ctx context.Context) error { return s.AddSigningKey(ctx, signingKey("k", now)) },
		"RetireSigningKeys": func(ctx context.Context) error { return s.RetireSigningKeys(ctx, "RS256", "", now) },
		"DeleteSigningKey":  func(ctx context.Context) error { return s.DeleteSigningKey(ctx, "k") },
		"ResealSeals":       func(ctx context.Context) error { _, err := s.ResealSeals(ctx, 1); return err },
		"RetireSecret":      func(ctx context.Context) error { return s.RetireSecret(ctx, "a") },
		"EndRetired":        func(ctx context.Context) error { _, err := s.EndRetired(ctx, 1); return err },
		"NoteKnown":         func(ctx context.Context) error { return s.NoteKnown(ctx, "a") },
		"Reseal":            func(ctx context.Context) error { _, err := s.Reseal(ctx); return err },

		"Delivery":       func(ctx context.Context) error { _, err := s.Delivery(ctx, "m"); return err },
		"LeaseMessages":  func(ctx context.Context) error { _, err := s.LeaseMessages(ctx, now, 1, now); return err },
		"RecordDelivery": func(ctx context.Context) error { return s.RecordDelivery(ctx, "m", outcome(grants.OutcomeSent, now)) },
		"BlockedSources": func(ctx context.Context) error {
			_, err := s.BlockedSources(ctx, now, grants.Limit{N: 1, Per: time.Hour}, 1)
			return err
		},
		"BlockedUsers": func(ctx context.Context) error { _, err := s.BlockedUsers(ctx, 1); return err },
		"Explain": func(ctx context.Context) error {
			_, err := s.Explain(ctx, now, storage.Question{Address: email("ada@example.com")}, storage.Rules{})
			return err
		},
		"ExhaustedBudgets": func(ctx context.Context) error {
			_, err := s.ExhaustedBudgets(ctx, now, grants.DefaultLimits(), 1)
			return err
		},
		"RaiseAlert":  func(ctx context.Context) error { return s.RaiseAlert(ctx, grants.AlertSpray, "") },
		"LeaseAlerts": func(ctx context.Context) error { _, err := s.LeaseAlerts(ctx, now, 1, now); return err },
		"RecordAlert": func(ctx context.Context) error { return s.RecordAlert(ctx, "a", nil, grants.Outcome{}) },
		"Draw":        func(ctx context.Context) error { _, err := s.Draw(ctx, now, counter(1, 1, "k")); return err },
		"Tally":       func(ctx context.Context) error { _, err := s.Tally(ctx, now, counter(1, 1, "k")[0]); return err },
		"AppendOnce": func(ctx context.Context) error {
			_, err := s.AppendOnce(ctx, "k", time.Hour, grants.Event{Type: "x", Time: now})
			return err
		},
		"SMSPrefixes": func(ctx context.Context) error { _, err := s.SMSPrefixes(ctx, now, now, 1, 1); return err },
		"SpendRates": func(ctx context.Context) error {
			_, err := s.SpendRates(ctx, now, []grants.Rate{{Kind: "k", Of: "o", Spent: time.Second}})
			return err
		},
		"FailedChallenges": func(ctx context.Context) error { _, err := s.FailedChallenges(ctx, now); return err },
		"Logins":           func(ctx context.Context) error { _, err := s.Logins(ctx, now); return err },
		"OncePer":          func(ctx context.Context) error { _, err := s.OncePer(ctx, "k", time.Hour, now); return err },
		"Append":           func(ctx context.Context) error { return s.Append(ctx, rotated()) },
		"Events":           func(ctx context.Context) error { _, err := s.Events(ctx, storage.EventFilter{}); return err },
		"Purge":            func(ctx context.Context) error { _, err := s.Purge(ctx, now, 1); return err },
	}
}
