package parse

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// A decoder is one of Fluent Bit's decode_field (its fields are added to the record) and decode_field_as (it replaces the
// value).
type decoder struct {
	as      bool
	kind    string // json, escaped, escaped_utf8 or mysql_quoted
	onError bool   // try_next, do_next: after a failure the next decoder is tried
	goOn    bool   // do_next: after a success, too
}

// addDecoders adds the decoders of an option, each "DECODER FIELD [ACTION]". It returns why some can't be used: they are left out, since
// Fluent Bit starts with them.
func (p *Parser) addDecoders(option string, as bool, list []config.Pair) (wrong []string) {
	for _, pair := range list {
		name, d, err := newDecoder(option, as, pair)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s %s %s is left out: %s", option, pair.Key, pair.Value, err))
			continue
		}
		if p.decoders == nil {
			p.decoders = map[string][]decoder{}
		}
		p.decoders[name] = append(p.decoders[name], d)
	}
	return wrong
}

// newDecoder reads one decoder, and the name of its field.
func newDecoder(option string, as bool, pair config.Pair) (string, decoder, error) {
	name, action, _ := strings.Cut(pair.Value, " ")
	d := decoder{as: as, kind: strings.ToLower(pair.Key)}
	switch action = strings.ToLower(strings.TrimSpace(action)); {
	case name == "":
		return "", d, fmt.Errorf("a DECODER or a FIELD is missing; want both, as in: %s json log", option)
	case action == "try_next":
		d.onError = true
	case action == "do_next":
		d.onError, d.goOn = true, true
	case action != "":
		return "", d, fmt.Errorf("%q is not an action; want try_next or do_next", action)
	}
	switch d.kind {
	case "json":
	case "escaped", "escaped_utf8", "mysql_quoted":
		if !as {
			return "", d, fmt.Errorf("decoder %s makes no fields; use decode_field_as", d.kind)
		}
	default:
		return "", d, fmt.Errorf("decoder %q is not known; want json, escaped, escaped_utf8 or mysql_quoted", pair.Key)
	}
	return name, d, nil
}

// decode replaces the map at out[start] by one with its fields decoded.
func (p *Parser) decode(out []byte, start int) []byte {
	parsed := len(out)
	var header [headerRoom]byte
	out = append(out, header[:]...)
	members, n := len(out), 0
	var extra []byte // members that decode_field adds
	for f := record.FieldsOf(out[start:parsed:parsed]); f.Next(); n++ {
		out = append(out, f.RawKey()...)
		text, ok := record.Text(f.Value())
		chain := p.decoders[string(f.Key())]
		if !ok || chain == nil {
			out = append(out, f.Value()...)
			continue
		}
		var added []byte
		out, added = decodeField(out, f.Value(), text, chain)
		if count, rest, err := record.MapHeader(added); added != nil && err == nil {
			extra, n = append(extra, rest...), n+count
		}
	}
	out = append(out, extra...)
	whole := putHeader(out, members, n)
	return append(out[:start], whole...)
}

// decodeField appends the value of a field, decoded, and returns the map of fields that it adds, nil for none.
func decodeField(out, value, text []byte, chain []decoder) (longer, added []byte) {
	var object []byte // in place of the value
	replaced := false
	for _, d := range chain {
		if object != nil || !d.as && added != nil {
			continue
		}
		result, isText, ok := d.decode(text)
		if !ok {
			if !d.onError {
				break
			}
			continue
		}
		switch {
		case !d.as:
			added = result
		case isText:
			text, replaced = result, true
		default:
			object = result
		}
		if !d.goOn {
			break
		}
	}
	switch {
	case object != nil:
		return append(out, object...), added
	case replaced:
		return record.AppendStrBytes(out, text), added
	}
	return append(out, value...), added
}

