package plain

import (
	"fmt"
	"os"

	"chat/relay/wire"
)

// A Transcript is a file to which is appended what is said while we are here, a
// line each with its date: "2026-11-25 10:02:11 <alice> hi". A nil Transcript
// takes nothing. It belongs to the conversation that it was given to.
type Transcript struct {
	file *os.File
	err  error // why nothing is written any more
}

// OpenTranscript opens the file at path, readable for its owner alone if it is
// new; for "" it returns nil.
func OpenTranscript(path string) (*Transcript, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w\nhint: --log takes a file that can be written to", err)
	}
	return &Transcript{file: f}, nil
}

// Add appends what was said. It returns an error once; then nothing more is written.
func (l *Transcript) Add(e wire.Event, v wire.Viewer) error {
	if l == nil || l.err != nil {
		return nil
	}
	v.Dated = true
	if _, err := l.file.Write(e.AppendText(nil, v)); err != nil {
		l.err = fmt.Errorf("the log is no longer written to: %w", err)
		return l.err
	}
	return nil
}

// failed returns why nothing is written any more.
func (l *Transcript) failed() error {
	if l == nil {
		return nil
	}
	return l.err
}

// Close closes the file.
func (l *Transcript) Close() error {
	if l == nil {
		return nil
	}
	if err := l.file.Close(); err != nil && l.err == nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}
