//go:build unix

package diskspace

import "golang.org/x/sys/unix"

// Of returns how many bytes of the disk that holds dir are free for this process, and how
// many it has.
func Of(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return bytesOf(st.Bavail, int64(st.Bsize)), bytesOf(st.Blocks, int64(st.Bsize)), nil
}
