package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestHundredsOfSlowConnectionsDoNotStopOthers(t *testing.T) {
	t.Parallel()
	addr, _, stop := serveForTest(t)
	for i := range 600 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch i % 3 { // the third says nothing at all
		case 0:
			fmt.Fprintf(conn, "GET /authorize?client_id=x HTTP/1.1\r\nHost: %s\r\nX-Slow: ", addr)
		case 1:
			fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant", addr)
		}
	}
	for path, want := range map[string]int{"/readyz": http.StatusOK, "/userinfo": http.StatusUnauthorized, "/authorize": http.StatusBadRequest} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	resp, err := http.Post("http://"+addr+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials&client_id=nobody&client_secret=x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("token: %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestIdleConnectionsGiveWayWhenThereAreMany(t *testing.T) {
	c := &conns{crowded: 3, idle: map[net.Conn]struct{}{}}
	open := func() net.Conn {
		conn, other := net.Pipe()
		t.Cleanup(func() { conn.Close(); other.Close() })
		return conn
	}
	idle, busy, fresh := open(), open(), open()
	for _, conn := range []net.Conn{idle, busy, fresh} {
		if got := c.note(conn, http.StateNew); got != nil {
			t.Fatal("one gives way while there is room")
		}
	}
	for _, conn := range []net.Conn{idle, busy} {
		c.note(conn, http.StateActive)
		c.note(conn, http.StateIdle)
	}
	c.note(busy, http.StateActive)
	if got := c.note(open(), http.StateNew); got != idle {
		t.Errorf("%v gives way, not the idle one", got)
	}
	c.note(idle, http.StateClosed)
	if got := c.note(open(), http.StateNew); got != nil {
		t.Error("a busy one gives way")
	}
	if c.open != 4 || len(c.idle) != 0 {
		t.Errorf("%d open, %d idle", c.open, len(c.idle))
	}
}
