//go:build linux

package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

type options struct {
	cells     []string
	peers     []string
	clients   int
	senders   int
	rounds    int
	length    time.Duration
	json      string
	plot      bool
	quick     bool
	chatFlags []string

	chat, nats, ngircd, ncat, irssi, weechat, ws string
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	list := func(to *[]string) func(string) error {
		return func(s string) error {
			*to = append(*to, strings.Split(s, ",")...)
			return nil
		}
	}
	flags.Func("cell", "run only `CELLS`, separated by commas: "+strings.Join(cellNames(), ", "), list(&o.cells))
	flags.Func("peer", "run only `PEERS`, separated by commas; NAME=FILE adds another build of chat", list(&o.peers))
	flags.IntVar(&o.clients, "clients", 0, "run only with `N` clients")
	flags.IntVar(&o.senders, "senders", 0, "run only with `N` senders")
	flags.IntVar(&o.rounds, "rounds", 3, "measure `N` rounds")
	flags.DurationVar(&o.length, "length", 3*time.Second, "send for `TIME` in each run")
	flags.BoolVar(&o.quick, "quick", false, "do one round of short runs, for a first look only")
	flags.StringVar(&o.json, "json", "", "write the raw figures to `FILE`")
	flags.BoolVar(&o.plot, "plot", false, "plot the rates of the flood over the number of clients")
	flags.Func("chat-flags", "pass `FLAGS` to chat host", func(s string) error {
		o.chatFlags = strings.Fields(s)
		return nil
	})
	flags.StringVar(&o.chat, "chat", "./chat", "use `FILE` as chat")
	flags.StringVar(&o.nats, "nats", "", "use `FILE` as nats-server; it is built by default")
	flags.StringVar(&o.ws, "ws", "", "use the npm package ws in `DIR`")
	flags.StringVar(&o.ngircd, "ngircd", "ngircd", "use `FILE` as ngircd")
	flags.StringVar(&o.ncat, "ncat", "ncat", "use `FILE` as ncat")
	flags.StringVar(&o.irssi, "irssi", "irssi", "use `FILE` as irssi")
	flags.StringVar(&o.weechat, "weechat", "weechat-headless", "use `FILE` as weechat")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.quick {
		o.rounds, o.length = 1, time.Second
	}
	for _, name := range o.cells {
		if !slices.Contains(cellNames(), name) {
			return nil, fmt.Errorf("--cell %s: there are %s", name, strings.Join(cellNames(), ", "))
		}
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.length <= 0 || o.clients < 0 || o.senders < 0 || o.senders > 9999 {
		return nil, fmt.Errorf("invalid arguments; see --help")
	}
	return o, nil
}

// wants reports whether the cell was selected. Selecting history also selects history-long.
func (o *options) wants(cell string) bool {
	return len(o.cells) == 0 || slices.ContainsFunc(o.cells, func(name string) bool {
		return cell == name || strings.HasPrefix(cell, name+"-")
	})
}
