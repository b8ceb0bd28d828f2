//go:build linux

package browsertest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"chat/relay/wire"
)

// An endless reader returns blocks of bytes, each block different from the last.
type endless struct{ n byte }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.n
	}
	e.n++
	return len(b), nil
}

// A large file passes through the host without filling its memory.
func TestLargeFile(t *testing.T) {
	const size, limit = 1 << 30, 64 << 20 // bytes of the file, and of the host's memory
	needChromium(t)
	if _, err := build(); err != nil { // before the next line changes the compiler's cache
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // the host keeps uploads there, and leaves them when killed
	h := startHost(t)
	sum := sha256.New()
	body := io.TeeReader(io.LimitReader(&endless{}, size), sum)
	req, err := http.NewRequest("PUT", h.url()+"files/large?nick=ci", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var e wire.Event
	err = json.NewDecoder(res.Body).Decode(&e)
	res.Body.Close()
	want := hex.EncodeToString(sum.Sum(nil))
	if err != nil || e.File == nil || e.File.Size != size || e.File.SHA256 != want {
		t.Fatalf("%s: %+v, %v", res.Status, e.File, err)
	}
	if res, err = http.Get(h.url() + e.File.Path[1:]); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sum.Reset()
	if n, err := io.Copy(sum, res.Body); err != nil || n != size || hex.EncodeToString(sum.Sum(nil)) != want {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	peak, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the host used at most %d MiB", peak>>10)
	if peak<<10 > limit {
		t.Errorf("the host used %d KiB, the limit is %d bytes", peak, limit)
	}
}
