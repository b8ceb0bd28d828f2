//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// A peer is a program to measure.
type peer struct {
	name       string
	dialect    *dialect
	maxClients int    // the most clients to measure it with; 0: any number
	binary     string // path, to report its size; empty: it is part of this program
	argv       func(b *bench, addr netip.AddrPort, clients int) ([]string, error)
	prepare    func(addr netip.AddrPort) error // prepares the server before clients connect; nil: nothing to do
	hosts      int                             // of a shared room; 0: the room has one host
	front      *front                          // the program a person joins with; nil: none
}

// newPeers returns the peers by name, including the other builds of chat in --peer:
// before=/tmp/chat measures /tmp/chat under the name before.
func newPeers(opts *options) map[string]*peer {
	all := []*peer{
		chatPeer("chat", opts.chat),
		chatPeer("chat-json", opts.chat),
		chatPeer("chat-page", opts.chat),
		chatPeer("chat-history", opts.chat),
		chatPeer("chat-plain", opts.chat),
		hostsPeer(1, opts.chat), hostsPeer(2, opts.chat), hostsPeer(3, opts.chat),
		sealedPeer("chat-sealed", opts.chat),
		{name: "nats-tls", dialect: &natsTLS, binary: opts.nats, argv: natsTLSArgv},
		{name: "ngircd-tls", dialect: &ircTLS, maxClients: 100, binary: opts.ngircd, argv: ircTLSArgv},
		{name: "ncat-ssl", dialect: &ncatTLS, maxClients: 100, binary: opts.ncat, argv: ncatTLSArgv},
		{name: "nats-server", dialect: &natsDialect, binary: opts.nats, argv: natsArgv},
		{name: "nats-page", dialect: &natsSocketDialect, binary: opts.nats, argv: natsSocketArgv},
		{name: "npm-ws", dialect: &broadcastDialect, binary: "node", argv: broadcastArgv},
		{name: "jetstream", dialect: &jetStreamDialect, binary: opts.nats, argv: jetStreamArgv, prepare: makeStream},
		{name: "ngircd", dialect: &ircDialect, maxClients: 100, binary: opts.ngircd, argv: ircArgv},
		{name: "ncat", dialect: &ncatDialect, maxClients: 100, binary: opts.ncat, argv: ncatArgv},
		{name: "irssi", dialect: &ircDialect, maxClients: 100, binary: opts.irssi, argv: ircArgv, front: &irssiFront},
		{name: "weechat", dialect: &ircDialect, maxClients: 100, binary: opts.weechat, argv: ircArgv, front: &weechatFront},
		{name: "tutorial", dialect: &tutorialDialect, argv: tutorialArgv},
		{name: pythonPeer, argv: pythonArgv},
		{name: "go-files", argv: goFilesArgv},
		{name: "bare-64k", dialect: &bareDialect, argv: bareArgv(64 << 10)},
		{name: "bare-line", dialect: &bareDialect, argv: bareArgv(1)},
	}
	byName := make(map[string]*peer)
	for _, p := range all {
		byName[p.name] = p
	}
	for _, wanted := range opts.peers {
		if name, path, ok := strings.Cut(wanted, "="); ok {
			if byName[name] = chatPeer(name, path); strings.HasSuffix(name, "-sealed") {
				byName[name] = sealedPeer(name, path)
			}
		}
	}
	return byName
}

func (p *peer) bare() bool { return p.dialect == &bareDialect }

// canRun reports whether the peer can run the shape. The flags can override it.
func (p *peer) canRun(s shape) bool {
	return (p.maxClients == 0 || s.clients <= p.maxClients) && (!p.bare() || s.senders == 1)
}

// chatPeer returns chat as a peer. The end of the name selects JSON clients, page clients,
// a history or the plain interface.
func chatPeer(name, binary string) *peer {
	p := &peer{name: name, dialect: &textDialect, binary: binary, front: &screenFront}
	p.argv = func(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
		argv := []string{binary, "host", "--headless", "--no-discovery", "--addr", addr.String(),
			"--rate", "0", "--max-per-address", "0", "--max-sessions", "0"}
		return append(argv, b.opts.chatFlags...), nil
	}
	switch {
	case strings.HasSuffix(name, "-json"):
		p.dialect, p.front = &jsonDialect, nil
	case strings.HasSuffix(name, "-page"):
		p.dialect, p.front = &pageDialect, nil
	case strings.HasSuffix(name, "-history"):
		p.dialect, p.front = &jsonDialect, nil
		inMemory := p.argv
		p.argv = func(b *bench, addr netip.AddrPort, clients int) ([]string, error) {
			argv, err := inMemory(b, addr, clients)
			if err != nil {
				return nil, err
			}
			dir, err := b.diskDir(name)
			return append(argv, "--history", filepath.Join(dir, "room.chat")), err
		}
	case strings.HasSuffix(name, "-plain"):
		p.front = &plainFront
	}
	return p
}

func natsArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	conf := fmt.Sprintf("listen: %q\nmax_connections: 1000000\nwrite_deadline: \"120s\"\n", addr)
	path, err := b.file("nats.conf", conf)
	return []string{b.opts.nats, "-c", path}, err
}

func ircArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	path, err := b.file("ngircd.conf", ircConf(addr))
	return []string{b.opts.ngircd, "-n", "-f", path}, err
}

// ircConf returns the configuration of ngircd.
func ircConf(addr netip.AddrPort) string {
	return fmt.Sprintf(`[Global]
Name = bench.localdomain
Info = bench
Listen = %s
Ports = %d
MotdPhrase = "hello"
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
`, addr.Addr(), addr.Port())
}

func ncatArgv(b *bench, addr netip.AddrPort, clients int) ([]string, error) {
	return []string{b.opts.ncat, "-l", "-k", "-n", "--chat", "-m", fmt.Sprint(clients + 10),
		addr.Addr().String(), fmt.Sprint(addr.Port())}, nil
}

func tutorialArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	return []string{b.self, "tutorial", "--addr", addr.String()}, nil
}

func bareArgv(chunk int) func(*bench, netip.AddrPort, int) ([]string, error) {
	return func(b *bench, addr netip.AddrPort, clients int) ([]string, error) {
		return []string{b.self, "bare", "--addr", addr.String(), "--clients", fmt.Sprint(clients), "--chunk", fmt.Sprint(chunk)}, nil
	}
}

// file writes a configuration file and returns its path.
func (b *bench) file(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}
