package storagetest

import (
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

const deviceLifetime = 15 * time.Minute

func deviceCode(clock *Clock) storage.DeviceCode {
	now := clock.Now()
	return storage.DeviceCode{
		ID: "d", UserCode: "u", ClientID: "tv", Scope: "openid", Audience: "aud", PollAfter: now.Add(5 * time.Second), PollSeconds: 5,
		CreatedAt: now, ExpiresAt: now.Add(deviceLifetime),
	}
}

func deviceAnswer(approved bool) storage.DeviceAnswer {
	return storage.DeviceAnswer{Approved: approved, UserID: ada, SessionID: "s", AMR: []string{"otp"}, AuthTime: Start().Add(-time.Hour)}
}

func answered() grants.Event { return grants.Event{Type: "device.answered", Time: Start()} }

// openWithDevice gives a store with ada and a device code that nobody has answered.
func (b *bench) openWithDevice(t *testing.T) (*storage.Store, *Clock) {
	t.Helper()
	s, clock := b.openWithUser(t)
	want(t, s.AddDeviceCode(t.Context(), deviceCode(clock)), nil)
	return s, clock
}

func testDeviceCodes(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a device code reads as it was written, by its user code until it expires", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		d := deviceCode(clock)
		clock.Add(deviceLifetime - time.Microsecond)
		byUserCode, err := s.DeviceCodeByUserCode(t.Context(), "u")
		want(t, err, nil)
		clock.Add(time.Microsecond)
		byID, err := s.DeviceCode(t.Context(), "d")
		want(t, err, nil)
		if !reflect.DeepEqual(byID, d) || !reflect.DeepEqual(byUserCode, d) {
			t.Fatalf("read\n%+v\nand\n%+v\nwrote\n%+v", byID, byUserCode, d)
		}
		for _, code := range []string{"u", "d", ""} {
			_, err = s.DeviceCodeByUserCode(t.Context(), code)
			want(t, err, storage.ErrNotFound)
		}
		_, err = s.DeviceCode(t.Context(), "u")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("id and user code are given once", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		d := deviceCode(clock)
		d.UserCode = "other"
		want(t, s.AddDeviceCode(t.Context(), d), storage.ErrExists)
		d.ID, d.UserCode = "other", "u"
		want(t, s.AddDeviceCode(t.Context(), d), storage.ErrExists)
	})
	t.Run("the first answer counts", func(t *testing.T) {
		for _, approved := range []bool{true, false} {
			s, clock := b.openWithDevice(t)
			clock.Add(time.Second)
			want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(approved), answered()), nil)
			want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(!approved), answered()), storage.ErrReused)
			got, err := s.PollDeviceCode(t.Context(), "d", clock.Now()) // an answer is given at any time
			want(t, err, nil)
			at(t, "approved", got.ApprovedAt, map[bool]time.Time{true: clock.Now(), false: time.Time{}.UTC()}[approved])
			at(t, "denied", got.DeniedAt, map[bool]time.Time{false: clock.Now(), true: time.Time{}.UTC()}[approved])
			a := deviceAnswer(approved)
			if got.UserID != a.UserID || got.SessionID != a.SessionID || !reflect.DeepEqual(got.AMR, a.AMR) || !got.AuthTime.Equal(a.AuthTime) {
				t.Fatalf("answered %+v, read %+v", a, got)
			}
			equal(t, "events", countEvents(t, s, answered().Type), 1)
		}
	})
	t.Run("an expired one can be neither answered nor polled nor spent", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		clock.Add(deviceLifetime)
		want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(true), answered()), storage.ErrExpired)
		_, err := s.PollDeviceCode(t.Context(), "d", clock.Now())
		want(t, err, storage.ErrExpired)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrExpired)
		want(t, s.AnswerDeviceCode(t.Context(), "none", deviceAnswer(true), answered()), storage.ErrNotFound)
		_, err = s.PollDeviceCode(t.Context(), "none", clock.Now())
		want(t, err, storage.ErrNotFound)
		want(t, s.SpendDeviceCode(t.Context(), "none"), storage.ErrNotFound)
		equal(t, "events", countEvents(t, s, answered().Type), 0)
	})
	t.Run("a poll that comes too soon makes the device wait longer", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		clock.Add(5 * time.Second)
		d, err := s.PollDeviceCode(t.Context(), "d", clock.Now())
		want(t, err, nil)
		at(t, "next poll", d.PollAfter, clock.Now().Add(5*time.Second))
		clock.Add(4*time.Second - time.Microsecond)
		d, err = s.PollDeviceCode(t.Context(), "d", clock.Now())
		want(t, err, storage.ErrTooSoon)
		at(t, "next poll", d.PollAfter, clock.Now().Add(10*time.Second))
		equal(t, "seconds", d.PollSeconds, 10)
		clock.Add(9 * time.Second) // no timer is exact
		d, err = s.PollDeviceCode(t.Context(), "d", clock.Now())
		want(t, err, nil)
		at(t, "next poll", d.PollAfter, clock.Now().Add(10*time.Second))
	})
	testSpendDeviceCode(t, b)
}

func testSpendDeviceCode(t *testing.T, b *bench) {
	t.Helper()
	t.Run("only an approved one can be spent, and once", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrNotFound)
		want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(true), answered()), nil)
		want(t, s.SpendDeviceCode(t.Context(), "d"), nil)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrReused)
		_, err := s.PollDeviceCode(t.Context(), "d", clock.Now())
		want(t, err, storage.ErrReused)
	})
	t.Run("a denied one cannot be spent", func(t *testing.T) {
		s, _ := b.openWithDevice(t)
		want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(false), answered()), nil)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrNotFound)
	})
	t.Run("one whose user is blocked or gone cannot be spent", func(t *testing.T) {
		s, _ := b.openWithDevice(t)
		want(t, s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(true), answered()), nil)
		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrRevoked)
		want(t, s.DeleteUser(t.Context(), ada), nil)
		want(t, s.SpendDeviceCode(t.Context(), "d"), storage.ErrRevoked)
	})
	t.Run("of 50 that approve, deny or spend at once one of each kind wins", func(t *testing.T) {
		s, clock := b.openWithDevice(t)
		named := map[string]error{"reused": storage.ErrReused, "too soon": storage.ErrTooSoon}
		var polls, answers, spends tally
		clock.Add(5 * time.Second)
		together(10, func(int) {
			_, err := s.PollDeviceCode(t.Context(), "d", clock.Now())
			polls.add(err, named)
		})
		polls.want(t, map[string]int{"ok": 1, "too soon": 9})
		together(50, func(i int) {
			answers.add(s.AnswerDeviceCode(t.Context(), "d", deviceAnswer(i%2 == 0), answered()), named)
		})
		answers.want(t, map[string]int{"ok": 1, "reused": 49})
		d, err := s.DeviceCode(t.Context(), "d")
		want(t, err, nil)
		equal(t, "seconds after nine polls too many", d.PollSeconds, 5+9*5)
		equal(t, "approved and denied", !d.ApprovedAt.IsZero() && !d.DeniedAt.IsZero(), false)

		other := deviceCode(clock)
		other.ID, other.UserCode = "e", "v"
		want(t, s.AddDeviceCode(t.Context(), other), nil)
		want(t, s.AnswerDeviceCode(t.Context(), "e", deviceAnswer(true), answered()), nil)
		together(50, func(int) { spends.add(s.SpendDeviceCode(t.Context(), "e"), named) })
		spends.want(t, map[string]int{"ok": 1, "reused": 49})
	})
}
