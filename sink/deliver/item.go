package deliver

import "github.com/firelane/firelane/sink"

// Item encodes one record, whole, as the loop does, and returns the item and its key. An error is the reason that the dead letter
// would get. It is for a look at what would be sent: each call allocates.
func Item(dest sink.Destination, limits sink.Limits, r *sink.Record) (item, key []byte, err error) {
	if _, err := Room(&r.Event); err != nil {
		return nil, nil, err
	}
	r.Whole()
	o, p := &Output{dest: dest, limits: limits.WithDefaults()}, new(part)
	o.keyer, _ = dest.(sink.Keyer)
	item, err = o.append(p, r)
	return item, p.key, err
}
