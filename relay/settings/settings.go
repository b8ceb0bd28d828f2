package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
)

// Settings are the effective settings of one run of a command. They are for one goroutine.
type Settings struct {
	all    []setting
	path   string            // of the file; "": there is none
	ifAny  bool              // the file need not exist
	file   *file             // as it was read last; empty without a path
	values map[string]chosen // from the command line and the environment, by name
	above  []Limit           // from the environment and the command line, in this order
}

// A chosen value is from the command line or a variable.
type chosen struct {
	items []string // of a list; otherwise one
	from  string   // "--room", "CHAT_ROOM"
}

// A Limit is a limit that is set, as NAME=VALUE.
type Limit struct {
	Assignment string
	From       string // where: "chat.toml:3", "CHAT_LIMIT", "--limit"
}

// Read reads the settings of the command that c runs, and sets in c those of the file that neither the command
// line nor a variable has. The environment was checked by [CheckEnvironment]. The error is for people.
func Read(c *cli.Context) (*Settings, error) {
	s := &Settings{all: settingsOf(c.Command), path: c.String(FileFlag), file: &file{}, values: make(map[string]chosen)}
	if path, ok := strings.CutPrefix(s.path, "-"); ok && path != "" { // as in the units of systemd
		s.path, s.ifAny = path, true
	}
	if s.path != "" {
		var err error
		if s.file, err = s.readFile(); err != nil {
			return nil, err
		}
	}
	onLine := *c
	onLine.Command = nil // or the names include those that variables set
	given := onLine.LocalFlagNames()
	for i := range s.all {
		setting := &s.all[i]
		isGiven := slices.Contains(given, setting.name)
		variable, isSet := os.LookupEnv(setting.variable)
		v, inFile := s.file.values[setting.name]
		switch {
		case setting.kind == limitTable:
			if isSet {
				s.addLimits(strings.Split(variable, ","), setting.variable)
			}
			if isGiven {
				s.addLimits(c.StringSlice(setting.name), "--"+setting.name)
			}
		case isGiven:
			s.values[setting.name] = chosen{valueIn(c, setting), "--" + setting.name}
		case isSet:
			s.values[setting.name] = chosen{valueIn(c, setting), setting.variable}
		case inFile:
			if err := setIn(c, setting, v.items); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", s.path, v.line, err)
			}
		}
	}
	return s, nil
}

// readFile reads the file, which is empty if it need not exist.
func (s *Settings) readFile() (*file, error) {
	f, err := readFile(s.path, s.all)
	if s.ifAny && errors.Is(err, fs.ErrNotExist) {
		return &file{}, nil
	}
	return f, err
}

// valueIn returns the value of a setting that c has.
func valueIn(c *cli.Context, s *setting) []string {
	if s.kind == aList {
		return c.StringSlice(s.name)
	}
	return []string{fmt.Sprint(c.Value(s.name))}
}

// setIn sets a setting in c.
func setIn(c *cli.Context, s *setting, items []string) error {
	if s.kind == aList {
		return c.Set(s.name, cli.NewStringSlice(items...).Serialize()) // an item may have a comma
	}
	return c.Set(s.name, items[0])
}

func (s *Settings) addLimits(assignments []string, from string) {
	for _, a := range assignments {
		s.above = append(s.above, Limit{strings.TrimSpace(a), from})
	}
}

// Replace sets a setting that an argument of the command line has.
func (s *Settings) Replace(name, value string) {
	s.values[name] = chosen{[]string{value}, "the command line"}
}

// AddLimit sets a limit by a flag that is not --limit. The flag comes before --limit.
func (s *Settings) AddLimit(assignment, flag string) {
	i := slices.IndexFunc(s.above, func(l Limit) bool { return l.From == "--"+limitFlag })
	if i < 0 {
		i = len(s.above)
	}
	s.above = slices.Insert(s.above, i, Limit{assignment, "--" + flag})
}

// IsOnCommandLine reports whether the command line has the flag called name.
func (s *Settings) IsOnCommandLine(name string) bool { return s.values[name].from == "--"+name }

// Limits returns the limits that are set. A later one replaces an earlier one of the same name.
func (s *Settings) Limits() (all []Limit) {
	for i := range limits.Table {
		name := limits.Table[i].Name
		if v, ok := s.file.limits[name]; ok {
			all = append(all, Limit{name + "=" + v.items[0], s.at(v)})
		}
	}
	return append(all, s.above...)
}

// at returns where a value of the file is.
func (s *Settings) at(v value) string { return fmt.Sprintf("%s:%d", s.path, v.line) }

// effective returns the value of a setting and its source; nil: it has its default.
func (s *Settings) effective(name string) (items []string, from string) {
	if v, ok := s.values[name]; ok {
		return v.items, v.from
	}
	if v, ok := s.file.values[name]; ok {
		return v.items, s.at(v)
	}
	return nil, ""
}

// flagName finds the names of flags in an error.
var flagName = regexp.MustCompile(`--[a-z][-a-z]*[a-z]`)

// Explain adds to an error where the settings that it names are from, if they are not from the command
// line. It adds them to the first line.
func (s *Settings) Explain(err error) error {
	if err == nil {
		return nil
	}
	message, remedy, _ := strings.Cut(err.Error(), "\n")
	var sources []string
	for _, flag := range flagName.FindAllString(err.Error(), -1) {
		_, from := s.effective(strings.TrimPrefix(flag, "--"))
		if source := flag + " is from " + from; from != "" && from != flag && !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	if len(sources) == 0 {
		return err
	}
	return &explained{message + " (" + strings.Join(sources, ", ") + ")\n" + remedy, err}
}

// An explained error is one with other words.
type explained struct {
	message string
	err     error
}

func (e *explained) Error() string { return strings.TrimSuffix(e.message, "\n") }
func (e *explained) Unwrap() error { return e.err }

// Changes are the differences between a file and an earlier version of it.
type Changes struct {
	Limits []string // as NAME=VALUE; a limit removed from the file has its default
	Others []string // names of the other settings, which need a restart
}

// Reread reads the file again, and returns the changes. Settings of
// flags and variables stay. Without a file, nothing changes. If there is an error, the settings
// stay as they were. The output of another program cannot be read again: it would be empty.
func (s *Settings) Reread() (Changes, error) {
	if s.path == "" {
		return Changes{}, nil
	}
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		return Changes{}, fmt.Errorf("cannot read the settings again: %s is not a regular file", s.path)
	}
	now, err := s.readFile()
	if err != nil {
		return Changes{}, err
	}
	var changes Changes
	for i := range limits.Table {
		l := &limits.Table[i]
		before, after := s.limitIn(s.file, l), s.limitIn(now, l)
		if before != after && !slices.ContainsFunc(s.above, func(a Limit) bool { return a.name() == l.Name }) {
			changes.Limits = append(changes.Limits, l.Name+"="+after)
		}
	}
	for i := range s.all {
		name := s.all[i].name
		if _, decided := s.values[name]; !decided && !slices.Equal(s.file.values[name].items, now.values[name].items) {
			changes.Others = append(changes.Others, name)
		}
	}
	s.file = now
	return changes, nil
}

// limitIn returns the value of l that f has; otherwise its default.
func (s *Settings) limitIn(f *file, l *limits.Limit) string {
	if v, ok := f.limits[l.Name]; ok {
		return v.items[0]
	}
	return l.Default
}

func (l *Limit) name() string {
	name, _, _ := strings.Cut(l.Assignment, "=")
	return strings.TrimSpace(name)
}

func (l *Limit) value() string {
	_, value, _ := strings.Cut(l.Assignment, "=")
	return strings.TrimSpace(value)
}
