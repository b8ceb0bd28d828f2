package plain

import (
	"os"

	"golang.org/x/sys/windows"
)

func hideTyped(f *os.File) (show func(), err error) {
	console := windows.Handle(f.Fd())
	var before uint32
	if err := windows.GetConsoleMode(console, &before); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, before&^windows.ENABLE_ECHO_INPUT); err != nil {
		return nil, err
	}
	return func() { windows.SetConsoleMode(console, before) }, nil // if it fails, the console is gone
}
