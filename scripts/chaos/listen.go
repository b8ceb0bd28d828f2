//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

// listenPatience is how long a person looks at a silent nc before starting it again.
const listenPatience = 5 * time.Second

// runListen is a person with nc who says nothing: lines come in as text, nobody knows
// the connection again, and what is missed in between stays missed. Within a connection
// everything has to be there.
func runListen(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("listen", flag.ContinueOnError)
	addr := flags.String("addr", "", "connect to `ADDR`")
	record := flags.String("record", "", "keep a record in `FILE`")
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
		bufio.NewScanner(os.Stdin).Scan() // to its end
		leave()
	}()
	fmt.Println(wordIn)
	out := bufio.NewWriterSize(file, 64<<10)
	for ctx.Err() == nil {
		hear(ctx, *addr, out)
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(out.Flush(), file.Close())
}

// hear records one connection. A line that it ends in the middle of was not shown whole.
func hear(ctx context.Context, addr string, out *bufio.Writer) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
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
