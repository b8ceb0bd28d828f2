//go:build linux

package main

import (
	"fmt"
	"time"
)

// burstTime is how long some clients of a cluster pause before they send all that is due at once.
const burstTime = 4 * time.Second

// makeSeats makes the seats: a listener, two pipes, and bots. A quarter of the clients are
// mortal. The others send the messages of --messages.
func (r *run) makeSeats() error {
	const others = 3
	mortals := max((r.clients-others)/4, 1)
	quota := (r.messages + r.clients - mortals - 2) / (r.clients - mortals - 1)
	rate := float64(quota) / r.duration.Seconds()
	for i := range r.clients {
		s := &seat{run: r, name: fmt.Sprintf("bot%02d", i+1), quota: quota, rate: rate, way: wayOf(i)}
		switch {
		case i == 0:
			s.name, s.role, s.quota = "ear", listenerRole, 0
		case i == 1:
			s.name, s.role = "pipe-lines", linePipeRole
		case i == 2:
			s.name, s.role = "pipe-json", jsonPipeRole
		case r.cluster && i%4 == 0 && i < r.clients-mortals:
			s.burst = burstTime
		case i >= r.clients-mortals:
			s.mortal, s.quota = true, 0
		}
		r.seats = append(r.seats, s)
		for j, h := range r.hosts {
			p, err := newProxy(address(len(r.hosts)*(1+i)+j), h.addr)
			if err != nil {
				return err
			}
			s.proxies = append(s.proxies, p)
		}
	}
	return nil
}

// seatNumbers returns the numbers of the seats with mortal clients, and of all seats.
func (r *run) seatNumbers() (mortals, all []int) {
	for i, s := range r.seats {
		all = append(all, i)
		if s.mortal {
			mortals = append(mortals, i)
		}
	}
	return mortals, all
}
