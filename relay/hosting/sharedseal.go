package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chat/relay/cluster"
	"chat/relay/hint"
	"chat/relay/hostseal"
	"chat/relay/seal"
)

// This file is about a sealed room that several hosts share. They have one key and the same secrets, so that clients can move
// between them, and an invite is valid at each. Both are in the cluster: whoever can read the room there can also read them.

// Names of the values that the hosts share.
const (
	sharedSealed  = "seal.sealed"  // "sealed" or "plain"; it does not change
	sharedKey     = "seal.key"     // of hosts without --cert, in PEM; it does not change
	sharedPin     = "seal.pin"     // of the key that the host which was started last has
	sharedSecrets = "seal.secrets" // seal.RoomSecrets, in JSON
)

// sealTime is how long the cluster has for an answer. One that lost its leader needs 4 to 11 s.
const sealTime = 20 * time.Second

// checkSealShared returns an error if the other hosts of the room seal it and this one does not, or the other way round: everyone
// on the network could read the room here.
func (r *Room) checkSealShared() error {
	kind := func(sealed bool) string {
		if sealed {
			return "sealed"
		}
		return "plain"
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	ours := kind(r.opts.Sealing.Secure)
	value, err := r.cluster.Shared(ctx, sharedSealed, func() ([]byte, error) { return []byte(ours), nil })
	switch {
	case err != nil:
		return hint.Add(err, cluster.Remedies)
	case string(value) == ours:
		return nil
	case r.opts.Sealing.Secure:
		return errors.New("the room in the cluster is plain, and cannot become a sealed one\nhint: leave out --secure, or choose another name with --room")
	}
	return errors.New("the room in the cluster is sealed: without --secure, everyone on the network could read it here\nhint: add --secure, or choose another name with --room")
}

// shareSeal returns the key and the secrets of the hosts of the room; nil: there is only this host. The first host makes them. chosen is the
// secret of members that the user chose; "": none.
func (r *Room) shareSeal(chosen seal.Secret) (*hostseal.Shared, error) {
	if r.cluster == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	shared := &hostseal.Shared{Replace: r.shareSecrets}
	if r.opts.Sealing.CertFile == "" {
		pem, err := r.cluster.Shared(ctx, sharedKey, hostseal.NewKey)
		if err != nil {
			return nil, hint.Add(err, cluster.Remedies)
		}
		if shared.Key, err = hostseal.ParseKey(pem); err != nil {
			return nil, fmt.Errorf("the key of the room in the cluster is damaged: %w", err)
		}
	}
	err := r.cluster.Change(ctx, sharedSecrets, func(old []byte) ([]byte, error) {
		isNew := old == nil
		if isNew {
			shared.Secrets = seal.NewSecrets()
		} else if err := json.Unmarshal(old, &shared.Secrets); err != nil || !shared.Secrets.IsValid() {
			return nil, errors.New("the secrets of the room in the cluster are damaged")
		}
		if chosen != "" && shared.Secrets.Member != chosen {
			shared.Secrets.Member, isNew = chosen, true
		}
		if !isNew {
			return nil, nil
		}
		return json.Marshal(shared.Secrets)
	})
	if err != nil {
		return nil, hint.Add(err, cluster.Remedies)
	}
	return shared, nil
}

// shareSecrets gives new secrets to all hosts.
func (r *Room) shareSecrets(secrets seal.RoomSecrets) error {
	value, err := json.Marshal(secrets)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	if err := r.cluster.Change(ctx, sharedSecrets, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		r.opts.Log.Error("the invite is not replaced", "error", err)
		return errors.New("the cluster does not answer, so the invite may not be replaced; /invite shows the current one")
	}
	return nil
}

// comparePins warns if other hosts of the room have another key, as they may with --cert.
func (r *Room) comparePins() error {
	if r.cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	ours, other := string(r.sealed.Pin()), ""
	err := r.cluster.Change(ctx, sharedPin, func(old []byte) ([]byte, error) {
		if other = string(old); other == ours {
			return nil, nil
		}
		return []byte(ours), nil
	})
	if err != nil {
		return hint.Add(err, cluster.Remedies)
	}
	if other != "" && other != ours {
		r.opts.Log.Warn("the relay that was started before has another key; clients cannot move between the two", "pin", ours, "other", other)
	}
	return nil
}

// watchSecrets has this host use the secrets that others make, until ctx ends.
func (r *Room) watchSecrets(ctx context.Context) {
	if r.cluster == nil || r.sealed == nil {
		return
	}
	r.parts.Go(func() {
		r.cluster.WatchValues(ctx, "seal.", func(name string, value []byte) {
			if "seal."+name == sharedSecrets {
				r.adoptSecrets(value)
			}
		}, func() {})
	})
}

// adoptSecrets uses secrets that another host has made.
func (r *Room) adoptSecrets(value []byte) {
	var secrets seal.RoomSecrets
	if err := json.Unmarshal(value, &secrets); err != nil || !secrets.IsValid() {
		r.opts.Log.Error("the new secrets of the room in the cluster are damaged; this relay keeps the old ones")
		return
	}
	if err := r.sealed.Adopt(secrets); err != nil {
		r.opts.Log.Error("chat invite shows an old invite", "error", err)
	}
	r.AdoptSecrets(secrets)
}
