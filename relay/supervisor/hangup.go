package supervisor

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// A hangup decides what SIGHUP does.
type hangup struct {
	end    context.CancelFunc     // ends the program; fixed
	reload atomic.Pointer[func()] // nil: SIGHUP ends the program, because the terminal was closed
}

// hangupKey is the key of the *hangup in a context.
type hangupKey struct{}

// EndOnHangup returns a context that ends with ctx or on SIGHUP, unless the program was started with SIGHUP ignored, as by
// nohup. A second SIGHUP ends the program at once. Call it once; it watches for SIGHUP as long as the program runs.
func EndOnHangup(ctx context.Context) context.Context {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx
	}
	h := new(hangup)
	ctx, h.end = context.WithCancel(context.WithValue(ctx, hangupKey{}, h))
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	go func() {
		for range hups {
			if reload := h.reload.Load(); reload != nil {
				(*reload)()
				continue
			}
			signal.Stop(hups)
			h.end()
			return
		}
	}()
	return ctx
}

// ReloadOnHangup has SIGHUP call reload instead of ending ctx, which is from EndOnHangup. If the program has a terminal now,
// SIGHUP still ends it once that is closed.
func ReloadOnHangup(ctx context.Context, reload func()) {
	h, ok := ctx.Value(hangupKey{}).(*hangup)
	if !ok || !hangupReloads {
		return
	}
	onHangup := reload
	if hasTerminal() {
		onHangup = func() {
			time.Sleep(hangupTime)
			if !hasTerminal() {
				h.end()
				return
			}
			reload()
		}
	}
	h.reload.Store(&onHangup)
}

// hangupTime is how long it takes at most until a process that gets SIGHUP has no terminal any more, if it was closed.
const hangupTime = 100 * time.Millisecond
