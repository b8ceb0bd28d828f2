package settings

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"chat/relay"
	"chat/relay/cmdline"
	"chat/relay/files"
	"chat/relay/limits"
	"chat/relay/openfile"
)

// maxFile is how many bytes a file of settings has at most.
const maxFile = 64 << 10

// A value is the value of a setting in a file, and its line.
type value struct {
	items []string // of a list; otherwise one
	line  int      // in the file
}

// A file has the settings of one file.
type file struct {
	path   string
	values map[string]value // by the name of the setting
	limits map[string]value // by the name of the limit
}

// readFile reads the file of settings at path. Relative names of files in it are relative to its folder.
// The error names the file and the line.
func readFile(path string, all []setting) (*file, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	f, err := parse(path, data, all)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("find the folder of the settings: %w", err)
	}
	for name, v := range f.values {
		s := named(all, name)
		for i, item := range v.items {
			if s.isPathName(item) {
				v.items[i] = resolve(folder, item)
			}
		}
	}
	return f, nil
}

// readBounded returns the contents of the file at path, at most maxFile bytes.
func readBounded(path string) ([]byte, error) {
	const remedy = "chat host --print-config >FILE writes a file of settings"
	in, err := openfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w\nhint: %s", err, remedy)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the settings: %w\nhint: %s", err, remedy)
	case len(data) > maxFile:
		return nil, fmt.Errorf("cannot read the settings: %s has more than %d bytes\nhint: %s", path, maxFile, remedy)
	}
	return data, nil
}

// resolve returns the path that name, in a file of the folder, means. A name that begins with ~/ is in the
// user's home folder.
func resolve(folder, name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}

// A reader reads the keys of a file.
type reader struct {
	file
	all   []setting
	lines map[string]int // of keys and tables, by their names with dots
}

// parse reads data, the text of the file at path, which is used for errors only.
func parse(path string, data []byte, all []setting) (*file, error) {
	r := reader{all: all, file: file{path: path, values: make(map[string]value), limits: make(map[string]value)}}
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, r.invalid(err)
	}
	r.lines = keyLines(data)
	for _, key := range slices.SortedFunc(maps.Keys(tree), r.byLine) { // the first mistake is reported first
		if err := r.set(key, tree[key]); err != nil {
			return nil, err
		}
	}
	return &r.file, nil
}

// invalid returns the error for a file that is not TOML.
func (r *reader) invalid(err error) error {
	at := 0
	reason := strings.TrimPrefix(err.Error(), "toml: ")
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		at, _ = e.Position()
	}
	reason, _, _ = strings.Cut(reason, "\n")
	return r.errorf(at, "%s\nhint: strings need quotes, lists brackets: room = \"kitchen\", iface = [\"eth0\"]", reason)
}

// errorf returns an error at a line of the file; 0: the line is unknown.
func (r *reader) errorf(line int, format string, args ...any) error {
	at := r.path
	if line > 0 {
		at = fmt.Sprintf("%s:%d", r.path, line)
	}
	return fmt.Errorf("%s: "+format, slices.Concat([]any{at}, args)...)
}

