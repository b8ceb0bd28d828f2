package diskspace

import "golang.org/x/sys/windows"

// Of returns how many bytes of the disk that holds dir are free for this process, and how
// many it has.
func Of(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var mine, all, idle uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &all, &idle); err != nil {
		return 0, 0, err
	}
	return bytesOf(mine, 1), bytesOf(all, 1), nil
}
