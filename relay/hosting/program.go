package hosting

import (
	"context"
	"time"

	"chat/relay/program"
	"chat/relay/wire"
)

// This file wires the programs that the room hands out.

// openPrograms finds the programs that the page hands out.
func (r *Room) openPrograms() (err error) {
	if r.opts.NoWeb || r.opts.NoGet {
		return nil
	}
	if r.programs, err = program.Open(program.Options{Folder: r.opts.Binaries, Log: r.opts.Log}); err != nil {
		return err
	}
	r.onClose(func() { r.programs.Close() })
	r.opts.Program = r.describeProgram
	return nil
}

// verifyPrograms compares the programs of --binaries with their hashes, until ctx ends.
func (r *Room) verifyPrograms(ctx context.Context) {
	if r.opts.Binaries != "" && r.programs != nil {
		r.parts.Go(func() { r.programs.Verify(ctx) })
	}
}

// HandsOut reports whether the room hands out the program.
func (r *Room) HandsOut() bool { return r.programs != nil }

// Install returns the command that installs the program from the host at an address; "": the room hands out none.
func (r *Room) Install(addr string) string {
	switch {
	case r.programs == nil:
		return ""
	case r.sealed != nil:
		room := r.sealed.Room()
		return room.Install(addr)
	}
	return program.InstallCommand(wire.Scheme(false) + addr)
}

// ForShell names the systems on which that command installs it, as in "Linux or macOS"; "": none.
func (r *Room) ForShell() string {
	if r.programs == nil {
		return ""
	}
	return program.ForShell(r.programs.OnePerSystem())
}

// sumTime is how long an invite waits for the hash of the program, which is computed once.
const sumTime = 3 * time.Second

// ProgramSum returns the SHA-256 of the program for the host's own system, as linux/amd64. It may have to read the
// program. "": it is not known, or not handed out.
func (r *Room) ProgramSum() (system, sum string) {
	if r.programs == nil {
		return "", ""
	}
	f := r.programs.Default()
	if f == nil {
		return "", ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), sumTime)
	defer cancel()
	sum, err := f.Sum(ctx)
	if err != nil {
		return "", ""
	}
	return f.System.String(), sum
}

// SumsFile returns the path of the file with the hashes of all programs of --binaries; "": there are none.
func (r *Room) SumsFile() string {
	if r.programs == nil {
		return ""
	}
	return r.programs.SumsFile()
}

// describeProgram is [relay.Options.Program].
func (r *Room) describeProgram(addr string) (install, system, sum string) {
	system, sum = r.ProgramSum()
	return r.Install(addr), system, sum
}
