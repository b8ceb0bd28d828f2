package session

import (
	"sync/atomic"
	"time"
)

// A Rate limits how fast the lines of a connection are read: a token bucket with a steady
// rate and a burst. Excess input is delayed, not dropped.
type Rate struct {
	every time.Duration // between two lines at the steady rate; 0: no limit
	ahead time.Duration // how far a connection may be ahead of the steady rate
}

// NewRate returns a limit of perSecond lines per second, in bursts of up to burst lines.
// [Unlimited] for either means no limit.
func NewRate(perSecond float64, burst int) Rate {
	if perSecond >= Unlimited || burst >= Unlimited {
		return Rate{}
	}
	every := time.Duration(float64(time.Second) / perSecond)
	return Rate{every: every, ahead: time.Duration(burst) * every}
}

// A CurrentRate is a Rate that connections share, and that may be replaced meanwhile. The zero value
// is no limit. It is safe for concurrent use.
type CurrentRate struct{ rate atomic.Pointer[Rate] }

// Set replaces the rate.
func (c *CurrentRate) Set(rate Rate) { c.rate.Store(&rate) }

func (c *CurrentRate) get() Rate {
	if rate := c.rate.Load(); rate != nil {
		return *rate
	}
	return Rate{}
}

// A Bucket counts the input of one connection against a Rate. It is owned by the goroutine
// that reads.
type Bucket struct {
	Rate *CurrentRate
	Due  time.Time // when the next line is due, at the steady rate
	rest int       // bytes not yet counted as a line
}

// bytesPerLine is how many bytes of input count as a line, in addition to the lines
// themselves: a flood without newlines is slowed down, too.
const bytesPerLine = 8 << 10

// Line counts a line and returns how long to wait before the next one is read.
func (b *Bucket) Line() time.Duration {
	rate := b.Rate.get()
	if rate.every == 0 {
		return 0
	}
	now := time.Now()
	if b.Due.Before(now) {
		b.Due = now
	}
	b.Due = b.Due.Add(rate.every)
	return b.Due.Sub(now) - rate.ahead
}

// Bytes counts n bytes and returns how long to wait before more are read.
func (b *Bucket) Bytes(n int) (wait time.Duration) {
	for b.rest += n; b.rest >= bytesPerLine; b.rest -= bytesPerLine {
		wait = b.Line()
	}
	return wait
}
