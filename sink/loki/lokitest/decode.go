package lokitest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// A stream is a StreamAdapter of the request.
type stream struct {
	labels  string // as sent
	named   string // as Loki names it: sorted, with the service's name
	pairs   [][2]string
	entries []entry
}

// An entry is an EntryAdapter.
type entry struct {
	at       time.Time
	line     string
	metadata [][2]string
}

func (e *entry) metadataText() string {
	var list []string
	for _, p := range e.metadata {
		list = append(list, p[0]+"="+p[1])
	}
	return strings.Join(list, ",")
}

// fields calls take with each field of a message: its number, and its value or content.
func fields(b []byte, take func(field protowire.Number, v uint64, content []byte) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			return fmt.Errorf("proto: wrong wireType = %d for field %d", kind, num)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := take(num, v, content); err != nil {
			return err
		}
	}
	return nil
}

func unknown(what string, field protowire.Number) error {
	return fmt.Errorf("proto: %s has no field %d", what, field)
}

// decode decodes a PushRequest. Unlike Loki it refuses fields that the schema doesn't have.
func decode(b []byte) (streams []stream, err error) {
	err = fields(b, func(field protowire.Number, _ uint64, content []byte) error {
		if field != 1 {
			return unknown("PushRequest", field)
		}
		var st stream
		err := fields(content, func(field protowire.Number, _ uint64, content []byte) error {
			switch field {
			case 1:
				st.labels = string(content)
				return nil
			case 2:
				e, err := decodeEntry(content)
				st.entries = append(st.entries, e)
				return err
			}
			return unknown("StreamAdapter", field)
		})
		streams = append(streams, st)
		return err
	})
	return streams, err
}

func decodeEntry(b []byte) (e entry, err error) {
	var sec, nsec int64
	err = fields(b, func(field protowire.Number, _ uint64, content []byte) error {
		switch field {
		case 1:
			return fields(content, func(field protowire.Number, v uint64, _ []byte) error {
				if field == 1 {
					sec = int64(v)
				} else {
					nsec = int64(v)
				}
				return nil
			})
		case 2:
			e.line = string(content)
			return nil
		case 3:
			var p [2]string
			err := fields(content, func(field protowire.Number, _ uint64, content []byte) error {
				if field != 1 && field != 2 || !utf8.Valid(content) {
					return errors.New("proto: LabelPairAdapter: field unknown or not UTF-8")
				}
				p[field-1] = string(content)
				return nil
			})
			e.metadata = append(e.metadata, p)
			return err
		}
		return unknown("EntryAdapter", field)
	})
	if err == nil && (nsec < 0 || nsec > 999_999_999) {
		err = errors.New("proto: timestamp out of range")
	}
	e.at = time.Unix(sec, nsec).UTC()
	return e, err
}

var errUnparsed = errors.New("couldn't parse labels")

var labelPair = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)=("(?:[^"\\]|\\.)*")(?:, ?|$)`)

// checkLabels parses the labels, sorts them, adds the service's name as Loki does, and checks the limits.
func checkLabels(st *stream) error {
	inner, ok := strings.CutPrefix(st.labels, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !ok || !closed {
		return fmt.Errorf("%w: %q is not in braces", errUnparsed, st.labels)
	}
	for inner != "" {
		m := labelPair.FindStringSubmatch(inner)
		if m == nil {
			return fmt.Errorf("%w: syntax error at %q", errUnparsed, inner)
		}
		value, err := strconv.Unquote(m[2])
		if err != nil || !utf8.ValidString(value) {
			return fmt.Errorf("%w: value %s", errUnparsed, m[2])
		}
		st.pairs = append(st.pairs, [2]string{m[1], value})
		inner = inner[len(m[0]):]
	}
	if len(st.pairs) == 0 {
		return errors.New("error at least one label pair is required per stream")
	}
	pairs := slices.Clone(st.pairs)
	if !slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] == serviceName }) {
		pairs = append(pairs, [2]string{serviceName, serviceOf(pairs)})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
	var text []string
	for _, p := range pairs {
		text = append(text, p[0]+"="+strconv.Quote(p[1]))
	}
	st.named = "{" + strings.Join(text, ", ") + "}"
	if len(st.pairs) > MaxLabels {
		return fmt.Errorf("entry for stream '%s' has %d label names; limit %d", st.named, len(st.pairs), MaxLabels)
	}
	for i, p := range pairs {
		switch {
		case len(p[0]) > MaxLabelName:
			return fmt.Errorf("stream '%s' has label name too long: '%s'", st.named, p[0])
		case len(p[1]) > MaxLabelValue:
			return fmt.Errorf("stream '%s' has label value too long: '%s'", st.named, p[1])
		case i > 0 && pairs[i-1][0] == p[0]:
			return fmt.Errorf("stream '%s' has duplicate label name: '%s'", st.named, p[0])
		}
	}
	return nil
}

const serviceName = "service_name"

// serviceOf is the service's name that Loki makes of the other labels.
func serviceOf(pairs [][2]string) (service string) {
	service = "unknown_service"
	for _, p := range pairs {
		if p[0] == "job" || p[0] == "app" || p[0] == "container" {
			service = p[1]
		}
	}
	return service
}

// Decode returns the entries of a request's body, uncompressed.
func Decode(t testing.TB, body []byte) (out []Entry) {
	t.Helper()
	streams, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range streams {
		for _, e := range st.entries {
			out = append(out, Entry{Labels: st.labels, Time: e.at, Line: e.line, Metadata: e.metadataText()})
		}
	}
	return out
}
