package hostseal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// addressedConn is a connection to a local address.
type addressedConn struct {
	net.Conn
	at net.Addr
}

func (c addressedConn) LocalAddr() net.Addr { return c.at }

// shown returns the certificate that a client sees that asks for name, at an IP address of the host.
func shown(t *testing.T, s *CertificateSource, name, at string, minVersion, maxVersion uint16) (*x509.Certificate, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer theirs.Close()
		done <- tls.Server(addressedConn{theirs, &net.TCPAddr{IP: net.ParseIP(at), Port: 1}}, s.Config()).Handshake()
	}()
	client := tls.Client(ours, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: minVersion, MaxVersion: maxVersion})
	err := client.Handshake()
	state := client.ConnectionState()
	ours.Close()
	<-done
	if err != nil {
		return nil, err
	}
	return state.PeerCertificates[0], nil
}

func see(t *testing.T, s *CertificateSource, name, at string) *x509.Certificate {
	t.Helper()
	cert, err := shown(t, s, name, at, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestSelfSigned(t *testing.T) {
	names := []string{"laptop", "Laptop", "127.0.0.1", "::ffff:192.168.1.5", "laptop.local", "laptop.example.com", "192.168.1.5", "2001:db8::5", "Jo's laptöp", "", ".", "x.", strings.Repeat("a", 254)}
	source, err := selfSignedSource(nil, loadKey(t, t.TempDir()), func() []string { return names }, func(*tls.Certificate) {})
	if err != nil {
		t.Fatal(err)
	}
	cert := see(t, source, "", "192.168.1.5")
	for _, name := range []string{"laptop", "LAPTOP.local", "laptop.example.com", "192.168.1.5", "2001:db8::5", "localhost", "127.0.0.1", "::1"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := cert.VerifyHostname("192.168.1.6"); err == nil {
		t.Error("the certificate is valid for another address")
	}
	if len(cert.DNSNames) != 4 || len(cert.IPAddresses) != 4 { // each once
		t.Errorf("the certificate has the names %q and %v", cert.DNSNames, cert.IPAddresses)
	}
	if now := time.Now(); cert.NotBefore.After(now.Add(-23*time.Hour)) || cert.NotAfter.Sub(cert.NotBefore) > 397*24*time.Hour || cert.NotAfter.Before(now.Add(390*24*time.Hour)) {
		t.Errorf("the certificate is valid from %v to %v", cert.NotBefore, cert.NotAfter)
	}
	if cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Error("the certificate can vouch for others")
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	if _, err := cert.Verify(x509.VerifyOptions{DNSName: "laptop.local", Roots: pool}); err != nil {
		t.Errorf("a client that trusts the certificate: %v", err)
	}
	if _, err := shown(t, source, "", "192.168.1.5", tls.VersionTLS12, tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is accepted")
	}
}

// A machine with very many addresses still has a certificate that clients accept.
func TestManyNames(t *testing.T) {
	var names []string
	for i := range 5000 {
		names = append(names, net.IPv4(10, 0, byte(i>>8), byte(i)).String())
	}
	source, err := selfSignedSource(nil, loadKey(t, t.TempDir()), func() []string { return names }, func(*tls.Certificate) {})
	if err != nil {
		t.Fatal(err)
	}
	cert := see(t, source, "localhost", "10.0.0.1")
	if len(cert.IPAddresses) != maxNames+2 || cert.VerifyHostname("localhost") != nil || len(cert.Raw) > 4<<10 {
		t.Errorf("%d addresses, %d bytes", len(cert.IPAddresses), len(cert.Raw))
	}
}

// A running host has a new certificate before the old one ends, and when a client connects to a
// name or an address that the machine got meanwhile, but not for what a client makes up.
func TestSelfSignedIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"192.168.1.5"}
		source, err := selfSignedSource(nil, loadKey(t, t.TempDir()), func() []string { return names }, func(*tls.Certificate) {})
		if err != nil {
			t.Fatal(err)
		}
		first := see(t, source, "", "192.168.1.5")
		for _, step := range []struct {
			does     string
			after    time.Duration
			names    []string
			name, at string
			renewed  bool
		}{
			{"connects again", time.Minute, names, "", "192.168.1.5", false},
			{"connects much later", 360 * 24 * time.Hour, names, "", "192.168.1.5", false},
			{"connects when the certificate ends soon", 10 * 24 * time.Hour, names, "", "192.168.1.5", true},
			{"connects to a new address", time.Minute, []string{"10.0.0.7", "192.168.1.5"}, "", "10.0.0.7", true},
			{"connects again after an address is gone", time.Minute, []string{"10.0.0.7"}, "", "10.0.0.7", false},
			{"connects to a link-local address", time.Minute, []string{"10.0.0.7", "fe80::7"}, "", "fe80::7", false},
			{"connects to a new name", time.Minute, []string{"10.0.0.7", "laptop.local"}, "Laptop.local", "10.0.0.7", true},
			{"makes a name up", time.Minute, []string{"10.0.0.7", "laptop.local"}, "example.com", "10.0.0.7", false},
			{"asks for a name that no certificate can have", time.Minute, []string{"10.0.0.7", "my laptop"}, "my laptop", "10.0.0.7", false},
			{"connects to an address beyond the limit", time.Minute, append(slices.Repeat([]string{"10.0.0.7"}, maxNames), "10.0.0.8"), "", "10.0.0.8", false},
			{"connects after the clock went back", -900 * 24 * time.Hour, []string{"10.0.0.7", "laptop.local"}, "", "10.0.0.7", true},
		} {
			if step.after > 0 {
				time.Sleep(step.after)
			} else { // as if the certificate had been made by a clock that was ahead
				source.mu.Lock()
				future, err := selfSigned(loadKey(t, t.TempDir()), step.names, time.Now().Add(-step.after))
				if err != nil {
					t.Fatal(err)
				}
				source.current, source.checked = future, time.Time{}
				source.mu.Unlock()
				first = future.Leaf
			}
			names = step.names
			source.Pin() // others ask for the certificate all the time, such as the announcement
			cert := see(t, source, step.name, step.at)
			if renewed := !cert.Equal(first); renewed != step.renewed {
				t.Errorf("a client that %s: the certificate is a new one: %v", step.does, renewed)
			}
			if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
				t.Errorf("a client that %s: the certificate is valid from %v to %v, and it is %v", step.does, cert.NotBefore, cert.NotAfter, now)
			}
			first = cert
		}
	})
}

