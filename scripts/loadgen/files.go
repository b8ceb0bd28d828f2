//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fileBytes is the size of the file that is transferred.
const fileBytes = 1 << 30

// runFiles measures uploads to a server, and downloads from it, with curl.
func runFiles(ctx context.Context, b *bench, p *peer, _ shape) (values, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	argv, err := p.argv(b, addr, 1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "files-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sample, err := sampleFile(dir)
	if err != nil {
		return nil, err
	}
	if p.binary != "" {
		argv = append(argv, "--max-file", "0", "--max-files-total", "0")
	}
	server, err := startServer(dir, addr, argv)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	if err := server.awaitOpen(ctx); err != nil {
		return nil, err
	}
	path, result := "/sample", values{}
	if p.name != pythonPeer {
		up := 0.0
		for range 2 {
			speed, err := curl(ctx, "speed_upload", "-T", sample, fmt.Sprintf("http://%s/files/sample", addr))
			if err != nil {
				return nil, err
			}
			up = max(up, speed)
		}
		result["up"] = up
	}
	if p.binary != "" {
		path = "/files/1/sample"
	}
	var down []float64
	for range 3 {
		speed, err := curl(ctx, "speed_download", "-o", "/dev/null", fmt.Sprintf("http://%s%s", addr, path))
		if err != nil {
			return nil, err
		}
		down = append(down, speed)
	}
	slices.Sort(down)
	result["down"] = down[1]
	result["peak"], err = server.memory("VmHWM")
	return result, err
}

func sampleFile(dir string) (string, error) {
	path := filepath.Join(dir, "sample")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for range fileBytes / len(block) {
		if _, err := f.Write(block); err != nil {
			return "", errors.Join(err, f.Close())
		}
	}
	return path, f.Close()
}

// curl runs curl and returns the measured speed in bytes per second.
func curl(ctx context.Context, what string, args ...string) (float64, error) {
	args = append([]string{"-sS", "--fail", "--noproxy", "*", "-o", "/dev/null", "-w", "%{" + what + "}"}, args...)
	out, err := exec.CommandContext(ctx, "curl", args...).Output()
	if err != nil {
		return 0, fmt.Errorf("curl %s: %w", strings.Join(args, " "), err)
	}
	return strconv.ParseFloat(string(out), 64)
}

// pythonPeer serves files and accepts none.
const pythonPeer = "http.server"

func pythonArgv(_ *bench, addr netip.AddrPort, _ int) ([]string, error) {
	return []string{"python3", "-m", "http.server", "--bind", addr.Addr().String(), fmt.Sprint(addr.Port())}, nil
}

func goFilesArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	return []string{b.self, "files", "--addr", addr.String()}, nil
}

// runFileServer is a minimal file server, which writes uploads to files.
func runFileServer(args []string) error {
	flags := flag.NewFlagSet("files", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `ADDR`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	http.Handle("GET /", http.FileServer(http.Dir(".")))
	http.HandleFunc("PUT /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		f, err := os.CreateTemp(".", "upload-*")
		if err == nil {
			_, err = io.Copy(f, r.Body)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return http.ListenAndServe(*addr, nil)
}
