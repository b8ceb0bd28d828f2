package cluster_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"chat/relay/cluster"
)

// content returns n bytes that do not compress.
func content(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	return data
}

func TestFiles(t *testing.T) {
	a, b := open(t, servers(t), "files"), open(t, servers(t), "files")
	for _, n := range []int{0, 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		data := content(n)
		name := fmt.Sprint("f", n)
		size, sum, err := a.PutFile(t.Context(), name, iotest.HalfReader(bytes.NewReader(data)))
		if err != nil || size != int64(n) || sum != sha256.Sum256(data) {
			t.Fatalf("put %d bytes: %d, %x, %v", n, size, sum, err)
		}
		file, err := b.OpenFile(t.Context(), name)
		if err != nil || file.Size != size || file.SHA256 != sum {
			t.Fatalf("open %d bytes: %+v, %v", n, file, err)
		}
		got, err := io.ReadAll(file.Reader())
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read %d of %d bytes: %v", len(got), n, err)
		}
		for at := int64(0); at < size; at += size/3 + 1 {
			some := make([]byte, min(size-at, 300<<10))
			if _, err := file.ReadAt(some, at); err != nil || !bytes.Equal(some, data[at:at+int64(len(some))]) {
				t.Errorf("read %d bytes at %d of %d: %v", len(some), at, size, err)
			}
		}
	}
	if _, _, err := b.PutFile(t.Context(), "f1", bytes.NewReader(content(9))); err == nil {
		t.Error("a name was used twice")
	}
	if file, err := a.OpenFile(t.Context(), "f1"); err != nil || file.Size != 1 {
		t.Errorf("then the file is %+v, %v", file, err)
	}
	if err := a.DeleteFile(t.Context(), "f1"); err != nil {
		t.Error(err)
	}
	failing := io.MultiReader(bytes.NewReader(content(600<<10)), iotest.ErrReader(errors.New("the upload broke off")))
	if _, _, err := a.PutFile(t.Context(), "broken", failing); err == nil {
		t.Error("half a file was stored")
	}
	for _, name := range []string{"f1", "broken", "never", "a.b", "*", ""} {
		if _, err := b.OpenFile(t.Context(), name); !errors.Is(err, cluster.ErrNoFile) {
			t.Errorf("open %q: %v", name, err)
		}
	}
	// Nothing is left of the upload that broke off, so that its name is free.
	if _, _, err := a.PutFile(t.Context(), "broken", bytes.NewReader(nil)); err != nil {
		t.Error(err)
	}
}

func TestSnapshots(t *testing.T) {
	a, b := open(t, servers(t), "snapshots"), open(t, servers(t), "snapshots")
	if position, data, err := a.Snapshot(t.Context()); position != 0 || data != nil || err != nil {
		t.Errorf("at first: %d, %d bytes, %v", position, len(data), err)
	}
	for i, c := range []*cluster.Cluster{a, b, a, b, b} {
		position := uint64(9 * i)
		data := content(500_000 + i)
		if err := c.SaveSnapshot(t.Context(), position, data); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []*cluster.Cluster{a, b} {
			if at, got, err := reader.Snapshot(t.Context()); err != nil || at != position || !bytes.Equal(got, data) {
				t.Fatalf("snapshot of %d is %d bytes of %d, %v", position, len(got), at, err)
			}
		}
	}
	if n := files(t, "snapshots"); n != 2*3 { // each has two parts and a description
		t.Errorf("%d messages are kept of two snapshots", n)
	}
}
