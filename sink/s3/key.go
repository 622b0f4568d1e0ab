package s3

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

const (
	// maxName is S3's longest name of an object, in bytes: "Naming Amazon S3 objects".
	maxName = 1024
	// uuidLen is the length of $UUID, as in Fluent Bit.
	uuidLen = 8
)

// A keyFormat is s3_key_format: literal text, times, and parts of the tag.
type keyFormat struct {
	parts      []keyPart
	delimiters string
	uuid       bool // it has $UUID
	index      bool // it has $INDEX
	timed      bool // it has a conversion of strftime
}

type keyKind uint8

const (
	keyTime    keyKind = iota // text with conversions of strftime
	keyTag                    // the whole tag
	keyTagPart                // part n of the tag
	keyUUID
	keyIndex
)

type keyPart struct {
	kind keyKind
	time *field.Strftime
	n    int
	text string // as it is written
}

// parseKey parses s3_key_format.
func parseKey(text, delimiters string) (*keyFormat, error) {
	k := &keyFormat{delimiters: delimiters}
	for rest := text; rest != ""; {
		p, after, ok := cutVariable(rest)
		if !ok {
			n := strings.Index(rest[1:], "$") + 1
			if n == 0 {
				n = len(rest)
			}
			f, err := field.ParseStrftime(rest[:n])
			if err != nil {
				return nil, err
			}
			k.timed = k.timed || strings.Contains(strings.ReplaceAll(rest[:n], "%%", ""), "%")
			p, after = keyPart{kind: keyTime, time: f}, rest[n:]
		}
		k.uuid, k.index = k.uuid || p.kind == keyUUID, k.index || p.kind == keyIndex
		k.parts = append(k.parts, p)
		rest = after
	}
	return k, nil
}

// cutVariable cuts a variable off the beginning of s.
func cutVariable(s string) (p keyPart, after string, ok bool) {
	for name, kind := range map[string]keyKind{"$UUID": keyUUID, "$INDEX": keyIndex} {
		if after, ok := strings.CutPrefix(s, name); ok {
			return keyPart{kind: kind}, after, true
		}
	}
	after, ok = strings.CutPrefix(s, "$TAG")
	if !ok {
		return p, s, false
	}
	if inner, rest, closed := strings.Cut(after, "]"); closed && strings.HasPrefix(inner, "[") {
		if n, err := strconv.Atoi(inner[1:]); err == nil && n >= 0 {
			return keyPart{kind: keyTagPart, n: n, text: "$TAG" + inner + "]"}, rest, true
		}
	}
	return keyPart{kind: keyTag}, after, true
}

// appendUUID appends -object$UUID, as Fluent Bit does to names that would not differ.
func (k *keyFormat) appendUUID() {
	text, _ := field.ParseStrftime("-object")
	k.parts = append(k.parts, keyPart{kind: keyTime, time: text}, keyPart{kind: keyUUID})
	k.uuid = true
}

func (k *keyFormat) indexed() bool { return k.index }

func (k *keyFormat) appendKey(dst []byte, r *sink.Record) []byte {
	for i := range k.parts {
		switch p := &k.parts[i]; p.kind {
		case keyTag:
			dst = append(append(dst, r.Tag...), 0)
		case keyTagPart:
			part, _ := k.tagPart(r.Tag, p.n)
			dst = append(append(dst, part...), 0)
		}
	}
	return dst
}

// tagPart returns part n of a tag, which is split as strtok(3) does: there are no empty parts.
func (k *keyFormat) tagPart(tag string, n int) (part string, ok bool) {
	for rest := tag; ; n-- {
		rest = strings.TrimLeft(rest, k.delimiters)
		end := strings.IndexAny(rest, k.delimiters)
		if end < 0 {
			end = len(rest)
		}
		if n == 0 || rest == "" {
			return rest[:end], rest != ""
		}
		rest = rest[end:]
	}
}

// name returns the name of the object whose first record is first.
func (k *keyFormat) name(first *sink.Record, index uint64) string {
	at := time.Unix(int64(first.Time.Sec), int64(first.Time.Nsec)).UTC()
	var b []byte
	for i := range k.parts {
		switch p := &k.parts[i]; p.kind {
		case keyTime:
			b = p.time.Append(b, at)
		case keyTag:
			b = append(b, first.Tag...)
		case keyTagPart:
			part, ok := k.tagPart(first.Tag, p.n)
			if !ok {
				part = p.text
			}
			b = append(b, part...)
		case keyUUID:
			b = append(b, uuidOf(first.ID)...)
		case keyIndex:
			b = strconv.AppendUint(b, index, 10)
		}
	}
	return clean(string(b), first.ID)
}

// clean makes a valid name: UTF-8, no longer than S3's limit, not empty, and without a slash at the beginning, which would be an
// empty folder.
func clean(name string, id record.ID) string {
	name = strings.TrimLeft(strings.ToValidUTF8(name, "_"), "/")
	if name == "" {
		return uuidOf(id)
	}
	if len(name) <= maxName {
		return name
	}
	end := maxName - uuidLen - 1
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return fmt.Sprintf("%s-%s", name[:end], uuidOf(id))
}

// uuidOf returns $UUID: 8 letters and digits that follow from the record's id.
func uuidOf(id record.ID) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256(id.Append(nil))
	b := sum[:uuidLen]
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}
