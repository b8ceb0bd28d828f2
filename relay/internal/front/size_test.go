//go:build amd64 || arm64

package front

import (
	"testing"
	"unsafe"

	"chat/relay/internal/session"
)

// A room of thousands has as many of these: with 64 bits, one more byte would put them into the allocator's next size class.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 240 {
		t.Errorf("a Conn has %d bytes, more than 240", size)
	}
	if size := unsafe.Sizeof(session.Session{}); size > 512 {
		t.Errorf("a Session has %d bytes, more than 512", size)
	}
}
