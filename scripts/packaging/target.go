package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A target is a system and processor that a release has a program for.
type target struct {
	goos, goarch string
	arch         string // the processor in names of files
}

// targets are those of a release. Each builds without cgo and has a SQLite in modernc.org/libc.
var targets = []target{
	{"linux", "amd64", "amd64"},
	{"linux", "arm64", "arm64"},
	{"linux", "386", "386"},
	{"linux", "arm", "armv7"},
	{"linux", "riscv64", "riscv64"},
	{"darwin", "amd64", "amd64"},
	{"darwin", "arm64", "arm64"},
	{"windows", "amd64", "amd64"},
	{"windows", "arm64", "arm64"},
	{"freebsd", "amd64", "amd64"},
	{"freebsd", "arm64", "arm64"},
}

// binFolder is the folder of a release that has each program as it is.
const binFolder = "bin"

// String returns the target as --target takes it.
func (t target) String() string { return t.goos + "/" + t.arch }

// program returns the name of the program in [binFolder].
func (t target) program() string { return "chat-" + t.goos + "-" + t.arch + t.suffix() }

// suffix ends the name of a program of this system.
func (t target) suffix() string {
	if t.goos == "windows" {
		return ".exe"
	}
	return ""
}

func targetNamed(name string) (target, error) {
	var names []string
	for _, t := range targets {
		if t.String() == name {
			return t, nil
		}
		names = append(names, t.String())
	}
	return target{}, fmt.Errorf("no such target; there are %s", strings.Join(names, ", "))
}

// nativeTarget returns the target of this machine, which need not be one of [targets].
func nativeTarget() target { return target{runtime.GOOS, runtime.GOARCH, runtime.GOARCH} }

// goEnvironment returns the environment of go commands that build: where the modules are is the
// user's choice, and nothing else.
func goEnvironment() ([]string, error) {
	out, err := output(exec.Command("go", "env", "GOMODCACHE", "GOCACHE", "GOROOT"))
	if err != nil {
		return nil, err
	}
	folders := strings.Split(strings.TrimSpace(out), "\n")
	return append(os.Environ(),
		"GOMODCACHE="+folders[0], "GOCACHE="+folders[1], "GOENV=off", "GOFLAGS=-mod=readonly", "GOPROXY=off",
		"GOTOOLCHAIN=local", "GOEXPERIMENT=", "GODEBUG=", "GOFIPS140=off", "GOWORK=off", "CGO_ENABLED=0",
		"GOAMD64=v1", "GOARM=7", "GOARM64=v8.0", "GO386=sse2", "GORISCV64=rva20u64",
	), nil
}

// compile builds the program for t and returns its path.
func (r *release) compile(t target) (string, error) {
	program := filepath.Join(r.work, t.program())
	if _, err := os.Stat(program); err == nil { // this machine's own
		return program, nil
	}
	// Without -s -w the program has tables for debuggers and is 40 % larger. Stack traces need neither.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", program, ".")
	cmd.Env = append(r.env[:len(r.env):len(r.env)], "GOOS="+t.goos, "GOARCH="+t.goarch)
	_, err := output(cmd)
	return program, err
}

// versionOf returns the version that go build recorded in a program, without the v.
func versionOf(program string) (string, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "", err
	}
	version, ok := strings.CutPrefix(info.Main.Version, "v")
	switch {
	case !ok:
		return "", fmt.Errorf("go build recorded the version %q, not one of the repository\nhint: run scripts/release, which builds in a clone", info.Main.Version)
	case strings.HasSuffix(version, "+dirty"):
		return "", fmt.Errorf("the checkout has changes: its version is %s\nhint: run scripts/release, which builds in a clone", version)
	}
	return version, nil
}
