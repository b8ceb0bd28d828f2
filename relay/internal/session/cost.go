package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/internal/pace"
)

// Costs charge the address that asks for much work: a short request can have an answer of a
// megabyte, or read a whole history file. All connections of one address group pay together,
// in the time that the work may take: so many bytes of answers, or a part of the time that
// its searches ran. Events as they happen, and downloads of files, cost nothing.
//
// Costs are safe for concurrent use.
type Costs struct {
	off atomic.Bool // nothing is charged

	mu   sync.Mutex
	dues pace.Dues // guarded by mu
}

const (
	// readRate is how many bytes of answers one address may read per second for long, and
	// costBurst how far it may be ahead: 16 MiB at once.
	readRate  = 2 << 20
	costBurst = 8 * time.Second

	// searchWeight is how many times its duration a search costs.
	searchWeight = 2

	// MaxDelay is how long a request waits for its address before it is rejected. It is
	// shorter than the time after which clients believe that the host is gone.
	MaxDelay = 5 * time.Second
)

// NewCosts returns Costs. Without a rate, nothing is charged.
func NewCosts(rate Rate) *Costs {
	c := &Costs{dues: make(pace.Dues)}
	c.SetRate(rate)
	return c
}

// SetRate replaces the rate of [NewCosts].
func (c *Costs) SetRate(rate Rate) { c.off.Store(rate.every == 0) }

// ThisMachine is the payer of all connections over the host's own loopback interface.
const ThisMachine = "this machine"

// Bytes charges payer for n bytes of an answer, and returns how long to wait before they are
// sent. The payer is an address group or ThisMachine; "" pays nothing.
func (c *Costs) Bytes(payer string, n int) time.Duration {
	return c.charge(payer, time.Duration(n)*time.Second/readRate)
}

// Delay returns how long payer has to wait before it may cause more work.
func (c *Costs) Delay(payer string) time.Duration { return c.charge(payer, 0) }

func (c *Costs) charge(payer string, cost time.Duration) time.Duration {
	if c.off.Load() || payer == "" {
		return 0
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.dues.Due(payer, now).Add(cost)
	c.dues.Keep(payer, due, now)
	return due.Sub(now) - costBurst
}

// searches run few searches at the same time, one of each address, and take addresses in
// turn: one that asks for many waits for itself. It is safe for concurrent use.
type searches struct {
	costs *Costs // fixed

	mu      sync.Mutex // guards all below
	running int
	turns   []string // the payers that wait, next first
	waiting map[string][]chan struct{}
	busy    map[string]bool // a search of the payer runs
}

// maxSearches is how many searches run at the same time; more wait. It is lower than the
// number of connections to a history file, so that joining does not wait for searches.
const maxSearches = 2

func newSearches(costs *Costs) *searches {
	return &searches{costs: costs, waiting: make(map[string][]chan struct{}), busy: make(map[string]bool)}
}

// run calls search when it is payer's turn, and charges it. It returns false if canceled is
// closed before that.
func (s *searches) run(payer string, canceled <-chan struct{}, search func()) bool {
	turn := make(chan struct{})
	s.mu.Lock()
	if len(s.waiting[payer]) == 0 {
		s.turns = append(s.turns, payer)
	}
	s.waiting[payer] = append(s.waiting[payer], turn)
	s.startLocked()
	s.mu.Unlock()
	select {
	case <-turn:
	case <-canceled:
		if !s.cancel(payer, turn) {
			s.end(payer) // its turn came at the same moment
		}
		return false
	}
	began := time.Now()
	defer func() {
		s.costs.charge(payer, searchWeight*time.Since(began))
		s.end(payer)
	}()
	search()
	return true
}

// startLocked starts searches while there is space, each of a payer that has none running.
func (s *searches) startLocked() {
	for i := 0; i < len(s.turns) && s.running < maxSearches; {
		payer := s.turns[i]
		if s.busy[payer] {
			i++
			continue
		}
		s.turns = slices.Delete(s.turns, i, i+1)
		queue := s.waiting[payer]
		close(queue[0])
		s.setQueueLocked(payer, queue[1:])
		if len(queue) > 1 {
			s.turns = append(s.turns, payer)
		}
		s.busy[payer] = true
		s.running++
	}
}

func (s *searches) setQueueLocked(payer string, queue []chan struct{}) {
	if len(queue) == 0 {
		delete(s.waiting, payer)
	} else {
		s.waiting[payer] = queue
	}
}

func (s *searches) end(payer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	delete(s.busy, payer)
	s.startLocked()
}

// cancel removes a search that waits for its turn. It returns false if it has come.
func (s *searches) cancel(payer string, turn chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting[payer], turn)
	if i < 0 {
		return false
	}
	s.setQueueLocked(payer, slices.Delete(s.waiting[payer], i, i+1))
	if len(s.waiting[payer]) == 0 {
		s.turns = slices.DeleteFunc(s.turns, func(other string) bool { return other == payer })
	}
	return true
}
