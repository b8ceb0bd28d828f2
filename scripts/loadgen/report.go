//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// report prints the table of medians and writes the raw figures.
func (b *bench) report(w io.Writer, took time.Duration) error {
	machine := describeMachine()
	fmt.Fprintf(w, "%s; medians of %d rounds; × is the ratio to the cell's base in the same round; %v\n",
		machine, b.opts.rounds, took.Round(time.Second))
	for _, c := range newCells() {
		if rows := b.rows(c); len(rows) > 1 {
			fmt.Fprintln(w)
			printTable(w, rows)
		}
	}
	if b.opts.plot {
		b.plot(w)
	}
	if b.opts.json != "" {
		if err := b.saveFigures(machine); err != nil {
			return err
		}
	}
	if n := b.withoutResult(); n > 0 {
		return fmt.Errorf("%d of %d runs have no result", n, len(b.runs))
	}
	return nil
}

func (b *bench) saveFigures(machine string) error {
	text, err := json.MarshalIndent(map[string]any{"machine": machine, "runs": b.runs}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.opts.json, append(text, '\n'), 0o644)
}

func (b *bench) withoutResult() (n int) {
	for _, r := range b.runs {
		if r.Failed != "" {
			n++
		}
	}
	return n
}

func describeMachine() string {
	model := runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d CPUs (%s), Linux %s, %s", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}

// rows returns a cell's table, with one row for each peer in each shape.
func (b *bench) rows(c *cell) [][]string {
	head := []string{c.name, "peer"}
	for _, col := range c.columns {
		if head = append(head, col.title); col.ratio {
			head = append(head, "×")
		}
	}
	rows := [][]string{head}
	for _, s := range b.selectShapes(c) {
		for _, name := range b.peersIn(c, s) {
			rows = append(rows, b.row(c, s, name))
		}
	}
	return rows
}

func (b *bench) peersIn(c *cell, s shape) (names []string) {
	for _, r := range b.runs {
		if r.matches(c, s) && !slices.Contains(names, r.Peer) {
			names = append(names, r.Peer)
		}
	}
	return names
}

func (r run) matches(c *cell, s shape) bool {
	return r.Cell == c.name && r.Clients == s.clients && r.Senders == s.senders
}

func (b *bench) row(c *cell, s shape, name string) []string {
	title := fmt.Sprint(s.clients)
	if s.senders > 0 {
		title += fmt.Sprintf(" × %d", s.senders)
	}
	row := []string{title, name}
	if runs, failed := b.count(c, s, name); failed > 0 {
		row[1] += fmt.Sprintf(" (%d of %d without result)", failed, runs)
	}
	for _, col := range c.columns {
		text, ratio := "-", "-"
		if v, ok := median(b.figures(c, s, name, col.key)); ok {
			text = col.show(v)
		}
		if v, ok := median(b.ratios(c, s, name, c.base, col.key)); ok {
			ratio = fmt.Sprintf("%.2f", v)
		}
		if col.key == "ceiling" {
			if v, ok := median(b.ratios(c, s, name, "bare-64k", "rate")); ok {
				text = col.show(v)
			}
		}
		if row = append(row, text); col.ratio {
			row = append(row, ratio)
		}
	}
	return row
}

func (b *bench) count(c *cell, s shape, name string) (runs, failed int) {
	for _, r := range b.runs {
		if r.matches(c, s) && r.Peer == name {
			if runs++; r.Failed != "" {
				failed++
			}
		}
	}
	return runs, failed
}

// figures returns a peer's values, by round.
func (b *bench) figures(c *cell, s shape, name, key string) map[int]float64 {
	byRound := make(map[int]float64)
	for _, r := range b.runs {
		if v, ok := r.Values[key]; ok && r.matches(c, s) && r.Peer == name {
			byRound[r.Round] = v
		}
	}
	return byRound
}

// ratios returns the ratios to another peer's values in the same round.
func (b *bench) ratios(c *cell, s shape, name, to, key string) map[int]float64 {
	byRound := b.figures(c, s, name, key)
	base := b.figures(c, s, to, key)
	for round, v := range byRound {
		if base[round] > 0 {
			byRound[round] = v / base[round]
		} else {
			delete(byRound, round)
		}
	}
	return byRound
}

func median(byRound map[int]float64) (float64, bool) {
	var all []float64
	for _, v := range byRound {
		all = append(all, v)
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

// printTable prints a Markdown table with aligned columns.
func printTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for n, row := range rows {
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i < 2 {
				fmt.Fprint(w, "| ", text, pad, " ")
			} else {
				fmt.Fprint(w, "| ", pad, text, " ")
			}
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range widths {
				rule := strings.Repeat("-", widths[i]+1)
				if i < 2 {
					fmt.Fprint(w, "|", rule, "-")
				} else {
					fmt.Fprint(w, "|", rule, ":")
				}
			}
			fmt.Fprintln(w, "|")
		}
	}
}
