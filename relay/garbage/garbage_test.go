package garbage

import (
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		name            string
		allocated, live uint64 // MiB, allocated in a second
		want            int
	}{
		{"idle", 1, 3, normal},
		{"busy", 15, 3, normal},
		{"flood", 300, 3, 800},
		{"flood in a heap of nothing", 300, 0, 2400},
		{"flood in a large room", 300, 50, normal},
	} {
		began := time.Now()
		before := usage{at: began, allocated: 7 << 30}
		after := usage{at: began.Add(time.Second), allocated: before.allocated + test.allocated<<20, live: test.live << 20}
		if got := after.percentAfter(before); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

var sink []byte

func TestCollectLess(t *testing.T) {
	t.Setenv("GOGC", "")
	stop := CollectLess()
	defer stop()
	for n := 0; percentNow() == normal; n++ {
		if n == 1<<20 { // 64 GiB
			t.Fatal("garbage is collected as often as without a flood")
		}
		sink = make([]byte, 64<<10)
	}
	stop()
	if got := percentNow(); got != normal {
		t.Errorf("%d after it was stopped, want %d", got, normal)
	}
}

func percentNow() int {
	samples := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64())
}
