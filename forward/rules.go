package forward

import (
	"cmp"

	"github.com/firelane/firelane/config"
)

// rules are a server's options as its connections use them.
type rules struct {
	tag    []byte // of every event, prefix included; nil: the event's own
	prefix []byte // put before an event's own tag

	event    int  // bytes of one event, at most
	message  int  // bytes of a message, at most; 0: any
	skipOver bool // a larger message is skipped; otherwise the connection is closed
	warnOver int  // bytes of a message above which to warn; 0: none
	inflated int  // bytes of a message after decompression, at most

	skipInvalid    bool // an invalid event is skipped; otherwise the connection is closed
	skipNonMessage bool // a value that isn't a message is skipped; otherwise the connection is closed
	denyKeepalive  bool // the connection is closed after its first message

	addressKey, hostnameKey string

	separator []byte // of the input tcp
}

func (o *Options) rules(d config.Dialect) rules {
	r := rules{
		event: maxEvent, skipInvalid: true,
		denyKeepalive: o.DenyKeepalive, addressKey: o.SourceAddress, hostnameKey: o.SourceHostname,
	}
	if d == config.FluentBit {
		r.event = min(int(cmp.Or(max(o.BufferMaxSize, 0), maxEvent)), maxEvent)
		r.message = int(max(o.BufferMaxSize, 0))
		r.inflated = int(cmp.Or(max(o.BufferMaxSize, 0), defaultInflated))
		r.prefix = []byte(o.TagPrefix)
		if o.Tag != "" && o.TagPrefix == "" { // as Fluent Bit: the prefix goes before the event's own tag
			r.tag = []byte(o.Tag)
		}
		return r
	}
	r.message, r.warnOver = int(max(o.ChunkLimit, 0)), int(max(o.ChunkWarnLimit, 0))
	r.inflated = int(cmp.Or(max(o.DecompressLimit, 0), defaultInflated))
	r.skipOver, r.skipNonMessage, r.skipInvalid = true, true, o.SkipInvalid
	if o.AddPrefix != "" {
		r.prefix = []byte(o.AddPrefix + ".")
	}
	if o.Tag != "" {
		r.tag = append(r.prefix[:len(r.prefix):len(r.prefix)], o.Tag...)
	}
	return r
}

// retag is the tag of an event that was sent with tag; it may be tag itself. A new one is made in buf.
func (r *rules) retag(buf, tag []byte) []byte {
	switch {
	case r.tag != nil:
		return r.tag
	case len(r.prefix) > 0:
		return append(append(buf[:0], r.prefix...), tag...)
	}
	return tag
}
