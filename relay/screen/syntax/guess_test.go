package syntax

import "testing"

func TestGuess(t *testing.T) {
	for code, want := range map[string]string{
		"func f() error {\n\tif err := g(); err != nil {\n\t\treturn err\n\t}\n\treturn nil\n}": "go",
		"def f(self, x):\n    return self.y + x\n":                                              "python",
		"fn main() {\n    let mut v = Vec::new();\n    v.push(1);\n}":                           "rust",
		"#include <stdio.h>\n\nint main(void) {\n\tprintf(\"hi\");\n}":                          "c",
		"const f = async () => {\n  await g();\n};":                                             "javascript",
		"public class A extends B {\n  private int x;\n}":                                       "java",
		"for f in *.go; do\n  echo \"$(wc -l $f)\"\ndone":                                       "sh",
		"#!/usr/bin/env python3\nx = 1\n":                                                       "python",
		"#!/bin/sh\nls":                                                                         "sh",
		"#!/opt/klingon\nls":                                                                    "",
		"{\n  \"a\": [1, 2]\n}":                                                                 "json",
		"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b":                             "diff",
		"SELECT a\nFROM b\nWHERE c;":                                                            "sql",
		"<div>\n  <p>x</p>\n</div>":                                                             "html",
		"    1 apple\n    2 pears\n":                                                            "",
		"Dear all,\n\nthe import of soup is over,\nwith best regards":                           "",
		"": "",
	} {
		if got := Guess(code); got != want {
			t.Errorf("%q: %q, want %q", code, got, want)
		} else if got != "" && !Knows(got) {
			t.Errorf("%q has no rules", got)
		}
	}
}
