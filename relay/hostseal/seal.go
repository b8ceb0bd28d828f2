package hostseal

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"

	"chat/relay/seal"
)

// Options say how a host seals a room.
type Options struct {
	Dir  string // of the user's keys and secrets
	Room string // what stays the same when the room is opened again; see openRoomFile

	// Secret is the secret of members that the user chose, and SecretFrom says where it is from: a file.
	// "": the room keeps its secret, or gets a new one.
	Secret     seal.Secret
	SecretFrom string

	// CertFile and KeyFile are the certificate and its key, in PEM. "": the host makes its own.
	CertFile, KeyFile string

	// Shared has the key and the secrets of a room that several hosts serve. They replace those that
	// this machine keeps. nil: there is only this host.
	Shared *Shared

	Names func() []string // see [KeptCertificate]
	ByKey bool            // members enter with their keys, not with a secret
	Log   *slog.Logger
}

// Shared has the key and the secrets of all hosts of one room: clients that move between them find the same key, and their
// secret stays valid.
type Shared struct {
	Key     *Key // not used with Options.CertFile
	Secrets seal.RoomSecrets

	// Replace gives the secrets to all hosts of the room. Its error is worded for the operator who asked.
	Replace func(seal.RoomSecrets) error
}

// A Seal is what seals a room that is open: the host's certificate and the room's secrets.
// It is safe for concurrent use.
type Seal struct {
	// fixed, but changing
	*CertificateSource
	file *roomFile
	opts Options

	// changing is held while the secrets change: those that another host of the room makes after ours must not be
	// overwritten by ours.
	changing sync.Mutex
}

// Open reads, or creates, the host's key and the secrets of its room. Close the seal after the room.
func Open(opts Options) (*Seal, error) {
	s := &Seal{opts: opts}
	source, err := s.openCertificate()
	if err != nil {
		return nil, err
	}
	s.CertificateSource = source
	if s.file, err = openRoomFile(opts.Dir, opts.Room); err != nil {
		return nil, err
	}
	leaf := s.Leaf()
	err = s.file.Update(func(r *Room) {
		if opts.Shared != nil {
			r.RoomSecrets = opts.Shared.Secrets
		}
		r.Member = cmp.Or(opts.Secret, r.Member)
		r.ByKey, r.SelfSigned = opts.ByKey, opts.CertFile == ""
		r.setCertificate(leaf)
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Seal) openCertificate() (*CertificateSource, error) {
	if s.opts.CertFile != "" {
		return certificateFiles(s.opts.CertFile, s.opts.KeyFile, s.opts.Log, s.replaced)
	}
	if shared := s.opts.Shared; shared != nil { // not beside the certificate of this machine's own key
		return KeptCertificate(filepath.Join(s.opts.Dir, "shared", roomName(s.opts.Room)[:16]), shared.Key, s.opts.Names, s.opts.Log)
	}
	key, err := LoadKey(s.opts.Dir)
	if err != nil {
		return nil, err
	}
	return KeptCertificate(s.opts.Dir, key, s.opts.Names, s.opts.Log)
}

// Describe keeps the rest of the room for chat invite: its title and ID, the address that it listens on, and whether
// it hands out the program.
func (s *Seal) Describe(title, id string, listen net.Addr, handsOut bool) error {
	return s.file.Update(func(r *Room) { r.Title, r.ID, r.Address, r.HandsOut = title, id, listen.String(), handsOut })
}

// replaced keeps the pin of a certificate that was read again.
func (s *Seal) replaced(leaf *x509.Certificate) {
	if err := s.file.Update(func(r *Room) { r.setCertificate(leaf) }); err != nil {
		s.opts.Log.Error("chat invite shows the pin of the old certificate", "error", err)
	}
}

// Room returns the room and its secrets as they are now.
func (s *Seal) Room() Room { return s.file.Room() }

// Invites returns what lets others into the room now.
func (s *Seal) Invites() seal.Invites { return s.Room().Invites }

// Renew replaces the secrets of members and of those who only listen: old invites are no longer
// valid. Operators keep theirs.
func (s *Seal) Renew() (seal.RoomSecrets, error) {
	if s.opts.Secret != "" {
		return seal.RoomSecrets{}, fmt.Errorf("the secret of this room is from %s: change it there, and start the host again", s.opts.SecretFrom)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	secrets := s.Room().Renewed()
	if s.opts.Shared != nil {
		if err := s.opts.Shared.Replace(secrets); err != nil {
			return seal.RoomSecrets{}, err
		}
	}
	return secrets, s.keep(secrets)
}

// Adopt keeps secrets that another host of the room has made.
func (s *Seal) Adopt(secrets seal.RoomSecrets) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.keep(secrets)
}

// keep writes secrets to the file. changing is held.
func (s *Seal) keep(secrets seal.RoomSecrets) error {
	if s.Room().RoomSecrets == secrets {
		return nil
	}
	return s.file.Update(func(r *Room) { r.RoomSecrets = secrets })
}

// Close lets another host have the room.
func (s *Seal) Close() error { return s.file.Close() }
