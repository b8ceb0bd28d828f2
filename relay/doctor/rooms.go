package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"chat/relay/errno"
	"chat/relay/seal"
)

// rooms looks for rooms on the network and checks that their hosts answer.
func (e *examination) rooms(ctx context.Context) {
	rooms, err := e.Rooms(ctx)
	if err != nil {
		e.warn(e.joinCommand(), "cannot search for rooms (%s)", reason(err))
		return
	}
	if len(rooms) == 0 {
		e.warn(e.joinCommand(),
			"no rooms found; if one is open, its firewall, a guest Wi-Fi that isolates devices, or another subnet may hide it")
		e.await(ctx)
		return
	}
	for _, r := range rooms {
		if r.Answers != "" {
			e.ok("found room %q at %s", r.Title, r.Answers)
			if r.Sealed {
				pin := e.checkSealed(ctx, r.Title, r.Answers, r.Answers, "")
				e.hint(r, pin)
			}
			e.largePackets(ctx, r.Answers)
			continue
		}
		e.fail("chat doctor    (on the machine at "+hostOf(r.Addrs[0])+")",
			"room %q is announced at %s, which %s: %s", r.Title, strings.Join(r.Addrs, ", "), r.Problem, r.Cause)
	}
	e.contested(rooms)
}

// hint reports a sealed room whose announcement names another key than that of its host.
func (e *examination) hint(r Room, pin seal.Pin) {
	if pin != "" && !strings.HasPrefix(string(pin), r.Hint) {
		e.warn("", "room %q is announced with a pin that begins with %s, and the pin at %s is another: the announcement is old, or false; "+
			"compare the pin with that of chat invite on the host", r.Title, r.Hint, r.Answers)
	}
}

// contested reports rooms that several hosts claim to have.
func (e *examination) contested(rooms []Room) {
	hosts := make(map[string][]string) // by room ID: their addresses
	for _, r := range rooms {
		if r.Contested {
			hosts[r.ID] = append(hosts[r.ID], r.Answers)
		}
	}
	for _, r := range rooms {
		if at := hosts[r.ID]; len(at) > 0 && at[0] == r.Answers {
			e.fail(e.joinCommand(), "%d hosts claim to have the room %q (id %.8s), at %s: all but one are false, or use a copy of its history file; "+
				"ask the room's host which address is right", len(at), r.Title, r.ID, strings.Join(at, ", "))
		}
	}
}

// addr checks the host at the address that the user named.
func (e *examination) addr(ctx context.Context) {
	if e.Addr == "" {
		return
	}
	probed, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	room, err := e.Probe(probed, e.Addr)
	if err != nil {
		e.fail("chat doctor    (on the machine at "+hostOf(e.Addr)+")", "no room answers at %s (%s)", e.Addr, reason(err))
		return
	}
	e.ok("room %q answers at %s", room.Title, e.Addr)
	if room.Sealed {
		e.checkSealed(ctx, room.Title, e.Addr, e.Addr, "")
	}
	e.largePackets(ctx, e.Addr)
}

// hostOf returns addr without its port.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// safeMTU is the largest packet in bytes that every network with IPv6 carries, RFC 8200, section 5.
const safeMTU = 1280

// largePackets checks that large packets reach a host that just answered a small one.
func (e *examination) largePackets(ctx context.Context, addr string) {
	if !e.isSilent(ctx, addr) {
		return
	}
	again, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if _, err := e.Probe(again, addr); err != nil {
		return // it is not the size
	}
	name := e.interfaceTo(ctx, addr)
	e.warn(e.perOS(fmt.Sprintf("sudo ip link set dev %s mtu %d", name, safeMTU), fmt.Sprintf("sudo networksetup -setMTU %s %d", name, safeMTU),
		fmt.Sprintf("netsh interface ipv4 set subinterface %q mtu=%d store=active", name, safeMTU)),
		"the network drops large packets to or from %s, as some VPNs and tunnels do: chat join works around it, browsers and nc do not; "+
			"the fix makes this machine's packets smaller, and MSS clamping on the router or VPN fixes it for all", addr)
}

// isSilent reports whether the host at addr does not answer a large probe in time. Any other error,
// such as that of a full room, is an answer.
func (e *examination) isSilent(ctx context.Context, addr string) bool {
	probed, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := e.ProbeLarge(probed, addr)
	return ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errno.TimedOut(err))
}

// interfaceTo returns the name of the interface by which this machine reaches addr, or a word for it.
func (e *examination) interfaceTo(ctx context.Context, addr string) string {
	const unknown = "INTERFACE"
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := e.Dial(ctx, addr)
	if err != nil {
		return unknown
	}
	defer conn.Close()
	all, err := e.Interfaces()
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if err != nil || !ok {
		return unknown
	}
	at := local.AddrPort().Addr().Unmap().WithZone("")
	for _, i := range all {
		if slices.Contains(i.Addrs, at) {
			return i.Name
		}
	}
	return unknown
}

// await listens for a room whose announcements arrive although questions do not: hosts announce
// their rooms once a minute.
func (e *examination) await(ctx context.Context) {
	if e.Await == nil {
		return
	}
	e.ok("listening for announcements, which come once a minute; Ctrl-C ends this")
	rooms, err := e.Await(ctx)
	if err != nil || len(rooms) == 0 {
		return // as before
	}
	for _, r := range rooms {
		e.fail("chat join --timeout 75s", "room %q is announced at %s, but its host does not receive questions: a switch or an access point passes multicast in one direction only, "+
			"such as one with IGMP snooping in a network without a querier", r.Title, strings.Join(r.Addrs, ", "))
	}
}
