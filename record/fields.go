package record

// Fields walks over the members of a map. The zero value has none.
//
//	for f := record.FieldsOf(body); f.Next(); {
//		f.Key(), f.Value()
//	}
type Fields struct {
	rest       []byte
	left       int
	key, value []byte
	text       []byte // the key's content
}

// FieldsOf begins a walk over the map at the start of body; of anything else there are no fields.
func FieldsOf(body []byte) Fields {
	n, rest, _ := MapHeader(body)
	return Fields{rest: rest, left: n}
}

// Next moves on to the next member and reports whether there is one. It stops early where body is malformed.
func (f *Fields) Next() bool {
	if f.left <= 0 {
		return false
	}
	f.left--
	head, end := shortStr(f.rest)
	f.text = f.rest[head:end:end]
	if end == 0 {
		n, err := Check(f.rest)
		if err != nil {
			f.left = 0
			return false
		}
		end = n
		f.text, _ = Text(f.rest)
	}
	key, rest := f.rest[:end:end], f.rest[end:]
	if _, end = shortStr(rest); end == 0 {
		n, err := Check(rest)
		if err != nil {
			f.left = 0
			return false
		}
		end = n
	}
	f.key, f.value, f.rest = key, rest[:end:end], rest[end:]
	return true
}

// Key is the content of a key that is a str or bin, nil for one of another type. (An empty key isn't nil.)
func (f *Fields) Key() []byte { return f.text }

// RawKey is the key's MessagePack. It aliases the body.
func (f *Fields) RawKey() []byte { return f.key }

// Rest is what follows the member: the next one, if there is another. It aliases the body.
func (f *Fields) Rest() []byte { return f.rest }

// Value is the value's MessagePack. It aliases the body.
func (f *Fields) Value() []byte { return f.value }

// Find returns the MessagePack of the member called key (a str or bin) of the map at the start of body: the last one
// where there are several, as AppendJSON writes them.
func Find(body []byte, key string) (value []byte, ok bool) {
	n, b, _ := MapHeader(body)
	for ; n > 0; n-- {
		head, end := shortStr(b)
		found := string(b[head:end]) == key && end > 0
		if end == 0 {
			size, err := Check(b)
			if err != nil {
				break
			}
			text, is := Text(b)
			found, end = is && string(text) == key, size
		}
		b = b[end:]
		if _, end = shortStr(b); end == 0 {
			if end, _ = Check(b); end == 0 {
				break
			}
		}
		if found {
			value, ok = b[:end:end], true
		}
		b = b[end:]
	}
	return value, ok
}
