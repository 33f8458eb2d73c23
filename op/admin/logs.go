package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/storage"
)

// logTypes are Auth0's codes of our types of events, with what they say in words. Others go by our own name.
var logTypes = []struct{ event, code, words string }{
	{grants.EventSucceeded, "s", "Success Login"},
	{grants.EventFailed, "fp", "Failed Login (wrong code)"},
	{grants.EventRefused, "f", "Failed Login"},
	{grants.EventLimited, "limit_wc", "Limit Used Up"},
	{grants.EventStarted, "cls", "Code/Link Sent"},
	{grants.EventVerified, "scoa", "Success Cross Origin Authentication"},
	{storage.EventUserCreated, "ss", "Success Signup"},
	{storage.EventUserDeleted, "sdu", "Successful User Deletion"},
	{storage.EventSessionEnded, "slo", "Success Logout"},
	{storage.EventCodeExchanged, "seacft", "Success Exchange (Authorization Code for Access Token)"},
	{storage.EventCodeReplayed, "feacft", "Failed Exchange (Authorization Code for Access Token)"},
	{storage.EventRefreshRotated, "sertft", "Success Exchange (Refresh Token for Access Token)"},
	{storage.EventRefreshUsed, "sertft", "Success Exchange (Refresh Token for Access Token)"},
	{storage.EventDeviceExchanged, "sede", "Success Exchange (Device Code for Access Token)"},
	{storage.EventClientRefused, "feccft", "Failed Exchange (Client Authentication)"},
	{storage.EventRefreshReused, "ferrt", "Failed Exchange (Refresh Token used before)"},
	{storage.EventIPBlocked, "limit_mu", "Blocked IP Address"},
	{storage.EventAuthorizationRevoked, "srrt", "Success Revocation"},
	{storage.EventTokenRevoked, "srrt", "Success Revocation"},
	{courier.EventSMSCap, courier.EventSMSCap, "SMS Cap Reached"},
	{courier.EventSMSCeiling, courier.EventSMSCeiling, "SMS Ceiling Reached"},
	{courier.EventSMSRange, courier.EventSMSRange, "SMS to a Range of Numbers Limited"},
	{courier.EventSMSBreaker, courier.EventSMSBreaker, "SMS to a Prefix Stopped"},
	{courier.EventMailCeiling, courier.EventMailCeiling, "Mail Ceiling Reached"},
	{EventOperation, "sapi", "API Operation"},
	{storage.EventUsersImported, "sapi", "Users Imported"},
	{storage.EventUserUpdated, "sapi", "User Updated"},
	{storage.EventUserBlocked, "sapi", "User Blocked"},
	{storage.EventUserUnblocked, "sapi", "User Unblocked"},
	{storage.EventIdentityLinked, "sapi", "Identity Linked"},
	{storage.EventIdentityUnlinked, "sapi", "Identity Unlinked"},
	{EventConnectionChanged, "sapi", "Connection Changed"},
	{storage.EventSecretRetired, "sapi", "Master Secret Retired"},
	{"key.rotated", "sapi", "Signing Key Rotated"},
	{"key.retired", "sapi", "Signing Key Retired as Compromised"},
	{EventBudgetsReset, "sapi", "Blocks Lifted"},
	{storage.EventClientApplied, "sapi", "Application Changed by the Configuration File"},
	{storage.EventAPIApplied, "sapi", "API Changed by the Configuration File"},
	{"cli.operation", "sapi", "Command"},
}

type logView struct {
	ID           string     `json:"_id"`
	LogID        string     `json:"log_id"`
	Date         string     `json:"date"`
	Type         string     `json:"type"`
	Description  string     `json:"description"`
	Connection   string     `json:"connection,omitempty"`
	Strategy     string     `json:"strategy,omitempty"`
	StrategyType string     `json:"strategy_type,omitempty"`
	ClientID     string     `json:"client_id"`
	ClientName   string     `json:"client_name"`
	IP           string     `json:"ip"`
	UserID       string     `json:"user_id"`
	UserName     string     `json:"user_name"` // masked
	IsMobile     bool       `json:"isMobile"`
	Details      logDetails `json:"details"`
}

