package enrich

import (
	"strings"
	"sync"

	"github.com/firelane/firelane/record"
)

// A member is one of a map: its key and value as MessagePack.
type member struct{ key, value []byte }

// is reports whether the member has that name.
func (m *member) is(name string) bool {
	s, ok := m.name()
	return ok && string(s) == name
}

// name is the member's name, if it has one. Most are of less than 32 bytes, in the shortest form.
func (m *member) name() ([]byte, bool) {
	if k := m.key; len(k) > 0 && k[0]&0xe0 == fixstr {
		return k[1:], true
	}
	return record.Text(m.key)
}

// memberList is the members of a map that is being changed: they alias the event's body, and memory that the stage owns.
type memberList []member

// memberLists reuses lists. It is a stage's own.
type memberLists struct{ pool sync.Pool }

// of returns the members of a body. The caller returns the list by put.
func (l *memberLists) of(body []byte) *memberList {
	list, ok := l.pool.Get().(*memberList)
	if !ok {
		list = new(memberList)
	}
	*list = (*list)[:0]
	for f := record.FieldsOf(body); f.Next(); {
		*list = append(*list, member{f.RawKey(), f.Value()})
	}
	return list
}

// maxKeptMembers is how many members a list may have that is kept for the next event.
const maxKeptMembers = 1024

func (l *memberLists) put(list *memberList) {
	if cap(*list) <= maxKeptMembers {
		clear(*list)
		l.pool.Put(list)
	}
}

// count returns how many members have that name.
func (l memberList) count(name string) (n int) {
	for i := range l {
		if l[i].is(name) {
			n++
		}
	}
	return n
}

// without removes the members that drop reports.
func (l *memberList) without(drop func(m *member) bool) {
	first := 0
	for first < len(*l) && !drop(&(*l)[first]) {
		first++
	}
	if first == len(*l) {
		return
	}
	kept := (*l)[:first]
	for i := first + 1; i < len(*l); i++ {
		if !drop(&(*l)[i]) {
			kept = append(kept, (*l)[i])
		}
	}
	clear((*l)[len(kept):])
	*l = kept
}

// appendMap appends the members as a map.
func (l memberList) appendMap(dst []byte) []byte {
	return l.appendMembers(record.AppendMapHeader(dst, len(l)))
}

// appendMembers appends the members without the header of a map.
func (l memberList) appendMembers(dst []byte) []byte {
	for i := range l {
		dst = append(append(dst, l[i].key...), l[i].value...)
	}
	return dst
}

// maxWords is how many words splitQuoted returns at most.
const maxWords = 8

// splitQuoted splits a value at blanks into at most n words, of which the last has the rest. A word may be in single or double
// quotes, in which a backslash makes the next character plain, as in Fluent Bit.
func splitQuoted(text string, n int) []string {
	var words []string
	for text = strings.TrimLeft(text, " \t"); text != "" && len(words) < min(n, maxWords); text = strings.TrimLeft(text, " \t") {
		if c := text[0]; c == '"' || c == '\'' {
			if word, rest, ok := quotedWord(text[1:], c); ok {
				words, text = append(words, word), rest
				continue
			}
		}
		if len(words) == n-1 {
			return append(words, strings.TrimRight(text, " \t"))
		}
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		words, text = append(words, text[:end]), text[end:]
	}
	return words
}

// quotedWord reads the rest of a word in quotes.
func quotedWord(text string, quote byte) (word, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case text[i] == quote:
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", false
}
