package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollow(t *testing.T) {
	at := netip.MustParseAddr("::ffff:192.168.1.7")
	for name, test := range map[string]struct {
		heard []Record
		moved int
	}{
		"the same address":                 {[]Record{roomAt(kitchenID, "kitchen", "192.168.1.7:1")}, 0},
		"one of several addresses":         {[]Record{roomAt(kitchenID, "kitchen", "10.0.0.1:1", "192.168.1.7:1")}, 0},
		"another room":                     {[]Record{roomAt(studyID, "study", "192.168.1.8:1")}, 0},
		"no address":                       {[]Record{roomAt(kitchenID, "kitchen")}, 0},
		"another address":                  {[]Record{roomAt(kitchenID, "kitchen", "192.168.1.8:1")}, 1},
		"another address, again and again": {[]Record{roomAt(kitchenID, "kitchen", "192.168.1.8:1", "10.0.0.1:1"), roomAt(kitchenID, "kitchen", "10.0.0.1:1", "192.168.1.8:1")}, 1},
		"another and then yet another":     {[]Record{roomAt(kitchenID, "kitchen", "192.168.1.8:1"), roomAt(kitchenID, "kitchen", "192.168.1.9:1")}, 2},
		"a flood":                          {flood(), maxFollowed},
	} {
		moved := 0
		f := Finder{
			LANs: func() ([]LAN, error) { return []LAN{eth0()}, nil },
			Listen: func(_ context.Context, _ LAN, v6 bool, heard func(Record)) error {
				for _, r := range test.heard {
					if !v6 {
						heard(r)
					}
				}
				return nil
			},
		}
		f.Follow(t.Context(), kitchenID, at, func() { moved++ })
		if moved != test.moved {
			t.Errorf("%s: moved was called %d times, want %d", name, moved, test.moved)
		}
	}
}

func TestAwait(t *testing.T) {
	for name, heard := range map[string][]Record{
		"nothing": nil,
		"a room":  {roomAt(studyID, "no address"), roomAt(kitchenID, "kitchen", "192.168.1.8:1"), roomAt(studyID, "study", "192.168.1.9:1")},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := Finder{
				LANs: func() ([]LAN, error) { return []LAN{eth0()}, nil },
				Listen: func(ctx context.Context, _ LAN, v6 bool, report func(Record)) error {
					for _, r := range heard {
						report(r)
					}
					<-ctx.Done()
					return ctx.Err()
				},
			}
			began := time.Now()
			got, err := f.Await(t.Context(), time.Minute)
			if err != nil || len(got) != min(len(heard), 1) || len(got) > 0 && got[0].Title != "kitchen" {
				t.Errorf("%s: heard %+v, %v", name, got, err)
			}
			if took := time.Since(began); heard == nil && took != time.Minute || heard != nil && took != 0 {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

func flood() (list []Record) {
	for i := range 3 * maxFollowed {
		list = append(list, roomAt(kitchenID, "kitchen", fmt.Sprintf("10.0.%d.%d:1", i/250, i%250+1)))
	}
	return list
}
