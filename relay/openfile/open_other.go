//go:build !unix

package openfile

import "os"

func open(path string) (*os.File, error) { return os.Open(path) }
