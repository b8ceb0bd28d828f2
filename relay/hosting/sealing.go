package hosting

import (
	"context"
	"fmt"
	"slices"

	"chat/relay"
	"chat/relay/endpoint"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/seal"
	"chat/relay/sshkey"
)

// seal prepares the room for sealed connections if it is to be sealed. kind and name are what
// stays the same when it is opened again: its secrets do, too.
func (r *Room) seal(kind, name string) error {
	opts, key := &r.opts, kind+"\n"+name
	if !opts.Sealing.Secure {
		return opts.checkUnsealed(key)
	}
	secret, from, err := opts.Sealing.secret()
	if err != nil {
		return err
	}
	room := &relay.Seal{}
	if err := r.openKeys(room); err != nil {
		return err
	}
	if err := opts.findHostKey(); err != nil {
		return err
	}
	shared, err := r.shareSeal(secret)
	if err != nil {
		return err
	}
	r.sealed, err = hostseal.Open(hostseal.Options{
		Dir: identity.DefaultDir(), Room: key, Secret: secret, SecretFrom: from,
		CertFile: opts.Sealing.CertFile, KeyFile: opts.Sealing.KeyFile, ByKey: opts.Sealing.MembersFile != "", Log: opts.Log, Shared: shared,
		Names: func() []string {
			return slices.Concat(endpoint.MachineNames(), opts.WebNames, endpoint.MachineAddresses())
		},
	})
	if err != nil {
		return err
	}
	r.onClose(func() { r.sealed.Close() })
	if err := r.comparePins(); err != nil {
		return err
	}
	room.Secrets, room.Renew = r.sealed.Room().RoomSecrets, r.sealed.Renew
	room.Invite = func(secret seal.Secret) seal.Invite {
		hosted := r.sealed.Room()
		return hosted.Invite(hosted.InviteAddrs(opts.Ways())[0], secret)
	}
	room.TLS, room.Names = r.sealed.Config(), r.names()
	opts.Seal = room
	return nil
}

// invitesFunc returns a function for what lets others into the room; nil: it is plain.
func (r *Room) invitesFunc() func() seal.Invites {
	if r.sealed == nil {
		return nil
	}
	return r.sealed.Invites
}

// checkUnsealed returns an error if a room with a history was sealed when it was open last: without
// --secure, which is forgotten easily, everyone on the network could read all of it.
func (opts *Options) checkUnsealed(key string) error {
	if opts.HistoryFile == "" {
		return nil // the room starts empty
	}
	kept, ok := hostseal.RoomFile(identity.DefaultDir(), key)
	if !ok {
		return nil
	}
	return fmt.Errorf("the room in %s is sealed: without --secure, everyone on the network could read it\nhint: add --secure; or to make the room plain, delete its secrets: rm %s", opts.HistoryFile, kept)
}

// openKeys reads the files of keys of members and operators, for s.
func (r *Room) openKeys(s *relay.Seal) error {
	for _, f := range []struct {
		path string
		has  *func(fingerprint string) bool
	}{{r.opts.Sealing.MembersFile, &s.IsMember}, {r.opts.Sealing.OperatorsFile, &s.IsOperator}} {
		if f.path == "" {
			continue
		}
		file, err := sshkey.OpenFile(f.path)
		if err != nil {
			return fmt.Errorf("read the keys: %w", err)
		}
		*f.has = file.Has
		r.keys = append(r.keys, file)
	}
	return nil
}

// findHostKey sets the key of the host's own member. A headless host has none.
func (opts *Options) findHostKey() error {
	if opts.NoMember {
		return nil
	}
	var signer *identity.Signer
	if opts.Sealing.Signer != nil {
		var err error
		if signer, err = opts.Sealing.Signer(); err != nil {
			return err
		}
	}
	if signer == nil {
		signer = identity.OwnSigner(identity.DefaultDir(), func(err error) { opts.Log.Warn(err.Error()) })
	}
	if opts.HostKey = signer.Key(); opts.HostKey == "" {
		_, err := signer.Sign(nil) // why there is none, if that is not a warning already
		return err
	}
	return nil
}

// watchKeys rereads the files of keys when they change, until ctx ends.
func (r *Room) watchKeys(ctx context.Context) {
	for _, file := range r.keys {
		r.parts.Go(func() {
			file.Watch(ctx, func(err error) { r.opts.Log.Warn("problem in a file of keys", "error", err) }, func() {
				r.opts.Log.Info("the keys have changed", "file", file.Path())
				r.KeysChanged()
			})
		})
	}
}

// secret returns the secret of members that the user chose, and where it is from; "": none.
func (s *Sealing) secret() (secret seal.Secret, from string, err error) {
	const hint = "without it the host generates one"
	if s.MembersFile != "" { // a key lets members in
		return "", "", nil
	}
	if s.SecretFile != Stdin {
		return seal.ChosenSecret(s.SecretFile, hint)
	}
	b, err := s.ReadSecret()
	if err != nil {
		return "", "", fmt.Errorf("read the secret: %w", err)
	}
	return seal.SecretFrom("stdin", b, hint)
}

// names returns the host names by which requests may know this machine.
func (r *Room) names() []string {
	names := append(endpoint.MachineNames(), r.opts.WebNames...)
	if r.sealed != nil { // a browser may know the host by those in the certificate of --cert
		names = append(names, r.sealed.Room().Names...)
	}
	return names
}
