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

	chat, nats, ngircd, ncat, irssi, weechat string
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
	flags.Func("cell", "only `CELLS`, with commas: "+strings.Join(cellNames(), ", "), list(&o.cells))
	flags.Func("peer", "only `PEERS`, with commas; NAME=FILE is chat as FILE, another build", list(&o.peers))
	flags.IntVar(&o.clients, "clients", 0, "only with `N` clients")
	flags.IntVar(&o.senders, "senders", 0, "only with `N` of them sending")
	flags.IntVar(&o.rounds, "rounds", 3, "measure `N` times")
	flags.DurationVar(&o.length, "length", 3*time.Second, "send for `TIME` in a run")
	flags.BoolVar(&o.quick, "quick", false, "one round of short runs: for a first look only")
	flags.StringVar(&o.json, "json", "", "keep the raw figures in `FILE`")
	flags.BoolVar(&o.plot, "plot", false, "draw the rates of the flood over the clients")
	flags.Func("chat-flags", "give chat host further `FLAGS`", func(s string) error {
		o.chatFlags = strings.Fields(s)
		return nil
	})
	flags.StringVar(&o.chat, "chat", "./chat", "chat is `FILE`")
	flags.StringVar(&o.nats, "nats", "nats-server", "nats-server is `FILE`")
	flags.StringVar(&o.ngircd, "ngircd", "ngircd", "ngircd is `FILE`")
	flags.StringVar(&o.ncat, "ncat", "ncat", "ncat is `FILE`")
	flags.StringVar(&o.irssi, "irssi", "irssi", "irssi is `FILE`")
	flags.StringVar(&o.weechat, "weechat", "weechat-headless", "weechat is `FILE`")
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
		return nil, fmt.Errorf("wrong arguments; --help shows them")
	}
	return o, nil
}

// wants: history is history-long, too.
func (o *options) wants(cell string) bool {
	return len(o.cells) == 0 || slices.ContainsFunc(o.cells, func(name string) bool {
		return cell == name || strings.HasPrefix(cell, name+"-")
	})
}
