package forward

import "github.com/firelane/firelane/record"

// Show implements sink.Shower: the record as JSON, and the tag with which it is sent.
func (d *destination) Show(item, key []byte) (body []byte, where []string) {
	where = []string{"tag", string(key)}
	_, rest, err := record.ArrayHeader(item)
	if err == nil {
		rest, err = record.Skip(rest) // the time
	}
	if err != nil { // an item that isn't Append's
		return nil, where
	}
	return record.AppendJSON(nil, rest), where
}
