package ruby

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// textMethod adds a method of strings that makes another one, or a part of it.
func textMethod(t map[string]method, name string, min, max int, f func(c *call, b []byte) (value, error)) {
	t[name] = method{min: min, max: max, call: func(c *call) (value, error) {
		if !c.on.isText() {
			return c.none()
		}
		return f(c, c.on.b)
	}}
}

// cut is a method that returns a part of the text.
func cut(f func(b []byte) []byte) func(c *call, b []byte) (value, error) {
	return func(_ *call, b []byte) (value, error) { return str(f(b)), nil }
}

// remade is a method that makes a new text of at most three times the length.
func remade(f func(b []byte) []byte) func(c *call, b []byte) (value, error) {
	return func(c *call, b []byte) (value, error) {
		if err := c.m.room(len(b)); err != nil {
			return value{}, err
		}
		return str(f(b)), nil
	}
}

// Ruby's strip takes blanks on both sides, and null bytes at the end.
const (
	blanks     = " \t\n\v\f\r"
	blanksNull = " \t\n\v\f\r\x00"
)

func textMethods(t map[string]method) {
	textMethod(t, "upcase", 0, 0, mapped(bytes.ToUpper, 'a', 'z'))
	textMethod(t, "downcase", 0, 0, mapped(bytes.ToLower, 'A', 'Z'))
	textMethod(t, "capitalize", 0, 0, remade(capitalize))
	textMethod(t, "swapcase", 0, 0, remade(func(b []byte) []byte {
		return bytes.Map(func(r rune) rune {
			if unicode.IsUpper(r) {
				return unicode.ToLower(r)
			}
			return unicode.ToUpper(r)
		}, b)
	}))
	textMethod(t, "strip", 0, 0, cut(func(b []byte) []byte { return bytes.TrimLeft(bytes.TrimRight(b, blanksNull), blanksNull) }))
	textMethod(t, "lstrip", 0, 0, cut(func(b []byte) []byte { return bytes.TrimLeft(b, blanksNull) }))
	textMethod(t, "rstrip", 0, 0, cut(func(b []byte) []byte { return bytes.TrimRight(b, blanksNull) }))
	encodingMethods(t)
	textMethod(t, "chop", 0, 0, cut(func(b []byte) []byte {
		_, n := utf8.DecodeLastRune(b)
		return b[:len(b)-n]
	}))
	textMethod(t, "chomp", 0, 1, chomp)
	textMethod(t, "delete_prefix", 1, 1, func(c *call, b []byte) (value, error) {
		prefix, err := c.textArg(0)
		return str(bytes.TrimPrefix(b, prefix)), err
	})
	textMethod(t, "delete_suffix", 1, 1, func(c *call, b []byte) (value, error) {
		suffix, err := c.textArg(0)
		return str(bytes.TrimSuffix(b, suffix)), err
	})
	textMethod(t, "casecmp?", 1, 1, func(c *call, b []byte) (value, error) {
		other, err := c.textArg(0)
		same := bytes.EqualFold(b, other)
		if c.name == "casecmp" {
			return integer(int64(bytes.Compare(bytes.ToLower(b), bytes.ToLower(other)))), err
		}
		return boolean(same), err
	})
	textMethod(t, "ljust", 1, 2, justify)
	textMethod(t, "rjust", 1, 2, justify)
	textMethod(t, "tr", 2, 2, translate)
	textMethod(t, "squeeze", 0, 1, squeeze)
}

// encodingMethods are those of texts as bytes and characters.
func encodingMethods(t map[string]method) {
	textMethod(t, "encode", 0, 3, cut(func(b []byte) []byte { return b }))
	textMethod(t, "scrub", 0, 1, func(c *call, b []byte) (value, error) {
		with := []byte("\uFFFD")
		if len(c.args) > 0 {
			with = c.args[0].b
		}
		if utf8.Valid(b) {
			return str(b), nil
		}
		if err := c.m.room(len(b) * max(len(with), 1)); err != nil {
			return value{}, err
		}
		return str(bytes.ToValidUTF8(b, with)), nil
	})
	textMethod(t, "valid_encoding?", 0, 0, func(_ *call, b []byte) (value, error) { return boolean(utf8.Valid(b)), nil })
	textMethod(t, "bytesize", 0, 0, func(_ *call, b []byte) (value, error) { return integer(int64(len(b))), nil })
	textMethod(t, "hex", 0, 0, func(_ *call, b []byte) (value, error) { return integerOf(b, 16) })
	textMethod(t, "oct", 0, 0, func(_ *call, b []byte) (value, error) { return integerOf(b, 8) })
	textMethod(t, "ord", 0, 0, func(_ *call, b []byte) (value, error) {
		if r, n := utf8.DecodeRune(b); n > 0 {
			return integer(int64(r)), nil
		}
		return value{}, &Error{"ArgumentError", "empty string"}
	})
	textMethod(t, "chars", 0, 0, func(c *call, b []byte) (value, error) {
		out := list{m: c.m}
		for len(b) > 0 && c.m.step(1) == nil {
			_, n := utf8.DecodeRune(b)
			out.addValue(str(b[:n]))
			b = b[n:]
		}
		if len(b) > 0 {
			return value{}, errSteps
		}
		return out.array()
	})
	textMethod(t, "lines", 0, 0, func(c *call, b []byte) (value, error) {
		out := list{m: c.m}
		for line := range bytes.Lines(b) {
			if err := c.m.step(1); err != nil {
				return value{}, err
			}
			out.addValue(str(line))
		}
		return out.array()
	})
}

