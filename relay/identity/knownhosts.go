package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"chat/relay/client"
	"chat/relay/errno"
	"chat/relay/privatefile"
	"chat/relay/seal"
	"chat/relay/text"
)

const (
	// maxKnownHosts is how many hosts are remembered. Beyond it, those that were added first are
	// forgotten.
	maxKnownHosts = 1000

	// maxKnownFile is the limit of the file in bytes, with comments and lines that are not ours.
	maxKnownFile = 1 << 20

	// maxKnownTitle is the limit of a title in the file, in bytes.
	maxKnownTitle = 200
)

// KnownHosts are the hosts of sealed rooms whose keys this user has trusted: the file known_hosts
// in the folder of a store. A line is
//
//	room ROOMID PIN TITLE
//	addr HOST:PORT PIN TITLE
//
// Comments, which begin with #, and lines that cannot be read are kept. It implements
// [client.KnownHosts], and is safe for concurrent use, by several processes too.
type KnownHosts struct {
	path string      // fixed
	warn func(error) // fixed

	mu     sync.Mutex
	warned map[string]bool // lines that cannot be read; guarded by mu
}

// NewKnownHosts returns the known hosts in dir, which need not exist yet. warn is called once for
// each line that cannot be read, and if a host cannot be remembered; it must not block.
func NewKnownHosts(dir string, warn func(error)) *KnownHosts {
	return &KnownHosts{path: filepath.Join(dir, "known_hosts"), warn: warn, warned: map[string]bool{}}
}

// Hosts implements [client.KnownHosts]. A file that others may read or that cannot be read is an
// error, which names it. It is not changed.
func (k *KnownHosts) Hosts() ([]client.KnownHost, error) {
	content, err := k.read()
	if err != nil {
		return nil, err
	}
	var hosts []client.KnownHost
	for i, line := range content {
		h, err := parseKnownHost(line)
		switch {
		case err != nil:
			k.warnOnce(line, fmt.Errorf("%s, line %d is ignored: %w", k.path, i+1, err))
		case h.Pin != "":
			h.File, h.Line = k.path, i+1
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// warnOnce reports a line that cannot be read.
func (k *KnownHosts) warnOnce(line string, err error) {
	k.mu.Lock()
	known := k.warned[line]
	k.warned[line] = true
	k.mu.Unlock()
	if !known {
		k.warn(err)
	}
}

// read returns the lines of the file.
func (k *KnownHosts) read() ([]string, error) {
	content, err := privatefile.Read(k.path, maxKnownFile)
	switch {
	case errors.Is(err, fs.ErrNotExist), errno.NotADirectory(err): // without a folder for it no host was ever added
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the known hosts: %w", err)
	}
	content = bytes.TrimSuffix(content, []byte("\n"))
	if len(content) == 0 {
		return nil, nil
	}
	return strings.Split(string(content), "\n"), nil
}

// errKnownHost is the error of a line that cannot be read.
var errKnownHost = errors.New("it is not of the form \"room ID PIN TITLE\" or \"addr HOST:PORT PIN TITLE\"")

// parseKnownHost parses a line. The host of a comment has no pin.
func parseKnownHost(line string) (h client.KnownHost, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return h, nil
	}
	fields := strings.Fields(line)
	if len(fields) < 3 || !utf8.ValidString(line) {
		return h, errKnownHost
	}
	switch kind, what := fields[0], fields[1]; kind {
	case "room":
		h.Room = what
	case "addr":
		if _, _, err := net.SplitHostPort(what); err != nil {
			return h, errKnownHost
		}
		h.Addr = what
	default:
		return h, errKnownHost
	}
	h.Title = text.Title(strings.Join(fields[3:], " "))
	if h.Pin, err = seal.ParsePin(fields[2]); err != nil {
		return client.KnownHost{}, fmt.Errorf("%w: %w", errKnownHost, err)
	}
	return h, nil
}

// formatKnownHost returns the line of h, or false if it has characters that a line cannot hold.
func formatKnownHost(h client.KnownHost) (string, bool) {
	kind, what := "room", h.Room
	if what == "" {
		kind, what = "addr", h.Addr
	}
	if what == "" || strings.ContainsFunc(what, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "", false
	}
	line := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", kind, what, h.Pin, cutTitle(h.Title)))
	parsed, err := parseKnownHost(line)
	return line, err == nil && parsed.Room == h.Room && (h.Room != "" || parsed.Addr == h.Addr) && parsed.Pin == h.Pin
}

// cutTitle returns a title as the file has it: one line, of at most maxKnownTitle bytes.
func cutTitle(title string) string {
	title = text.Title(title)
	for len(title) > maxKnownTitle {
		_, size := utf8.DecodeLastRuneInString(title)
		title = title[:len(title)-size]
	}
	return title
}

// Add implements [client.KnownHosts].
func (k *KnownHosts) Add(hosts ...client.KnownHost) {
	if err := k.add(hosts); err != nil {
		k.warn(fmt.Errorf("the host's key is not remembered: %w", err))
	}
}

func (k *KnownHosts) add(hosts []client.KnownHost) error {
	unlock, err := privatefile.Enter(filepath.Dir(k.path))
	if err != nil {
		return err
	}
	defer unlock()
	lines, err := k.read()
	if err != nil {
		return err
	}
	before := len(lines)
	for _, h := range hosts {
		line, ok := formatKnownHost(h)
		if ok && !slices.ContainsFunc(lines, func(l string) bool { return isAbout(l, h) }) {
			lines = append(lines, line)
		}
	}
	if len(lines) == before {
		return nil
	}
	return privatefile.Replace(k.path, []byte(strings.Join(dropOldest(lines), "\n")+"\n"))
}

// isAbout reports whether a line is about the room or the address of h.
func isAbout(line string, h client.KnownHost) bool {
	known, err := parseKnownHost(line)
	return err == nil && known.Pin != "" && known.Room == h.Room && (h.Room != "" || known.Addr == h.Addr)
}

// dropOldest removes the first hosts beyond maxKnownHosts, and those beyond the limit of the file. Other lines are the user's, and
// stay.
func dropOldest(lines []string) []string {
	isHost := func(line string) bool {
		h, err := parseKnownHost(line)
		return err == nil && h.Pin != ""
	}
	count, size := 0, 0
	for _, line := range lines {
		if !isHost(line) {
			size += len(line) + len("\n")
		}
	}
	kept := make([]string, 0, len(lines))
	for _, line := range slices.Backward(lines) {
		if isHost(line) {
			count++
			if size += len(line) + len("\n"); count > maxKnownHosts || size > maxKnownFile {
				size -= len(line) + len("\n")
				continue
			}
		}
		kept = append(kept, line)
	}
	slices.Reverse(kept)
	return kept
}
