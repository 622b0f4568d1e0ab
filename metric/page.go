package metric

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Page is a page in Prometheus's text format, version 0.0.4. The samples of a metric are added one after another.
type Page struct {
	Max  int       // series; beyond it samples are left out. 0: no limit
	Time time.Time // appended to each value, in milliseconds; zero: nothing is
	Left int       // samples that were left out; a histogram counts once

	text   []byte
	series int
	name   string // of the last metric
}

// Add adds a sample. If it has more series than fit, it is left out as a whole.
func (p *Page) Add(s *Sample) {
	n := 1
	if s.Kind == Histogram || s.Kind == Summary {
		n = len(s.Points) + 3
	}
	if p.Max > 0 && p.series+n > p.Max {
		p.Left++
		return
	}
	p.series += n
	if s.Name != p.name {
		p.name = s.Name
		p.text = append(append(append(p.text, "# HELP "...), s.Name...), ' ')
		p.text = append(p.text, helpEscaper.Replace(strings.ToValidUTF8(s.Help, "\uFFFD"))...)
		p.text = append(append(append(p.text, "\n# TYPE "...), s.Name...), ' ')
		p.text = append(append(p.text, s.Kind...), '\n')
	}
	s.Series(func(name string, extra Label, value float64) {
		p.text = append(p.text, name...)
		if len(s.Labels) > 0 || extra.Name != "" {
			p.text = appendLabels(append(p.text, '{'), s.Labels)
			if extra.Name != "" {
				if len(s.Labels) > 0 {
					p.text = append(p.text, ',')
				}
				p.text = AppendLabel(p.text, extra)
			}
			p.text = append(p.text, '}')
		}
		p.text = append(append(p.text, ' '), Number(value)...)
		if !p.Time.IsZero() {
			p.text = strconv.AppendInt(append(p.text, ' '), p.Time.UnixMilli(), 10)
		}
		p.text = append(p.text, '\n')
	})
}

// Text returns the page.
func (p *Page) Text() []byte { return p.text }

var helpEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// AppendLabel appends name="value", escaped as in Prometheus's text format. Invalid UTF-8, which that doesn't allow, becomes U+FFFD.
func AppendLabel(dst []byte, l Label) []byte {
	dst = append(append(dst, l.Name...), '=', '"')
	value := l.Value
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\uFFFD")
	}
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
