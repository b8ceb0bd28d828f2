package program

import (
	"os"
	"runtime"
	"runtime/debug"
)

// own returns the binary of this process, or the one at path.
func (s *Set) own(path string) (*File, error) {
	if path == "" {
		var err error
		if path, err = ownPath(); err != nil {
			return nil, err
		}
	}
	system := ownSystem()
	f := &File{System: system, Name: nameOf(system), Own: true, NeedsC: needsC()}
	if err := s.complete(f, func() (*os.File, error) { return os.Open(path) }); err != nil {
		return nil, err
	}
	return f, nil
}

// ownPath returns the path of this process's binary. On Linux it leads to the running binary even after an upgrade has
// replaced or deleted the file. Elsewhere, [File.Open] notices that the file is another one than at the start.
func ownPath() (string, error) {
	if runtime.GOOS == "linux" {
		const running = "/proc/self/exe" // proc_pid_exe(5)
		if _, err := os.Stat(running); err == nil {
			return running, nil
		}
	}
	return os.Executable()
}

// nameOf returns the name of the program for a system.
func nameOf(s System) string {
	name := "chat-" + s.OS + "-" + s.Arch
	if s.OS == "windows" {
		name += ".exe"
	}
	return name
}

// ownArch returns the processor that this process was built for.
func ownArch() string {
	if runtime.GOARCH == "arm" {
		if version := setting("GOARM"); version != "" {
			return "armv" + version[:1] // 7, or 7,hardfloat
		}
	}
	return runtime.GOARCH
}

// needsC reports whether this process's binary needs the C library of a Linux distribution: it does not run on one with
// another, such as Alpine. On other systems the C library is the same everywhere.
func needsC() bool { return runtime.GOOS == "linux" && setting("CGO_ENABLED") == "1" }

// setting returns a setting of the build; "": not known.
func setting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
