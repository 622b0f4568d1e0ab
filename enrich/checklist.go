package enrich

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// ChecklistOptions are those of Fluent Bit's checklist.
type ChecklistOptions struct {
	File       string        `fluentbit:"file" required:"true" help:"file with one text a line to look for; lines that begin with # are comments"`
	Mode       string        `fluentbit:"mode" default:"exact" help:"exact: the field is one of the texts; partial: it begins with one, in which % stands for any characters and _ for one"`
	LookupKey  string        `fluentbit:"lookup_key" default:"log" help:"field to look at"`
	IgnoreCase bool          `fluentbit:"ignore_case" default:"false" help:"compare without regard to case, of ASCII"`
	Records    []config.Pair `fluentbit:"record" quotes:"true" help:"field to set where the text is found, as KEY VALUE; true, false and null are these, other values texts"`
	PrintTime  bool          `fluentbit:"print_query_time" default:"false" help:"log how long each search took that found the text"`
}

// Limits of checklist.
const (
	maxChecklist      = 8 << 20  // size of the file in bytes
	maxChecklistLines = 500_000  // lines of the file
	maxLikeValue      = 16 << 10 // length in bytes up to which a field is compared with lines that have % or _
)

// Check implements config's check after binding.
func (o *ChecklistOptions) Check(config.Dialect) error {
	_, err := accessorOf(o.LookupKey)
	if err != nil {
		return &config.OptionError{Option: "lookup_key", Reason: err.Error()}
	}
	for _, r := range o.Records {
		if r.Value == "" {
			return &config.OptionError{Option: "record", Reason: "a KEY or a VALUE is missing; want both, as in: record known true"}
		}
	}
	return nil
}

// Warnings implements config's warnings after binding.
func (o *ChecklistOptions) Warnings() []string {
	if len(o.Records) == 0 {
		return []string{"no record is set, so a match changes nothing; want, for example: record known true"}
	}
	return nil
}

// checklist is the filter.
type checklist struct {
	set    *constants
	at     field.Accessor
	list   textList
	fold   bool
	prefix bool
	print  bool
	log    zerolog.Logger
}

// NewChecklist makes the step of a checklist, and reads the file. If the file can't be read, it logs that, and no record matches, as
// in Fluent Bit.
func NewChecklist(o *ChecklistOptions, d config.Dialect, env Env) (Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	var fields []constant
	for _, r := range o.Records {
		fields = append(fields, constant{name: r.Key, value: typedWord(r.Value)})
	}
	at, err := accessorOf(o.LookupKey)
	if err != nil {
		return nil, err
	}
	c := &checklist{
		set: newConstants(fields), at: at, fold: o.IgnoreCase, prefix: strings.EqualFold(o.Mode, "partial"), print: o.PrintTime, log: env.Log,
	}
	text, err := readLimited(o.File, maxChecklist)
	var missing *fs.PathError
	switch {
	case errors.As(err, &missing):
		env.Log.Error().Err(err).Msg("checklist: the file can't be read, so no record will match: make it readable, and reload or restart the router")
	case err != nil:
		return nil, &config.OptionError{Option: "file", Reason: err.Error()}
	}
	if c.fold {
		lowerASCII(text)
	}
	c.list = newTextList(text, c.prefix)
	if n := len(c.list.lines) + len(c.list.likes); n > maxChecklistLines {
		return nil, &config.OptionError{Option: "file", Reason: fmt.Sprintf("%s has more than %d lines", o.File, maxChecklistLines)}
	}
	return c, nil
}

// readLimited reads a file. A file of more than limit bytes is an error.
func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than %d MiB", name, limit>>20)
	}
	return text, err
}

// typedWord returns true, false, null or the text as MessagePack.
func typedWord(text string) []byte {
	switch strings.ToLower(text) {
	case "true", "false":
		return record.AppendBool(nil, strings.EqualFold(text, "true"))
	case "null":
		return record.AppendNil(nil)
	}
	return record.AppendStr(nil, text)
}

