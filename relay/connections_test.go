package relay_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
)

// The connections are listed with what is known about each; a client that sends too fast is delayed for as long as its
// input waits.
func TestConnections(t *testing.T) {
	bubble(t, relay.Options{HostToken: "secret-token", Rate: 1, Burst: 5}, func(t *testing.T, srv *relay.Server) {
		host, _ := program(t, srv, `{"type":"hello","nick":"h","token":"secret-token"}`)
		began := time.Now().Truncate(time.Second)
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		host.send(`{"type":"mute","nick":"bob"}`)
		bob.expect("* h muted you")
		alice.send(strings.Split(strings.Repeat("flood,", 12)+"end", ",")...)
		silent := join(t, srv, "silent")
		synctest.Wait()

		all := make(map[string]relay.Connection)
		for _, c := range srv.Connections() {
			all[c.Nick] = c
		}
		if c := all["h"]; c.Kind != "program" || !c.Host || !c.Operator || !c.IsMember() || c.Delayed {
			t.Errorf("the host's member is %+v", c)
		}
		if c := all["alice"]; c.Kind != "person" || c.Operator || c.Muted || !c.Delayed || c.Since.Before(began) || c.Since.After(time.Now()) {
			t.Errorf("alice is %+v", c)
		}
		if c := all["bob"]; !c.Muted || c.Sent == 0 || c.Delayed {
			t.Errorf("bob is %+v", c)
		}
		if c := all[""]; c.Kind != "new" || c.IsMember() {
			t.Errorf("the silent one is %+v", c)
		}

		srv.SetLimits(relay.Options{Rate: -1})
		synctest.Wait()
		time.Sleep(10 * time.Second) // the wait that began at the old rate
		bob.expect("end")
		if banned, muted := srv.Marked(); len(banned) > 0 || len(muted) != 1 || muted[0].Name != "bob" {
			t.Errorf("%+v are banned and %+v are muted", banned, muted)
		}
		silent.conn.Close()
	})
}
