//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chat/relay/seal"
)

// A role is what kind of client has a seat.
type role int

const (
	botRole      role = iota // a bot
	listenerRole             // nc, without input
	linePipeRole             // chat join, with lines on stdin
	jsonPipeRole             // chat join --json, with lines on stdin
)

// A seat has one client at a time, which connects through the seat's proxies.
type seat struct {
	// Fixed.
	*run
	name    string
	role    role
	mortal  bool     // its client is killed now and then, and another one takes the seat
	proxies []*proxy // one for each host
	quota   int      // messages to send; 0: until the order to stop
	rate    float64
	way     string        // how its bots enter a sealed room
	burst   time.Duration // see bot

	faultMu sync.Mutex // held during a network fault: one at a time

	// Guarded by mu.
	mu    sync.Mutex
	lives []*process // the last one has the seat now
}

// A process is a client that had or has a seat.
type process struct {
	// Fixed once the process runs.
	life
	cmd   *exec.Cmd
	stdin io.WriteCloser

	// For all goroutines.
	acked   atomic.Int64 // messages acknowledged, as far as it has reported
	killed  atomic.Bool  // by us
	joined  *latch       // it has joined the room
	done    *latch       // it has sent all its messages, and all are acknowledged
	sawLast *latch       // it was shown the last message of the run
	exited  *latch       // after cmd.Wait
}

// A latch is set once.
type latch struct {
	once sync.Once
	ch   chan struct{}
}

func newLatch() *latch { return &latch{ch: make(chan struct{})} }

func (l *latch) set() { l.once.Do(func() { close(l.ch) }) }

func (l *latch) isSet() bool {
	select {
	case <-l.ch:
		return true
	default:
		return false
	}
}

// current returns the client that has the seat now.
func (s *seat) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[len(s.lives)-1]
}

// startNext starts the next client of the seat, with a new label.
func (s *seat) startNext() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	label := s.name
	if n := len(s.lives); n > 0 {
		label += "." + strconv.Itoa(n+1)
	}
	p := &process{joined: newLatch(), done: newLatch(), sawLast: newLatch(), exited: newLatch()}
	p.life = life{label: label, record: filepath.Join(s.dir, label+".record"), mustStay: !s.mortal}
	if err := s.start(p); err != nil {
		return fmt.Errorf("start %s: %w", label, err)
	}
	s.lives = append(s.lives, p)
	return nil
}

// start starts the process of p according to the seat's role.
func (s *seat) start(p *process) error {
	errs, err := os.Create(filepath.Join(s.dir, p.label+".err"))
	if err != nil {
		return err
	}
	defer errs.Close()
	switch s.role {
	case botRole:
		p.format = ownFormat
		p.cmd = exec.Command(s.self, "bot", "--hosts", strings.Join(s.shuffled(), " "), "--label", p.label, "--record", p.record,
			"--quota", strconv.Itoa(s.quota), "--rate", fmt.Sprint(s.rate), "--burst", s.burst.String(), "--idle", s.idleTime().String(), "--others", s.privateTargets(p.label),
			"--invitation", s.inviteFile(), "--way", s.way, "--state", filepath.Join(s.state(), "chat"))
	case listenerRole:
		p.format = linesFormat
		p.cmd = exec.Command(s.self, "listen", "--hosts", strings.Join(s.shuffled(), " "), "--record", p.record, "--invitation", s.inviteFile())
	default:
		p.format, p.hidesOwn, p.given = linesFormat, true, s.quota
		room, err := s.pipeRoom()
		if err != nil {
			return err
		}
		p.cmd = exec.Command(s.program, append([]string{"join", "--nick", p.label}, room...)...)
		p.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+s.state()) // not the user's
		if s.role == jsonPipeRole {
			p.format, p.hidesOwn = jsonFormat, false
			p.cmd.Args = append(p.cmd.Args, "--json")
		}
	}
	p.cmd.Stderr = errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if s.isPipe() {
		return s.startPipe(p)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.readProgress(out)
		p.cmd.Wait()
		p.exited.set()
	}()
	return nil
}

