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
)

// A role is what sits at a seat.
type role int

const (
	talks      role = iota // relay/client, in a process of ours
	listens                // nc, and nobody types
	pipesLines             // chat join, with lines on stdin
	pipesJSON              // chat join --json, the same
)

// A seat is a place at the table: one client at a time, behind a proxy of its own.
type seat struct {
	*run
	name   string
	role   role
	mortal bool // who sits here is killed at times, and another one comes
	proxy  *proxy
	quota  int // messages to say; 0: until told to stop
	rate   float64

	turn sync.Mutex // one fault of the network at a time

	mu    sync.Mutex
	lives []*process // the last one sits there now
}

// A process is one life at a seat.
type process struct {
	life
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	acked  atomic.Int64
	killed atomic.Bool
	in     *mark // it is in the room
	done   *mark // all that it was to say is acknowledged
	ended  *mark // it was shown the last message of all
	exited *mark
}

// A mark is raised once.
type mark struct {
	once sync.Once
	up   chan struct{}
}

func newMark() *mark { return &mark{up: make(chan struct{})} }

func (m *mark) raise() { m.once.Do(func() { close(m.up) }) }

func (m *mark) isUp() bool {
	select {
	case <-m.up:
		return true
	default:
		return false
	}
}

// now is who sits there.
func (s *seat) now() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[len(s.lives)-1]
}

// sitDown starts a new life at the seat, by a name that nobody had.
func (s *seat) sitDown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	label := s.name
	if n := len(s.lives); n > 0 {
		label += "." + strconv.Itoa(n+1)
	}
	p := &process{in: newMark(), done: newMark(), ended: newMark(), exited: newMark()}
	p.life = life{label: label, record: filepath.Join(s.dir, label+".record"), stays: !s.mortal}
	if err := s.start(p); err != nil {
		return fmt.Errorf("start %s: %w", label, err)
	}
	s.lives = append(s.lives, p)
	return nil
}

// start starts the process of p as the role has it.
func (s *seat) start(p *process) error {
	errs, err := os.Create(filepath.Join(s.dir, p.label+".err"))
	if err != nil {
		return err
	}
	defer errs.Close()
	switch s.role {
	case talks:
		p.format = ours
		p.cmd = exec.Command(s.self, "talk", "--addr", s.proxy.addr, "--label", p.label, "--record", p.record,
			"--quota", strconv.Itoa(s.quota), "--rate", fmt.Sprint(s.rate), "--idle", s.idle().String(), "--others", s.others(p.label))
	case listens:
		p.format = asLines
		p.cmd = exec.Command(s.self, "listen", "--addr", s.proxy.addr, "--record", p.record)
	default:
		p.format, p.echoless, p.fed = asLines, true, s.quota
		p.cmd = exec.Command(s.host.program, "join", "--addr", s.proxy.addr, "--nick", p.label)
		if s.role == pipesJSON {
			p.format, p.echoless = asJSON, false
			p.cmd.Args = append(p.cmd.Args, "--json")
		}
	}
	p.cmd.Stderr = errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if s.pipes() {
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
		p.obey(out)
		p.cmd.Wait()
		p.exited.raise()
	}()
	return nil
}

// obey takes what a client of ours tells of itself.
func (p *process) obey(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, n, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case wordIn:
			p.in.raise()
		case wordAcked:
			acked, _ := strconv.ParseInt(n, 10, 64)
			p.acked.Store(acked)
		case wordDone:
			p.done.raise()
		case wordEnd:
			p.ended.raise()
		}
	}
}

// idle is after which silence a talker asks whether the host is there: some do soon,
// others as they come.
func (s *seat) idle() time.Duration {
	switch {
	case s.asksSoon():
		return time.Second
	case s.short():
		return 2 * time.Second
	}
	return 10 * time.Second
}

// asksSoon reports whether who sits there notices soon that its connection is dead.
func (s *seat) asksSoon() bool {
	return s.role == listens || s.role == talks && s.name[len(s.name)-1]%3 != 0
}

// short reports whether the run is too short to wait until everybody notices that.
func (o *options) short() bool { return o.duration < time.Minute }

// others are whom a talker says something to alone: those who are there to the end.
func (s *seat) others(label string) string {
	var names []string
	for _, other := range s.seats {
		if other.role == talks && !other.mortal && other.name != label {
			names = append(names, other.name)
		}
	}
	return strings.Join(names, " ")
}

func (s *seat) pipes() bool { return s.role == pipesLines || s.role == pipesJSON }

// startPipe starts `chat join`, and says lines on its stdin. Its stdout is the record.
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
			p.done.raise() // its exit code says that the host has all of it
		}
		p.exited.raise()
	}()
	go func() {
		for !p.exited.isUp() && !p.in.isUp() {
			if b, _ := os.ReadFile(filepath.Join(s.dir, p.label+".err")); strings.Contains(string(b), "joined") {
				p.in.raise()
			}
			time.Sleep(10 * time.Millisecond)
		}
		s.feed(p)
	}()
	return nil
}

// feed says the quota at the rate of the seat.
func (s *seat) feed(p *process) {
	defer p.stdin.Close()
	began, n := time.Now(), 1
	for ; n <= s.quota; time.Sleep(10 * time.Millisecond) {
		for due := int(time.Since(began).Seconds() * s.rate); n <= min(due, s.quota); n++ {
			if _, err := io.WriteString(p.stdin, text(p.label, n)+"\n"); err != nil {
				return // it has ended; that is found out elsewhere
			}
		}
		p.acked.Store(int64(n - 1)) // as far as can be known
	}
}

// kill kills who sits there, and lets another one come after a while.
func (s *seat) kill(after time.Duration) error {
	p := s.now()
	p.killed.Store(true)
	p.cmd.Process.Kill()
	<-p.exited.up
	time.Sleep(after)
	return s.sitDown()
}

// suspend stops who sits there for a time.
func (s *seat) suspend(last time.Duration) {
	p := s.now()
	p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(last)
	p.cmd.Process.Signal(syscall.SIGCONT)
}
