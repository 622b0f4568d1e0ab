package loki

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A pair is a label or an entry of structured metadata: its name, and its text or where that comes from.
type pair struct {
	name  string          // as Loki takes it
	text  string          // constant; "": at or value
	at    field.Accessor  // the field that has the text
	value *field.Template // the text, made of several fields or of the tag
}

// append appends the text for r, nothing if there is none.
func (p *pair) append(dst []byte, r *sink.Record) []byte {
	switch {
	case p.at != nil:
		if v, ok := p.at.FindScalar(&r.Event); ok {
			return record.AppendText(dst, v)
		}
		return dst
	case p.value != nil:
		return p.value.Append(dst, &r.Event)
	}
	return append(dst, p.text...)
}

// pairs parses labels and structured_metadata: name=text, name=$field or $field. The fields are added to remove, as in
// Fluent Bit.
func pairs(option string, list []string, remove *[]field.Accessor) ([]pair, error) {
	var out []pair
	for _, s := range list {
		s = strings.TrimSpace(s)
		name, value, found := strings.Cut(s, "=")
		if strings.HasPrefix(s, "$") {
			name, value, found = pathName(s), s, true
		}
		switch {
		case s == "":
			continue
		case !found || value == "" || name == "":
			return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("%q is neither name=value nor a field; want, for example, job=web, $stream", s)}
		case !strings.HasPrefix(value, "$"):
			out = append(out, pair{name: labelName(name), text: strings.ToValidUTF8(value, "\ufffd")})
			continue
		}
		p := pair{name: labelName(name)}
		at, err := field.ParseAccessor(value, config.FluentBit)
		if err == nil && !strings.HasPrefix(value, "$TAG") {
			p.at = at
			*remove = append(*remove, at)
		} else if p.value, err = field.ParseTemplate(value, field.Notation{Dialect: config.FluentBit}); err != nil {
			return nil, &config.OptionError{Option: option, Reason: err.Error()}
		}
		out = append(out, p)
	}
	return out, nil
}

// fields parses label_keys and structured_metadata_map_keys: each is a field, with a $.
func fields(option string, list []string) error {
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" && !strings.HasPrefix(s, "$") {
			return &config.OptionError{Option: option, Reason: fmt.Sprintf("%q has no $ at its start; want $%s", s, s)}
		}
	}
	return nil
}

// labelSection parses Fluentd's <label>: name and field.
func labelSection(list []config.Pair, remove *[]field.Accessor) ([]pair, error) {
	var out []pair
	for _, p := range list {
		path := p.Value
		if path == "" {
			path = p.Key
		}
		a, err := field.ParseAccessor(path, config.Fluentd)
		if err != nil {
			return nil, &config.OptionError{Option: "<label>", Reason: err.Error()}
		}
		out = append(out, pair{name: labelName(p.Key), at: a})
		*remove = append(*remove, a)
	}
	return out, nil
}

// extraLabels parses Fluentd's extra_labels.
func extraLabels(object string) ([]pair, error) {
	if object == "" {
		return nil, nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		return nil, &config.OptionError{Option: "extra_labels", Reason: `is not a JSON object; want, for example, {"env":"prod"}`}
	}
	var out []pair
	for name, value := range m {
		if text, ok := value.(string); ok && text != "" { // the plugin, too, leaves out all else
			out = append(out, pair{name: labelName(name), text: strings.ToValidUTF8(text, "\ufffd")})
		}
	}
	return out, nil
}

// labelMap reads label_map_path.
func labelMap(file string, remove *[]field.Accessor) ([]pair, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &config.OptionError{Option: "label_map_path", Reason: file + " does not exist"}
	}
	if err != nil {
		return nil, &config.OptionError{Option: "label_map_path", Reason: err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLabelMap))
	if err != nil {
		return nil, &config.OptionError{Option: "label_map_path", Reason: err.Error()}
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, &config.OptionError{Option: "label_map_path", Reason: fmt.Sprintf("%s is not a JSON object: %v", file, err)}
	}
	var list []string
	if err := mapped(m, "$", 0, &list); err != nil {
		return nil, &config.OptionError{Option: "label_map_path", Reason: fmt.Sprintf("%s: %v", file, err)}
	}
	slices.Sort(list)
	return pairs("label_map_path", list, remove)
}

