package syntax

import (
	"slices"
	"strings"
)

// languages are the names of each language, the first of which names its file. They are the ones
// that people send each other; each costs about 7 KB.
var languages = []string{
	"bash sh shell ksh zsh",
	"c h",
	"clojure clj",
	"cmake",
	"console shell-session bash-session shellsession",
	"cpp c++ cc cxx hpp",
	"csharp cs c#",
	"css",
	"dart",
	"diff patch udiff",
	"docker dockerfile containerfile",
	"elixir ex exs",
	"erlang erl",
	"fish",
	"go golang",
	"graphql gql",
	"haskell hs",
	"html",
	"ini cfg conf",
	"java",
	"javascript js jsx mjs",
	"json jsonc",
	"julia jl",
	"kotlin kt",
	"lua",
	"make makefile mk",
	"nginx",
	"nix",
	"ocaml ml",
	"perl pl",
	"powershell ps1 posh",
	"protobuf proto",
	"python py py3 python3",
	"r",
	"ruby rb",
	"rust rs",
	"scala",
	"scss",
	"sql",
	"swift",
	"systemd",
	"terraform tf hcl",
	"toml",
	"typescript ts tsx",
	"xml",
	"yaml yml",
	"zig",
}

// fileOf returns the file of a language; "": there is none.
func fileOf(language string) string {
	language = strings.ToLower(language)
	for _, names := range languages {
		if slices.Contains(strings.Fields(names), language) {
			file, _, _ := strings.Cut(names, " ")
			return file
		}
	}
	return ""
}
