package retain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A marker is in each document that firelane writes: the hash of what it wrote, and of what the server made of it. As long as
// the document has the second one, nobody else has changed it.
type marker struct{ wrote, stored string }

const markerKey = "firelane"

// String is how the marker is written; "" for none.
func (m marker) String() string {
	if m.stored == m.wrote {
		return m.wrote
	}
	return m.wrote + ":" + m.stored
}

// parseMarker reads what String wrote; the zero marker if it isn't that.
func parseMarker(s string) marker {
	wrote, stored, ok := strings.Cut(s, ":")
	if !ok {
		stored = wrote
	}
	if !isHash(wrote) || !isHash(stored) {
		return marker{}
	}
	return marker{wrote, stored}
}

// hashLength is how many hexadecimal digits of a SHA-256 sum are kept.
const hashLength = 16

func isHash(s string) bool {
	_, err := hex.DecodeString(s)
	return len(s) == hashLength && err == nil
}

// descriptionOf is the description of a policy of ISM, which has no other place for a marker.
func descriptionOf(what string, m marker) string {
	return fmt.Sprintf("firelane: %s. firelane replaces this policy as long as nobody else changes it (mark %s)", what, m)
}

// fromDescription returns the marker in a description.
func fromDescription(s string) marker {
	_, rest, ok := strings.Cut(s, "(mark ")
	text, _, closed := strings.Cut(rest, ")")
	if !ok || !closed {
		return marker{}
	}
	return parseMarker(text)
}

// fromMeta returns the marker in the member _meta of a document.
func fromMeta(doc object) marker {
	meta, _ := doc["_meta"].(object)
	text, _ := meta[markerKey].(string)
	return parseMarker(text)
}

// withMeta returns doc with the marker in _meta.
func withMeta(doc object, m marker) object {
	out := maps.Clone(doc)
	out["_meta"] = object{markerKey: m.String(), "description": "firelane replaces this as long as nobody else changes it"}
	return out
}

// maxDepth is how deep the documents of a server are compared; what is deeper counts as equal. No setting or mapping is that deep.
const maxDepth = 64

// hashOf is a hash of what a document says: equal for what firelane sends and for what the server answers, which orders and
// types values as it likes, and adds its defaults.
func hashOf(doc object, members ...string) string {
	kept := object{}
	for _, name := range members {
		if v, ok := doc[name]; ok {
			kept[name] = v
		}
	}
	var lines []string
	flatten(&lines, "", plain(kept), 0)
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])[:hashLength]
}

// The members of each document that firelane sets and compares.
var (
	templateMembers = []string{"index_patterns", "priority", "template", "data_stream", "composed_of"}
	ismMembers      = []string{"default_state", "states", "ism_template"}
	ilmMembers      = []string{"phases"}
)

// flatten appends a line for each value of v: its path and its text.
func flatten(lines *[]string, path string, v any, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case object:
		if path == ".data_stream" { // servers fill in what it stands for
			v = nil
		}
		before := len(*lines)
		for name, member := range v {
			at := path + "." + name
			if rest, ok := strings.CutPrefix(at, ".template.settings.index."); ok { // the prefix may be left out
				at = ".template.settings." + rest
			}
			if name == "index" && path == ".template.settings" {
				at = path
			}
			if !isDefault(at, member) {
				flatten(lines, at, member, depth+1)
			}
		}
		if len(*lines) == before {
			*lines = append(*lines, path)
		}
	case []any:
		for i, item := range v {
			flatten(lines, fmt.Sprintf("%s[%d]", path, i), item, depth+1)
		}
	case nil:
	default:
		*lines = append(*lines, fmt.Sprintf("%s=%v", path, v))
	}
}

// isDefault reports whether a server adds the member by itself, or when it was stored.
func isDefault(path string, v any) bool {
	switch {
	case strings.HasSuffix(path, ".delete.delete_searchable_snapshot"):
		return v == true
	case strings.HasSuffix(path, ".rollover.copy_alias"), strings.HasSuffix(path, ".rollover.prevent_empty_rollover"):
		return v == false
	}
	return strings.HasPrefix(path, ".ism_template") && strings.HasSuffix(path, ".last_updated_time")
}

// plain returns v as it is after it was written and read as JSON: numbers are json.Number, lists []any.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if err := decode(text, &out); err != nil {
		return nil
	}
	return out
}

// decode reads JSON, and keeps numbers as they are written.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}
