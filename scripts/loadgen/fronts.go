//go:build linux

package main

import (
	"fmt"
	"net/netip"
)

// A front is a program with which a person joins.
type front struct {
	argv  func(b *bench, p *peer, addr netip.AddrPort) ([]string, error)
	first string // a pattern: shown in the first useful frame
	ready string // shown once it is in; empty: it speaks IRC, and is asked
	full  bool   // it joins a room in which much was said
	typed bool   // what is typed can be told from what is said
}

var (
	screenFront  = front{argv: joinArgv(), first: "Joining|connected", ready: "connected", full: true, typed: true}
	plainFront   = front{argv: joinArgv("--plain"), first: "Welcome", ready: "Welcome", full: true}
	irssiFront   = front{argv: irssiArgv}
	weechatFront = front{argv: weechatArgv}
)

func joinArgv(flags ...string) func(*bench, *peer, netip.AddrPort) ([]string, error) {
	return func(_ *bench, p *peer, addr netip.AddrPort) ([]string, error) {
		argv := []string{p.binary, "join", "--addr", addr.String(), "--nick", joiner, "--backlog", fmt.Sprint(fullRoom)}
		return append(argv, flags...), nil
	}
}

func irssiArgv(b *bench, p *peer, addr netip.AddrPort) ([]string, error) {
	conf := fmt.Sprintf(`servers = ( { address = "%s"; port = "%d"; chatnet = "bench"; autoconnect = "yes"; } );
chatnets = { bench = { type = "IRC"; nick = "%s"; }; };
channels = ( { name = "#c"; chatnet = "bench"; autojoin = "yes"; } );
settings = { "fe-common/core" = { window_auto_change = "yes"; }; };
`, addr.Addr(), addr.Port(), joiner)
	path, err := b.file("irssi.conf", conf)
	return []string{p.binary, "--home", b.dir, "--config", path}, err
}

// weechatArgv: the newer ones want TLS unless told, by an option that the older ones
// do not know.
func weechatArgv(b *bench, p *peer, addr netip.AddrPort) ([]string, error) {
	argv := []string{p.binary, "--temp-dir"}
	for _, command := range []string{
		fmt.Sprintf("/server add bench %s/%d -autojoin=#c -nicks=%s", addr.Addr(), addr.Port(), joiner),
		"/set irc.server.bench.tls off", "/set logger.file.auto_log off", "/connect bench",
	} {
		argv = append(argv, "--run-command", command)
	}
	return argv, nil
}
