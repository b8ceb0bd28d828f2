package errno

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Errors of the system's own sockets are recognized.
func TestSockets(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.Listen("tcp", ln.Addr().String()); !InUse(err) || NotAvailable(err) {
		t.Errorf("listening twice: %#v is not in use", errors.Unwrap(err))
	}
	ln.Close()
	if _, err := net.Dial("tcp", ln.Addr().String()); !Refused(err) || Unreachable(err) {
		t.Errorf("dialing a closed port: %#v is not refused", errors.Unwrap(err))
	}
	if _, err := net.Listen("tcp", "192.0.2.1:0"); !NotAvailable(err) || InUse(err) { // TEST-NET-1, RFC 5737
		t.Errorf("listening on an address of others: %#v is not unavailable", errors.Unwrap(err))
	}
}

// An error is recognized through the layers of the standard library and our own, and by one
// function only.
func TestWrapped(t *testing.T) {
	lists := map[string]func(error) bool{
		"refused": Refused, "inUse": InUse, "notAvailable": NotAvailable, "unreachable": Unreachable, "timedOut": TimedOut, "diskFull": DiskFull, "wouldBlock": WouldBlock, "reset": Reset, "notADirectory": NotADirectory,
	}
	for name, numbers := range map[string][]error{
		"refused": wrapped(refused), "inUse": wrapped(inUse), "notAvailable": wrapped(notAvailable),
		"unreachable": wrapped(unreachable), "timedOut": wrapped(timedOut), "diskFull": wrapped(diskFull), "wouldBlock": wrapped(wouldBlock), "reset": wrapped(reset), "notADirectory": wrapped(notADirectory),
	} {
		for _, err := range numbers {
			for other, is := range lists {
				if is(err) != (name == other) {
					t.Errorf("%v of %s: %s is %v", err, name, other, is(err))
				}
			}
		}
	}
	if Refused(nil) || Refused(errors.New("connection refused")) || DiskFull(fs.ErrNotExist) {
		t.Error("an error without a number is recognized")
	}
}

func wrapped[E error](numbers []E) (all []error) {
	for _, n := range numbers {
		all = append(all, fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", n)}))
	}
	return all
}

// No other code that runs on Windows uses the constants that never match there.
func TestNoOtherComparison(t *testing.T) {
	windows := build.Default
	windows.GOOS, windows.GOARCH, windows.CgoEnabled = "windows", "amd64", false
	root := filepath.Join("..", "..")
	checked := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		dir, name := filepath.Split(path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path != root && strings.HasPrefix(name, ".") || name == "errno"):
			return fs.SkipDir
		case entry.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		if ok, err := windows.MatchFile(dir, name); !ok || err != nil {
			return err
		}
		checked++
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if p, ok := s.X.(*ast.Ident); ok && p.Name == "syscall" && len(s.Sel.Name) > 1 && s.Sel.Name[0] == 'E' && s.Sel.Name == strings.ToUpper(s.Sel.Name) {
				t.Errorf("%s: syscall.%s has no meaning on Windows; use chat/relay/errno", files.Position(n.Pos()), s.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || checked < 100 {
		t.Errorf("%d files checked: %v", checked, err)
	}
}
