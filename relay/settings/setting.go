package settings

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"chat/relay/manual"
)

// Names of flags that are about the settings, and none themselves.
const (
	FileFlag  = "config"       // the file to read
	PrintFlag = "print-config" // to print the settings
)

// limitFlag is the flag of the limits, which the file has in a table.
const limitFlag = "limit"

// A kind is the type of a setting's values.
type kind int

const (
	aString kind = iota
	aSwitch
	aNumber
	aDuration
	aList
	limitTable
)

// String returns the type of the kind's values, for errors.
func (k kind) String() string {
	return [...]string{
		aString: "a string", aSwitch: "true or false", aNumber: "a whole number", aDuration: "a time in quotes",
		aList: "a list of strings", limitTable: "a table",
	}[k]
}

// A setting is a flag that a file can set, too.
type setting struct {
	name     string
	kind     kind
	isPath   bool   // it names a file or a folder
	variable string // of the environment; "": there is none
	doc      manual.Option

	hasDefault bool // that of doc is a value, not words
}

// isPathName reports whether value, of a setting that names a file, is really one, and not a word that
// stands for something else.
func (s *setting) isPathName(value string) bool {
	return s.isPath && value != "" && value != "-" && (s.name != "identity" || value != "agent")
}

// settingsOf returns the settings of a command in the order of its flags.
func settingsOf(command *cli.Command) (all []setting) {
	for _, f := range command.Flags {
		doc := manual.OptionOf(f)
		name := f.Names()[0]
		if doc.Category == manual.Deprecated || f == cli.HelpFlag || name == FileFlag || name == PrintFlag {
			continue
		}
		s := setting{name: name, doc: doc, isPath: doc.Placeholder == "FILE" || doc.Placeholder == "DIR"}
		if len(doc.Env) > 0 {
			s.variable = doc.Env[0]
		}
		switch f := f.(type) {
		case *cli.StringFlag:
			s.hasDefault = f.Value != "" && f.DefaultText == ""
		case *cli.BoolFlag:
			s.kind = aSwitch
		case *cli.IntFlag:
			s.kind, s.hasDefault = aNumber, f.DefaultText == ""
		case *cli.DurationFlag:
			s.kind = aDuration
		case *cli.StringSliceFlag:
			s.kind = aList
		}
		if name == limitFlag {
			s.kind = limitTable
		}
		all = append(all, s)
	}
	return all
}

// named returns the setting called name, or nil.
func named(all []setting, name string) *setting {
	if i := slices.IndexFunc(all, func(s setting) bool { return s.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// WithVariables gives each flag that is a setting its environment variable, unless it has one.
func WithVariables(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		name := f.Names()[0]
		if name == PrintFlag || manual.OptionOf(f).Category == manual.Deprecated {
			continue
		}
		variables := []string{"CHAT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
		if own := f.(cli.DocGenerationFlag).GetEnvVars(); len(own) > 0 {
			variables = own
		}
		switch f := f.(type) {
		case *cli.BoolFlag:
			f.EnvVars = variables
		case *cli.IntFlag:
			f.EnvVars = variables
		case *cli.DurationFlag:
			f.EnvVars = variables
		case *cli.StringFlag:
			f.EnvVars = variables
		case *cli.StringSliceFlag:
			f.EnvVars = variables
		default:
			panic("no variable for the kind of --" + name) // a mistake in the table of flags
		}
	}
	return flags
}

// example returns how the setting is written in a file, for an error.
func (s *setting) example() string { return s.name + " = " + s.exampleValue() }

// exampleValue returns the default of the setting as TOML, or a placeholder of the right type.
func (s *setting) exampleValue() string {
	switch s.kind {
	case aSwitch:
		return "false"
	case aNumber:
		if !s.hasDefault {
			return "0" // which stands for the default in words
		}
		return s.doc.Default
	case aList:
		return "[" + quoted(s.doc.Placeholder) + "]"
	}
	if s.hasDefault {
		return quoted(s.doc.Default)
	}
	return quoted(s.doc.Placeholder)
}
