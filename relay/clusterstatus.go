package relay

import (
	"context"
	"slices"
	"strings"
	"time"
)

// This file reports the state of the cluster and of the other relays.

// A ClusterStatus is the state of a shared room, as one of its relays sees it.
type ClusterStatus struct {
	Relay  string        `json:"relay"`  // ID of this one
	Relays []RelayStatus `json:"relays"` // by ID

	Position uint64  `json:"position"`     // of the last record of the journal that was carried out
	Records  uint64  `json:"records"`      // how many this relay has carried out since its start
	Requests int     `json:"requests"`     // of its members that wait to be stored
	Wait     float64 `json:"wait_seconds"` // how long nothing was stored although requests wait
	Problem  string  `json:"problem,omitempty"`

	ClusterLink
}

// A RelayStatus is a host of a shared room.
type RelayStatus struct {
	ID        string   `json:"id"`
	Lives     bool     `json:"lives"` // false: its members have not come to another one, and will be announced as gone
	Addresses []string `json:"addresses,omitempty"`
	Members   int      `json:"members"`
	Silent    float64  `json:"silent_seconds"` // since it was heard last, as it should be every 3 s; 0: it is not known
}

// A ClusterLink is a relay's connection to the cluster.
type ClusterLink struct {
	Connected bool          `json:"connected"`
	Server    string        `json:"server,omitempty"` // that it is connected to
	Leader    string        `json:"leader,omitempty"` // name of the server that leads the room's stream; "": it is not known
	Replicas  int           `json:"replicas"`         // how many servers keep the room
	Silent    time.Duration `json:"-"`                // for how long the cluster has stored nothing, not even that this relay lives

	Unheard map[string]time.Duration `json:"-"` // by relay that lives, for how long it has not been heard
}

// maxSilent is how long the cluster may store nothing until it is a problem. One that lost its leader needs 4 to 11 s.
const maxSilent = 15 * time.Second

// Cluster returns the status of the shared room. false: no other host shares it.
func (s *Server) Cluster() (ClusterStatus, bool) {
	p := s.sharing
	if p == nil {
		return ClusterStatus{}, false
	}
	requests, wait := p.replica.Waiting()
	link := p.link()
	return ClusterStatus{
		Relay: p.journal.Relay(), Relays: p.relayStatuses(link.Unheard), Position: p.replica.Position(), Records: p.records.Load(),
		Requests: requests, Wait: wait.Seconds(), Problem: p.problem(), ClusterLink: link,
	}, true
}

// link returns the connection to the cluster, as far as it is known.
func (p *sharing) link() ClusterLink {
	if p.server.opts.ClusterLink == nil {
		return ClusterLink{}
	}
	return p.server.opts.ClusterLink()
}

// relayStatuses returns the relays that live, or through which members are here.
func (p *sharing) relayStatuses(unheard map[string]time.Duration) []RelayStatus {
	members := p.server.room.RelayMembers()
	var list []RelayStatus
	p.mu.Lock()
	for _, r := range p.relays {
		list = append(list, RelayStatus{ID: r.ID, Lives: true, Addresses: slices.Clone(r.Addrs), Members: members[r.ID], Silent: unheard[r.ID].Seconds()})
		delete(members, r.ID)
	}
	p.mu.Unlock()
	for id, n := range members {
		list = append(list, RelayStatus{ID: id, Members: n})
	}
	slices.SortFunc(list, func(a, b RelayStatus) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// problem returns what keeps this relay from working with the others, or "".
func (p *sharing) problem() string {
	_, wait := p.replica.Waiting()
	switch {
	case context.Cause(p.works) != nil:
		return "the room in the cluster cannot be read any more"
	case p.replica.IsFailing(), wait > maxSilent, p.link().Silent > maxSilent:
		return "the cluster does not answer"
	}
	return ""
}

// Elsewhere lists members with connections to other relays of a shared room, by nick. Fields that only those relays know are empty.
func (s *Server) Elsewhere() []Connection {
	var list []Connection
	for _, m := range s.room.Elsewhere() {
		list = append(list, Connection{Nick: m.Nick, Tag: m.Tag, Operator: m.Operator, Muted: m.Muted, Since: m.Since, Relay: m.Relay})
	}
	return list
}
