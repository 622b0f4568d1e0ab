package bulktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxDepth is Jackson's limit of nesting.
const maxDepth = 1000

// A parseError is a syntax error, worded as Jackson words it.
type parseError string

func (e parseError) Error() string { return string(e) }

// checkDocument checks that the servers' parser would accept a document: one object in UTF-8, without duplicate keys in any
// object.
func checkDocument(doc []byte) error {
	if !utf8.Valid(doc) {
		return parseError("Invalid UTF-8")
	}
	if len(bytes.TrimSpace(doc)) == 0 || bytes.TrimSpace(doc)[0] != '{' {
		return parseError("Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return parseError("Malformed content, found extra data after parsing: START_OBJECT")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return parseError(fmt.Sprintf("Document nesting depth (%d) exceeds the maximum allowed", depth))
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if seen[name] {
				return parseError("Duplicate field '" + name + "'")
			}
			seen[name] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// dateTime is strict_date_optional_time; a bare integer is epoch_millis.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d([.,]\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$|^-?\d+$`)

// isDate reports whether a JSON value is a date in the default format of date fields.
func isDate(v []byte) bool {
	return dateTime.MatchString(strings.Trim(string(v), `"`))
}
