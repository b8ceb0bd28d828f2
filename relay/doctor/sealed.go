package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

// A SealedRoom is a sealed room that this machine hosts now.
type SealedRoom struct {
	Title  string
	Addr   string   // "host:port", where others reach it
	Invite string   // "host:port" in its invite
	Pin    seal.Pin // in its invite
}

// oldestTime is before any time at which this program can run. Clocks without a battery start in 1970, or
// when they were made.
var oldestTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock reports a clock that cannot be right.
func (e *examination) clock(context.Context) {
	if now := e.Now(); now.Before(oldestTime) {
		e.fail(e.clockCommand(), "this machine's clock says %s: certificates are not valid then, and messages get wrong times", now.Format(time.DateTime))
	}
}

// clockCommand returns the command that sets the clock.
func (e *examination) clockCommand() string {
	return e.perOS("sudo timedatectl set-ntp true", "sudo sntp -sS time.apple.com", "w32tm /resync")
}

// hostKey checks the key of the sealed rooms that this user hosts. There is none before the first.
func (e *examination) hostKey(context.Context) {
	if e.HostKey == nil {
		return
	}
	pin, err := e.HostKey()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		e.failPrivate(err)
	default:
		e.ok("only you can read the key of your sealed rooms; its pin is %s", pin.Groups())
	}
}

// clientKey checks the user's own key in sealed rooms. There is none before the first.
func (e *examination) clientKey(context.Context) {
	if e.ClientKey == nil {
		return
	}
	switch key, err := e.ClientKey(); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		e.failPrivate(err)
	default:
		e.ok("only you can read your own key for sealed rooms; its public half is %s", key)
	}
}

// failPrivate reports files that only the user may read, and that cannot be used.
func (e *examination) failPrivate(err error) {
	if wrong, ok := errors.AsType[*privatefile.ModeError](err); ok {
		e.fail(wrong.Fix(), "%s", wrong.Problem())
		return
	}
	problem, _, _ := strings.Cut(err.Error(), "\n") // the rest is a hint, not a command
	e.fail("", "%s", problem)
}

// sealedHere checks the sealed rooms that this machine hosts now.
func (e *examination) sealedHere(ctx context.Context) {
	if e.SealedRooms == nil {
		return
	}
	rooms, err := e.SealedRooms()
	for _, err := range joined(err) {
		e.failPrivate(err)
	}
	for _, r := range rooms {
		e.checkSealed(ctx, r.Title, r.Addr, r.Invite, r.Pin)
	}
}

// joined returns the errors that [errors.Join] joined in err, or err alone; none if it is nil.
func joined(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// checkSealed checks the encryption of a sealed room at addr, which is called name in invites. Its key must
// have the pin want; "": that is not known. It returns the pin; "": the check failed. A room that was checked
// under the same name is not reported again.
func (e *examination) checkSealed(ctx context.Context, title, addr, name string, want seal.Pin) seal.Pin {
	if pin := e.sealed[addr]; pin != "" && want == "" && name == addr {
		return pin
	}
	cert, err := e.handshake(ctx, addr, tls.VersionTLS13)
	if err != nil {
		e.fail("", "room %q at %s is sealed, but a TLS 1.3 connection fails (%s): a program between here and the host may cut it", title, addr, reason(err))
		return ""
	}
	pin := seal.PinOf(cert)
	if want != "" && pin != want {
		e.fail("", "another program answers at %s: the pin there is %s, and that of room %q is %s", addr, pin.Groups(), title, want.Groups())
		return ""
	}
	if _, err := e.handshake(ctx, addr, tls.VersionTLS12); err == nil {
		e.fail("", "%s accepts TLS 1.2, and a host of chat does not: another program, such as a proxy, ends the encryption there", addr)
		return ""
	}
	e.ok("room %q at %s is sealed by TLS 1.3, and refuses TLS 1.2; the pin of its host's key is %s", title, addr, pin.Groups())
	e.certificate(cert, title, name)
	if name == addr {
		e.sealed[addr] = pin
	}
	return pin
}

// handshake connects to addr with one version of TLS, and returns the certificate there.
func (e *examination) handshake(ctx context.Context, addr string, version uint16) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return e.Handshake(ctx, addr, version)
}

// certificate checks the dates and names of a sealed room's certificate.
func (e *examination) certificate(cert *x509.Certificate, title, addr string) {
	now, from, until := e.Now(), cert.NotBefore.Local().Format(time.DateTime), cert.NotAfter.Local().Format(time.DateTime)
	isOwn := cert.Issuer.String() == cert.Subject.String() // self-signed
	switch {
	case now.After(cert.NotBefore) && now.Before(cert.NotAfter):
		e.ok("the certificate of room %q is valid until %s", title, until)
	case isOwn: // a host replaces it before it ends
		e.warn(e.clockCommand(), "the certificate of room %q is valid from %s until %s, and this machine's clock says %s: one of the two clocks is wrong", title, from, until, now.Format(time.DateTime))
	default:
		e.warn("", "the certificate of room %q is valid from %s until %s, and this machine's clock says %s: browsers warn, chat join checks the pin instead", title, from, until, now.Format(time.DateTime))
	}
	if isOwn {
		return // browsers warn, whatever the name
	}
	if err := cert.VerifyHostname(hostOf(addr)); err != nil {
		e.warn("", "the certificate of room %q is for %s, and not for %s: browsers warn there", title, certifiedNames(cert), hostOf(addr))
	}
}

// certifiedNames returns the names and addresses that a certificate is for.
func certifiedNames(cert *x509.Certificate) string {
	const most = 5
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	switch more := len(names) - most; {
	case len(names) == 0:
		return "no name"
	case more > 0:
		names = append(names[:most:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// handshake is the default of [System].Handshake.
func handshake(ctx context.Context, addr string, version uint16) (*x509.Certificate, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// The caller examines the certificate.
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}
