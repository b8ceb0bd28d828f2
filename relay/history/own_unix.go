//go:build unix

package history

import (
	"cmp"
	"os"
	"path/filepath"
	"syscall"
)

// ownAs gives the file at path the owner and group of another, if the user is root: a service could not read a file of root. If
// that is not there, or is root's, perhaps because root copied it, its folder says whose it should be.
func ownAs(path, other string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	owner := ownerOf(other)
	if owner == nil || owner.Uid == 0 {
		owner = cmp.Or(ownerOf(filepath.Dir(other)), owner)
	}
	if owner == nil {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// ownerOf returns whose the file at path is; nil: it is not known.
func ownerOf(path string) *syscall.Stat_t {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	return owner
}
