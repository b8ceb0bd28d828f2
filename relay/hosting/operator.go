package hosting

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chat/relay/endpoint"
	"chat/relay/identity"
	"chat/relay/operatorfile"
	"chat/relay/wire"
)

// A headless room gets its operators by a file: whoever can read it may be one.

// operatorToken returns the token of a headless plain room, from a secret that stays the same when the room is opened
// again; "": a new one. A room with its host in it has none.
func (opts *Options) operatorToken(secret, room string) string {
	if !opts.NoMember || opts.Sealing.Secure {
		return ""
	}
	if secret == "" {
		return rand.Text()
	}
	return wire.MAC(secret, "operator token", room)
}

// writeOperatorFile writes the file for operators of a headless room, and logs where it is. Without it the room is
// open nevertheless.
func (r *Room) writeOperatorFile() {
	if !r.opts.NoMember {
		return
	}
	path, err := r.operatorFilePath()
	if err == nil {
		err = r.operatorFile().Write(path)
	}
	if err != nil {
		r.opts.Log.Warn("no file for operators: chat join --operator cannot be used", "error", err)
		return
	}
	if r.opts.HistoryFile == "" { // the room ends with this process, and so does its token
		r.onClose(func() { os.Remove(path) })
	}
	r.opts.Log.Info("operators join with this file", "command", "chat join --operator "+path)
	if made := r.Operators(); len(made) > 0 {
		r.opts.Log.Info("the history says that these are operators; chat admin deop, or /deop in the room, ends that", "nicks", made)
	}
}

// operatorFilePath returns where the file is: beside the history, or in the folder for the user's state.
func (r *Room) operatorFilePath() (string, error) {
	if r.opts.HistoryFile != "" {
		return filepath.Abs(r.opts.HistoryFile + ".operator")
	}
	dir := identity.DefaultDir()
	if dir == "" {
		return "", errors.New("this user has no home folder")
	}
	folder := filepath.Join(dir, "operators")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	pruneOperatorFiles(folder)
	return filepath.Join(folder, r.Info().ID+".operator"), nil
}

// maxOperatorFiles is how many files of rooms in memory are kept. Hosts that are killed leave theirs.
const maxOperatorFiles = 100

// pruneOperatorFiles deletes the oldest files in folder if there are too many.
func pruneOperatorFiles(folder string) {
	paths, _ := filepath.Glob(filepath.Join(folder, "*.operator")) // fails only for a bad pattern
	for len(paths) >= maxOperatorFiles {
		oldest := 0
		var at time.Time
		for i, path := range paths {
			info, err := os.Stat(path)
			if err == nil && (at.IsZero() || info.ModTime().Before(at)) {
				oldest, at = i, info.ModTime()
			}
		}
		os.Remove(paths[oldest])
		paths = append(paths[:oldest], paths[oldest+1:]...)
	}
}

// operatorFile returns the contents of the file.
func (r *Room) operatorFile() *operatorfile.File {
	info := r.Info()
	file := &operatorfile.File{Room: info.ID, Title: info.Title}
	if r.sealed != nil {
		hosted := r.sealed.Room()
		invite := hosted.Invite(hosted.InviteAddrs(r.opts.Ways())[0], hosted.Operator)
		file.Invite = invite.URL()
		return file
	}
	file.Addr, file.Token, file.Key = r.localAddr(), r.opts.OperatorToken, r.ProofKey(operatorfile.Client)
	return file
}

// localAddr returns the address of the room on this machine.
func (r *Room) localAddr() string {
	host, port, err := net.SplitHostPort(r.ln.Addr().String())
	ip := net.ParseIP(strings.Split(host, "%")[0])
	if err == nil && ip != nil && !ip.IsUnspecified() {
		if !ip.IsLoopback() {
			r.opts.Log.Warn("operators cannot use their file: the room is open only on an address of the network, and their token counts only on the loopback interface", "address", r.ln.Addr().String())
		}
		return r.ln.Addr().String()
	}
	return net.JoinHostPort("127.0.0.1", cmp.Or(port, fmt.Sprint(endpoint.Port(r.ln))))
}
