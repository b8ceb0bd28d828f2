//go:build linux

package main

import (
	"math/rand/v2"
	"strings"
)

// A words makes texts of invented words with the frequencies of a natural language: the nth
// word is 1/n as frequent as the first (Zipf's law), and frequent words are short.
type words struct {
	all  []string
	draw *rand.Zipf
	rand *rand.Rand
}

const manyWords = 20_000

func newWords() *words {
	r := rand.New(rand.NewPCG(1, 2)) // the same in every run
	w := &words{rand: r, draw: rand.NewZipf(r, 1.07, 3, manyWords-1)}
	seen := make(map[string]bool)
	for size := 1; len(w.all) < manyWords; {
		word := ""
		for range size {
			word += string("bdfghjklmnprstvwz"[r.IntN(17)]) + string("aeiou"[r.IntN(5)])
		}
		if word += []string{"", "n", "s"}[r.IntN(3)]; seen[word] {
			continue
		}
		seen[word] = true
		if w.all = append(w.all, word); len(w.all) > []int{0, 30, 1000, 8000, manyWords}[size] {
			size++
		}
	}
	return w
}

// text returns 4 to 15 words.
func (w *words) text() string {
	words := make([]string, 4+w.rand.IntN(12))
	for i := range words {
		words[i] = w.all[w.draw.Uint64()]
	}
	return strings.Join(words, " ")
}

// searches returns queries for frequent and rare words, alone and together, for their
// prefixes, and for a word that does not occur.
func (w *words) searches() (texts []string) {
	for _, n := range []int{0, 3, 10, 30, 100, 300, 1000, 3000, 10_000, manyWords - 1} {
		texts = append(texts, w.all[n])
	}
	for _, n := range []int{40, 400, 4000, 12_000} {
		texts = append(texts, w.all[n][:3])
	}
	for _, pair := range [][2]int{{0, 1}, {2, 200}, {0, 5000}, {50, 60}, {500, 600}, {3000, 3001}} {
		texts = append(texts, w.all[pair[0]]+" "+w.all[pair[1]])
	}
	return append(texts, "xyzzy")
}
