package web

import (
	"bytes"
	_ "embed"
	"net/http"
	"strings"
	"text/template"

	"github.com/dustin/go-humanize"

	"chat/relay/program"
)

// This file renders GET /get: how to install the program. The page has no scripts. Programs such as curl get it as text.

// An agent is the system that a request seems to come from. It decides only about the order.
type agent struct {
	os   string // as in a release, or android or ios; "": not known
	arch string // "": not known
}

// agentOf reads a User-Agent header. Browsers on Windows and macOS name one processor for all.
func agentOf(header string) (a agent) {
	for _, known := range []struct{ part, os string }{
		{"Android", "android"}, {"iPhone", "ios"}, {"iPad", "ios"}, {"iPod", "ios"}, {"Windows", "windows"}, {"Macintosh", "darwin"},
		{"Mac OS X", "darwin"}, {"Darwin", "darwin"}, {"FreeBSD", "freebsd"}, {"CrOS", "linux"}, {"Linux", "linux"}, {"linux", "linux"},
	} {
		if strings.Contains(header, known.part) {
			a.os = known.os
			break
		}
	}
	if a.os == "darwin" { // "Intel" also on other processors
		return a
	}
	for _, known := range []struct{ part, arch string }{
		{"aarch64", "arm64"}, {"arm64", "arm64"}, {"ARM64", "arm64"}, {"armv8l", "armv7"}, {"armv7", "armv7"}, {"armv6", "armv6"}, {"riscv64", "riscv64"},
		{"x86_64", "amd64"}, {"amd64", "amd64"}, {"Win64", "amd64"}, {"WOW64", "amd64"}, {"i686", "386"}, {"i386", "386"},
	} {
		if strings.Contains(header, known.part) {
			a.arch = known.arch
			break
		}
	}
	return a
}

// isPhone reports whether the visitor's system does not run the program.
func (a agent) isPhone() bool { return a.os == "android" || a.os == "ios" }

// runs reports whether a file is for the visitor's system, as far as that is known.
func (a agent) runs(f *program.File) bool {
	return a.os == f.OS && (a.arch == "" || a.arch == f.Arch)
}

// An offer is a file on the page.
type offer struct {
	For     string // the system, for people
	Name    string
	URL     string
	Size    string
	SHA256  string
	Archive bool
	Own     bool // the host runs it
	NeedsC  bool
}

// archNames are the names of processors for people.
var archNames = map[string]string{"amd64": "Intel or AMD", "arm64": "ARM, 64 bits", "386": "Intel or AMD, 32 bits", "armv7": "ARM v7", "armv6": "ARM v6", "riscv64": "RISC-V"}

func systemName(s program.System) string {
	name, arch := program.OSName(s.OS), archNames[s.Arch]
	if s.OS == "darwin" && s.Arch == "arm64" {
		arch = "Apple M1 and later"
	}
	if name == "" || arch == "" {
		return s.String()
	}
	return name + ", " + arch
}

// Ways from the host to the visitor. The page warns of some of them.
const (
	byHTTP       = "http"
	bySelfSigned = "self-signed" // TLS, with a certificate that a browser cannot check
	byHTTPS      = "https"       // TLS, with a certificate that it can check
	byLoopback   = "loopback"    // on one machine
)

// An installPage has the values of the page's templates.
type installPage struct {
	App, Title string
	Host       string // with its port
	URL        string // of the host, without a slash
	Way        string
	Phone      bool
	Windows    bool   // it comes first
	Missing    string // the visitor's system, if there is no program for it; "": there is
	Unix       string // the systems with a POSIX shell for which there is a program; "": none
	ForWindows bool   // there is one for Windows
	Shell      string // the command that installs the program there
	Wget       string // the same with wget; "": wget cannot check the host
	PowerShell string // the same on Windows
	Mine       []offer
	Others     []offer
}

//go:embed get/page.html
var getHTML string

//go:embed get/page.txt
var getText string

var (
	//go:embed get/style.css
	getCSS   []byte
	getStyle = newAsset("style.css", getCSS)

	getFunctions = template.FuncMap{"html": template.HTMLEscapeString, "short": func(sum string) string { return sum[:min(len(sum), 16)] }}
	asHTML       = template.Must(template.New("page.html").Funcs(getFunctions).Parse(getHTML))
	asText       = template.Must(template.New("page.txt").Funcs(getFunctions).Parse(getText))
)

// showInstallPage answers GET /get.
func (h *Handler) showInstallPage(w http.ResponseWriter, r *http.Request) {
	page := h.installPageFor(r)
	show, mediaType := asText, "text/plain"
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		show, mediaType = asHTML, "text/html"
	}
	var b bytes.Buffer
	if err := show.Execute(&b, page); err != nil {
		h.opts.Log.Error("cannot show how to install the program", "error", err)
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", mediaType+"; charset=utf-8")
	header.Set("Vary", "Accept, User-Agent")
	w.Write(b.Bytes())
}

// installPageFor returns the page for a request.
func (h *Handler) installPageFor(r *http.Request) *installPage {
	info, a := h.room.Info(), agentOf(r.UserAgent())
	p := &installPage{App: info.App, Title: info.Title, Host: h.hostOf(r), URL: h.baseURL(r), Way: h.wayOf(r), Phone: a.isPhone(), Windows: a.os == "windows"}
	h.setCommands(p, r)
	runs, good := false, []*program.File(nil)
	for _, f := range h.opts.Programs.Files() {
		sum, err := sumOf(r.Context(), f)
		if err != nil {
			continue
		}
		o := offer{systemName(f.System), f.Name, p.URL + "/get/" + f.Name, humanize.Bytes(uint64(f.Size)), sum, f.Archive, f.Own, f.NeedsC}
		if a.runs(f) {
			runs = true
			p.Mine = append(p.Mine, o)
		} else {
			p.Others = append(p.Others, o)
		}
		p.ForWindows = p.ForWindows || f.OS == "windows"
		good = append(good, f)
	}
	p.Unix = program.ForShell(good)
	if name := program.OSName(a.os); name != "" && !runs {
		p.Missing = name
		if a.arch != "" {
			p.Missing = systemName(program.System{OS: a.os, Arch: a.arch})
		}
	}
	return p
}

// setCommands sets the commands that install the program.
func (h *Handler) setCommands(p *installPage, r *http.Request) {
	if !h.isSelfSigned(r) {
		p.Shell = program.InstallCommand(p.URL)
		p.Wget = "wget -qO- " + p.URL + "/get/install.sh | sh"
		p.PowerShell = "irm " + p.URL + "/get/install.ps1 | iex"
		return
	}
	invites := h.opts.Invites()
	p.Shell, p.PowerShell = invites.Install(p.Host), invites.InstallOnWindows(p.Host)
}

// wayOf returns how the page comes to the visitor.
func (h *Handler) wayOf(r *http.Request) string {
	switch {
	case isOwnMachine(r):
		return byLoopback
	case h.isSelfSigned(r):
		return bySelfSigned
	case isEncrypted(r):
		return byHTTPS
	}
	return byHTTP
}
