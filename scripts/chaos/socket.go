//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"chat/relay/seal"
)

// A pageConn carries a session of the client library in the frames of a WebSocket, as the page's. A read whose deadline is over loses nothing,
// which libraries for WebSockets do not allow.
type pageConn struct {
	net.Conn
	in   *bufio.Reader // owned by the reader
	left uint64        // bytes of the current frame that were not read yet; likewise

	mu sync.Mutex // held during a write: the reader answers pings
}

// Opcodes of RFC 6455, section 5.2.
const (
	textFrame  = 1
	closeFrame = 8
	pingFrame  = 9
	pongFrame  = 10
)

// dialSocket connects to a host as the page does: it exchanges the secret for a cookie, and opens a WebSocket.
func (b *bot) dialSocket(ctx context.Context, addr string) (net.Conn, error) {
	invite, err := readInvitation(b.invitation)
	if err != nil {
		return nil, err
	}
	raw, err := b.hosts.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // by its pin
		VerifyConnection: func(state tls.ConnectionState) error {
			if pin := seal.PinOf(state.PeerCertificates[0]); pin != invite.Pin {
				return fmt.Errorf("the host has the pin %s", pin)
			}
			return nil
		},
	})
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	p := &pageConn{Conn: conn, in: bufio.NewReader(conn)}
	if err := p.enter(addr, invite.Member); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return p, nil
}

// enter gets a cookie for the secret, and opens the WebSocket.
func (p *pageConn) enter(addr string, secret seal.Secret) error {
	body, err := json.Marshal(map[string]seal.Secret{"secret": secret})
	if err != nil {
		return err
	}
	entered, err := p.request("POST", addr, "/enter", bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}}, http.StatusOK)
	if err != nil {
		return err
	}
	key := make([]byte, 16)
	rand.Read(key)
	header := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"},
		"Sec-WebSocket-Key": {base64.StdEncoding.EncodeToString(key)}, "Origin": {"https://" + addr},
	}
	for _, cookie := range entered.Cookies() {
		header.Add("Cookie", cookie.Name+"="+cookie.Value)
	}
	_, err = p.request("GET", addr, "/socket", nil, header, http.StatusSwitchingProtocols)
	return err
}

// request sends a request and reads the answer, which must have a status.
func (p *pageConn) request(method, addr, path string, body io.Reader, header http.Header, status int) (*http.Response, error) {
	r, err := http.NewRequest(method, "https://"+addr+path, body)
	if err != nil {
		return nil, err
	}
	r.Header = header
	if err := r.Write(p.Conn); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(p.in, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols && status == answer.StatusCode {
		return answer, nil // what follows are frames
	}
	words, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	answer.Body.Close()
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(words))
	}
	return answer, err
}

// Read implements net.Conn.
func (p *pageConn) Read(b []byte) (int, error) {
	for p.left == 0 {
		if err := p.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := p.in.Read(b[:min(uint64(len(b)), p.left)])
	p.left -= uint64(n)
	return n, err
}

// nextFrame reads the beginning of a frame. It takes nothing from in before it has all of it.
func (p *pageConn) nextFrame() error {
	head, err := p.in.Peek(2)
	if err != nil {
		return err
	}
	opcode, size, header := head[0]&0xf, uint64(head[1]), 2
	switch size {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	if head, err = p.in.Peek(header); err != nil {
		return err
	}
	switch header {
	case 4:
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 10:
		size = binary.BigEndian.Uint64(head[2:])
	}
	switch {
	case opcode == closeFrame:
		return io.EOF
	case opcode == pingFrame && size <= 125:
		whole, err := p.in.Peek(header + int(size))
		if err != nil {
			return err
		}
		if _, err := p.write(pongFrame, whole[header:]); err != nil {
			return err
		}
		_, err = p.in.Discard(len(whole))
		return err
	case opcode > textFrame:
		return fmt.Errorf("a frame with the opcode %d", opcode)
	}
	p.left = size
	_, err = p.in.Discard(header)
	return err
}

// Write implements net.Conn. b has whole lines.
func (p *pageConn) Write(b []byte) (int, error) { return p.write(textFrame, b) }

func (p *pageConn) write(opcode byte, b []byte) (int, error) {
	const final, masked = 0x80, 0x80
	frame := []byte{final | opcode}
	switch n := len(b); {
	case n <= 125:
		frame = append(frame, masked|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, masked|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, masked|127), uint64(n))
	}
	frame = append(frame, 0, 0, 0, 0) // the mask, which changes nothing
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.Conn.Write(append(frame, b...))
	return max(n-len(frame), 0), err
}
