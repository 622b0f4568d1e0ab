package forward

import (
	"context"
	"net"
	"strings"

	"github.com/firelane/firelane/record"
)

// encodeFields encodes the fields that every event of the connection gets: the client's address and host name.
func (c *conn) encodeFields() {
	r := &c.s.rules
	if r.addressKey == "" && r.hostnameKey == "" {
		return
	}
	address := c.peer
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	add := func(key, value string) {
		if key != "" {
			c.fields = record.AppendStr(record.AppendStr(c.fields, key), value)
			c.nfields++
		}
	}
	add(r.addressKey, address)
	if r.hostnameKey != "" {
		add(r.hostnameKey, hostname(c.s.flushing, address))
	}
}

// hostname is the name of an address, or the address itself where it has none or the lookup takes longer than lookupTime.
func hostname(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	names, err := net.DefaultResolver.LookupAddr(ctx, address)
	if err != nil || len(names) == 0 {
		return address
	}
	return strings.TrimSuffix(names[0], ".")
}

// withFields appends the connection's fields to a copy of body. A field that body has already stays in it: of two
// members with the same key the last one counts.
func (c *conn) withFields(body []byte) []byte {
	n, rest, err := record.MapHeader(body)
	if err != nil {
		return body // impossible: record.Check has accepted it
	}
	b := record.AppendMapHeader(c.body[:0], n+c.nfields)
	b = append(b, rest...)
	b = append(b, c.fields...)
	if cap(b) <= readSize {
		c.body = b
	}
	return b
}
