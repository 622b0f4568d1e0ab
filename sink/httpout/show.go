package httpout

import (
	"maps"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// Show implements sink.Shower: the record as it is sent, and where, with the headers that depend on it. A path that is the same for
// all records is left out: it may have a token.
func (d *Destination) Show(item, key []byte) (stored []byte, where []string) {
	where = []string{"server", d.servers.Clients[0].Name}
	if post, err := d.post(key); err != nil {
		where = append(where, "error", err.Error())
	} else {
		if post.URL != nil {
			where = []string{"url", post.URL.Redacted()}
		}
		for _, name := range slices.Sorted(maps.Keys(post.Header)) {
			where = append(where, "header "+name, strings.Join(post.Header[name], ","))
		}
	}
	if d.encoding.perRecord {
		var headers []config.Pair
		headers, item = readRequest(item)
		for _, h := range headers {
			where = append(where, "header "+h.Key, h.Value)
		}
	}
	return item, where
}
