package bulk

import (
	"bytes"
	"encoding/json"
)

// Show implements sink.Shower: the document, its index and its id. An update's document is in its own member.
func (d *Destination) Show(item, _ []byte) (document []byte, where []string) {
	head, document, _ := bytes.Cut(item, []byte{'\n'})
	var action map[string]struct {
		Index   string `json:"_index"`
		ID      string `json:"_id"`
		Routing string `json:"routing"`
	}
	_ = json.Unmarshal(head, &action) // never fails for an item that Append wrote
	for verb, a := range action {
		where = append(where, "index", a.Index)
		if a.ID != "" {
			where = append(where, "id", a.ID)
		}
		if a.Routing != "" {
			where = append(where, "routing", a.Routing)
		}
		var update struct {
			Doc json.RawMessage `json:"doc"`
		}
		if verb == "update" && json.Unmarshal(document, &update) == nil && update.Doc != nil {
			document = update.Doc
		}
	}
	return bytes.TrimSuffix(document, []byte{'\n'}), where
}
