package identity

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"

	"chat/relay/privatefile"
)

// secrets matches the content of the file: rand.Text.
var secrets = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// maxHostSecret is the limit of the file in bytes.
const maxHostSecret = 64

// HostSecret returns a random string that this user's rooms share, and keeps it in dir: a room
// in memory that is opened again after a crash proves with it that it is on the same machine.
// The error names the file, which is left as it is: others may read it, or it is damaged.
func HostSecret(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no home directory")
	}
	path := filepath.Join(dir, "host-secret")
	b, err := privatefile.Read(path, maxHostSecret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newHostSecret(path)
	case err != nil:
		return "", err
	case !secrets.Match(b):
		return "", errors.New(path + " is damaged; delete it to get a new one")
	}
	return string(b), nil
}

// newHostSecret writes a new secret. A crash leaves all of it or nothing.
func newHostSecret(path string) (string, error) {
	unlock, err := privatefile.Enter(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer unlock()
	secret := rand.Text()
	return secret, privatefile.Replace(path, []byte(secret))
}
