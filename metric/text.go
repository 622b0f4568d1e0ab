package metric

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// Limits of a page.
const (
	maxSamples = 20_000  // samples of a page
	maxName    = 1024    // bytes of a metric's or a label's name
	maxValue   = 8 << 10 // bytes of a label's value
	maxHelp    = 1024    // bytes of a metric's description; a longer one is cut
)

// Errors of Parse.
var (
	ErrLine = errors.New("not a line of Prometheus's text format")
	ErrMany = errors.New("too many samples")
)

// Parse reads a page in Prometheus's text format ("Exposition formats"), and calls see for each sample. at is the sample's time if timed
// is true. s is valid during the call only. bad counts the lines that can't be read, which are skipped. The error is ErrMany after
// 20,000 lines with samples: the rest is not read.
func Parse(page []byte, see func(s *Sample, at record.Time, timed bool)) (bad int, err error) {
	p := parser{see: see}
	n := 0
	for line := range bytes.Lines(page) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if line[0] == '#' {
			p.comment(string(line[1:]))
			continue
		}
		if n++; n > maxSamples {
			err = ErrMany
			break
		}
		if p.sample(line) != nil {
			bad++
		}
	}
	p.end()
	return bad, err
}

// A parser is the state of Parse.
type parser struct {
	see  func(s *Sample, at record.Time, timed bool)
	name string // of the metric that the last TYPE or HELP named
	kind Kind   // "": no TYPE yet
	help string

	open   Sample // the histogram or summary whose lines are being read; no Name: none
	at     record.Time
	timed  bool
	labels []Label // of the line
}

// comment reads # HELP and # TYPE.
func (p *parser) comment(line string) {
	f := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(f) < 2 || f[0] != "HELP" && f[0] != "TYPE" {
		return
	}
	if f[1] != p.name {
		p.end()
		p.name, p.kind, p.help = f[1], "", ""
	}
	rest := ""
	if len(f) > 2 {
		rest = strings.TrimSpace(f[2])
	}
	if f[0] == "HELP" {
		if len(rest) > maxHelp {
			rest = strings.ToValidUTF8(rest[:maxHelp], "")
		}
		p.help = strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(rest)
		return
	}
	switch k := Kind(rest); k {
	case Counter, Gauge, Histogram, Summary:
		p.kind = k
	default:
		p.kind = Untyped
	}
}

// sample reads name{label="value"} value [milliseconds].
func (p *parser) sample(line []byte) error {
	end := bytes.IndexAny(line, "{ \t")
	if end <= 0 || end > maxName {
		return ErrLine
	}
	name, rest := string(line[:end]), line[end:]
	p.labels = p.labels[:0]
	if rest[0] == '{' {
		var ok bool
		if rest, ok = p.readLabels(rest[1:]); !ok {
			return ErrLine
		}
	}
	f := bytes.Fields(rest)
	if len(f) < 1 || len(f) > 2 {
		return ErrLine
	}
	value, err := strconv.ParseFloat(string(f[0]), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return ErrLine
	}
	var at record.Time
	timed := len(f) == 2
	if timed {
		ms, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil || ms < 0 || ms/1000 > math.MaxUint32 {
			return ErrLine
		}
		t := time.UnixMilli(ms)
		at = record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
	}
	return p.add(name, value, at, timed)
}

// add emits a sample, or adds it to the open histogram or summary if it belongs to that.
func (p *parser) add(name string, value float64, at record.Time, timed bool) error {
	part, in := strings.CutPrefix(name, p.name)
	if p.name == "" || !in || !p.kind.hasPart(part) {
		p.end()
		s := Sample{Name: name, Kind: Untyped, Labels: p.labels, Value: value}
		if name == p.name {
			s.Help = p.help
			if p.kind != "" {
				s.Kind = p.kind
			}
		}
		p.see(&s, at, timed)
		return nil
	}
	var bound float64
	key := "quantile"
	if p.kind == Histogram {
		key = "le"
	}
	whole := part == "_sum" || part == "_count"
	if !whole && part != map[Kind]string{Histogram: "_bucket"}[p.kind] {
		return ErrLine
	}
	if !whole {
		i := 0
		for i < len(p.labels) && p.labels[i].Name != key {
			i++
		}
		if i == len(p.labels) {
			return ErrLine
		}
		var err error
		if bound, err = strconv.ParseFloat(p.labels[i].Value, 64); err != nil {
			return ErrLine
		}
		p.labels = append(p.labels[:i], p.labels[i+1:]...)
	}
	if p.open.Name == "" || !same(p.open.Labels, p.labels) {
		p.end()
		p.open = Sample{Name: p.name, Help: p.help, Kind: p.kind, Labels: append(p.open.Labels[:0], p.labels...), Points: p.open.Points[:0]}
	}
	p.at, p.timed = at, timed
	switch {
	case part == "_sum":
		p.open.Sum = value
	case part == "_count":
		p.open.Count = value
	case p.kind == Histogram && math.IsInf(bound, 1):
		p.open.Count = value
	case len(p.open.Points) < MaxBuckets:
		p.open.Points = append(p.open.Points, Point{bound, value})
	default:
		return ErrLine
	}
	return nil
}

// hasPart reports whether a series of a histogram or summary may have this after the metric's name. Another metric's name may begin with
// that name, too.
func (k Kind) hasPart(part string) bool {
	switch k {
	case Histogram:
		return part == "" || part == "_bucket" || part == "_sum" || part == "_count"
	case Summary:
		return part == "" || part == "_sum" || part == "_count"
	}
	return false
}

// end emits the histogram or summary whose lines have been read.
func (p *parser) end() {
	if p.open.Name != "" {
		p.see(&p.open, p.at, p.timed)
		p.open.Name = ""
	}
}

func same(a, b []Label) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// readLabels reads labels up to the closing brace, and returns what follows it.
func (p *parser) readLabels(b []byte) (rest []byte, ok bool) {
	for {
		b = bytes.TrimLeft(b, " \t,")
		if len(b) == 0 {
			return nil, false
		}
		if b[0] == '}' {
			return b[1:], true
		}
		name, after, found := bytes.Cut(b, []byte("="))
		name, after = bytes.TrimSpace(name), bytes.TrimLeft(after, " \t")
		if !found || len(name) == 0 || len(name) > maxName || len(after) == 0 || after[0] != '"' || len(p.labels) == MaxLabels {
			return nil, false
		}
		value, n := unquote(after[1:])
		if n < 0 || len(value) > maxValue {
			return nil, false
		}
		p.labels = append(p.labels, Label{string(name), value})
		b = after[1+n:]
	}
}

// unquote reads a label's value up to its closing quote. n is the number of bytes read, -1 if there is no closing quote.
func unquote(b []byte) (value string, n int) {
	var out []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return string(out), i + 1
		case c == '\\' && i+1 < len(b):
			i++
			switch b[i] {
			case 'n':
				out = append(out, '\n')
			case '\\', '"':
				out = append(out, b[i])
			default:
				out = append(out, '\\', b[i])
			}
		default:
			out = append(out, c)
		}
	}
	return "", -1
}
