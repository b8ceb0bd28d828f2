//go:build linux

package main

import (
	"fmt"
	"net/netip"
)

// A front is a program that a person joins with.
type front struct {
	argv      func(b *bench, p *peer, addr netip.AddrPort) ([]string, error)
	first     string // pattern in the first useful frame
	ready     string // pattern after joining; empty: ask over IRC
	backlog   bool   // it joins a room with a long backlog
	showsKeys bool   // typed keys can be distinguished from received text
}

var (
	screenFront  = front{argv: joinArgv(), first: "Joining|●", ready: "●", backlog: true, showsKeys: true}
	plainFront   = front{argv: joinArgv("--plain"), first: "Welcome", ready: "Welcome", backlog: true}
	irssiFront   = front{argv: irssiArgv}
	weechatFront = front{argv: weechatArgv}
)

func joinArgv(flags ...string) func(*bench, *peer, netip.AddrPort) ([]string, error) {
	return func(_ *bench, p *peer, addr netip.AddrPort) ([]string, error) {
		argv := []string{p.binary, "join", "--addr", addr.String(), "--nick", joiner, "--backlog", fmt.Sprint(backlogSize)}
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

// weechatArgv turns TLS off: newer versions use it by default. The option is unknown to
// older ones.
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
