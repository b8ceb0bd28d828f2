package client_test

import (
	"context"
	"fmt"
	"strings"

	"chat/relay/client"
)

// A bot that answers messages with its name. It ends when the host kicks it.
func Example() {
	addr := client.ListenForExample() // as "192.168.1.5:24280"
	ctx := context.Background()
	c, err := client.Join(ctx, client.Options{Addr: addr, Nick: "robot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for e := range c.Events() {
		m, ok := e.(client.Received)
		if !ok || !m.IsPublicMessage() || m.Past { // the backlog has been answered long ago
			continue
		}
		fmt.Printf("<%s> %s\n", m.From, m.Text)
		if !m.Own && strings.Contains(m.Text, "robot") {
			if _, err := c.Say(ctx, "hello "+m.From); err != nil {
				break
			}
		}
	}
	fmt.Println(c.Err())
	// Output:
	// <bob> is robot here?
	// <robot> hello bob
	// the host says: enough
}

func ExampleClient_Flush() {
	ctx := context.Background()
	c, err := client.Join(ctx, client.Options{Addr: client.ListenForExample(), Nick: "robot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		for range c.Events() { // must be read, even by a program that only sends
		}
	}()
	if _, err := c.Say(ctx, "the build is done"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.Flush(ctx), c.Unacked())
	c.Close()
	// Output:
	// <nil> 0
}
