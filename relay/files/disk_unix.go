//go:build unix

package files

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes of the disk that holds dir are free for this process, and how
// many it has.
func diskSpace(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return diskSize(st.Bavail, int64(st.Bsize)), diskSize(st.Blocks, int64(st.Bsize)), nil
}
