package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Group is a socket in the multicast group of mDNS on one interface, over one IP version.
// It joins the group, sends and receives by the interface and not by a route, so that two
// machines on one cable need no gateway.
type Group struct {
	// fixed
	on   net.Interface
	conn *net.UDPConn
	v4   *ipv4.PacketConn // of the two one is nil
	v6   *ipv6.PacketConn
	told bool // the system reports the interface and the destination of each packet
}

const (
	mDNSPort = 5353 // RFC 6762 section 3
	hopLimit = 255  // RFC 6762 section 11
)

// groupAddr returns the address of the group.
func groupAddr(on net.Interface, v6 bool) *net.UDPAddr {
	if v6 {
		return &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mDNSPort, Zone: on.Name}
	}
	return &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mDNSPort}
}

// OpenGroup opens a socket in the group. Packets to the group reach all such sockets of this
// machine; a packet to the machine's own address reaches only one.
func OpenGroup(on net.Interface, v6 bool) (*Group, error) {
	network := "udp4"
	if v6 {
		network = "udp6"
	}
	conn, err := net.ListenMulticastUDP(network, &on, groupAddr(on, v6))
	if err != nil {
		return nil, fmt.Errorf("join the mDNS group on %s: %w", on.Name, err)
	}
	g := &Group{on: on, conn: conn}
	// Loopback is for other programs on this machine. Windows reports neither.
	if v6 {
		g.v6 = ipv6.NewPacketConn(conn)
		g.told = g.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true) == nil
		err = errors.Join(g.v6.SetMulticastHopLimit(hopLimit), g.v6.SetMulticastLoopback(true))
	} else {
		g.v4 = ipv4.NewPacketConn(conn)
		g.told = g.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true) == nil
		err = errors.Join(g.v4.SetMulticastTTL(hopLimit), g.v4.SetMulticastLoopback(true))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("set up the mDNS socket on %s: %w", on.Name, err)
	}
	return g, nil
}

// Close leaves the group, and ends Read.
func (g *Group) Close() error { return g.conn.Close() }

// SetReadDeadline sets the deadline of Read.
func (g *Group) SetReadDeadline(t time.Time) error { return g.conn.SetReadDeadline(t) }

// Send sends a packet to the group.
func (g *Group) Send(packet []byte) error {
	_, err := g.conn.WriteToUDP(packet, groupAddr(g.on, g.v6 != nil))
	return err
}

// SendTo sends a packet to one address, from the port of mDNS.
func (g *Group) SendTo(packet []byte, to *net.UDPAddr) error {
	_, err := g.conn.WriteToUDP(packet, to)
	return err
}

// Read reads the next packet. direct says that it was sent to this machine, so that no other
// socket receives it. On Linux a socket in the group receives from all interfaces on which any
// program joined it: packets to the group from other interfaces are skipped.
func (g *Group) Read(buf []byte) (n int, from *net.UDPAddr, direct bool, err error) {
	for {
		n, from, index, to, err := g.read(buf)
		if err != nil {
			return 0, nil, false, err
		}
		direct = to != nil && !to.IsMulticast()
		if from != nil && (direct || index == 0 || index == g.on.Index) {
			if from.IP.To4() == nil && from.IP.IsLinkLocalUnicast() {
				from.Zone = cmp.Or(from.Zone, g.on.Name)
			}
			return n, from, direct, nil
		}
	}
}

// read reads a packet, with the index of its interface and its destination, if they are known.
func (g *Group) read(buf []byte) (n int, from *net.UDPAddr, index int, to net.IP, err error) {
	var addr net.Addr
	switch {
	case !g.told:
		n, from, err = g.conn.ReadFromUDP(buf)
		return n, from, 0, nil, err
	case g.v6 != nil:
		var about *ipv6.ControlMessage
		if n, about, addr, err = g.v6.ReadFrom(buf); about != nil {
			index, to = about.IfIndex, about.Dst
		}
	default:
		var about *ipv4.ControlMessage
		if n, about, addr, err = g.v4.ReadFrom(buf); about != nil {
			index, to = about.IfIndex, about.Dst
		}
	}
	from, _ = addr.(*net.UDPAddr)
	return n, from, index, to, err
}

// OpenAsker opens a socket that sends a question to the group on an interface, and receives
// the direct answers.
func OpenAsker(on net.Interface, v6 bool) (*net.UDPConn, error) {
	network, unspecified := "udp4", net.IPv4zero
	if v6 {
		network, unspecified = "udp6", net.IPv6zero
	}
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: unspecified})
	if err != nil {
		return nil, err
	}
	if v6 {
		err = ipv6.NewPacketConn(conn).SetMulticastInterface(&on)
	} else {
		err = ipv4.NewPacketConn(conn).SetMulticastInterface(&on)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("send questions on %s: %w", on.Name, err)
	}
	return conn, nil
}

// Ask sends a question from a socket of OpenAsker.
func Ask(conn *net.UDPConn, on net.Interface, v6 bool, question []byte) error {
	_, err := conn.WriteToUDP(question, groupAddr(on, v6))
	return err
}
