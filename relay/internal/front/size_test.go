package front

import (
	"testing"
	"unsafe"

	"chat/relay/internal/session"
)

// A room of thousands has as many of these: one more byte would put them into the allocator's next size class.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	if size := unsafe.Sizeof(Conn{}); size > 240 {
		t.Errorf("a Conn has %d bytes, more than 240", size)
	}
	if size := unsafe.Sizeof(session.Session{}); size > 512 {
		t.Errorf("a Session has %d bytes, more than 512", size)
	}
}
