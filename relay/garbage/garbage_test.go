package garbage

import (
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const raised = 800 // with 3 MiB in use
	for _, test := range []struct {
		name      string
		allocated uint64   // MiB, in a second
		live      []uint64 // MiB in use at each collection
		want      []int
	}{
		{"idle", 1, []uint64{3, 3, 3, 3, 3, 3}, []int{100, 100, 100, 100, 100, 100}},
		{"busy", 15, []uint64{3, 3, 3, 3, 3, 3}, []int{100, 100, 100, 100, 100, 100}},
		{"flood", 300, []uint64{3, 3, 3, 3, 3, 3}, []int{100, 100, 100, 100, raised, raised}},
		{"flood, then someone stores much", 300, []uint64{3, 3, 3, 3, 3, 4, 4}, []int{100, 100, 100, 100, raised, 100, 100}},
		{"flood in a heap of nothing", 300, []uint64{0, 0, 0, 0, 0}, []int{100, 100, 100, 100, 2400}},
		{"flood in a large room", 300, []uint64{9, 9, 9, 9, 9, 9}, []int{100, 100, 100, 100, 100, 100}},
		{"thousands join", 300, []uint64{3, 3, 3, 4, 4, 4, 4, 5}, []int{100, 100, 100, 100, 100, 100, 100, 100}},
	} {
		c := collector{percent: normal, usage: usage{at: time.Now(), live: 3 << 20}}
		now := c.usage
		for i, live := range test.live {
			now.at, now.allocated, now.live = now.at.Add(time.Second), now.allocated+test.allocated<<20, live<<20
			if got := c.percentAfterLocked(now); got != test.want[i] {
				t.Errorf("%s: %d after collection %d, want %d", test.name, got, i, test.want[i])
			}
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
