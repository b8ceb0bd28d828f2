package screen

import (
	"fmt"
	"testing"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	testPin    = seal.Pin("K7QZABCDEFGHIJKLMNOPQRSTUV")
	otherPin   = seal.Pin("WXYZ2345ABCDEFGHIJKLMNOPQR")
	testSecret = seal.Secret("M2V8ABCDEFGHIJKL")
	listenOnly = seal.Secret("LSTNABCDEFGHIJKL")
)

var sealedRoom = seal.HostedRoom{
	RoomSecrets: seal.RoomSecrets{Member: testSecret, Listen: listenOnly}, Pin: testPin,
	CurlPin: "sha256//p8Jd2kLmN0qRsTuVwXyZ0123456789abcdefghijklM=", SelfSigned: true,
}

// sealedHosting describes a sealed room that this program hosts.
func sealedHosting(addrs ...string) *Hosting {
	h := hostingAt(addrs...)
	h.Sealed = func() seal.HostedRoom { return sealedRoom }
	return h
}

// inSealedRoom puts the screen into a sealed room as a member, with the access that the host gives.
func (r *rig) inSealedRoom(access string) {
	r.room.invite = seal.Invite{Addr: "192.168.1.5:24280", Pin: testPin, Secret: testSecret}
	r.happen(client.Connected{Addr: "192.168.1.5:24280", Sealed: true, Access: access, Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: "lab", Nick: "bob", Client: "us", Members: []string{"alice", "carol"}, Hosts: []string{"alice"}, Count: 2, Sealed: true, Access: access,
	}})
}

var newHost = client.Host{Addr: "192.168.1.5:24280", Title: "lab", Pin: testPin}

// changedKey is the error for a host with another key than the one in known_hosts.
var changedKey = &client.PinError{
	Host: client.Host{Addr: "192.168.1.5:24280", Title: "lab", Pin: otherPin}, Want: testPin,
	File: "/home/bob/.local/state/chat/known_hosts", Line: 12,
}

// What a sealed room adds to the screen, at four sizes.
func TestGoldenSealed(t *testing.T) {
	views := map[string]func(r *rig){
		"sealed": func(r *rig) { r.inSealedRoom(""); r.say("alice", "the meeting is at two") },
		"sealed-listen": func(r *rig) {
			r.inSealedRoom("listen")
			r.say("alice", "the meeting is at two")
		},
		"sealed-trust": func(r *rig) { r.openLobby(); r.asks(&question{trust: &newHost}) },
		"sealed-secret": func(r *rig) {
			r.openLobby()
			r.asks(&question{secret: client.SecretQuestion{Addr: "192.168.1.5:24280", Title: "lab", Tries: 1}})
			r.typed("M2V8ABCD")
		},
		"sealed-changed": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("join lab: %w", changedKey)))
		},
		"sealed-downgrade": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("dial 192.168.1.5:24280: %w", client.ErrDowngrade)))
		},
		"sealed-intercepted": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("join kitchen: %w", client.ErrIntercepted)))
		},
		"sealed-lobby": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace, Place{Title: "lab", Addr: "192.168.1.6:24280", ID: "l", Sealed: true})
		},
		"sealed-lost": func(r *rig) {
			r.inSealedRoom("")
			r.say("alice", "the meeting is at two")
			r.happen(client.Disconnected{Err: fmt.Errorf("join: %w", changedKey)})
		},
		"sealed-host":   func(r *rig) { r.arrives(sealedHosting("192.168.1.5:24280"), "lab", "", nil) },
		"sealed-invite": func(r *rig) { r.inSealedRoom(""); openInvite(r.m.conversation) },
		"sealed-invite-host": func(r *rig) {
			r.arrives(sealedHosting("192.168.178.23:24280"), "lab", "", nil)
			openInvite(r.m.conversation)
		},
		"sealed-invite-new":    func(r *rig) { r.inSealedRoom(""); r.typed("/invite new"); r.keys("enter") },
		"sealed-invite-listen": func(r *rig) { r.inSealedRoom("listen"); openInvite(r.m.conversation) },
		"sealed-invite-long": func(r *rig) {
			r.arrives(sealedHosting("[fd12:3456:789a:1::5]:24280", "10.0.0.7:24280"), "lab", "", nil)
			openInvite(r.m.conversation)
		},
	}
	for name, act := range views {
		for _, size := range [][2]int{{40, 10}, {80, 24}, {100, 30}, {120, 32}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
					act(r)
					r.golden(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]))
				})
			})
		}
	}
}

// asks has a client ask a question, as it does while a room is joined.
func (r *rig) asks(q *question) {
	q.answers = make(chan answer, 1)
	r.update(questionAsked{q})
}
