package web

import (
	"fmt"
	"testing"
)

// Keys are forgotten from the oldest on: if there are too many, or their messages are too long.
func TestKeyOrder(t *testing.T) {
	for _, bytes := range []int{0, 16 << 10} {
		var o keyOrder
		known := make(map[string]bool)
		const n = maxKeys + 100
		for i := range n {
			name := fmt.Sprint(i)
			known[name] = true
			o.add(name, bytes, func(old string) { delete(known, old) })
		}
		want := maxKeys
		if bytes > 0 {
			want = maxKeyMemory / bytes
		}
		if len(known) != want || !known[fmt.Sprint(n-1)] || !known[fmt.Sprint(n-want)] || o.bytes != want*bytes {
			t.Errorf("with %d bytes each, %d keys of %d bytes are known, want the last %d", bytes, len(known), o.bytes, want)
		}
	}
}
