package admin

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// A tailFilter selects records. It implements router.Filter.
type tailFilter struct {
	match string // pattern of tags; "": all
	text  needle // somewhere in the record; empty: anything
	where []tailCondition
}

// A tailCondition is that a field has a value.
type tailCondition struct {
	field field.Accessor
	value string
	key   needle // the name of the member that has the value; empty: it is an element of an array
	text  []byte // of the value that was compared last
}

func parseTailFilter(q url.Values) (f *tailFilter, err error) {
	f = &tailFilter{match: q.Get("match"), text: needle{text: []byte(q.Get("text"))}}
	if len(q["where"]) > maxConditions {
		return f, fmt.Errorf("%d conditions; want at most %d", len(q["where"]), maxConditions)
	}
	for _, s := range q["where"] {
		name, value, ok := strings.Cut(s, "=")
		c := tailCondition{field: field.Name(name), value: value}
		if ok && strings.HasPrefix(name, "$") {
			c.field, err = field.ParseAccessor(name, config.FluentBit)
		}
		if !ok || name == "" || err != nil {
			return f, fmt.Errorf("where=%q; want FIELD=VALUE or $field['in']['field']=VALUE", s)
		}
		c.key.text = []byte(c.field.Last())
		f.where = append(f.where, c)
	}
	return f, nil
}

func (f *tailFilter) isEmpty() bool {
	return f.match == "" && len(f.text.text) == 0 && len(f.where) == 0
}

// TakesTag implements router.Filter.
func (f *tailFilter) TakesTag(tag string) bool {
	return f.match == "" || config.MatchesTag(f.match, tag)
}

// MayTake implements router.Filter.
func (f *tailFilter) MayTake(body, tail []byte) bool {
	if len(f.text.text) > 0 && f.text.in(body) < 0 && f.text.in(tail) < 0 {
		return false
	}
	for i := range f.where {
		if c := &f.where[i]; !c.mayHold(body) && !c.mayHold(tail) {
			return false
		}
	}
	return true
}

// Takes implements router.Filter.
func (f *tailFilter) Takes(ev *record.Event) bool {
	if !f.TakesTag(ev.Tag) || len(f.text.text) > 0 && !bytes.Contains(ev.Body, f.text.text) && !bytes.Contains(ev.Tail, f.text.text) {
		return false
	}
	for i := range f.where {
		if !f.where[i].holds(ev) {
			return false
		}
	}
	return true
}

func (c *tailCondition) holds(ev *record.Event) bool {
	v, ok := c.field.FindScalar(ev)
	return ok && c.isValue(v)
}

// isValue reports whether the value that v begins with, which isn't a map or an array, is that of the condition.
func (c *tailCondition) isValue(v []byte) bool {
	if text, ok := record.Text(v); ok {
		return string(text) == c.value
	}
	c.text = record.AppendText(c.text[:0], v)
	return string(c.text) == c.value
}

// mayHold reports whether the condition may hold for a record in b. A member's name is followed by its value.
func (c *tailCondition) mayHold(b []byte) bool {
	if len(c.key.text) == 0 {
		return true
	}
	for {
		at := c.key.in(b)
		if at < 0 {
			return false
		}
		if b = b[at+len(c.key.text):]; len(b) == 0 {
			return false
		}
		switch record.KindOf(b[0]) {
		case record.KindMap, record.KindArray, record.KindNil:
		case record.KindExt: // its text is longer than itself; here, where its name may be a part of any bytes, it isn't made
			return true
		default:
			if c.isValue(b) {
				return true
			}
		}
	}
}

// A needle is bytes that are searched for by the rarest of them: most of what is searched doesn't have that one.
type needle struct {
	text  []byte
	at    int // of the rarest
	until int // bytes that are searched before it is looked for again
}

// retune is how many bytes are searched by the same byte of a needle.
const retune = 4 << 20

// in returns where in b the needle is, -1 if it isn't there.
func (n *needle) in(b []byte) int {
	if n.until -= len(b); n.until < 0 && len(b) > 0 {
		n.tune(b)
	}
	if len(n.text) == 0 {
		return 0
	}
	text, at := n.text, n.at
	for i := at; i < len(b); i++ {
		next := bytes.IndexByte(b[i:], text[at])
		if next < 0 {
			break
		}
		i += next
		if from := b[i-at:]; len(from) >= len(text) && from[0] == text[0] && string(from[:len(text)]) == string(text) {
			return i - at
		}
	}
	return -1
}

// tune finds the byte that is the rarest in b.
func (n *needle) tune(b []byte) {
	n.until = retune
	least := len(b) + 1
	for i := range n.text {
		if count := bytes.Count(b, n.text[i:i+1]); count < least {
			n.at, least = i, count
		}
	}
}
