package room

import (
	"fmt"
	"slices"
	"testing"

	"chat/relay/internal/access"
	"chat/relay/wire"
)

// After a new invite, each program has the secret that replaces its own, and no other: not people, whose terminals would show it,
// nor those who entered by key, nor operators, who keep theirs. The log has no secret.
func TestNewSecrets(t *testing.T) {
	r := newSealedRoom(t)
	op, _ := r.join("op", operatorToken, "")
	for _, renew := range []func(){
		func() { r.Renewed(op, "new-listen", "new-member", r.now) },
		func() { r.SendSecrets("new-listen", "new-member") },
	} {
		peers := make(map[string]*testPeer)
		var members []*Member
		for _, program := range []bool{true, false} {
			for bySecret := access.None; bySecret <= access.Operator; bySecret++ {
				p := new(testPeer)
				m := &Member{Peer: p, Program: program, Level: max(bySecret, access.Listen), BySecret: bySecret, Key: testKey("k")}
				if _, err := r.Enter(m, &wire.Request{}, 1, r.now); err != nil {
					t.Fatal(err)
				}
				peers[fmt.Sprint(bySecret, " program ", program)] = p
				members = append(members, m)
			}
		}
		renew()
		for who, p := range peers {
			var got string
			for _, e := range p.delivered {
				if e.Type == wire.TypeInvite {
					got += e.Data
				}
			}
			if want := map[string]string{"listen program true": "new-listen", "member program true": "new-member"}[who]; got != want {
				t.Errorf("%s gets %q, want %q", who, got, want)
			}
		}
		for _, m := range members {
			r.Leave(m, "", r.now)
		}
	}
	if got, want := r.acts(), []string{"op replaced the invite; the old one no longer works. /invite shows the new one"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}
