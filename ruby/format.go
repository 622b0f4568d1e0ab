package ruby

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// format formats values with a printf format.
func (m *Machine) format(format []byte, args []value) (value, error) {
	var out []byte
	bad := func(what string) (value, error) { return value{}, &Error{"ArgumentError", what} }
	for b := format; len(b) > 0; {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			out = append(out, b...)
			break
		}
		out, b = append(out, b[:i]...), b[i+1:]
		end := bytes.IndexAny(b, "%sdifxXobeEgGpc")
		if end < 0 {
			return bad("incomplete format specifier; use %% for a percent sign")
		}
		spec, verb := string(b[:end]), b[end]
		b = b[end+1:]
		if verb == '%' {
			out = append(out, '%')
			continue
		}
		if strings.Trim(spec, "0123456789.+- #") != "" || len(args) == 0 {
			return bad("malformed format string - %" + spec + string(verb) + ", or too few arguments")
		}
		for _, n := range strings.FieldsFunc(spec, func(r rune) bool { return r < '0' || r > '9' }) {
			if width, err := strconv.Atoi(n); err != nil || width > 1000 {
				return value{}, errBytes
			}
		}
		v := args[0]
		args = args[1:]
		text, err := formatOne("%"+spec, verb, v)
		if err != nil {
			return value{}, err
		}
		if out = append(out, text...); m.room(len(text)) != nil {
			return value{}, errBytes
		}
	}
	return str(out), nil
}

// formatOne formats one value.
func formatOne(spec string, verb byte, v value) (string, error) {
	switch verb {
	case 's':
		return fmt.Sprintf(spec+"s", string(appendText(nil, v))), nil
	case 'p':
		return fmt.Sprintf(spec+"q", string(appendText(nil, v))), nil
	case 'c':
		return fmt.Sprintf(spec+"s", string(appendText(nil, v))), nil
	case 'd', 'i', 'x', 'X', 'o', 'b':
		n, err := toInteger(v)
		if err != nil {
			return "", err
		}
		if verb == 'i' {
			verb = 'd'
		}
		return fmt.Sprintf(spec+string(verb), n.n), nil
	}
	f, err := toFloat(v)
	return fmt.Sprintf(spec+string(verb), f.f), err
}
