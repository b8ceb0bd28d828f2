package hostseal

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/seal"
)

const (
	// certificateLife is how long a certificate is valid: browsers accept at most 398 days.
	certificateLife = 397 * 24 * time.Hour

	// clockSkew is by how much a client's clock may be behind.
	clockSkew = 24 * time.Hour

	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 30 * 24 * time.Hour

	// maxNames is how many names and addresses a certificate has at most, beside those that every
	// machine has: it has to fit into the first packets of a handshake.
	maxNames = 100

	// recheckEvery is how often a source looks at most whether its certificate has to be replaced, when
	// it is asked for it.
	recheckEvery = time.Second
)

// A CertificateSource has the certificate that a host shows now. It replaces it while the host
// runs: its own one before it ends, and when the machine has a new name or address; that of
// files when they change. It is safe for concurrent use.
type CertificateSource struct {
	// next returns the certificate that replaces old, or old itself; the error is why there is none that should replace
	// it. It is called with mu held, and logs each error once. Fixed.
	next func(old *tls.Certificate) (*tls.Certificate, error)

	// named is next for a client that connects to name, which is not in old. nil: there is no other
	// certificate for it. Fixed.
	named func(old *tls.Certificate, name string) *tls.Certificate

	mu      sync.Mutex
	current *tls.Certificate // not nil, with its Leaf; guarded by mu
	checked time.Time        // when next was called last; guarded by mu
	sought  time.Time        // when named was called last; guarded by mu
}

// Config returns the configuration of a host's connections.
func (s *CertificateSource) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate(nameIn(hello)), nil },
	}
}

// nameIn returns the name by which a client knows the host: the name that it asks for, or the
// address that it is connected to; "": a link-local address, which is not unique, or none.
func nameIn(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" || hello.Conn == nil {
		return hello.ServerName
	}
	at, ok := hello.Conn.LocalAddr().(*net.TCPAddr)
	if !ok || at.IP.IsLinkLocalUnicast() {
		return ""
	}
	return at.IP.String()
}

// certificate returns the certificate for a client that connects to name; "": any.
func (s *CertificateSource) certificate(name string) *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.checked).Abs() >= recheckEvery {
		s.checked = now
		s.current, _ = s.next(s.current) // it logs the error
	}
	if s.named != nil && name != "" && s.current.Leaf.VerifyHostname(name) != nil && now.Sub(s.sought).Abs() >= recheckEvery {
		s.sought = now
		s.current = s.named(s.current, name)
	}
	return s.current
}

// Recheck looks for a changed certificate now, even if the last check was just before. The error is why the old one stays.
func (s *CertificateSource) Recheck() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = time.Now()
	s.current, err = s.next(s.current)
	return err
}

// Leaf returns the current certificate itself, without those that vouch for it.
func (s *CertificateSource) Leaf() *x509.Certificate { return s.certificate("").Leaf }

// Pin returns the pin of the current certificate's key. It changes only with the files of
// --cert and --key.
func (s *CertificateSource) Pin() seal.Pin { return seal.PinOf(s.Leaf()) }

// selfSignedSource returns a source of certificates that key signs itself. names returns the names and
// IP addresses by which others know the machine now. A browser asks its user again about each new
// certificate, so there is one only when it is needed: before the end of the old one, and when a
// client connects to one of the names that is not in it. The source begins with first, a certificate of key, as long
// as that is valid; nil: with a new one. keep is called with each new one.
func selfSignedSource(first *tls.Certificate, key *Key, names func() []string, keep func(*tls.Certificate)) (*CertificateSource, error) {
	create := func(names []string) (*tls.Certificate, error) {
		cert, err := selfSigned(key, names, time.Now())
		if err == nil {
			keep(cert)
		}
		return cert, err
	}
	if first == nil || !isFresh(first.Leaf, time.Now()) {
		var err error
		if first, err = create(names()); err != nil {
			return nil, fmt.Errorf("create the host's certificate: %w", err)
		}
	}
	renewed := func(old *tls.Certificate, names []string) *tls.Certificate {
		cert, err := create(names)
		if err != nil {
			return old // it worked at the start, with the same key
		}
		return cert
	}
	return &CertificateSource{
		current: first, checked: time.Now(),
		next: func(old *tls.Certificate) (*tls.Certificate, error) {
			if isFresh(old.Leaf, time.Now()) {
				return old, nil
			}
			return renewed(old, names()), nil
		},
		named: func(old *tls.Certificate, name string) *tls.Certificate {
			current := names()
			usable := current[:min(len(current), maxNames)]
			if !canHave(name) || !slices.ContainsFunc(usable, func(n string) bool { return strings.EqualFold(n, name) }) {
				return old // a new one would not have it either, and browsers would ask again
			}
			return renewed(old, current)
		},
	}, nil
}

// isFresh reports whether a certificate is valid now, and for some time to come.
func isFresh(cert *x509.Certificate, now time.Time) bool {
	return now.After(cert.NotBefore) && now.Before(cert.NotAfter.Add(-renewBefore))
}

// selfSigned creates a certificate for key.
func selfSigned(key *Key, names []string, now time.Time) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // RFC 5280, 4.1.2.2: at most 20 bytes
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "chat"},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(certificateLife - clockSkew),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true, // it is no authority: a browser that trusts it trusts only this host
	}
	for _, name := range append(slices.Clone(names[:min(len(names), maxNames)]), "localhost", "127.0.0.1", "::1") {
		if ip := net.ParseIP(name); ip != nil {
			if !slices.ContainsFunc(template.IPAddresses, ip.Equal) {
				template.IPAddresses = append(template.IPAddresses, ip)
			}
		} else if name = strings.ToLower(name); isDNSName(name) && !slices.Contains(template.DNSNames, name) {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.private.Public(), key.private)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key.private, Leaf: leaf}, nil
}

// canHave reports whether a certificate can have name.
func canHave(name string) bool { return net.ParseIP(name) != nil || isDNSName(strings.ToLower(name)) }

// isDNSName reports whether name can be in a certificate. The name of a machine may have any
// characters, and non-ASCII ones would make the certificate invalid.
func isDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return name[0] != '.' && name[len(name)-1] != '.'
}
