package loki

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/wire"
)

const (
	// maxLabels is the most labels of a stream, and the most entries of metadata that are taken from a field. Loki's own
	// limits are 15 labels and 128 entries (Loki, "Configuration parameters", limits_config), but can be raised.
	maxLabels = 512
	// maxTenant is the longest tenant in bytes (Loki, "Manage tenant isolation": 150).
	maxTenant = 150
	// maxKeptLine is the largest buffer for making a line, in bytes, that is kept for the next record.
	maxKeptLine = sink.MaxKept
)

// An encoder makes entries of records. It is safe for concurrent use.
type encoder struct {
	labels   []pair // by name
	kube     field.Accessor
	fallback string // the labels of a stream that has none
	tenant   field.Accessor
	fixed    string          // the tenant of records without one
	made     *field.Template // the tenant, if it has placeholders (Fluentd)

	metadata []pair
	maps     []field.Accessor

	remove   []field.Accessor
	nested   bool     // remove has fields inside of others
	omit     []string // those in remove that aren't
	line     lineFormat
	json     bool                // line is JSON
	single   bool                // drop_single_key
	raw      bool                // a single text isn't quoted
	scratch  sync.Pool           // of *lineBuffer
	jsonOnly *record.JSONOptions // the line is the record without omit, and nothing else is asked for
}

// New makes the encoder that the options describe.
func newEncoder(o *Options, d config.Dialect) (*encoder, error) {
	e := &encoder{fallback: `job="fluent-bit"`}
	if d == config.Fluentd {
		e.fallback = `job="fluentd"`
	}
	for _, load := range []func(*Options, config.Dialect) error{e.setLabels, e.setMetadata, e.setLine} {
		if err := load(o, d); err != nil {
			return nil, err
		}
	}
	return e, e.setTenant(o, d)
}

// setTenant parses the tenant. Only in Fluentd may it have placeholders.
func (e *encoder) setTenant(o *Options, d config.Dialect) (err error) {
	if o.TenantKey != "" {
		if e.tenant, err = field.ParseAccessor(o.TenantKey, d); err != nil {
			return &config.OptionError{Option: "tenant_id_key", Reason: err.Error()}
		}
	}
	option := "tenant_id"
	if d == config.Fluentd {
		option = "tenant"
		t, err := field.ParseTemplate(o.TenantID, field.Notation{Dialect: d})
		if err != nil {
			return &config.OptionError{Option: option, Reason: err.Error()}
		}
		if t.Dynamic() {
			e.made = t
			return nil
		}
	}
	if e.fixed = o.TenantID; !validTenant([]byte(e.fixed)) {
		return &config.OptionError{Option: option, Reason: fmt.Sprintf("%q is not a tenant; want at most %d printable characters without { and blanks", e.fixed, maxTenant)}
	}
	return nil
}

// perRecord reports whether records may have different tenants, which are then part of the key.
func (e *encoder) perRecord() bool { return e.tenant != nil || e.made != nil }

