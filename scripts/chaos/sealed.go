//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"chat/relay/client"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/seal"
)

// This file has the parts of --secure: clients enter a sealed room, and its invite is replaced.

// newInvite is the fault that replaces the invite: clients that are away then have a secret that is no longer valid.
const newInvite = "new-invite"

var sealedKinds = []kind{{name: newInvite, weight: 4}}

// secretPatience is how much longer clients may need at the end: five of them with an old secret at a time lock this machine out for
// a minute.
const secretPatience = 75 * time.Second

// A way says how a client enters a sealed room.
const (
	linkWay   = "link"   // with an invite, and a key of its own; later by the known host and the kept secret
	typedWay  = "typed"  // without a pin: it trusts the key once, and proves the secret by SCRAM
	socketWay = "socket" // like the page: a cookie, and a WebSocket
)

// wayOf returns how the client of the nth seat enters: half of them as the page does.
func wayOf(n int) string { return []string{socketWay, linkWay, socketWay, typedWay}[n%4] }

// An invitation has the current secrets of the room. It is a file, which the run replaces, and clients read again when a secret
// is refused.
type invitation struct {
	Pin seal.Pin `json:"pin"`
	seal.RoomSecrets
}

// inviteFile is the path of the invitation; "": the room is plain.
func (r *run) inviteFile() string {
	if !r.secure {
		return ""
	}
	return filepath.Join(r.dir, "invitation")
}

func readInvitation(path string) (i invitation, err error) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &i)
	}
	return i, err
}

// saveInvitation writes the invitation that a host has kept of its room.
func (r *run) saveInvitation(h *host) error {
	rooms, err := hostseal.Rooms(filepath.Join(h.state, "chat"))
	if err != nil {
		return err
	}
	if len(rooms) != 1 {
		return fmt.Errorf("%s has %d sealed rooms", h.name, len(rooms))
	}
	b, err := json.Marshal(invitation{rooms[0].Pin, rooms[0].RoomSecrets})
	if err != nil {
		return err
	}
	next := r.inviteFile() + ".next"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, r.inviteFile()) // atomically
}

// replaceInvite replaces the invite at a host. A host that cannot, because its cluster does not answer, may have done so all the
// same: clients would not know the secret, so it is tried until it succeeds.
func (r *run) replaceInvite(ctx context.Context, f fault) error {
	h := r.hostOf(f)
	h.faultMu.Lock()
	defer h.faultMu.Unlock()
	for began := time.Now(); ; {
		err := h.admin(ctx, "invite", "new")
		if err == nil {
			return r.saveInvitation(h)
		}
		if ctx.Err() != nil || time.Since(began) > 2*time.Minute {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// admin runs chat admin for the host's room.
func (h *host) admin(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, h.program, append([]string{"admin"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+h.state)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("chat admin %v: %w: %s", args, err, out)
	}
	return nil
}

// sealOptions sets how the bot enters a sealed room.
func (b *bot) sealOptions(opts *client.Options) error {
	if b.invitation == "" {
		return nil
	}
	invite, err := readInvitation(b.invitation)
	if err != nil {
		return err
	}
	warn := func(err error) { b.record.add(entry{kind: note, text: err.Error()}) }
	opts.Token = "" // Identify returns it
	opts.Identify = func(room string) (client.Identity, client.Keeper) {
		claim, err := identity.Open(b.state).Claim(room, b.label, warn)
		if err != nil {
			warn(err)
			return client.Identity{}, client.NoKeeper
		}
		return claim.Identity, claim
	}
	opts.Seal.AskSecret = b.askSecret
	if b.way == socketWay {
		opts.Seal.Private, opts.Dial = true, b.dialSocket
		return nil
	}
	opts.Seal.Required = true
	opts.Seal.Known = identity.NewKnownHosts(b.state, warn)
	opts.Seal.Signer = identity.OwnSigner(b.state, warn)
	if b.way == linkWay {
		opts.Seal.Pin, opts.Seal.Secret = invite.Pin, invite.Member
		return nil
	}
	opts.Seal.Trust = func(_ context.Context, h client.Host) error {
		if h.Pin != invite.Pin {
			return fmt.Errorf("the host at %s has the pin %s", h.Addr, h.Pin)
		}
		return nil
	}
	return nil
}

// askSecret returns the current secret, like a user with the new invite. A refused one is not returned again: that would be
// another wrong try.
func (b *bot) askSecret(ctx context.Context, q client.SecretQuestion) (seal.Secret, error) {
	for {
		invite, err := readInvitation(b.invitation)
		if err != nil || q.Tries == 0 || invite.Member != b.refused {
			b.refused = invite.Member
			return invite.Member, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
