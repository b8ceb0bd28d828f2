package files

import "golang.org/x/sys/windows"

// diskSpace returns how many bytes of the disk that holds dir are free for this process, and how
// many it has.
func diskSpace(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var mine, all, idle uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &all, &idle); err != nil {
		return 0, 0, err
	}
	return diskSize(mine, 1), diskSize(all, 1), nil
}