func lowerASCII(text []byte) {
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
}

// Apply implements Filter.
func (c *checklist) Apply(ev *record.Event, s *Scratch) bool {
	value, ok := c.at.Get(ev.Body)
	if !ok || record.KindOf(value[0]) != record.KindStr {
		return true
	}
	text, _ := record.Text(value)
	var begin time.Time
	if c.print {
		begin = time.Now()
	}
	if c.fold {
		text = append(s.Take(), text...) // scratch memory, not kept
		lowerASCII(text)
	}
	if c.prefix && !c.list.hasPrefixOf(text) || !c.prefix && !c.list.has(text) {
		return true
	}
	if c.print {
		c.log.Info().Dur("took_ms", time.Since(begin)).Bytes("text", text[:min(len(text), maxShownRecord)]).Msg("checklist: found")
	}
	return c.set.Apply(ev, s)
}

// A textList is a sorted list of texts, kept as the file's bytes.
type textList struct {
	text    []byte
	lines   []span // sorted
	likes   []span // lines with wildcards; only in mode partial
	lengths []int  // the different lengths of lines, sorted; only in mode partial
}

// span is a part of the text.
type span struct{ start, end uint32 }

func newTextList(text []byte, prefixes bool) (l textList) {
	l.text = text
	for start := 0; start < len(text) && len(l.lines)+len(l.likes) <= maxChecklistLines; {
		end, next := len(text), len(text)
		if n := bytes.IndexByte(text[start:], '\n'); n >= 0 {
			end, next = start+n, start+n+1
		}
		line := bytes.TrimSuffix(text[start:end], []byte("\r"))
		switch {
		case len(line) == 0 || line[0] == '#':
		case prefixes && bytes.ContainsAny(line, "%_"):
			l.likes = append(l.likes, span{uint32(start), uint32(start + len(line))})
		default:
			l.lines = append(l.lines, span{uint32(start), uint32(start + len(line))})
		}
		start = next
	}
	slices.SortFunc(l.lines, func(a, b span) int { return bytes.Compare(l.of(a), l.of(b)) })
	l.lines = slices.Clip(l.lines)
	if prefixes {
		seen := map[int]bool{}
		for _, s := range l.lines {
			seen[int(s.end-s.start)] = true
		}
		for n := range seen {
			l.lengths = append(l.lengths, n)
		}
		slices.Sort(l.lengths)
	}
	return l
}

func (l *textList) of(s span) []byte { return l.text[s.start:s.end] }

// has reports whether text is in the list.
func (l *textList) has(text []byte) bool {
	_, ok := slices.BinarySearchFunc(l.lines, text, func(s span, text []byte) int { return bytes.Compare(l.of(s), text) })
	return ok
}

// hasPrefixOf reports whether text begins with a text of the list.
func (l *textList) hasPrefixOf(text []byte) bool {
	for _, n := range l.lengths {
		if n > len(text) {
			break
		}
		if l.has(text[:n]) {
			return true
		}
	}
	if len(text) <= maxLikeValue {
		for _, pattern := range l.likes {
			if like(text, l.of(pattern)) {
				return true
			}
		}
	}
	return false
}

// like matches the beginning of a text as SQL's LIKE does: % stands for any characters, _ for one.
func like(text, pattern []byte) bool {
	t, p := 0, 0
	retryT, retryP := 0, -1 // where to retry if the last % takes one more character
	for p < len(pattern) {
		switch {
		case pattern[p] == '%':
			p++
			retryT, retryP = t, p
		case t < len(text) && pattern[p] == '_':
			_, size := utf8.DecodeRune(text[t:])
			t, p = t+size, p+1
		case t < len(text) && pattern[p] == text[t]:
			t, p = t+1, p+1
		case retryP < 0 || retryT >= len(text):
			return false
		default:
			retryT++
			t, p = retryT, retryP
		}
	}
	return true
}