// The names of the machine are looked up once a second at most, whatever names clients make up.
func TestMadeUpNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source, err := selfSignedSource(nil, loadKey(t, t.TempDir()), func() []string { asked++; return []string{"192.168.1.5"} }, func(*tls.Certificate) {})
		if err != nil {
			t.Fatal(err)
		}
		asked = 0
		for range 3 {
			time.Sleep(time.Second)
			for i := range 10 {
				source.certificate(fmt.Sprintf("made-up-%d.example", i))
			}
		}
		if asked != 3 {
			t.Errorf("in 3 s the names are looked up %d times", asked)
		}
	})
}

// writeCertificate writes a certificate and its key, and returns their paths.
func writeCertificate(t *testing.T, dir string, key crypto.Signer, from, until time.Time, names ...string) (certFile, keyFile string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: from, NotAfter: until, DNSNames: names}
	der, err1 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	keyDER, err2 := x509.MarshalPKCS8PrivateKey(key)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert-key.pem")
	err3 := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	err4 := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: keyDER}), 0o600)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCertificateFiles(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now, names := time.Now(), []string{"lab.example"}
	for name, test := range map[string]struct {
		key         crypto.Signer
		from, until time.Time
		names       []string
		warns       string
	}{
		"valid":         {newECKey(t), now.Add(-time.Hour), now.Add(time.Hour), names, ""},
		"expired":       {newECKey(t), now.Add(-2 * time.Hour), now.Add(-time.Hour), names, "expired=\"" + now.Add(-time.Hour).Format(time.DateTime)},
		"not valid yet": {newECKey(t), now.Add(time.Hour), now.Add(2 * time.Hour), names, "from=\"" + now.Add(time.Hour).Format(time.DateTime)},
		"without names": {newECKey(t), now.Add(-time.Hour), now.Add(time.Hour), nil, "no names"},
		"Ed25519":       {ed, now.Add(-time.Hour), now.Add(time.Hour), names, "Ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			certFile, keyFile := writeCertificate(t, t.TempDir(), test.key, test.from, test.until, test.names...)
			source, err := certificateFiles(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.warns == "" && logged.Len() > 0 || !strings.Contains(logged.String(), test.warns) {
				t.Errorf("logged %q; want %q", logged.String(), test.warns)
			}
			if cert := see(t, source, "lab.example", "127.0.0.1"); !slices.Equal(cert.DNSNames, test.names) {
				t.Errorf("a client sees a certificate for %q", cert.DNSNames)
			}
		})
	}
}

