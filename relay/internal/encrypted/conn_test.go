package encrypted

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// serverConfig returns the configuration of a host, with a new certificate.
var serverConfig = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13, DynamicRecordSizingDisabled: true,
	}
})

func clientConfig() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// noTurn is a turn that never waits.
type noTurn struct{}

func (noTurn) Lock()   {}
func (noTurn) Unlock() {}

// shake returns both ends of a TLS connection on ours and theirs.
func shake(t testing.TB, ours, theirs net.Conn) (host net.Conn, client *tls.Conn) {
	t.Helper()
	c := Server(ours, nil, serverConfig())
	client = tls.Client(theirs, clientConfig())
	failed := make(chan error, 1)
	go func() { failed <- client.Handshake() }()
	if err := errors.Join(c.Handshake(noTurn{}), <-failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); client.Close() })
	return c.NonBlocking(), client
}

// overTCP returns both ends of a TLS connection over TCP, and the TCP connection of the client.
func overTCP(t testing.TB) (host net.Conn, client *tls.Conn, below *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	host, client = shake(t, fanout.NonBlocking(accepted), dialed)
	return host, client, dialed.(*net.TCPConn)
}

// eagerOverTCP is overTCP, if the system has writes without waiting.
func eagerOverTCP(t testing.TB) (host eagerConn, client *tls.Conn, below *net.TCPConn) {
	t.Helper()
	conn, client, below := overTCP(t)
	host, ok := conn.(eagerConn)
	if !ok {
		t.Skip("this system has no writes without waiting")
	}
	return host, client, below
}

// numbered returns n bytes that show if some are missing.
func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i >> 8 * 7 & 0xff)
		b[i] ^= byte(i)
	}
	return b
}

// cut divides b into runs of these sizes, in turn.
func cut(b []byte, sizes ...int) (runs [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), sizes[i%len(sizes)])
		runs = append(runs, b[:n:n])
		b = b[n:]
	}
	return runs
}

// What a peer does not read stays with the connection, as one piece of ciphertext; the rest is not encrypted. It all
// arrives in order, however it is written next.
func TestUnsentGoesFirst(t *testing.T) {
	host, client, _ := eagerOverTCP(t)
	want := numbered(30 << 20)
	w := new(fanout.Writer)
	rest, err := host.WriteEagerly(w, cut(want, 100, 70_000, 3, 16<<10, 200_000))
	if err != nil || len(rest) == 0 {
		t.Fatalf("a peer that does not read leaves %d runs, %v", len(rest), err)
	}
	if !host.Unsent() || len(host.out.unsent) > outSize {
		t.Fatalf("unsent: %v, %d bytes", host.Unsent(), len(host.out.unsent))
	}
	for before := 0; before != len(host.out.unsent); { // until TCP buffers no more
		before = len(host.out.unsent)
		time.Sleep(time.Millisecond)
		if rest, err = host.WriteEagerly(w, rest); err != nil || len(rest) == 0 || !host.Unsent() {
			t.Fatalf("a peer that does not read leaves %d runs, %v", len(rest), err)
		}
	}
	go func() {
		defer host.CloseWrite()
		buffers := net.Buffers(rest[:len(rest)/2])
		after := rest[len(rest)/2:]
		for len(buffers) > 0 || host.Unsent() {
			if _, err := host.WriteRuns(&buffers); err != nil {
				t.Error(err)
				return
			}
		}
		for _, run := range after {
			if n, err := host.Write(run); n != len(run) || err != nil {
				t.Error(n, err)
				return
			}
		}
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of %d, %v", len(got), len(want), err)
	}
}

