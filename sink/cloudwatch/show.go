package cloudwatch

import (
	"bytes"
	"encoding/json"
)

// Show implements sink.Shower: the event's message, its group and its stream.
func (d *Destination) Show(item, key []byte) (message []byte, where []string) {
	var event struct{ Message string }
	_ = json.Unmarshal(bytes.TrimPrefix(item, []byte{','}), &event) // never fails for an item that Append wrote
	group, stream := splitKey(key)
	return []byte(event.Message), []string{"group", string(group), "stream", string(stream)}
}
