package fanout

import (
	"syscall"
	"unsafe"
)

// These calls do not tell the scheduler that they may block, as a connection that is not
// blocking does not: one that does takes the goroutine's processor away if the call takes longer
// than 20 µs, as a large write may, and keeps a thread awake that looks for such calls. That costs a
// tenth of a flood.

func read(fd int, b []byte) (int, error) {
	return result(syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))))
}

func write(fd int, b []byte) (int, error) {
	return result(syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))))
}

// writev writes up to maxVector pieces once.
func writev(fd int, pieces [][]byte) (int, error) {
	var list [maxVector]syscall.Iovec
	for i, piece := range pieces {
		list[i].Base = unsafe.SliceData(piece)
		list[i].SetLen(len(piece))
	}
	return result(syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&list[0])), uintptr(len(pieces))))
}

func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
