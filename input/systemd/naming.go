package systemd

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/firelane/firelane/config"
)

// maxNames is how many names of fields are kept.
const maxNames = 4096

// A naming says which names the fields of the journal have in records.
type naming struct {
	lower, strip, stripAll, strict bool
	mapped                         map[string][]target // Fluentd's field_map
	known                          map[string][]target // what is made of names, kept
}

// A target is a name in the record.
type target struct {
	name  string
	order int // of fields with that name; 0: field_map doesn't have it
}

func newNaming(o *Options, d config.Dialect) (n naming, err error) {
	n.known = map[string][]target{}
	if d != config.Fluentd {
		n.lower, n.strip = o.Lowercase, o.Strip
		return n, nil
	}
	n.stripAll = o.OldStrip
	if e := o.Entry; e != nil {
		n.lower, n.stripAll, n.strict = e.Lowercase, e.Strip || o.OldStrip, e.MapStrict
		if n.mapped, err = fieldMap(e.Map); err != nil {
			return n, &config.OptionError{Option: "field_map", Reason: `is not a JSON object of names; want, for example, {"MESSAGE": "log", "_PID": ["process", "pid"]}`}
		}
	}
	return n, nil
}

var errFieldMap = errors.New("not an object of names")

// fieldMap reads a field_map, whose order matters.
func fieldMap(text string) (map[string][]target, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errFieldMap
	}
	m := map[string][]target{}
	for order := 1; dec.More(); order++ {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			name, ok := v.(string)
			if !ok {
				return nil, errFieldMap
			}
			m[key] = append(m[key], target{name, order})
		}
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return nil, errFieldMap
	}
	return m, nil
}

// targets returns the names of a field in the record.
func (n *naming) targets(raw []byte) []target {
	if list, ok := n.known[string(raw)]; ok {
		return list
	}
	list, ok := n.mapped[string(raw)]
	if !ok && !n.strict {
		name := raw
		switch {
		case n.stripAll:
			name = bytes.TrimLeft(name, "_")
		case n.strip:
			name = bytes.TrimPrefix(name, []byte("_"))
		}
		if n.lower {
			name = bytes.ToLower(name)
		}
		list = []target{{name: string(name)}}
	}
	if len(n.known) >= maxNames {
		clear(n.known)
	}
	n.known[string(raw)] = list
	return list
}