// readProgress reads the progress reports of a bot or a listener.
func (p *process) readProgress(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, n, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case progressJoined:
			p.joined.set()
		case progressAcked:
			acked, _ := strconv.ParseInt(n, 10, 64)
			p.acked.Store(acked)
		case progressDone:
			p.done.set()
		case progressLast:
			p.sawLast.set()
		}
	}
}

// idleTime is how long the host may be silent before a bot pings it. Some bots ping soon,
// others rarely.
func (s *seat) idleTime() time.Duration {
	switch {
	case s.detectsSoon():
		return time.Second
	case s.isShort():
		return 2 * time.Second
	}
	return 10 * time.Second
}

// detectsSoon reports whether the client of this seat soon notices a dead connection.
func (s *seat) detectsSoon() bool {
	return s.role == listenerRole || s.role == botRole && s.name[len(s.name)-1]%3 != 0
}

// isShort reports whether the run is too short to wait until every client notices a dead
// connection.
func (o *options) isShort() bool { return o.duration < time.Minute }

// privateTargets returns the labels to which a bot sends private messages: those of bots
// that are never killed.
func (s *seat) privateTargets(label string) string {
	var names []string
	for _, other := range s.seats {
		if other.role == botRole && !other.mortal && other.name != label {
			names = append(names, other.name)
		}
	}
	return strings.Join(names, " ")
}

// state returns the folder for the state of the seat's clients.
func (s *seat) state() string { return filepath.Join(s.dir, "state", s.name) }

// pipeRoom returns the arguments by which chat join finds the room. No one can answer its questions, so in a sealed room it has the invite
// of operators, which is not replaced.
func (s *seat) pipeRoom() ([]string, error) {
	addr := s.proxies[0].addr
	if !s.secure {
		return []string{"--addr", addr}, nil
	}
	i, err := readInvitation(s.inviteFile())
	link := seal.Invite{Addr: addr, Pin: i.Pin, Secret: i.Operator}
	return []string{link.URL()}, err
}

func (s *seat) isPipe() bool { return s.role == linePipeRole || s.role == jsonPipeRole }

// startPipe starts `chat join` and sends lines to its stdin. Its stdout is the record.
func (s *seat) startPipe(p *process) error {
	record, err := os.Create(p.record)
	if err != nil {
		return err
	}
	defer record.Close()
	p.cmd.Stdout = record
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		if p.cmd.Wait() == nil {
			p.done.set() // success means that all lines are acknowledged
		}
		p.exited.set()
	}()
	go func() {
		for !p.exited.isSet() && !p.joined.isSet() {
			if b, _ := os.ReadFile(filepath.Join(s.dir, p.label+".err")); strings.Contains(string(b), "joined") {
				p.joined.set()
			}
			time.Sleep(10 * time.Millisecond)
		}
		s.feed(p)
	}()
	return nil
}

// feed writes the seat's messages to stdin, at the seat's rate.
func (s *seat) feed(p *process) {
	defer p.stdin.Close()
	began, n := time.Now(), 1
	for ; n <= s.quota; time.Sleep(10 * time.Millisecond) {
		for due := int(time.Since(began).Seconds() * s.rate); n <= min(due, s.quota); n++ {
			if _, err := io.WriteString(p.stdin, text(p.label, n)+"\n"); err != nil {
				return // the process has ended; await reports that
			}
		}
		p.acked.Store(int64(n - 1)) // written, perhaps not acknowledged
	}
}

// replace kills the client and, after a while, starts the next one.
func (s *seat) replace(after time.Duration) error {
	p := s.current()
	p.killed.Store(true)
	p.cmd.Process.Kill()
	<-p.exited.ch
	time.Sleep(after)
	return s.startNext()
}

// suspend stops the client for a time.
func (s *seat) suspend(last time.Duration) {
	p := s.current()
	p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(last)
	p.cmd.Process.Signal(syscall.SIGCONT)
}
