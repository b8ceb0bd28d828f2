// Packaging builds a release from the repository in the current folder, which must be a clean
// checkout: scripts/release makes one and runs it there. relay/docs/releasing.md lists the files
// of a release.
//
// Its bytes depend on the commit, its tag and the version of Go only. Times are those of the
// commit; owners, modes and the order of entries are fixed; the environment of each build is
// set here.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("packaging", flag.ContinueOnError)
	out := flags.String("out", "dist", "write the release into `DIR`, which must be new or empty")
	url := flags.String("url", "", "the `URL` of the folder that the release will be published in")
	var chosen []target
	flags.Func("target", "build for `OS/ARCH` only; repeat to build for several", func(name string) error {
		t, err := targetNamed(name)
		chosen = append(chosen, t)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(chosen) == 0 {
		chosen = targets
	}
	if err := mustBeEmpty(*out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "chat-packaging")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r, err := newRelease(work, *out, *url)
	if err != nil {
		return err
	}
	return r.build(chosen)
}

// mustBeEmpty returns an error if dir exists and has files.
func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty\nhint: delete it, or name another folder with --out", dir)
	}
	return err
}

// A release holds the settings of a release while it is built.
type release struct {
	root    string    // the checkout
	work    string    // a temporary folder
	out     string    // where the release goes
	url     string    // where it will be published; "" if not known
	time    time.Time // of the commit
	version string    // without v: 1.2.3, or a pseudo-version
	env     []string  // of every go command
	native  string    // the program for this machine
}

// newRelease prepares a release: it downloads the modules, and builds the program for this
// machine, which knows its version and writes its own man page.
func newRelease(work, out, url string) (*release, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	r := &release{root: root, work: work, out: out, url: strings.TrimSuffix(url, "/")}
	seconds, err := output(exec.Command("git", "log", "-1", "--format=%ct"))
	if err != nil {
		return nil, fmt.Errorf("read the time of the commit: %w", err)
	}
	unix, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the time of the commit: %w", err)
	}
	r.time = time.Unix(unix, 0).UTC()
	if _, err := output(exec.Command("go", "mod", "download")); err != nil { // as the user set up Go; the builds do without
		return nil, fmt.Errorf("download the modules: %w", err)
	}
	if r.env, err = goEnvironment(); err != nil {
		return nil, err
	}
	if r.native, err = r.compile(nativeTarget()); err != nil {
		return nil, err
	}
	if r.version, err = versionOf(r.native); err != nil {
		return nil, err
	}
	return r, r.checkTag()
}

// build writes the release for the given targets.
func (r *release) build(targets []target) error {
	if err := os.MkdirAll(filepath.Join(r.out, binFolder), 0o755); err != nil {
		return err
	}
	fmt.Printf("chat %s, of %s\n", r.version, r.time.Format(time.DateOnly))
	for _, t := range targets {
		fmt.Println(t)
		if err := r.buildTarget(t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := r.writeChecksums(); err != nil {
		return err
	}
	if err := r.writeTemplates(); err != nil {
		return err
	}
	fmt.Println(r.out)
	return nil
}

// buildTarget writes the program of one target, its archive, its SBOM and, for Linux, its
// packages.
func (r *release) buildTarget(t target) error {
	program, err := r.compile(t)
	if err != nil {
		return err
	}
	tree, err := r.stage(t, program)
	if err != nil {
		return err
	}
	if err := r.writeArchive(t, tree); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if err := copyFile(filepath.Join(r.out, binFolder, t.program()), program, 0o755); err != nil {
		return err
	}
	if err := r.writeSBOM(t, program); err != nil {
		return fmt.Errorf("write the SBOM: %w", err)
	}
	if t.goos != "linux" {
		return nil
	}
	for _, format := range packageFormats {
		if err := r.writePackage(t, format, tree); err != nil {
			return fmt.Errorf("build the %s package: %w", format, err)
		}
	}
	return nil
}

// output runs a command and returns its standard output. The error holds its standard error.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(slices.Concat([]string{filepath.Base(cmd.Path)}, cmd.Args[1:]), " "), err, &stderr)
	}
	return stdout.String(), nil
}

func copyFile(to, from string, mode fs.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, b, mode)
}

// writeFile writes a file with exactly this mode, whatever the umask, and its folders.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, b, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
