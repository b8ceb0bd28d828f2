package servicetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// clusterFile returns a file of scripts/packaging/cluster.
func clusterFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "packaging", "cluster", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestClusterUnitsAreValid(t *testing.T) {
	chattest.NeedTools(t, "systemd-analyze")
	dir := t.TempDir()
	relay := filepath.Join(dir, "chat@kitchen.service")
	template, err := os.ReadFile(filepath.Join("..", "packaging", "systemd", "chat@.service"))
	if err != nil {
		t.Fatal(err)
	}
	server := filepath.Join(dir, "nats-server.service")
	for path, text := range map[string]string{
		filepath.Join(dir, "chat@.service"): string(template),
		server:                              clusterFile(t, "nats-server.service"),
		filepath.Join(dir, "chat@.service.d", "cluster.conf"): clusterFile(t, "cluster.conf"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text = strings.NewReplacer("/usr/bin/chat", "/bin/true", "/usr/bin/nats-server", "/bin/true", "User=nats", "User=root").Replace(text)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("chat@.service", relay); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", relay, server).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestServerSettings has nats-server check its settings, in both ways to let relays in.
func TestServerSettings(t *testing.T) {
	binary, err := natsserver.Binary(t.Context())
	if err != nil {
		chattest.Missing(t, "no nats-server: "+err.Error())
	}
	dir := t.TempDir()
	writeCertificate(t, dir)
	settings := strings.NewReplacer("/etc/nats", dir, "/var/lib/nats", dir).Replace(clusterFile(t, "nats-server.conf"))
	if !strings.Contains(settings, "\n  sync_interval: always\n") {
		t.Error("the settings do not have sync_interval: always")
	}
	withPassword, credentials, found := strings.Cut(settings, "\ninclude resolver.conf\n")
	if !found {
		t.Fatal("the settings have no place for resolver.conf")
	}
	for line := range strings.Lines(credentials[strings.Index(credentials, "#authorization"):]) {
		withPassword += "\n" + strings.TrimPrefix(line, "#")
	}
	for name, text := range map[string]string{"credentials": settings, "password": withPassword} {
		path := filepath.Join(dir, name+".conf")
		for path, text := range map[string]string{path: text, filepath.Join(dir, "resolver.conf"): "# made by nsc\n"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(binary, "-t", "-c", path).CombinedOutput(); err != nil {
			t.Errorf("nats-server -t, with %s: %v\n%s", name, err, out)
		}
	}
}

// writeCertificate writes a certificate that signs itself as that of a server and its CA.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.pem": {Type: "CERTIFICATE", Bytes: certificate}, "ca.pem": {Type: "CERTIFICATE", Bytes: certificate}, "server-key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