func (e *encoder) setLabels(o *Options, d config.Dialect) error {
	if err := fields("label_keys", o.LabelKeys); err != nil {
		return err
	}
	var all []pair
	for _, parse := range []func() ([]pair, error){
		func() ([]pair, error) { return pairs("labels", o.Labels, &e.remove) },
		func() ([]pair, error) { return pairs("label_keys", o.LabelKeys, &e.remove) },
		func() ([]pair, error) {
			remove := e.remove
			list, err := labelMap(o.LabelMap, &e.remove)
			if err != nil { // Warnings tells it
				e.remove = remove
			}
			return list, nil
		},
		func() ([]pair, error) { return labelSection(o.LabelSection, &e.remove) },
		func() ([]pair, error) { return extraLabels(o.ExtraLabels) },
	} {
		list, err := parse()
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	if len(all) > maxLabels {
		return &config.OptionError{Option: "labels", Reason: fmt.Sprintf("are %d; want at most %d", len(all), maxLabels)}
	}
	e.labels = byName(all)
	if o.KubeLabels {
		e.kube, _ = field.ParseAccessor("$kubernetes['labels']", config.FluentBit)
	}
	return nil
}

func (e *encoder) setMetadata(o *Options, d config.Dialect) (err error) {
	if e.metadata, err = pairs("structured_metadata", o.Metadata, &e.remove); err != nil {
		return err
	}
	if err := fields("structured_metadata_map_keys", o.MetadataMaps); err != nil {
		return err
	}
	for _, s := range o.MetadataMaps {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		a, err := field.ParseAccessor(s, config.FluentBit)
		if err != nil {
			return &config.OptionError{Option: "structured_metadata_map_keys", Reason: err.Error()}
		}
		e.maps, e.remove = append(e.maps, a), append(e.remove, a)
	}
	return nil
}

func (e *encoder) setLine(o *Options, d config.Dialect) error {
	for _, s := range o.RemoveKeys {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		a, err := field.ParseAccessor(s, d)
		if err != nil {
			return &config.OptionError{Option: "remove_keys", Reason: err.Error()}
		}
		e.remove = append(e.remove, a)
	}
	for _, a := range e.remove {
		if a.Nested() {
			e.nested = true
		} else {
			e.omit = append(e.omit, a.Top())
		}
	}
	switch single := strings.ToLower(o.DropSingle); {
	case single == "raw" && d == config.FluentBit:
		e.single, e.raw = true, true
	case slices.Contains([]string{"on", "true", "yes", "1"}, single):
		e.single, e.raw = true, d == config.Fluentd
	case !slices.Contains([]string{"", "off", "false", "no", "0"}, single):
		return &config.OptionError{Option: "drop_single_key", Reason: fmt.Sprintf("%q is not known; want off, on or raw", o.DropSingle)}
	}
	switch {
	case o.LineFormat != "key_value":
		e.line, e.json = record.AppendJSON, true
	case d == config.Fluentd:
		e.line = appendFluentdPairs
	default:
		e.line = appendPairs
	}
	if e.json && !e.nested && !e.single {
		e.jsonOnly = &record.JSONOptions{Omit: e.omit}
	}
	return nil
}

var errTenant = errors.New("the tenant has characters that no tenant may have, or is too long")

// validTenant reports whether the text can be a tenant, and is not ambiguous before the labels in a key.
func validTenant(s []byte) bool {
	for _, c := range s {
		if c <= ' ' || c >= 0x7f || c == '{' {
			return false
		}
	}
	return len(s) <= maxTenant
}

// appendKey appends the tenant, if records may have different ones, and the labels of r's stream.
func (e *encoder) appendKey(dst []byte, r *sink.Record) ([]byte, error) {
	if !e.perRecord() {
		return e.appendLabels(dst, r), nil
	}
	start := len(dst)
	if v, ok := e.tenant.FindScalar(&r.Event); ok {
		text, _ := record.Text(v) // a number is no tenant, as in Fluent Bit
		dst = append(dst, text...)
	}
	if len(dst) == start && e.made != nil {
		dst = e.made.Append(dst, &r.Event)
	} else if len(dst) == start {
		dst = append(dst, e.fixed...)
	}
	if !validTenant(dst[start:]) {
		return dst[:start], errTenant
	}
	return e.appendLabels(dst, r), nil
}

// The fields of the published schema (Loki, push.proto).
const (
	requestStreams = 1 // PushRequest
	streamLabels   = 1 // StreamAdapter
	streamEntries  = 2
	entryAt        = 1 // EntryAdapter
	entryLine      = 2
	entryMetadata  = 3
	pairName       = 1 // LabelPairAdapter
	pairValue      = 2
	timeSeconds    = 1 // google.protobuf.Timestamp
	timeNanos      = 2
)

// append appends r as an entry of its stream.
func (e *encoder) append(dst []byte, r *sink.Record) ([]byte, error) {
	dst, entry := wire.Open(dst, streamEntries)
	dst, at := wire.Open(dst, entryAt)
	dst = wire.AppendVarint(dst, timeSeconds, uint64(r.Time.Sec))
	if r.Time.Nsec > 0 {
		dst = wire.AppendVarint(dst, timeNanos, uint64(r.Time.Nsec))
	}
	dst = wire.Close(dst, at)
	dst, at = wire.Open(dst, entryLine)
	dst = wire.Close(e.appendLine(dst, r), at)
	dst = e.appendMetadata(dst, r)
	return wire.Close(dst, entry), nil
}

// appendMetadata appends the structured metadata. What is configured one by one takes precedence over the members of maps.
func (e *encoder) appendMetadata(dst []byte, r *sink.Record) []byte {
	for _, a := range e.maps {
		value, ok := a.Find(&r.Event)
		if !ok || record.KindOf(value[0]) != record.KindMap {
			continue
		}
		n := 0
		for f := record.FieldsOf(value); f.Next() && n < maxLabels; n++ {
			if len(f.Key()) > 0 {
				dst = e.appendMember(dst, r, f.Key(), f.Value())
			}
		}
	}
	var at, text int
	for i := range e.metadata {
		p, start := &e.metadata[i], len(dst)
		dst, at = wire.Open(dst, entryMetadata)
		dst = wire.AppendString(dst, pairName, p.name)
		dst, text = wire.Open(dst, pairValue)
		dst = p.append(dst, r)
		if len(dst) == text {
			dst = dst[:start]
			continue
		}
		dst = wire.Close(wire.Close(valid(dst, text), text), at)
	}
	return dst
}

// appendMember appends a member of a map as metadata.
func (e *encoder) appendMember(dst []byte, r *sink.Record, key, value []byte) []byte {
	start := len(dst)
	dst, at := wire.Open(dst, entryMetadata)
	dst, name := wire.Open(dst, pairName)
	dst = appendName(dst, key)
	if e.hasMetadata(dst[name:], r, dst) {
		return dst[:start]
	}
	dst = wire.Close(dst, name)
	dst, text := wire.Open(dst, pairValue)
	return wire.Close(wire.Close(valid(record.AppendText(dst, value), text), text), at)
}

// hasMetadata reports whether structured_metadata has an entry of that name, with a value in r.
func (e *encoder) hasMetadata(name []byte, r *sink.Record, scratch []byte) bool {
	for i := range e.metadata {
		if p := &e.metadata[i]; p.name == string(name) && len(p.append(scratch, r)) > len(scratch) {
			return true
		}
	}
	return false
}

// valid replaces what isn't UTF-8 in dst[at:]: a string of a message must be.
func valid(dst []byte, at int) []byte {
	if utf8.Valid(dst[at:]) {
		return dst
	}
	return append(dst[:at], strings.ToValidUTF8(string(dst[at:]), "\ufffd")...)
}
