package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chat/relay/errno"
	"chat/relay/hint"
	"chat/relay/history"
)

// fileError adds a hint to an error, which names the history file at path, that kept it or a part of
// it from being read.
func fileError(path string, err error) error {
	if err == nil {
		return nil
	}
	const full = "free some space, or choose another disk"
	if errno.DiskFull(err) {
		return hint.Add(err, []hint.Remedy{{Hint: full}})
	}
	return hint.Add(err, []hint.Remedy{
		{Err: history.ErrExists, Hint: "choose another name, or remove that file first"},
		{Err: errNoEvents, Hint: "stdin needs a JSON object in each line, as chat history export --format jsonl writes them"},
		{Err: history.ErrNewer, Hint: "read it with the version of chat that wrote it, or a later one"},
		{Err: history.ErrNotHistory, Hint: "chat host --history FILE creates a history"},
		{Err: history.ErrDamaged, Hint: fmt.Sprintf("the readable part is above; sqlite3 %s .recover may save more", path)},
		{Err: history.ErrDiskFull, Hint: full},
		{Err: history.ErrInUse, Hint: "end its host first, for example with chat admin stop, or as a service with systemctl stop chat.socket chat.service"},
		{Err: fs.ErrPermission, Hint: "do it as the user who runs the host, or as root: sudo chat history …"},
		{Err: fs.ErrNotExist, Hint: "chat host --history FILE creates a history"},
		{Hint: "chat history needs the file of chat host --history"},
	})
}

// checkFolder returns an error if there is no folder for a new file at path.
func checkFolder(path string) error {
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no folder %s for the new file\nhint: create it first, or choose another one", folder)
	}
	return nil
}
