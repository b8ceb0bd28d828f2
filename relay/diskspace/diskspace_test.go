package diskspace

import "testing"

func TestOf(t *testing.T) {
	free, total, err := Of(t.TempDir())
	if err != nil || free < 0 || total <= 0 || free > total {
		t.Errorf("%d of %d bytes, %v", free, total, err)
	}
	if _, _, err := Of("/no/such/folder"); err == nil {
		t.Error("a folder that does not exist has space")
	}
}

func TestBytesOf(t *testing.T) {
	for _, test := range []struct{ blocks, size, want int64 }{{3, 512, 1536}, {-5, 512, 0}, {5, 0, 0}, {1 << 61, 512, 1 << 62}} {
		if got := bytesOf(test.blocks, test.size); got != test.want {
			t.Errorf("%d blocks of %d bytes are %d", test.blocks, test.size, got)
		}
	}
}
