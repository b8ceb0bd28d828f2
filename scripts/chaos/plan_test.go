//go:build linux

package main

import (
	"reflect"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	o := &options{messages: 1_000_000, faults: 1000, kills: 200, seed: 7, duration: 30 * time.Minute}
	mortals, all := []int{5, 6}, []int{0, 1, 2, 3, 4, 5, 6}
	plan := newPlan(o, mortals, all)
	if again := newPlan(o, mortals, all); !reflect.DeepEqual(plan, again) {
		t.Error("the same seed gave another schedule")
	}
	count := make(map[string]int)
	for i, f := range plan {
		count[f.kind]++
		if i > 0 && f.at < plan[i-1].at || f.at > o.duration || f.duration > 10*time.Second {
			t.Errorf("fault %d: %+v", i, f)
		}
		if f.kind == killClient && (len(f.seats) != 1 || f.seats[0] < 5) {
			t.Errorf("kills %v, which must stay", f.seats)
		}
	}
	if len(plan) != 1000 || count[killHost] != 200 {
		t.Errorf("%d faults, %d kills of the host", len(plan), count[killHost])
	}
	o.faults, o.kills = 17, 4
	count = make(map[string]int)
	for _, f := range newPlan(o, mortals, all) {
		count[f.kind]++
	}
	for _, name := range o.kindNames() {
		if count[name] == 0 {
			t.Errorf("no %s among 17 faults", name)
		}
	}
	o.only = []string{reset, cut}
	for _, f := range newPlan(o, mortals, all) {
		if f.kind != killHost && f.kind != reset && f.kind != cut {
			t.Errorf("%s was not asked for", f.kind)
		}
	}
}
