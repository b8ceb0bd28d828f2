// Package cmdline reads the arguments of a command before urfave/cli does. That reads options only
// before the first argument, takes whatever follows an option for its value, and -addr for
// -a, -d, -d and -r.
package cmdline

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// Canonical returns args with the options of the command in front, each as --name or
// --name=value, and then the arguments after "--". It understands
//
//	--nick bob   --nick=bob   -nick bob   -n bob   -n=bob   -nbob   -fn bob
//
// anywhere on the line before a "--". Without a known command it returns args as they are. The
// error, for people, says that an option is unknown or has no value. A value is missing if
// there is none, if it is empty, or if an option of the command is in its place, which
// happens in scripts when a variable is not set.
func Canonical(app *cli.App, args []string) ([]string, error) {
	if len(args) < 3 {
		return args, nil
	}
	command := app.Command(args[1])
	if command == nil {
		return args, nil
	}
	l := line{command: command, commands: app.Commands, rest: args[2:], options: make(map[string]option)}
	for _, f := range append([]cli.Flag{cli.HelpFlag}, command.Flags...) {
		documented, ok := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			l.options[name] = option{f.Names()[0], ok && documented.TakesValue()}
		}
	}
	if err := l.read(); err != nil {
		return nil, err
	}
	canonical := slices.Concat(args[:2], l.flags)
	if len(l.args) > 0 {
		canonical = append(append(canonical, "--"), l.args...)
	}
	return canonical, nil
}

// A UsageError is the error of a command line with which a command cannot work.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// UsageErrorf returns a [UsageError] for people: what is wrong and, after "\nhint: ", what to do.
func UsageErrorf(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// Switch returns an option without a value. category is where help lists it; "": the command has no categories. Each
// command gets options of its own: urfave/cli keeps state in them.
func Switch(category, name, usage string, aliases ...string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, Category: category, Usage: usage, DisableDefaultText: true}
}

// JoinNames returns args with the two words of a command such as "history backup" as one. An argument that
// is the second word of a command, such as a file, needs another spelling: ./backup.
func JoinNames(app *cli.App, args []string) []string {
	if len(args) > 2 && app.Command(args[1]+" "+args[2]) != nil {
		return slices.Concat(args[:1], []string{args[1] + " " + args[2]}, args[3:])
	}
	return args
}

// An option is an option of a command.
type option struct {
	name       string // its long name
	takesValue bool
}

// A line is a command line that is being read.
type line struct {
	command  *cli.Command
	commands []*cli.Command    // of the program
	options  map[string]option // by each of their names
	rest     []string          // not read yet
	flags    []string          // in canonical form
	args     []string
}

func (l *line) read() error {
	for len(l.rest) > 0 {
		arg := l.rest[0]
		l.rest = l.rest[1:]
		var err error
		switch {
		case arg == "--":
			l.args = append(l.args, l.rest...)
			return nil
		case strings.HasPrefix(arg, "--"):
			err = l.readLong(arg, strings.TrimPrefix(arg, "--"))
		case len(arg) > 1 && arg[0] == '-':
			name, _, _ := strings.Cut(arg[1:], "=")
			if _, known := l.options[name]; known {
				err = l.readLong(arg, arg[1:])
			} else {
				err = l.readShort(arg)
			}
		default:
			l.args = append(l.args, arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readLong reads arg, an option whose text is name or name=value.
func (l *line) readLong(arg, text string) error {
	name, value, hasValue := strings.Cut(text, "=")
	o, known := l.options[name]
	switch {
	case !known:
		return l.unknown(arg, name)
	case !o.takesValue && !hasValue:
		l.flags = append(l.flags, "--"+o.name)
		return nil
	case hasValue:
		return l.add(o, value)
	}
	return l.addNext(o)
}

// readShort reads arg, a dash and short options, the last of which may have its value attached.
func (l *line) readShort(arg string) error {
	for rest := arg[1:]; rest != ""; {
		_, size := utf8.DecodeRuneInString(rest)
		letter, after := rest[:size], rest[size:]
		o, known := l.options[letter]
		rest = after
		switch {
		case !known:
			return l.unknown(arg, arg[1:])
		case !o.takesValue:
			l.flags = append(l.flags, "--"+o.name)
		case after != "":
			return l.add(o, strings.TrimPrefix(after, "="))
		default:
			return l.addNext(o)
		}
	}
	return nil
}

// addNext adds an option whose value is the next argument.
func (l *line) addNext(o option) error {
	if len(l.rest) == 0 {
		return l.missing(o)
	}
	value := l.rest[0]
	l.rest = l.rest[1:]
	if name, _, _ := strings.Cut(strings.TrimLeft(value, "-"), "="); strings.HasPrefix(value, "-") && l.options[name].name != "" {
		return fmt.Errorf("--%s needs a value, but the option %s follows\nhint: write --%[1]s=VALUE", o.name, value)
	}
	return l.add(o, value)
}

func (l *line) add(o option, value string) error {
	if o.takesValue && value == "" {
		return l.missing(o)
	}
	l.flags = append(l.flags, "--"+o.name+"="+value)
	return nil
}

func (l *line) missing(o option) error {
	return fmt.Errorf("--%s needs a value\nhint: chat %s --help lists the options", o.name, l.command.Name)
}

func (l *line) unknown(arg, name string) error {
	arg, _, _ = strings.Cut(arg, "=")
	names := make([]string, 0, len(l.options))
	for _, o := range l.options {
		names = append(names, o.name)
	}
	if near := Nearest(name, names); near != "" {
		return fmt.Errorf("unknown option %s; did you mean --%s?\nhint: chat %s --help lists the options", arg, near, l.command.Name)
	}
	for _, c := range l.commands { // those of two words, as chat admin kick, have options of their own
		if strings.HasPrefix(c.Name, l.command.Name+" ") && slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			return fmt.Errorf("unknown option %s\nhint: it comes after the name of a command: chat %s %s …", arg, c.Name, arg)
		}
	}
	return fmt.Errorf("unknown option %s\nhint: chat %s --help lists the options", arg, l.command.Name)
}

// Nearest returns the name that someone who typed wrong may have meant: the one that wrong is the
// start of, or that differs in up to 2 letters, and at most half of them. It is "" if
// there is none.
func Nearest(wrong string, names []string) string {
	best, least := "", min(2, len(wrong)/2)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		d := distance(wrong, name)
		if len(wrong) > 2 && strings.HasPrefix(name, wrong) {
			d = 0
		}
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns how many letters must be added, removed or replaced to make b from a: the
// Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
