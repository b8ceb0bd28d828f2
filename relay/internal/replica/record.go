package replica

import (
	"encoding/binary"
	"fmt"

	"chat/relay/journal"
)

// A record is recordFormat, the ticket of its last request, and the requests, each with its length before it. Numbers
// are as in encoding/binary.Uvarint.

// appendRecord appends a record with the requests of proposals.
func appendRecord(dst []byte, batch []Proposal) []byte {
	dst = append(dst, recordFormat)
	dst = binary.AppendUvarint(dst, batch[len(batch)-1].Ticket)
	for i := range batch {
		dst = binary.AppendUvarint(dst, uint64(len(batch[i].Request)))
		dst = append(dst, batch[i].Request...)
	}
	return dst
}

// ParseRecord returns the requests in a record, and the ticket of the last one. The error wraps ErrFormat.
func ParseRecord(data []byte) (requests [][]byte, last uint64, err error) {
	if len(data) == 0 || data[0] != recordFormat || len(data) > journal.MaxRecord {
		return nil, 0, ErrFormat
	}
	last, n := binary.Uvarint(data[1:])
	if n <= 0 {
		return nil, 0, fmt.Errorf("%w: no ticket", ErrFormat)
	}
	for data = data[1+n:]; len(data) > 0; {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return nil, 0, fmt.Errorf("%w: a request is cut off", ErrFormat)
		}
		requests = append(requests, data[n:n+int(size)])
		data = data[n+int(size):]
	}
	return requests, last, nil
}
