package courier

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestInboxKeepsTheNewest(t *testing.T) {
	i := NewInbox(2)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i.Now = func() time.Time { return at }
	for n := range 2 {
		if _, err := i.SendMail(t.Context(), Mail{To: "alice@example.com", Subject: fmt.Sprint(n), Text: "text", HTML: "<p>", Date: at}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := i.SendSMS(t.Context(), "+491701234567", "sms"); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(i.Messages())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"channel":"sms","to":"+491701234567","subject":"","text":"sms","html":"","at":"2026-01-02T03:04:05Z"},` +
		`{"channel":"email","to":"alice@example.com","subject":"1","text":"text","html":"\u003cp\u003e","at":"2026-01-02T03:04:05Z"}]`
	if string(got) != want {
		t.Errorf("the inbox is\n%s, want\n%s", got, want)
	}
}

func TestEmptyInboxIsAnEmptyList(t *testing.T) {
	if got, err := json.Marshal(NewInbox(0).Messages()); err != nil || string(got) != "[]" {
		t.Errorf("the inbox is %s (%v)", got, err)
	}
}