// A slow reader, timeouts and all ways of writing: no byte is lost, repeated or out of order.
func TestSlowReader(t *testing.T) {
	unsent := 0
	defer func() {
		if !t.Failed() && unsent == 0 {
			t.Error("TCP buffered everything")
		}
	}()
	rapid.Check(t, func(rt *rapid.T) {
		host, client, below := overTCP(t)
		defer client.Close()
		defer host.Close()
		below.SetReadBuffer(128 << 10)
		bottom(host).(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(16 << 10)
		want := numbered(rapid.IntRange(1, 700_000).Draw(rt, "size"))
		runs := cut(want, rapid.SliceOfN(rapid.SampledFrom([]int{1, 100, 5000, 16 << 10, 64<<10 - 1, 64 << 10, 300_000}), 1, 4).Draw(rt, "runs")...)
		if len(runs) > 500 {
			runs = append(runs[:500:500], bytes.Join(runs[500:], nil))
		}
		ways := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 5).Draw(rt, "ways")
		done := make(chan error, 1)
		go func() {
			n, err := writeAll(host, runs, ways)
			unsent += n
			done <- err
		}()
		got, buf := []byte(nil), make([]byte, 20_000)
		for err := error(nil); err == nil; {
			var n int
			n, err = client.Read(buf[:1+len(got)%len(buf)])
			got = append(got, buf[:n]...)
			if err != nil && err != io.EOF {
				rt.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			rt.Fatalf("got %d bytes of %d, or others", len(got), len(want))
		}
	})
}

// bottom returns the connection below host.
func bottom(host net.Conn) net.Conn {
	if eager, ok := host.(eagerConn); ok {
		return eager.Conn.Conn
	}
	return host.(*Conn).Conn
}

// writeAll writes runs in different ways, some with short timeouts, and ends the output. It returns how often the
// connection below did not accept everything.
func writeAll(host net.Conn, runs [][]byte, ways []int) (unsent int, err error) {
	eager, isEager := host.(fanout.EagerConn)
	w := new(fanout.Writer)
	for i := 0; len(runs) > 0 || fanout.HasUnsent(host); i++ {
		host.SetWriteDeadline(time.Now().Add(time.Millisecond))
		var err error
		switch way := ways[i%len(ways)]; {
		case way == 0 && isEager:
			host.SetWriteDeadline(time.Time{})
			runs, err = eager.WriteEagerly(w, runs)
		case way == 1 && len(runs) > 0:
			var n int
			n, err = host.Write(runs[0])
			runs = fanout.After(runs, n)
		default:
			buffers := net.Buffers(runs)
			_, err = fanout.WriteRuns(host, &buffers)
			runs = buffers
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return unsent, err
		}
		if fanout.HasUnsent(host) {
			unsent++
		}
	}
	host.SetWriteDeadline(time.Time{})
	return unsent, host.(interface{ CloseWrite() error }).CloseWrite()
}

// A read without a buffer returns what arrives, holds nothing while it waits, and ends as the input does.
func TestReadLazily(t *testing.T) {
	host, client, _ := eagerOverTCP(t)
	want := numbered(200_000)
	go func() {
		for _, run := range cut(want, 1, 20_000, 300) {
			client.Write(run)
		}
		client.CloseWrite()
	}()
	const spare = 7
	var got []byte
	for {
		buf, n, err := host.ReadLazily(spare)
		if err != nil {
			if err != io.EOF {
				t.Errorf("it ended with %v", err)
			}
			break
		}
		got = append(got, buf[spare:spare+n]...)
		wire.PutBuffer(buf)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of %d, or others", len(got), len(want))
	}
	if host.inBuf != nil || host.in != nil {
		t.Error("a buffer is held at the end")
	}
}

// A read that times out loses nothing, and leaves no buffer.
func TestReadTimeout(t *testing.T) {
	host, client, _ := eagerOverTCP(t)
	for i := range 20 {
		host.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, _, err := host.ReadLazily(0); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		host.SetReadDeadline(time.Time{})
		if host.inBuf != nil {
			t.Fatal("a buffer is held")
		}
		client.Write([]byte{byte(i)})
		buf, n, err := host.ReadLazily(0)
		if err != nil || n != 1 || buf[0] != byte(i) {
			t.Fatal(n, err)
		}
		wire.PutBuffer(buf)
	}
}

// An input that ends without close_notify may have been cut off by anyone.
func TestCutOff(t *testing.T) {
	host, client, below := overTCP(t)
	io.WriteString(client, "soup")
	below.Close()
	got, err := io.ReadAll(host)
	if string(got) != "soup" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", got, err)
	}
}

