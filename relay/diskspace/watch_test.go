package diskspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mib, gib = 1 << 20, 1 << 30

// A disk is reported once when it becomes low, critical, and better, and not when it hovers around a limit.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards free, failing and reports
		var free int64 = 50 * gib
		var failing error
		w := NewWatch(Disk{Name: "history", Folder: "/history", Reserve: gib}, Disk{Name: "files", Folder: "/files", Reserve: gib})
		w.of = func(string) (int64, int64, error) {
			mu.Lock()
			defer mu.Unlock()
			return free, 100 * gib, failing
		}
		var reports []string
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			w.Run(ctx, func(d Disk, was Level) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, fmt.Sprintf("%s %d %d", d.Name, was, d.Level))
			})
		})
		for _, step := range []struct {
			free  int64
			err   error
			level Level
			want  []string
		}{
			{50 * gib, nil, Enough, nil},
			{5*gib - 1, nil, Low, []string{"history 0 1"}}, // 5 % are more than 1 GiB
			{5*gib + mib, nil, Low, nil},
			{0, errors.New("no such folder"), Low, nil},
			{60 * mib, nil, Critical, []string{"history 1 2"}},
			{65 * mib, nil, Critical, nil},
			{80 * mib, nil, Low, []string{"history 2 1"}},
			{10 * gib, nil, Enough, []string{"history 1 0"}},
			{mib, nil, Critical, []string{"history 0 2"}},
			{10 * gib, nil, Enough, []string{"history 2 0"}},
		} {
			mu.Lock()
			free, failing, reports = step.free, step.err, nil
			mu.Unlock()
			time.Sleep(3 * every)
			synctest.Wait()
			mu.Lock()
			disks := w.Disks()
			if len(disks) != 2 || disks[0].Level != step.level || disks[1].Level != step.level || step.err == nil && disks[0].Free != step.free {
				t.Errorf("%+v: %+v", step, disks)
			}
			if !slices.Equal(reports, step.want) {
				t.Errorf("%+v: reports %v", step, reports)
			}
			mu.Unlock()
		}
		cancel()
		running.Wait()
	})
}

// Another reserve counts at once, also for a look that has begun; nothing is reported twice.
func TestSetReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(Disk{Name: "history", Folder: "/history", Reserve: gib})
		asked := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		w.of = func(string) (int64, int64, error) {
			select {
			case asked <- struct{}{}:
			case <-ctx.Done():
			}
			return 20 * gib, 100 * gib, nil
		}
		reports := make(chan string, 10)
		var running sync.WaitGroup
		running.Go(func() {
			w.Run(ctx, func(d Disk, was Level) { reports <- fmt.Sprintf("%d %d", was, d.Level) })
		})
		look := func() (reported string) {
			<-asked
			synctest.Wait()
			if len(reports) > 0 {
				reported = <-reports
			}
			return reported
		}
		began := time.Now()
		synctest.Wait()
		w.SetReserve(30 * gib) // the first look is asking
		if got := look(); got != "0 1" {
			t.Errorf("during a look: report %q", got)
		}
		if got := look(); got != "" {
			t.Errorf("the same again: report %q", got)
		}
		w.SetReserve(30 * gib)
		w.SetReserve(-1)
		if got := look(); got != "1 0" {
			t.Errorf("without a reserve: report %q", got)
		}
		if d := w.Disks()[0]; d.Reserve != -1 || d.Level != Enough || time.Since(began) > 0 {
			t.Errorf("%+v after %v", d, time.Since(began))
		}
		cancel()
		running.Wait()
	})
}

// A small disk is critical only when it is nearly full, and one without a reserve is never low.
func TestLevelsOfDisks(t *testing.T) {
	for _, test := range []struct {
		reserve, free, total int64
		want                 Level
	}{
		{gib, 60 * mib, 100 * mib, Low},
		{gib, 4 * mib, 100 * mib, Critical},
		{gib, 2 * gib, 10 * gib, Enough},
		{gib, 900 * mib, 10 * gib, Low},
		{-1, 100 * mib, 10 * gib, Enough},
		{-1, 50 * mib, 10 * gib, Critical},
		{gib, 0, 0, Low},
	} {
		if d := (Disk{Reserve: test.reserve}).measured(test.free, test.total); d.Level != test.want {
			t.Errorf("%+v: %v", test, d.Level)
		}
	}
}

// A disk that cannot be asked is not known.
func TestUnknownDisk(t *testing.T) {
	w := NewWatch(Disk{Name: "files", Folder: t.TempDir()}, Disk{Name: "history", Folder: "/no/such/folder"})
	w.look(func(d Disk, was Level) { t.Logf("%+v was %v", d, was) }) // this machine's disk may be full
	if disks := w.Disks(); len(disks) != 1 || disks[0].Name != "files" || disks[0].Total <= 0 {
		t.Errorf("%+v", disks)
	}
}
