package plain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"chat/relay/wire"
)

// A Transcript is a file that messages are appended to while we are in the room, one line
// each with its date: "2026-11-25 10:02:11 <alice> hi". A nil Transcript ignores them.
// It is owned by the goroutine that prints the conversation.
type Transcript struct {
	file *os.File
	err  error // why nothing is written any more
}

// errNoReader is the error of openToAppend for a named pipe that would have to wait.
var errNoReader = errors.New("no one reads from this pipe")

// OpenTranscript opens the file at path. If it is new, only its owner can read it; on
// Windows, whoever may read its folder. For the path "" it returns nil.
func OpenTranscript(path string) (*Transcript, error) {
	if path == "" {
		return nil, nil
	}
	f, err := openToAppend(path)
	if errors.Is(err, errNoReader) {
		return nil, fmt.Errorf("open the transcript %s: %w\nhint: start its reader first", path, err)
	}
	if err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err
		}
		return nil, fmt.Errorf("open the transcript %s: %w\nhint: --log needs a writable file in a folder that exists", path, err)
	}
	return &Transcript{file: f}, nil
}

// Add appends a message. If that fails, it returns an error once, and writes no more.
func (l *Transcript) Add(e wire.Event, v wire.Viewer) error {
	if l == nil || l.err != nil {
		return nil
	}
	v.Dated = true
	if _, err := l.file.Write(e.AppendText(nil, v)); err != nil {
		l.err = fmt.Errorf("stopped writing the log: %w", err)
		return l.err
	}
	return nil
}

// failed returns the error that Add returned.
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
