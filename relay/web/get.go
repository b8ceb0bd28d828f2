package web

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"chat/relay/program"
	"chat/relay/wire"
)

// This file hands out the program: GET /get and the paths below it. getpage.go has the page. In a sealed room, too, it
// needs no secret: the program is public, and people need it to join.

// handleGet registers the handlers of /get.
func (h *Handler) handleGet() {
	if h.opts.Programs == nil {
		h.refuseAll(http.StatusNotFound, "this host does not hand out the program", "GET /get", "GET /get/")
		return
	}
	h.mux.HandleFunc("GET /get", h.showInstallPage)
	h.mux.HandleFunc("GET /get/{$}", h.showInstallPage)
	h.mux.HandleFunc("GET /get/style.css", getStyle.ServeHTTP)
	h.mux.HandleFunc("GET /get/install.sh", h.installScript(installSh, "text/x-shellscript"))
	h.mux.HandleFunc("GET /get/install.ps1", h.installScript(installPs1, "text/plain"))
	h.mux.HandleFunc("GET /get/SHA256SUMS", h.listSums)
	h.mux.HandleFunc("GET /get/chat", func(w http.ResponseWriter, r *http.Request) { h.handOut(w, r, h.opts.Programs.Default()) })
	h.mux.HandleFunc("GET /get/chat/{os}/{arch}", func(w http.ResponseWriter, r *http.Request) {
		h.handOut(w, r, h.opts.Programs.For(program.System{OS: r.PathValue("os"), Arch: r.PathValue("arch")}))
	})
	h.mux.HandleFunc("GET /get/{name}", func(w http.ResponseWriter, r *http.Request) {
		h.handOut(w, r, h.opts.Programs.Named(r.PathValue("name")))
	})
}

// isOfGet reports whether path is /get or below it.
func isOfGet(path string) bool { return path == "/get" || strings.HasPrefix(path, "/get/") }

// --- downloads --------------------------------------------------------------------

// maxHandedOut is how many downloads of the program one address may have at a time. The host's own machine is exempt.
const maxHandedOut = 8

// downloads counts the running downloads of the program. It is safe for concurrent use.
type downloads struct {
	mu    sync.Mutex
	count map[string]int // by address or IPv6 /64; guarded by mu
}

// begin counts a download by an address. false: it has too many.
func (d *downloads) begin(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count[address] >= maxHandedOut {
		return false
	}
	if d.count == nil {
		d.count = make(map[string]int)
	}
	d.count[address]++
	return true
}

func (d *downloads) end(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count[address]--; d.count[address] <= 0 {
		delete(d.count, address)
	}
}

// handOut answers with a file, with ranges. nil: there is none.
func (h *Handler) handOut(w http.ResponseWriter, r *http.Request, f *program.File) {
	if f == nil {
		var has []string
		for _, f := range h.opts.Programs.OnePerSystem() {
			has = append(has, f.System.String())
		}
		http.Error(w, "this host has no such program; it has: "+strings.Join(has, " "), http.StatusNotFound)
		return
	}
	if !isOwnMachine(r) {
		address := addressOf(r)
		if !h.downloads.begin(address) {
			w.Header().Set("Retry-After", "5") // seconds
			http.Error(w, "too many downloads by your address; try again in 5 s", http.StatusServiceUnavailable)
			return
		}
		defer h.downloads.end(address)
	}
	content, sum, err := f.Open(r.Context())
	if err != nil {
		h.rejectProgram(w, err)
		return
	}
	defer content.Close()
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", attachment(f.Name))
	header.Set("Content-Security-Policy", filePolicy)
	header.Set("ETag", `"`+sum+`"`)
	header.Set("Cache-Control", "no-cache")
	if b, err := hex.DecodeString(sum); err == nil {
		header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(b)+":") // RFC 9530
	}
	// As in download, the system copies the file to the connection.
	http.ServeContent(w, r, "", time.Time{}, content)
}

