package front

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chat/relay/endpoint"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// This file answers connections to a sealed room that are not encrypted. No answer has a pin or a secret.

// sealedText is the answer.
const sealedText = "this room is sealed: join it with its invite, chat join 'https://…'"

// isBarred reports whether the connection must be encrypted and is not. A visit is the request of a connection that was.
func (c *Conn) isBarred() bool {
	return c.front.opts.TLS != nil && c.visit == nil && !c.IsEncrypted() && !isLocal(c.Conn)
}

// answerBarred answers a connection that is barred, and closes it. line is its first line, and speaker who sent it; err is
// why there is none.
func (c *Conn) answerBarred(line []byte, speaker session.Speaker, err error) {
	fault := wire.Faultf(wire.CodeSealed, sealedText)
	isTooLong := errors.Is(err, wire.ErrLineTooLong)
	if isTooLong {
		line, speaker = c.lines.Dropped(), (table{}).Start(c.lines.Dropped())
	}
	stranger := strangerOf(line, c.lines.Pending())
	switch {
	case err == errStranger:
		c.closeStranger(strangerBy(c.lines.Pending()))
	case err != nil && err != errSilent && !isTooLong:
		c.closeWith(c.farewell(err))
	case speaker == session.Program:
		e := fault.Event(0)
		c.closeWith(e.AppendJSON(nil))
	case stranger != nil:
		c.closeStranger(stranger)
	case speaker == session.Browser && isTooLong:
		c.closeWith(httpError("414 URI Too Long", sealedText))
	case speaker == session.Browser:
		c.redirect(line)
	default:
		c.closeWith(lineOf(fault))
	}
}

const (
	// redirectTime is how long the header of a request that is redirected may take to arrive.
	redirectTime = 10 * time.Second

	// maxRedirected is the limit of that header, in bytes.
	maxRedirected = 16 << 10
)

// redirect answers an HTTP request, whose first line is line, with the same address by HTTPS.
func (c *Conn) redirect(line []byte) {
	c.readBy(redirectTime)
	head := bytes.NewReader(append(append(bytes.Clone(line), "\r\n"...), c.lines.Pending()...))
	r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(io.MultiReader(head, c.Conn), maxRedirected)))
	if err != nil {
		c.closeWith(httpError("400 Bad Request", sealedText))
		return
	}
	c.closeWith(redirectionOf(r, c.sealedHost(r.Host)))
}

// sealedHost returns the host and port that a redirect names: those of the request's Host, if that is a name of this
// machine, or the address that the connection has here.
func (c *Conn) sealedHost(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err == nil && endpoint.IsNameOf(name, c.front.opts.Names) {
		return net.JoinHostPort(name, port)
	}
	local := c.Conn.LocalAddr().String()
	if at, err := netip.ParseAddrPort(local); err == nil {
		local = netip.AddrPortFrom(at.Addr().WithZone(""), at.Port()).String()
	}
	return local
}

// redirectionOf returns the answer that redirects r to host by HTTPS.
func redirectionOf(r *http.Request, host string) []byte {
	to := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if !strings.HasPrefix(to.Path, "/") { // of OPTIONS or CONNECT
		to.Path, to.RawPath = "/", ""
	}
	text := "this room is sealed: " + to.String() + "\n"
	length := len(text)
	if r.Method == http.MethodHead {
		text = ""
	}
	return fmt.Appendf(nil, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nCache-Control: no-store\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		to.String(), length, text)
}