// A key that everyone can read is used, with a warning. One that a group can read is meant to be.
func TestCertificateKeyModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the mode says nothing about other users")
	}
	now := time.Now()
	certFile, keyFile := writeCertificate(t, t.TempDir(), newECKey(t), now, now.Add(time.Hour), "one")
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 0, 0o644: 1, 0o604: 1} {
		var logged bytes.Buffer
		if err := os.Chmod(keyFile, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := certificateFiles(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)), nil); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if got := strings.Count(logged.String(), "other users can read"); got != want {
			t.Errorf("mode %04o: logged %q", mode, logged.String())
		}
	}
}

func TestCertificateFilesThatCannotBeUsed(t *testing.T) {
	now := time.Now()
	cert1, key1 := writeCertificate(t, t.TempDir(), newECKey(t), now, now.Add(time.Hour), "one")
	_, key2 := writeCertificate(t, t.TempDir(), newECKey(t), now, now.Add(time.Hour), "two")
	for name, files := range map[string][2]string{
		"no certificate": {cert1 + "x", key1}, "no key": {cert1, key1 + "x"}, "the key of another": {cert1, key2}, "exchanged": {key1, cert1},
	} {
		_, err := certificateFiles(files[0], files[1], slog.New(slog.DiscardHandler), nil)
		if err == nil || !strings.Contains(err.Error(), files[0]) && !strings.Contains(err.Error(), files[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Changed files are read again; if they cannot be used, the old certificate stays until they can.
func TestCertificateFilesAreReadAgain(t *testing.T) {
	dir, now, key := t.TempDir(), time.Now(), newECKey(t)
	until := now.Add(time.Hour)
	certFile, keyFile := writeCertificate(t, dir, key, now, until, "one")
	var logged bytes.Buffer
	var replaced []string
	source, err := certificateFiles(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)), func(leaf *x509.Certificate) {
		replaced = append(replaced, leaf.DNSNames...)
	})
	if err != nil {
		t.Fatal(err)
	}
	changed := now
	next := func() string { // as a client sees it more than a second later
		changed = changed.Add(time.Minute)
		for _, file := range []string{certFile, keyFile} {
			if err := os.Chtimes(file, changed, changed); err != nil {
				t.Fatal(err)
			}
		}
		source.mu.Lock()
		source.checked = time.Time{}
		source.mu.Unlock()
		return see(t, source, "", "127.0.0.1").DNSNames[0]
	}
	writeCertificate(t, dir, key, now, until, "two")
	if got := next(); got != "two" {
		t.Errorf("after a change a client sees %q", got)
	}
	if strings.Contains(logged.String(), "another key") {
		t.Errorf("the same key is a new one: %s", logged.String())
	}
	if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "two" || strings.Count(logged.String(), "level=ERROR") != 1 {
		t.Errorf("after a bad change a client sees %q, and the log is %s", got, logged.String())
	}
	source.mu.Lock()
	source.checked = time.Time{}
	source.mu.Unlock()
	if see(t, source, "", "127.0.0.1"); strings.Count(logged.String(), "level=ERROR") != 1 {
		t.Errorf("one bad file is logged again: %s", logged.String())
	}
	if err := source.Recheck(); err == nil || !strings.Contains(err.Error(), certFile) || strings.Count(logged.String(), "level=ERROR") != 1 {
		t.Errorf("Recheck: %v; the log is %s", err, logged.String())
	}
	writeCertificate(t, dir, newECKey(t), now, until, "three")
	if got := next(); got != "three" || source.Recheck() != nil || !strings.Contains(logged.String(), "another key") {
		t.Errorf("after another key a client sees %q, and the log is %s", got, logged.String())
	}
	if strings.Contains(logged.String(), "expired") {
		t.Errorf("valid certificates have expired: %s", logged.String())
	}
	writeCertificate(t, dir, newECKey(t), now.Add(-2*time.Hour), now.Add(-time.Hour), "four.with-a-longer-name")
	changed = changed.Add(-time.Minute) // the time of the files stays, as by a coarse clock
	if got := next(); got != "four.with-a-longer-name" || !strings.Contains(logged.String(), "expired") {
		t.Errorf("after an expired certificate a client sees %q, and the log is %s", got, logged.String())
	}
	if want := []string{"two", "two", "three", "four.with-a-longer-name"}; !slices.Equal(replaced, want[1:]) && !slices.Equal(replaced, want) {
		t.Errorf("replaced by %q", replaced)
	}
}