// rejectProgram answers that a file cannot be handed out because of err, which names files of the host.
func (h *Handler) rejectProgram(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, program.ErrChanged):
		http.Error(w, "the file was replaced on the host, which has to be started again to hand it out", http.StatusServiceUnavailable)
	case errors.Is(err, program.ErrMismatch):
		http.Error(w, "the file on the host does not match its SHA256SUMS, and is not handed out", http.StatusServiceUnavailable)
	default:
		h.opts.Log.Debug("a program cannot be handed out", "error", err)
		http.Error(w, "the host cannot read the file", http.StatusServiceUnavailable)
	}
}

// listSums answers GET /get/SHA256SUMS, in the format of sha256sum(1).
func (h *Handler) listSums(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	for _, f := range h.opts.Programs.Files() {
		if sum, err := sumOf(r.Context(), f); err == nil {
			fmt.Fprintf(&b, "%s  %s\n", sum, f.Name)
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(b.String()))
}

// sumOf returns the SHA-256 of a file: that in SHA256SUMS, which the file must have when it is handed out, or it is computed.
func sumOf(ctx context.Context, f *program.File) (string, error) {
	if sum := f.KnownSum(); sum != "" {
		return sum, nil
	}
	return f.Sum(ctx)
}

// --- scripts ----------------------------------------------------------------------

var (
	//go:embed get/install.sh
	installSh string
	//go:embed get/install.ps1
	installPs1 string
)

// installScript serves a script that installs the program for its system. It has the hashes of all files in it: whoever has
// the right script need not trust the connection that it downloads from.
func (h *Handler) installScript(script, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var files []string
		for _, f := range h.opts.Programs.Files() {
			if sum, err := sumOf(r.Context(), f); err == nil {
				files = append(files, fmt.Sprintf("%s %s %s %d %s", f.OS, f.Arch, f.Name, f.Size, sum))
			}
		}
		insecure := ""
		if h.isSelfSigned(r) {
			insecure = "yes"
		}
		// None of the values has a quote: the host is a name or address with a port, and names of files have a fixed form.
		filled := strings.NewReplacer("@HOST@", h.baseURL(r), "@INSECURE@", insecure, "@FILES@", strings.Join(files, "\n")).Replace(script)
		w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
		w.Write([]byte(filled))
	}
}

// safeHost matches hosts that may be in a script and in a command: a name or an address, and perhaps a port.
var safeHost = regexp.MustCompile(`^(?:[0-9A-Za-z_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$`)

// hostOf returns the host and port by which the client knows this host.
func (h *Handler) hostOf(r *http.Request) string {
	if safeHost.MatchString(r.Host) {
		return r.Host
	}
	if ways := h.ways(); len(ways) > 0 { // no Host, or one with a zone
		return ways[0]
	}
	return "localhost"
}

// baseURL returns the URL of the host, as the client knows it, without a slash.
func (h *Handler) baseURL(r *http.Request) string {
	return wire.Scheme(isEncrypted(r)) + h.hostOf(r)
}

// isSelfSigned reports whether the request came by TLS with a certificate that the host made.
func (h *Handler) isSelfSigned(r *http.Request) bool {
	return isEncrypted(r) && !isForwarded(r) && h.opts.Invites != nil && h.opts.Invites().SelfSigned
}

// --- the description --------------------------------------------------------------

// A programInfo is what GET /room says of the program for the host's own system.
type programInfo struct {
	System string `json:"system"`
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256,omitempty"` // missing if it is not known yet
}

// sumTime is how long GET /room waits for the hash of the program, which is computed once: it takes less, except on a slow disk.
const sumTime = time.Second

// programInfo returns what GET /room says of the program; nil: there is none.
func (h *Handler) programInfo(r *http.Request) *programInfo {
	if h.opts.Programs == nil {
		return nil
	}
	f := h.opts.Programs.Default()
	if f == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), sumTime)
	defer cancel()
	sum, err := f.Sum(ctx)
	if err != nil && ctx.Err() == nil {
		return nil // it is not handed out
	}
	return &programInfo{f.System.String(), f.Size, sum}
}
