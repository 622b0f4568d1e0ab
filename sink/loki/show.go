package loki

import "encoding/binary"

// Show implements sink.Shower: the line, its labels and its structured metadata.
func (d *Destination) Show(item, key []byte) (line []byte, where []string) {
	tenant, labels := splitKey(key)
	if len(tenant) > 0 {
		where = append(where, "tenant", string(tenant))
	}
	where = append(where, "labels", string(labels))
	for number, entry := range members(item) {
		if number != streamEntries {
			continue
		}
		for number, value := range members(entry) {
			switch number {
			case entryLine:
				line = value
			case entryMetadata:
				var name, text []byte
				for number, part := range members(value) {
					if number == pairName {
						name = part
					} else if number == pairValue {
						text = part
					}
				}
				where = append(where, "metadata "+string(name), string(text))
			}
		}
	}
	return line, where
}

// members yields the fields of a Protocol Buffers message that have a length, which are all that an entry has beside its time.
func members(b []byte) func(yield func(number uint64, value []byte) bool) {
	return func(yield func(uint64, []byte) bool) {
		const lengthDelimited = 2
		for len(b) > 0 {
			tag, n := binary.Uvarint(b)
			if n <= 0 || tag&7 != lengthDelimited {
				return
			}
			size, m := binary.Uvarint(b[n:])
			if m <= 0 || size > uint64(len(b)-n-m) {
				return
			}
			value := b[n+m:][:size]
			if b = b[n+m+int(size):]; !yield(tag>>3, value) {
				return
			}
		}
	}
}
