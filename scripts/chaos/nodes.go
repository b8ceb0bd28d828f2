//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"chat/scripts/natsserver"
)

// Faults of a cluster.
const (
	quitHost  = "quit-host"  // SIGTERM, and a new host
	killNode  = "kill-node"  // kill -9 of a NATS server, and a new one on its data
	stopNode  = "stop-node"  // SIGSTOP, SIGCONT of a NATS server
	killNodes = "kill-nodes" // kill -9 of all NATS servers at once
	cutNode   = "cut-node"   // a host's connections to NATS servers end, new ones are refused
	hangNode  = "hang-node"  // all bytes between a host and NATS servers are dropped, then the connections end by RST
	delayNode = "delay-node" // all bytes between a host and NATS servers arrive later
)

var nodeKinds = []kind{
	{name: quitHost, weight: 6, max: time.Second},
	{name: killNode, weight: 12, max: 4 * time.Second},
	{name: stopNode, weight: 8, min: 200 * time.Millisecond, max: 8 * time.Second},
	{name: killNodes, weight: 3, max: 3 * time.Second},
	{name: cutNode, weight: 12, min: 200 * time.Millisecond, max: 4 * time.Second},
	{name: hangNode, weight: 8, min: time.Second, max: 6 * time.Second},
	{name: delayNode, weight: 8, min: time.Second, max: 4 * time.Second},
}

func nodeKindNames() []string {
	var names []string
	for _, k := range nodeKinds {
		names = append(names, k.name)
	}
	return names
}

const (
	nodeCount  = 3
	relayCount = 3
)

// The nodes are the NATS servers that the hosts of a room share it by. Each host reaches each of them by a proxy.
type nodes struct {
	servers *natsserver.Cluster
	links   [relayCount][nodeCount]*proxy // by host and node

	faultMus [nodeCount]sync.Mutex             // each held during a fault of a node; several are locked in order
	linkMus  [relayCount][nodeCount]sync.Mutex // each held during a fault of a link
}

// newNodes starts the servers, with their data in dir.
func newNodes(ctx context.Context, dir string, firstPort int) (*nodes, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // they may have to be built
	defer cancel()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	servers, err := natsserver.Start(ctx, dir, nodeCount)
	if err != nil {
		return nil, err
	}
	n := &nodes{servers: servers}
	for i := range n.links {
		for j, s := range servers.Servers {
			if n.links[i][j], err = newProxy(address(firstPort+i*nodeCount+j), s.Addr()); err != nil {
				n.close()
				return nil, err
			}
		}
	}
	return n, nil
}

// hostFlags returns the flags of a host of the cluster, which has links of its own.
func (n *nodes) hostFlags(host int) (flags []string) {
	for _, p := range n.links[host] {
		flags = append(flags, "--cluster", "nats://"+p.addr)
	}
	return flags
}

// close ends the servers and the links.
func (n *nodes) close() {
	for _, p := range slices.Concat(n.links[0][:], n.links[1][:], n.links[2][:]) {
		if p != nil {
			p.close()
		}
	}
	n.servers.Stop()
}

// newHosts makes the three hosts of a cluster. Two keep a copy of the room in a file.
func (r *run) newHosts() error {
	var err error
	if r.nodes, err = newNodes(r.context, filepath.Join(r.dir, "nats"), relayCount+relayCount*r.clients); err != nil {
		return err
	}
	for i := range relayCount {
		history := ""
		if i != memoryRelay {
			history = filepath.Join(r.disk.dir, fmt.Sprintf("history%d.db", i+1))
		}
		h, err := newHost(r.dir, fmt.Sprintf("host%d", i+1), r.program, history, address(i))
		if err != nil {
			return err
		}
		h.flags = append(r.hostFlags(), r.nodes.hostFlags(i)...)
		r.hosts = append(r.hosts, h)
	}
	return nil
}

// memoryRelay is the host of a cluster that has no copy of the room.
const memoryRelay = 1

// injectNode injects a fault of the servers, or of a host's way to them.
func (r *run) injectNode(f fault) error {
	n := r.nodes
	switch f.kind {
	case killNode, stopNode:
		return n.disturbServers(f, []int{int(f.random % nodeCount)})
	case killNodes:
		return n.disturbServers(f, []int{0, 1, 2})
	}
	links := n.links[f.random%relayCount]
	first, count := 0, nodeCount // all links of a host
	if f.random/relayCount%2 == 0 {
		first, count = int(f.random/16%nodeCount), 1
	}
	var all sync.WaitGroup
	var failed error
	var mu sync.Mutex
	for j := first; j < first+count; j++ {
		all.Go(func() {
			l := &n.linkMus[f.random%relayCount][j]
			l.Lock()
			defer l.Unlock()
			if err := disturbLink(links[j], f); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	all.Wait()
	return failed
}

func disturbLink(p *proxy, f fault) error {
	switch f.kind {
	case cutNode:
		p.refuse()
		time.Sleep(f.duration)
		return p.listen()
	case hangNode:
		p.blackhole()
		time.Sleep(f.duration)
		p.endBlackhole(resetBoth)
	case delayNode:
		p.setImpairment(func(w *impairment) { w.delay = time.Duration(10+f.random%200) * time.Millisecond })
		time.Sleep(f.duration)
		p.setImpairment(func(w *impairment) { *w = impairment{} })
	}
	return nil
}

// disturbServers kills or stops servers for a time.
func (n *nodes) disturbServers(f fault, which []int) error {
	for _, i := range which {
		n.faultMus[i].Lock()
		defer n.faultMus[i].Unlock()
	}
	for _, i := range which {
		s := n.servers.Servers[i]
		if f.kind != stopNode {
			s.Kill()
			continue
		}
		if err := s.Pause(); err != nil {
			return err
		}
	}
	time.Sleep(f.duration)
	for _, i := range which {
		s := n.servers.Servers[i]
		restart := s.Start
		if f.kind == stopNode {
			restart = s.Resume
		}
		if err := restart(); err != nil {
			return err
		}
	}
	return nil
}

// quitHost ends a host in order and starts it again.
func (r *run) quitHost(ctx context.Context, f fault) error {
	h := r.hostOf(f)
	h.faultMu.Lock()
	defer h.faultMu.Unlock()
	if err := h.quit(); err != nil {
		r.counts.count(quitWithoutNodes) // it says that it could not store the last messages; the checker knows whether it should have
	}
	time.Sleep(f.duration)
	if err := h.start(); err != nil {
		return err
	}
	return r.awaitRestarted(ctx, h)
}

// shuffled returns the addresses of the hosts in random order, each with the seat's way to it.
func (s *seat) shuffled() (ways []string) {
	for _, i := range rand.Perm(len(s.proxies)) {
		ways = append(ways, s.hosts[i].addr+"="+s.proxies[i].addr)
	}
	return ways
}
