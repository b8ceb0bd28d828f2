//go:build linux

package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
)

// This is a chat server as Go tutorials write it: one goroutine has the clients and sends
// each message to each of them over a channel, two goroutines serve a client, and every
// line is a write. It does not announce joins and leaves: with ten thousand clients that
// would take minutes.

type outbox chan<- string

var (
	entering = make(chan outbox)
	leaving  = make(chan outbox)
	messages = make(chan string)
)

func runTutorial(args []string) error {
	flags := flag.NewFlagSet("tutorial", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `ADDR`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	go broadcast()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go serve(conn)
	}
}

func broadcast() {
	clients := make(map[outbox]bool)
	for {
		select {
		case text := <-messages:
			for client := range clients {
				client <- text
			}
		case client := <-entering:
			clients[client] = true
		case client := <-leaving:
			delete(clients, client)
			close(client)
		}
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	out := make(chan string, 16)
	go func() {
		for text := range out {
			fmt.Fprintln(conn, text)
		}
	}()
	who := conn.RemoteAddr().String()
	entering <- out
	out <- "You are " + who
	for input := bufio.NewScanner(conn); input.Scan(); {
		messages <- who + ": " + input.Text()
	}
	leaving <- out
}
