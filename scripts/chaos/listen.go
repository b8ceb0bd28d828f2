//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

// listenPatience is how long a person looks at a silent nc before restarting it.
const listenPatience = 5 * time.Second

// runListen is a person with nc who only reads. The host does not recognize the person on
// the next connection, so messages between two connections are missing. Within a connection
// every message must be there.
func runListen(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("listen", flag.ContinueOnError)
	hosts := flags.String("hosts", "", "connect to one of the hosts `ADDR=PROXY ...` after the other")
	invitation := flags.String("invitation", "", "enter the sealed room by the secrets in `FILE`")
	record := flags.String("record", "", "write the record to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, err := os.Create(*record)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	go func() {
		bufio.NewScanner(os.Stdin).Scan() // wait for the end of stdin
		leave()
	}()
	fmt.Println(progressJoined)
	out := bufio.NewWriterSize(file, 64<<10)
	list := parseHosts(*hosts)
	for n := 0; ctx.Err() == nil; n++ {
		recordConnection(ctx, list.proxies[list.addrs[n%len(list.addrs)]], *invitation, out)
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(out.Flush(), file.Close())
}

// recordConnection records one connection. It leaves out an unfinished last line, which was
// not shown completely. In a sealed room, the person uses openssl s_client and types the secret for those who only read.
func recordConnection(ctx context.Context, addr, invitation string, out *bufio.Writer) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if invitation != "" {
		invite, err := readInvitation(invitation)
		if err != nil {
			return
		}
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // as s_client does
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := fmt.Fprintln(conn, string(invite.Listen)); err != nil {
			return
		}
	}
	fmt.Fprintln(out, connectedLine)
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		conn.SetReadDeadline(time.Now().Add(listenPatience))
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		out.Write(line)
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}
