//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"

	"chat/scripts/natsserver"
)

// clusterServers is how many NATS servers keep the shared room.
const clusterServers = 3

// hostsPeer returns chat as a peer: a room that a number of hosts share.
func hostsPeer(hosts int, binary string) *peer {
	p := chatPeer("chat-json", binary)
	p.name, p.hosts = fmt.Sprintf("hosts-%d", hosts), hosts
	return p
}

// A cluster is the hosts of a shared room and its NATS servers.
type cluster struct {
	nats  *natsserver.Cluster // nil: one host has the room alone
	hosts []*server
}

// openCluster starts the servers and hosts of a peer, for a number of clients.
func (b *bench) openCluster(ctx context.Context, p *peer, clients int) (c *cluster, err error) {
	c = new(cluster)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	var flags []string
	if p.hosts > 0 {
		dir, err := b.diskDir("nats")
		if err != nil {
			return nil, err
		}
		if c.nats, err = natsserver.Start(ctx, dir, clusterServers); err != nil {
			return nil, err
		}
		flags = []string{"--cluster", strings.Join(c.nats.URLs(), ","), "--room", "bench"}
	}
	for range max(p.hosts, 1) {
		host, err := b.serve(ctx, p, clients, flags...)
		if err != nil {
			return nil, err
		}
		c.hosts = append(c.hosts, host)
	}
	return c, nil
}

func (c *cluster) close() {
	for _, host := range c.hosts {
		host.stop()
	}
	if c.nats != nil {
		c.nats.Stop()
	}
}

func (c *cluster) addrs() (addrs []netip.AddrPort) {
	for _, host := range c.hosts {
		addrs = append(addrs, host.addr)
	}
	return addrs
}

// cpu returns the CPU times of the hosts together, and of the NATS servers, in seconds.
func (c *cluster) cpu() (hosts, nats float64, err error) {
	for _, host := range c.hosts {
		t, err := cpuTime(host.pid())
		if err != nil {
			return 0, 0, err
		}
		hosts += t
	}
	if c.nats == nil {
		return hosts, 0, nil
	}
	for _, s := range c.nats.Servers {
		t, err := cpuTime(s.PID())
		if err != nil {
			return 0, 0, err
		}
		nats += t
	}
	return hosts, nats, nil
}

// runCluster measures a room whose clients are spread over its hosts: accepted and acknowledged messages in a flood, and
// the time to the acknowledgement at a steady pace.
func runCluster(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	c, err := b.openCluster(ctx, p, s.clients)
	if err != nil {
		return nil, err
	}
	defer c.close()
	st := &stage{server: c.hosts[0]}
	if st.gen, err = newGenerator(p.dialect, s.clients, s.senders); err != nil {
		return nil, err
	}
	defer st.gen.close()
	defer st.gen.stop()
	if err := st.gen.connect(ctx, c.addrs()...); err != nil {
		return nil, err
	}
	if err := st.warmUp(ctx); err != nil {
		return nil, err
	}
	hosts, nats, err := c.cpu()
	if err != nil {
		return nil, err
	}
	own, err := cpuTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	start, had := clock(), st.gen.delivered()
	if err := st.flood(ctx, b.opts.length, math.MaxInt64); err != nil {
		return nil, err
	}
	hostsNow, natsNow, err := c.cpu()
	if err != nil {
		return nil, err
	}
	ownNow, err := cpuTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	deliveries := float64(st.gen.delivered() - had)
	seconds := float64(st.gen.lastArrival()-start) / 1e9
	messages := deliveries / float64(s.clients)
	st.gen.acksOnly = true
	acks, err := st.latency(ctx, rateOf(s), b.latencyLength())
	if err != nil {
		return nil, err
	}
	return values{
		"messages": messages / seconds, "rate": deliveries / seconds,
		"hosts": (hostsNow - hosts) / messages * 1e6, "nats": (natsNow - nats) / messages * 1e6,
		"each": (hostsNow - hosts) / deliveries * 1e6, "generator": (ownNow - own) / deliveries * 1e6,
		"p50": acks["p50"], "p99": acks["p99"],
	}, nil
}