type logDetails struct {
	Event     string `json:"event"` // our own type
	RequestID string `json:"request_id,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

func viewLog(e storage.LoggedEvent, names map[string]string) logView {
	v := logView{
		ID: e.ID, LogID: e.ID, Date: iso(e.Time), Type: e.Type, Description: e.Type, ClientID: e.ClientID, ClientName: names[e.ClientID],
		IP: e.IP, UserID: e.UserID, UserName: e.Address, Details: logDetails{Event: e.Type, RequestID: e.RequestID, Detail: e.Detail},
	}
	for _, t := range logTypes {
		if t.event == e.Type {
			v.Type, v.Description = t.code, t.words
		}
	}
	if e.Type == EventOperation {
		v.Description = e.Detail
	}
	if e.Address != "" {
		v.Connection = string(grants.SMS)
		if strings.Contains(e.Address, "@") {
			v.Connection = string(grants.Email)
		}
		v.Strategy, v.StrategyType = v.Connection, "passwordless"
	}
	return v
}

func (a *API) listLogs(ctx context.Context, c *call) (reply, error) { return a.logs(ctx, c, "") }

func (a *API) userLogs(ctx context.Context, c *call) (reply, error) {
	return a.logs(ctx, c, c.PathValue("id"))
}

// logs gives a page of the log, newest first; with from and take, what comes right after an entry, oldest first.
func (a *API) logs(ctx context.Context, c *call, user string) (reply, error) {
	q := c.query()
	search := q.logs()
	if user != "" {
		search.UserID = user
	}
	checkpoint := q.values.Has("take") || q.values.Has("from")
	var p page
	if checkpoint {
		p = page{size: q.number("take", 50, 1, maxPerPage), fields: q.fields()}
		q.ignored("include_totals", "page", "per_page")
		search.After = max(q.text("from"), "0") // before the first id
	} else {
		p = q.page(maxOffset)
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	search.Offset, search.Limit, search.Total = p.offset, p.size, p.totals
	events, total, err := a.cfg.Store.Log(ctx, search)
	if err != nil {
		return reply{}, err
	}
	views, err := a.viewLogs(ctx, events)
	return show(p, "logs", total, views), err
}

func (a *API) viewLogs(ctx context.Context, events []storage.LoggedEvent) ([]logView, error) {
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, c := range clients {
		names[c.ID] = c.Name
	}
	views := make([]logView, len(events))
	for i, e := range events {
		views[i] = viewLog(e, names)
	}
	return views, nil
}

func (a *API) readLog(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	e, err := a.cfg.Store.LoggedEvent(ctx, c.PathValue("id"))
	if errors.Is(err, storage.ErrNotFound) {
		return reply{}, notFound("inexistent_log", "The log entry does not exist.")
	}
	if err != nil {
		return reply{}, err
	}
	views, err := a.viewLogs(ctx, []storage.LoggedEvent{e})
	if err != nil {
		return reply{}, err
	}
	return reply{body: views[0]}, nil
}

// logs reads a search of the log and its order.
func (q *query) logs() storage.LogQuery {
	var s storage.LogQuery
	for _, t := range q.terms("type", "user_id") {
		if t.field == "user_id" {
			s.UserID = t.values[0]
			if len(t.values) > 1 {
				q.wrong("user_id can have one value here")
			}
			continue
		}
		for _, known := range logTypes {
			if slices.Contains(t.values, known.code) {
				s.Types = append(s.Types, known.event)
			}
		}
		s.Types = append(s.Types, t.values...) // our own names too
	}
	switch q.text("sort") {
	case "", "date:-1":
	case "date:1":
		s.After = "0"
	default:
		q.wrong("sort must be date:-1 or date:1")
	}
	return s
}