// decode decodes a text: into another text, or a MessagePack map.
func (d *decoder) decode(text []byte) (result []byte, isText, ok bool) {
	switch d.kind {
	case "json":
		begin := bytes.TrimLeft(text, " ")
		if len(begin) == 0 || begin[0] != '{' {
			return nil, false, false
		}
		out, err := record.AppendFromJSON(nil, begin)
		return out, false, err == nil
	case "mysql_quoted":
		return unquoteMySQL(text), true, true
	case "escaped":
		return unescapeControls(text), true, true
	}
	return unescape(nil, text), true, true
}

// unescapeControls is the decoder escaped: \n, \t and the like become their characters, and any other backslash is left out.
func unescapeControls(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			if c = text[i]; strings.IndexByte("ntrbfva", c) >= 0 {
				c, _ = controls(c)
			}
		}
		out = append(out, c)
	}
	return out
}

func controls(c byte) (byte, bool) {
	if i := strings.IndexByte("ntrbfva", c); i >= 0 {
		return "\n\t\r\b\f\v\a"[i], true
	}
	return 0, false
}

// unescape appends text without its escapes: those of controls, \uXXXX with pairs of surrogates, \xXX and \NNN; any other
// character after a backslash stays.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			dst = append(dst, text[i])
			continue
		}
		i++
		c, ok := controls(text[i])
		switch {
		case ok:
			dst = append(dst, c)
		case text[i] == 'u':
			var n int
			dst, n = unescapeRune(dst, text[i+1:])
			i += n
		case text[i] == 'x':
			v, n := digits(text[i+1:], 16, 2)
			if n == 0 {
				dst = append(dst, 'x')
				continue
			}
			dst = utf8.AppendRune(dst, rune(v))
			i += n
		case text[i] >= '0' && text[i] <= '7':
			v, n := digits(text[i:], 8, 3)
			dst = utf8.AppendRune(dst, rune(v))
			i += n - 1
		default:
			dst = append(dst, text[i])
		}
	}
	return dst
}

// unescapeRune appends the rune of the digits after \u, and returns how many bytes they are.
func unescapeRune(dst, text []byte) ([]byte, int) {
	v, n := digits(text, 16, 4)
	if n == 0 {
		return append(dst, 'u'), 0
	}
	r := rune(v)
	if n == 4 && utf16.IsSurrogate(r) && bytes.HasPrefix(text[4:], []byte(`\u`)) {
		if low, m := digits(text[6:], 16, 4); m == 4 {
			if pair := utf16.DecodeRune(r, rune(low)); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), 10
			}
		}
	}
	return utf8.AppendRune(dst, r), n // a surrogate becomes U+FFFD
}

// digits reads up to most digits.
func digits(text []byte, base, most int) (v uint64, n int) {
	for n < most && n < len(text) {
		d, err := strconv.ParseUint(string(text[n:n+1]), base, 8)
		if err != nil {
			break
		}
		v = v*uint64(base) + d
		n++
	}
	return v, n
}

// unquoteMySQL removes the quotes around a text and undoes MySQL's escapes in it. A text without quotes stays.
func unquoteMySQL(text []byte) []byte {
	n := len(text)
	if n < 2 || text[0] != text[n-1] || text[0] != '\'' && text[0] != '"' {
		return text
	}
	const escapes, characters = `nrt\'"0Z`, "\n\r\t\\'\"\x00\x1a"
	var out []byte
	for text = text[1 : n-1]; len(text) > 0; text = text[1:] {
		if text[0] == '\\' && len(text) > 1 {
			if i := strings.IndexByte(escapes, text[1]); i >= 0 {
				out, text = append(out, characters[i]), text[1:]
				continue
			}
		}
		out = append(out, text[0])
	}
	return out
}

// putHeader writes the header of a map of n members, which begin at out[start], before them, and returns the map. There must be
// room of headerRoom.
func putHeader(out []byte, start, n int) []byte {
	var h [headerRoom]byte
	header := record.AppendMapHeader(h[:0], n)
	copy(out[start-len(header):], header)
	return out[start-len(header):]
}
