package admin

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
)

// listenLoopback opens a port that other machines cannot reach, and makes the token that requests there need.
func (s *Server) listenLoopback() (net.Listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.token = rand.Text()
	s.entry.Address, s.entry.Token = ln.Addr().String(), s.token
	return ln, nil
}

// dialLoopback connects to a loopback port: an entry must not send a token elsewhere.
func dialLoopback(d *net.Dialer, address string) (net.Conn, error) {
	if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().IsLoopback() {
		return nil, errors.New("the host's address is not one of this machine")
	}
	return d.Dial("tcp", address)
}
