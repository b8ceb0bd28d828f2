package fanout

import (
	"syscall"
	"unsafe"
)

// These are system calls without notice to Go's scheduler. With notice, a large write, which takes
// more than 20 µs, loses its processor to another thread, and a thread stays awake to look for
// such calls. That costs a tenth of a flood. The descriptors are non-blocking, so no call waits.

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