func (r *reader) byLine(a, b string) int {
	if d := r.lines[a] - r.lines[b]; d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// keyParts is the number of parts of a name with dots that have lines of their own, as limit.rate has. A file with long names could use up the memory.
const keyParts = 2

// keyLines returns the line of each key and table of a valid file, by the first two parts of its name with dots. A table that only
// the names of others show is on the line of the first one.
func keyLines(data []byte) map[string]int {
	lines := make(map[string]int)
	var p unstable.Parser
	p.Reset(data)
	table, tableParts := "", 0
	for p.NextExpression() {
		e := p.Expression()
		name, parts := table, tableParts
		if e.Kind != unstable.KeyValue {
			name, parts = "", 0
		}
		line := 0
		for it := e.Key(); parts < keyParts && it.Next(); parts++ {
			if line == 0 {
				line = p.Shape(it.Node().Raw).Start.Line
			}
			name = join(name, string(it.Node().Data))
			if lines[name] == 0 {
				lines[name] = line
			}
		}
		if e.Kind != unstable.KeyValue {
			table, tableParts = name, parts
		}
	}
	return lines
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// set reads the setting that a key of the file names.
func (r *reader) set(key string, v any) error {
	line := r.lines[key]
	s := named(r.all, key)
	if s == nil {
		return r.unknown(key, line)
	}
	if s.kind == limitTable {
		return r.setLimits(line, v)
	}
	items, ok := itemsOf(s.kind, v)
	if !ok {
		return r.errorf(line, "%s must be %s, not %s\nhint: write %s", key, s.kind, typeOf(v), s.example())
	}
	for _, item := range items {
		if item == "" {
			return r.errorf(line, "%s is empty\nhint: write %s, or leave the setting out", key, s.example())
		}
	}
	r.values[key] = value{items, line}
	return nil
}

// itemsOf returns v as a setting of kind k takes it.
func itemsOf(k kind, v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, k == aString || k == aDuration
	case bool:
		return []string{fmt.Sprint(v)}, k == aSwitch
	case int64:
		return []string{fmt.Sprint(v)}, k == aNumber
	case []any:
		items := make([]string, len(v))
		for i := range v {
			item, ok := v[i].(string)
			if !ok {
				return nil, false
			}
			items[i] = item
		}
		return items, k == aList
	}
	return nil, false
}

// typeOf describes a value of TOML.
func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case bool:
		return fmt.Sprint(v)
	case int64:
		return "a number"
	case float64:
		return "a number with a decimal point"
	case map[string]any:
		return "a table"
	case []any:
		for _, item := range v {
			if _, ok := item.(string); !ok {
				return "a list with something else"
			}
		}
		return "a list"
	case time.Time, toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return "a date"
	}
	return "something else"
}

// setLimits reads the table of limits.
func (r *reader) setLimits(line int, v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return r.errorf(line, "limit must be a table, not %s\nhint: write [limit] on a line, and NAME = VALUE on each line below it", typeOf(v))
	}
	scratch := limits.Settings{Room: new(relay.Options), Files: new(files.Limits)}
	byLine := func(a, b string) int { return r.byLine(join(limitFlag, a), join(limitFlag, b)) }
	for _, name := range slices.SortedFunc(maps.Keys(table), byLine) {
		line := r.lines[join(limitFlag, name)]
		l := limits.Named(name)
		if l == nil {
			return r.unknownLimit(name, line)
		}
		var text string
		switch v := table[name].(type) {
		case string:
			text = v
		case int64, float64:
			text = fmt.Sprint(v)
		default:
			return r.errorf(line, "the limit %s must be a string or a number, not %s\nhint: write %[2]s = %q", name, typeOf(v), l.Default)
		}
		if err := limits.Set(scratch, name+"="+text); err != nil {
			return r.errorf(line, "%w", err)
		}
		r.limits[name] = value{[]string{text}, line}
	}
	return nil
}

// unknown returns the error for a key that is no setting.
func (r *reader) unknown(key string, line int) error {
	const list = "hint: chat host --print-config lists the settings"
	switch key {
	case "secret", "invite", "password", "passphrase", "token":
		return r.errorf(line, "unknown setting %q: this file has no secrets\nhint: secret-file names a file that has the secret", key)
	case FileFlag, PrintFlag:
		return r.errorf(line, "%s is an option of the command line only\n%s", key, list)
	}
	for i := range limits.Table {
		if l := &limits.Table[i]; l.Name == key || l.OldFlag == key {
			return r.errorf(line, "unknown setting %q; did you mean %s in the table [limit]?\nhint: write %[3]s = %q on a line below [limit]", key, l.Name, l.Default)
		}
	}
	names := make([]string, len(r.all))
	for i := range r.all {
		names[i] = r.all[i].name
	}
	if near := cmdline.Nearest(strings.ToLower(key), names); near != "" {
		return r.errorf(line, "unknown setting %q; did you mean %s?\n%s", key, near, list)
	}
	return r.errorf(line, "unknown setting %q\n%s", key, list)
}

// unknownLimit returns the error for a key of the table of limits that is none.
func (r *reader) unknownLimit(name string, line int) error {
	names := make([]string, len(limits.Table))
	for i := range limits.Table {
		names[i] = limits.Table[i].Name
	}
	if near := cmdline.Nearest(strings.ToLower(name), names); near != "" {
		return r.errorf(line, "unknown limit %q; did you mean %s?\nhint: chat help limits lists the limits", name, near)
	}
	if s := named(r.all, name); s != nil {
		return r.errorf(line, "%s is not a limit\nhint: move it above the line [limit]", name)
	}
	return r.errorf(line, "unknown limit %q\nhint: chat help limits lists the limits", name)
}