// Close sends close_notify, so the peer knows that it got everything.
func TestCloseNotify(t *testing.T) {
	for _, half := range []bool{false, true} {
		host, client, _ := overTCP(t)
		io.WriteString(host, "bye")
		if half {
			if err := host.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Error(err)
			}
			io.WriteString(client, "one more") // it can still send
			buf := make([]byte, 20)
			if n, err := host.Read(buf); err != nil || string(buf[:n]) != "one more" {
				t.Errorf("got %q, %v", buf[:n], err)
			}
		} else {
			host.Close()
		}
		got, err := io.ReadAll(client)
		if string(got) != "bye" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// Close ends a write that waits for the peer, and a read.
func TestCloseEndsWaiting(t *testing.T) {
	host, _, _ := overTCP(t)
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := host.Write(make([]byte, 30<<20)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	calls.Go(func() {
		if _, err := host.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	host.Close()
	calls.Wait()
}

// Both ends derive the same bytes, which no other connection has.
func TestExporter(t *testing.T) {
	host, client, _ := overTCP(t)
	ours, err := host.(interface {
		Exporter(string, int) ([]byte, error)
	}).Exporter("EXPORTER-chat-v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	state := client.ConnectionState()
	theirs, err := state.ExportKeyingMaterial("EXPORTER-chat-v1", nil, 32)
	if err != nil || !bytes.Equal(ours, theirs) || len(ours) != 32 {
		t.Errorf("%x and %x, %v", ours, theirs, err)
	}
	other, _, _ := overTCP(t)
	others, _ := other.(interface {
		Exporter(string, int) ([]byte, error)
	}).Exporter("EXPORTER-chat-v1", 32)
	if bytes.Equal(ours, others) {
		t.Error("two connections have the same bytes")
	}
}

// The turn is not held while the handshake waits for the peer.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var turn sync.Mutex
		c := Server(ours, nil, serverConfig())
		shaken := make(chan error, 1)
		go func() { shaken <- c.Handshake(&turn) }()
		synctest.Wait()
		if !turn.TryLock() {
			t.Error("the turn is held before the hello")
		} else {
			turn.Unlock()
		}
		client := tls.Client(theirs, clientConfig())
		go client.Handshake()
		if err := <-shaken; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		go io.Copy(io.Discard, client)
		c.Close()
		client.Close()
	})
}

// Over a pipe, which cannot be written to without waiting, the peer gets everything and the end too.
func TestPipe(t *testing.T) {
	ours, theirs := net.Pipe()
	host, client := shake(t, ours, theirs)
	if _, ok := host.(fanout.EagerConn); ok {
		t.Error("a pipe waits")
	}
	want := numbered(300_000)
	go func() {
		host.Write(want)
		host.Close()
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// A peer that reads nothing and asks for new keys without end does not fill the host's memory.
func TestUnsentIsBounded(t *testing.T) {
	host, client, _ := eagerOverTCP(t)
	defer client.Close()
	host.sending.Lock() // as if a write waited for the peer
	defer host.sending.Unlock()
	update := make([]byte, 27)
	l := (*link)(host.Conn)
	var err error
	for range maxUnsent/len(update) + 1 {
		if _, err = l.Write(update); err != nil {
			break
		}
	}
	if !errors.Is(err, errTooMuch) || len(host.out.unsent) > maxUnsent {
		t.Errorf("%d bytes are unsent, %v", len(host.out.unsent), err)
	}
}