// mapped is a method that changes case: f does it for texts that aren't ASCII; in ASCII texts, letters from low to high change.
func mapped(f func([]byte) []byte, low, high byte) func(c *call, b []byte) (value, error) {
	return func(c *call, b []byte) (value, error) {
		start := len(c.m.arena)
		out := c.m.arena
		for _, x := range b {
			if x >= 0x80 {
				return remade(f)(c, b)
			}
			if x >= low && x <= high {
				x ^= 0x20
			}
			out = append(out, x)
		}
		out, err := c.m.keep(out, start)
		return str(out), err
	}
}

func capitalize(b []byte) []byte {
	_, n := utf8.DecodeRune(b)
	return append(bytes.ToUpper(b[:n]), bytes.ToLower(b[n:])...)
}

// chomp removes one newline, or a suffix.
func chomp(c *call, b []byte) (value, error) {
	if len(c.args) > 0 {
		suffix, err := c.textArg(0)
		return str(bytes.TrimSuffix(b, suffix)), err
	}
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		b = b[:len(b)-2]
	case len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r'):
		b = b[:len(b)-1]
	}
	return str(b), nil
}

// justify is ljust and rjust.
func justify(c *call, b []byte) (value, error) {
	width, err := c.intArg(0, 0)
	if err != nil {
		return value{}, err
	}
	with := []byte(" ")
	if len(c.args) > 1 {
		if with, err = c.textArg(1); err != nil || len(with) == 0 {
			return value{}, &Error{"ArgumentError", "zero width padding"}
		}
	}
	missing := width - int64(utf8.RuneCount(b))
	if missing <= 0 {
		return str(b), nil
	}
	if missing > maxBytes/4 {
		return value{}, errBytes
	}
	var pad []byte
	runes := bytes.Runes(with)
	for i := range int(missing) {
		pad = utf8.AppendRune(pad, runes[i%len(runes)])
	}
	if err := c.m.room(len(pad) + len(b)); err != nil {
		return value{}, err
	}
	if c.name == "ljust" {
		return str(append(bytes.Clone(b), pad...)), nil
	}
	return str(append(pad, b...)), nil
}

// expandSet expands a-z in the argument of tr.
func expandSet(b []byte) (set []rune) {
	runes := bytes.Runes(b)
	for i := 0; i < len(runes) && len(set) < 0x10000; i++ {
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i+2] >= runes[i] && runes[i+2]-runes[i] < 0x1000 {
			for r := runes[i]; r <= runes[i+2]; r++ {
				set = append(set, r)
			}
			i += 2
			continue
		}
		if runes[i] == '\\' && i+1 < len(runes) {
			i++
		}
		set = append(set, runes[i])
	}
	return set
}

func translate(c *call, b []byte) (value, error) {
	source, err := c.textArg(0)
	if err != nil {
		return value{}, err
	}
	target, err := c.textArg(1)
	if err != nil {
		return value{}, err
	}
	not := len(source) > 1 && source[0] == '^'
	if not {
		source = source[1:]
	}
	from, to := expandSet(source), expandSet(target)
	places := make(map[rune]int, len(from))
	for i := len(from) - 1; i >= 0; i-- {
		places[from[i]] = i
	}
	if err := c.m.room(3 * len(b)); err != nil {
		return value{}, err
	}
	return str(bytes.Map(func(r rune) rune {
		i, found := places[r]
		switch {
		case found == not:
			return r
		case len(to) == 0:
			return -1
		case not:
			return to[len(to)-1]
		}
		return to[min(i, len(to)-1)]
	}, b)), nil
}

// squeeze replaces repeated characters by one.
func squeeze(c *call, b []byte) (value, error) {
	var set []rune
	if len(c.args) > 0 {
		of, err := c.textArg(0)
		if err != nil {
			return value{}, err
		}
		set = expandSet(of)
	}
	last := rune(-1)
	return remade(func(b []byte) []byte {
		return bytes.Map(func(r rune) rune {
			same := r == last && (set == nil || bytes.ContainsRune([]byte(string(set)), r))
			last = r
			if same {
				return -1
			}
			return r
		}, b)
	})(c, b)
}