var errMap = errors.New("has a value that is neither a label's name nor an object")

// mapped appends name=$field for each text in m.
func mapped(m map[string]any, path string, depth int, list *[]string) error {
	if depth > record.MaxDepth {
		return errMap
	}
	for key, value := range m {
		at := path + "['" + key + "']"
		if depth == 0 {
			at = path + key
		}
		switch v := value.(type) {
		case string:
			*list = append(*list, v+"="+at)
		case map[string]any:
			if err := mapped(v, at, depth+1, list); err != nil {
				return err
			}
		default:
			return errMap
		}
	}
	return nil
}

// pathName is the name that Fluent Bit makes of a field's path: $sub['stream'] becomes sub_stream.
func pathName(path string) string {
	name := strings.NewReplacer("']['", "_", "['", "_", "']", "", "[", "_", "]", "", ".", "_").Replace(strings.TrimPrefix(path, "$"))
	return strings.TrimPrefix(name, "_")
}

// labelName makes a name that Loki takes: letters, digits and underscores, no digit at the start (Loki, "Understand labels").
func labelName(s string) string { return string(appendName(nil, s)) }

func appendName[T string | []byte](dst []byte, s T) []byte {
	if len(s) == 0 || s[0] >= '0' && s[0] <= '9' {
		dst = append(dst, '_')
	}
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// byName sorts labels as Loki does. Of several with the same name, those that come later take precedence, and stay later.
func byName(list []pair) []pair {
	slices.SortStableFunc(list, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return list
}

// appendLabels appends the stream of r as Loki writes it: {a="b", c="d"}, in the order of the names. A label without a value
// is left out; a stream without labels gets the default one, since Loki requires one.
func (e *encoder) appendLabels(dst []byte, r *sink.Record) []byte {
	labels := e.labels
	if e.kube != nil {
		labels = e.withKubernetes(r)
	}
	dst = append(dst, '{')
	start := len(dst)
	for i := range labels {
		p, before := &labels[i], len(dst)
		if before > start {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, p.name...), '=', '"')
		at := len(dst)
		dst = p.append(dst, r)
		if len(dst) == at || e.overridden(labels, i, r, dst) {
			dst = dst[:before]
			continue
		}
		dst = quote(dst, at)
	}
	if len(dst) == start {
		dst = append(dst, e.fallback...)
	}
	return append(dst, '}')
}

// overridden reports whether a later label of the same name has a value in r. It uses the memory after scratch.
func (e *encoder) overridden(labels []pair, i int, r *sink.Record, scratch []byte) bool {
	for j := i + 1; j < len(labels) && labels[j].name == labels[i].name; j++ {
		if len(labels[j].append(scratch, r)) > len(scratch) {
			return true
		}
	}
	return false
}

// withKubernetes returns the labels with those of the field kubernetes. Unlike the rest of appendLabels it allocates.
func (e *encoder) withKubernetes(r *sink.Record) []pair {
	labels := slices.Clone(e.labels)
	value, ok := e.kube.Find(&r.Event)
	if !ok {
		return labels
	}
	for f := record.FieldsOf(value); f.Next() && len(labels) < maxLabels; {
		if text, ok := record.Text(f.Value()); ok && f.Key() != nil && record.KindOf(f.Value()[0]) == record.KindStr {
			labels = append(labels, pair{name: string(appendName(nil, f.Key())), text: string(text)})
		}
	}
	return byName(labels)
}

// quote ends the text dst[at:], which follows its opening quote: it is quoted as by strconv.Quote, which Loki reads.
func quote(dst []byte, at int) []byte {
	for _, c := range dst[at:] {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			text := strings.ToValidUTF8(string(dst[at:]), "\ufffd")
			return strconv.AppendQuote(dst[:at-1], text)
		}
	}
	return append(dst, '"')
}
