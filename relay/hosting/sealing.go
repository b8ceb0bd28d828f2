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

// seal seals the room, if the options say so. kind and name are what stays the same when the room is opened again, and so do
// its secrets.
func (r *Room) seal(kind, name string) error {
	opts, key := &r.opts, kind+"\n"+name
	if !opts.Sealing.Secure {
		return opts.checkUnsealed(key)
	}
	secret, from, err := opts.Sealing.secret()
	if err != nil {
		return err
	}
	s := &relay.Seal{}
	if err := r.openKeys(s); err != nil {
		return err
	}
	if s.HostMemberKey, err = opts.memberKey(); err != nil {
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
	s.TLS, s.Names = r.sealed.Config(), r.names()
	s.Secrets, s.Renew = r.sealed.Room().RoomSecrets, r.sealed.Renew
	s.Invite = func(secret seal.Secret) seal.Invite {
		room := r.sealed.Room()
		return room.Invite(room.InviteAddrs(opts.Ways())[0], secret)
	}
	opts.Seal = s
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
	kept, ok := hostseal.RoomPath(identity.DefaultDir(), key)
	if !ok {
		return nil
	}
	return fmt.Errorf("the room in %s is sealed: without --secure, everyone on the network could read it\nhint: add --secure; or to make the room plain, delete its secrets: rm %s", opts.HistoryFile, kept)
}

// openKeys reads the files with the keys of members and operators, which let them in by s.
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

// memberKey returns the public key of the host's own member; "": it has none, like a headless host.
func (opts *Options) memberKey() (public string, err error) {
	if opts.NoMember {
		return "", nil
	}
	var signer *identity.Signer
	if opts.Sealing.Signer != nil {
		if signer, err = opts.Sealing.Signer(); err != nil {
			return "", err
		}
	}
	if signer == nil {
		signer = identity.OwnSigner(identity.DefaultDir(), func(err error) { opts.Log.Warn(err.Error()) })
	}
	if public = signer.Key(); public == "" {
		_, err = signer.Sign(nil) // why there is none, if that is not a warning already
	}
	return public, err
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
