package enrich

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// ModifierOptions are the options of Fluent Bit's record_modifier.
type ModifierOptions struct {
	Record    []config.Pair `fluentbit:"record" quotes:"true" help:"field to add, as KEY VALUE; it replaces a field of that name"`
	Remove    []string      `fluentbit:"remove_key" help:"field to remove; a * at the end matches any ending"`
	Allow     []string      `fluentbit:"allowlist_key,whitelist_key" help:"field to keep, all others are removed; a * at the end matches any ending"`
	UUIDField string        `fluentbit:"uuid_key" help:"field to add with a new random UUID for each record"`
}

// Check implements config's check after binding.
func (o *ModifierOptions) Check(config.Dialect) error {
	for _, r := range o.Record {
		if r.Value == "" {
			return &config.OptionError{Option: "record", Reason: "a KEY or a VALUE is missing; want both, as in: record env prod"}
		}
	}
	if len(o.Remove) > 0 && len(o.Allow) > 0 {
		return errors.New("remove_key and allowlist_key exclude each other; use one of them")
	}
	return nil
}

// NewModifier makes the step of a record_modifier.
func NewModifier(o *ModifierOptions, d config.Dialect, _ Env) (Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	fields := make([]constant, 0, len(o.Record))
	for _, r := range o.Record {
		fields = append(fields, constant{name: r.Key, value: record.AppendStr(nil, r.Value)})
	}
	c := newConstants(fields)
	if len(o.Remove) == 0 && len(o.Allow) == 0 && o.UUIDField == "" {
		return c, nil
	}
	m := &modifier{constants: c, keys: wildcards(o.Remove)}
	if len(o.Allow) > 0 {
		m.keys, m.allow = wildcards(o.Allow), true
	}
	if o.UUIDField != "" {
		m.uuid = record.AppendStr(nil, o.UUIDField)
		c.names.add(o.UUIDField)
	}
	return m, nil
}

// modifier removes members by name, sets constants and adds a UUID.
type modifier struct {
	*constants
	keys  []wildcard
	allow bool   // keys are those that stay, and not those that are removed
	uuid  []byte // the field's name as MessagePack; nil: none is added
}

// A wildcard is a name or, with prefix, the beginning of one. Case is ignored, as in Fluent Bit.
type wildcard struct {
	name   string
	prefix bool
}

func wildcards(names []string) []wildcard {
	var out []wildcard
	for _, n := range names {
		name, prefix := strings.CutSuffix(n, "*")
		out = append(out, wildcard{name, prefix})
	}
	return out
}

func (w wildcard) match(key []byte) bool {
	if len(key) < len(w.name) || !w.prefix && len(key) > len(w.name) {
		return false
	}
	return strings.EqualFold(string(key[:len(w.name)]), w.name)
}

// stays reports whether a member of that name stays.
func (m *modifier) stays(key []byte) bool {
	if m.names.has(key) {
		return false
	}
	for _, w := range m.keys {
		if key != nil && w.match(key) {
			return m.allow
		}
	}
	return !m.allow
}

func (m *modifier) Apply(ev *record.Event, s *Scratch) bool {
	n := len(m.fields)
	for f := record.FieldsOf(ev.Body); f.Next(); {
		if m.stays(f.Key()) {
			n++
		}
	}
	if m.uuid != nil {
		n++
	}
	out := record.AppendMapHeader(s.Take(), n)
	for f := record.FieldsOf(ev.Body); f.Next(); {
		if m.stays(f.Key()) {
			out = append(append(out, f.RawKey()...), f.Value()...)
		}
	}
	out = append(out, m.tail...)
	if m.uuid != nil {
		out = appendUUID(append(out, m.uuid...))
	}
	ev.Body = s.Keep(out)
	return true
}

// appendUUID appends a random UUID (version 4) as a MessagePack str.
func appendUUID(dst []byte) []byte {
	var zero [16]byte
	random := len(dst)
	dst = append(dst, zero[:]...)
	rand.Read(dst[random:]) // never fails
	b := [16]byte(dst[random:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	dst = append(dst[:random], 0xd9, 36)
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

const hexDigits = "0123456789abcdef"
