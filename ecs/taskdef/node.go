package taskdef

import (
	"encoding/json"
	"strings"
)

// A kind is the type of a value of a file.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// String names the kind, for messages.
func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "a list", "a map"}[k]
}

// A node is one value of a file: JSON or YAML.
type node struct {
	kind
	text    string // of a string; of a number, true and false as written
	line    int
	members []member // of a map, in the order of the file
	items   []*node  // of a list
	unknown bool     // the value is known only when the template or the plan is applied; text is what is literal of it
}

// A member is one key of a map, and its value.
type member struct {
	key  string
	line int
	*node
}

// get returns the value of a key, the last one if there are several; nil if there is none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].key == key {
			return n.members[i].node
		}
	}
	return nil
}

// at is get for several keys, one within the other.
func (n *node) at(keys ...string) *node {
	for _, key := range keys {
		n = n.get(key)
	}
	return n
}

// size counts the values that n consists of, until there are more than limit.
func (n *node) size(limit int) int {
	count := 1
	for _, m := range n.members {
		if count > limit {
			return count
		}
		count += m.size(limit - count)
	}
	for _, i := range n.items {
		if count > limit {
			return count
		}
		count += i.size(limit - count)
	}
	return count
}

// is reports whether the value is that string.
func (n *node) is(want string) bool { return n != nil && n.kind == text && n.text == want }

// parse reads the value at the present position.
func (s *scanner) parse() (*node, error) {
	if s.count++; s.count > maxValues {
		return nil, s.fail("the file has more than %d values", maxValues)
	}
	c := s.space()
	n := &node{line: s.lineOf(s.at)}
	switch {
	case c == '{':
		n.kind = object
		return n, s.object(func(key string, line int) error {
			v, err := s.parse()
			n.members = append(n.members, member{key, line, v})
			return err
		})
	case c == '[':
		n.kind = list
		return n, s.array(func(int) error {
			v, err := s.parse()
			n.items = append(n.items, v)
			return err
		})
	case c == '"':
		var err error
		n.kind = text
		n.text, err = s.string()
		return n, err
	}
	begin := s.at
	word := ""
	if s.word() {
		word = string(s.text[begin:s.at])
	}
	switch {
	case word == "null":
	case word == "true" || word == "false":
		n.kind, n.text = boolean, word
	case word != "" && strings.TrimLeft(word[:1], "-0123456789") == "" && json.Valid([]byte(word)):
		n.kind, n.text = number, word
	default:
		s.at = begin
		return nil, s.fail("want a value, got %s%s", s.next(), s.placeholder())
	}
	return n, nil
}

// end reports what follows the value that the file consists of.
func (s *scanner) end() error {
	if c := s.space(); c != 0 || s.at < len(s.text) {
		return s.fail("want the end of the file after the last } or ], got %s", s.next())
	}
	return nil
}
