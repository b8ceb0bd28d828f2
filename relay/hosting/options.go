package hosting

import (
	"context"
	"fmt"
	"io"

	"chat/relay"
	"chat/relay/discovery"
	"chat/relay/files"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/logging"
	"chat/relay/supervisor"
)

// Options say how to host a room.
type Options struct {
	relay.Options
	Addr        string       // to listen on; "": the default port; with a member also the next free one
	NoMember    bool         // the host does not join the room itself
	HistoryFile string       // the room is kept in it; "": in memory
	HistoryKeep history.Keep // what of it is kept
	NoWeb       bool         // serve no HTTP
	NoFiles     bool         // reject uploads
	FilesDir    string       // for uploads; "": a temporary one
	FileLimits  files.Limits
	NoGet       bool     // do not hand out the program
	Binaries    string   // the folder of a release, whose programs are handed out too; "": none
	WebNames    []string // further names of the host, as browsers may use
	Metrics     bool     // serve /metrics to other machines too
	Sealing     Sealing
	Sharing     Sharing
	NoDiscovery bool                   // do not announce the room
	Ifaces      []string               // to announce the room on; none: all on a LAN
	LogTo       io.Writer              // for log lines
	Supervisor  *supervisor.Supervisor // of a host without a member; nil: there is none
	Logging     logging.Options        // of the log

	// Reread reads the file of settings again, for [Room.Reload]. It returns the limits that have changed, each
	// NAME=VALUE, and the names of other settings that have. nil: there is no file.
	Reread func() (changed, others []string, err error)

	// Advertise announces the room until ctx ends. hint returns the start of a sealed room's pin; nil: the room is plain.
	Advertise func(ctx context.Context, room discovery.Advertisement, hint func() string)
}

// Check returns an error, with a hint that names flags of chat host, if the options are invalid or contradict each other.
func (opts *Options) Check() error {
	switch {
	case len(opts.Title) > MaxTitle:
		return fmt.Errorf("the title of the room is too long: %d bytes\nhint: use at most %d bytes in --room", len(opts.Title), MaxTitle)
	case opts.HistoryKeep != history.Keep{} && opts.HistoryFile == "":
		return fmt.Errorf("--history-keep needs --history\nhint: without a file the room is in memory; --limit memory=SIZE limits that")
	case opts.FilesDir != "" && opts.NoFiles:
		return fmt.Errorf("--files-dir and --no-files exclude each other\nhint: leave out one of them")
	case opts.FilesDir != "" && opts.NoWeb:
		return fmt.Errorf("--files-dir needs the web server, which --no-web turns off\nhint: leave out one of them")
	case opts.Binaries != "" && opts.NoGet:
		return fmt.Errorf("--binaries and --no-get exclude each other\nhint: leave out one of them")
	case opts.Binaries != "" && opts.NoWeb:
		return fmt.Errorf("--binaries needs the web server, which --no-web turns off\nhint: leave out one of them")
	}
	if err := opts.Sharing.check(opts); err != nil {
		return err
	}
	return opts.Sealing.check()
}

// MaxTitle is how many bytes the title of a room has at most.
const MaxTitle = 100

// Stdin, as the name of a file, stands for stdin.
const Stdin = "-"

// A Sealing says how to seal the room. The zero value leaves it plain.
type Sealing struct {
	Secure        bool
	SecretFile    string                 // with the secret of members; [Stdin]: see ReadSecret; "": none
	ReadSecret    func() ([]byte, error) // reads the secret from stdin
	CertFile      string                 // "": the host makes its own certificate
	KeyFile       string                 // of CertFile
	MembersFile   string                 // with the keys of members; "": they enter with the secret
	OperatorsFile string                 // with the keys of operators; "": there are none

	// Signer returns the key of the host's own member; nil: the user's own. Without a member it is not called.
	Signer func() (*identity.Signer, error)
}

// check returns an error if the options contradict each other.
func (s *Sealing) check() error {
	for _, o := range []struct{ name, value string }{
		{"secret-file", s.SecretFile}, {"cert", s.CertFile}, {"key", s.KeyFile}, {"members", s.MembersFile}, {"operators", s.OperatorsFile},
	} {
		if o.value != "" && !s.Secure {
			return fmt.Errorf("--%s needs --secure\nhint: without it the room is plain, and open to everyone on the network", o.name)
		}
	}
	switch {
	case (s.CertFile == "") != (s.KeyFile == ""):
		return fmt.Errorf("--cert and --key need each other\nhint: without both, the host makes its own certificate")
	case s.SecretFile != "" && s.MembersFile != "":
		return fmt.Errorf("--secret-file and --members exclude each other\nhint: with --members, a key lets members in, not a secret")
	}
	return nil
}
