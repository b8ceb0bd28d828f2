// Package platforms runs the program built for other systems than this one: for Windows
// under Wine, and for processors that Linux emulates with QEMU: arm64, and s390x, which is
// big-endian. One test takes them all through a room's day. Tests of packages that know
// Windows run under Wine too.
//
//	go test ./scripts/platforms -v
//	go test ./scripts/platforms -v -run Windows
//
// It needs wine64, gcc-mingw-w64-x86-64-win32 and qemu-user-static of Debian, on amd64. A
// test whose programs are not installed is skipped; with CI=true that is a failure.
//
// Wine's network has no multicast as Go needs it: discovery is not tested here.
package platforms
