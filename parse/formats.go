package parse

import (
	"bytes"
	"strings"

	"github.com/firelane/firelane/pattern"
)

// none makes the whole text one field.
func none(name string) format {
	return func(f *fields, text []byte) bool {
		f.add(name, text)
		return true
	}
}

// regex makes fields of a pattern's named groups.
func regex(c *pattern.Capture) format {
	return func(f *fields, text []byte) bool {
		var room [24]pattern.Group
		groups, ok := c.Groups(room[:0], text)
		for _, g := range groups {
			if len(g.Text) > 0 || !f.p.skipEmpty {
				f.add(g.Name, g.Text)
			}
		}
		return ok
	}
}

// ltsv reads label:value and tabs, up to the end of the line. See ltsv.org: a label is letters, digits, _, . and -.
func ltsv(f *fields, text []byte) bool {
	if end := bytes.IndexAny(text, "\r\n"); end >= 0 {
		text = text[:end]
	}
	for part := range bytes.SplitSeq(text, []byte{'\t'}) {
		label, value, ok := bytes.Cut(part, []byte{':'})
		if !ok || !isLabel(label) {
			break
		}
		if len(label) > 0 {
			f.add(string(label), value)
		}
	}
	return f.n > 0
}

func isLabel(b []byte) bool {
	for _, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}

// delimited is Fluentd's ltsv: label and value around the first labelDelimiter, in parts between delimiters.
func delimited(split func(text []byte) [][]byte, labelDelimiter string) format {
	return func(f *fields, text []byte) bool {
		for _, part := range split(text) {
			label, value, ok := bytes.Cut(part, []byte(labelDelimiter))
			if ok {
				f.add(string(label), value)
			}
		}
		return true
	}
}

// logfmt reads key=value, key="quoted value" and bare keys, up to the end of the line. See brandur.org/logfmt: a key is bytes
// above the blank but = and ". With strict, a bare key makes the text one that can't be parsed.
func logfmt(strict bool) format {
	return func(f *fields, text []byte) bool {
		for i := 0; i < len(text); {
			if c := text[i]; c == '\r' || c == '\n' {
				break
			}
			if !isIdent(text[i]) {
				i++
				continue
			}
			start := i
			i = identEnd(text, i)
			key := string(text[start:i])
			if i == len(text) || text[i] != '=' {
				if strict {
					return false
				}
				f.addTrue(key)
				continue
			}
			i = f.logfmtValue(key, text, i+1)
		}
		return f.n > 0
	}
}

// logfmtValue adds the value that begins at i, and returns where it ends.
func (f *fields) logfmtValue(key string, text []byte, i int) int {
	if i == len(text) || text[i] != '"' {
		end := identEnd(text, i)
		if end == i {
			f.addTrue(key)
		} else {
			f.add(key, text[i:end])
		}
		return end
	}
	i++
	start, escaped := i, false
	for i < len(text) && text[i] != '"' {
		if text[i] == '\\' && i+1 < len(text) {
			escaped = true
			i++
		}
		i++
	}
	value := text[start:min(i, len(text))]
	if escaped {
		value = unescape(nil, value)
	}
	f.add(key, value)
	return i + 1
}

func isIdent(c byte) bool { return c > ' ' && c != '=' && c != '"' }

func identEnd(text []byte, i int) int {
	for i < len(text) && isIdent(text[i]) {
		i++
	}
	return i
}

// csv reads values between delimiters, as fields with the names of keys. A value in double quotes may have delimiters, and
// two double quotes for one; an empty one without quotes, and one that is missing, are null. With tsv nothing is quoted.
func csv(keys []string, delimiter string, quotes bool) format {
	return func(f *fields, text []byte) bool {
		text = bytes.TrimRight(text, "\r\n")
		more := true
		for i, key := range keys {
			var value []byte
			switch {
			case !more:
				f.addNil(key)
				continue
			case quotes && len(text) > 0 && text[0] == '"':
				var ok bool
				if value, text, more, ok = quoted(text[1:], delimiter); !ok {
					return false
				}
				f.add(key, value)
				continue
			case !quotes && i == len(keys)-1: // the last of a tsv has the rest
				value = text
			default:
				value, text, more = bytes.Cut(text, []byte(delimiter))
			}
			if quotes && len(value) == 0 {
				f.addNil(key)
			} else {
				f.add(key, value)
			}
		}
		return true
	}
}

// quoted reads the rest of a value in double quotes, and the delimiter after it.
func quoted(text []byte, delimiter string) (value, rest []byte, more, ok bool) {
	for {
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return nil, nil, false, false
		}
		value = append(value, text[:end]...)
		if text = text[end+1:]; len(text) == 0 || text[0] != '"' {
			break
		}
		value, text = append(value, '"'), text[1:]
	}
	if len(text) == 0 {
		return value, nil, false, true
	}
	rest, more = bytes.CutPrefix(text, []byte(delimiter))
	return value, rest, more, more
}

// splitter returns what splits a text at a delimiter.
func splitter(delimiter string) func([]byte) [][]byte {
	return func(text []byte) [][]byte { return bytes.Split(bytes.TrimRight(text, "\r\n"), []byte(delimiter)) }
}

// splitterAt returns what splits a text at what a pattern of single characters matches, such as [ \t]+; nil if it is another
// pattern.
func splitterAt(source string) func([]byte) [][]byte {
	inner, ok := strings.CutPrefix(strings.Trim(source, "/"), "[")
	chars, plus, closed := strings.Cut(inner, "]")
	if chars = strings.NewReplacer(`\t`, "\t", `\s`, " \t").Replace(chars); !ok || !closed || plus != "+" && plus != "" || strings.ContainsAny(chars, `^-\`) {
		return nil
	}
	return func(text []byte) [][]byte {
		return bytes.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(chars, r) })
	}
}
