package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// isLenient reports whether the value of an option that is a number, a time or a size may be something else, as in Fluent Bit. A value
// that must not be shown may not: the warning would show a part of it.
func (g *binding) isLenient(o *option, p param) bool {
	return g.dialect == FluentBit && !o.strict && !(o.nonzero && !isPositive(p.value)) && !p.secret && !o.secret && o.kind.Kind() != reflect.Slice &&
		(isNumber(o.kind) || base(o.kind) == typeSize)
}

// readAnyway stores what Fluent Bit reads in a value that is not a number, time or size, with a warning. err says why it isn't.
func (g *binding) readAnyway(field reflect.Value, o *option, p param, err error) error {
	read, said := readNumber(p.value), ""
	switch t := base(o.kind); {
	case t == typeSize:
		read = readSize(p.value)
	case t == typeDuration:
		read = readSeconds(p.value)
		said = read + "s"
	case t.Kind() != reflect.Float64:
		read = readWhole(p.value)
	}
	if read == "0" && o.names[0] == "port" && o.hasDef {
		read = o.def
	}
	if o.set(field, read, g.dialect) != nil {
		return err
	}
	if read == "false" {
		said = "no limit"
	}
	reason := strings.TrimPrefix(err.Error(), strconv.Quote(unquote(p.value))+" ")
	text := fmt.Sprintf("%s: %s: %q is read as %s, as in Fluent Bit: it %s", g.what, p.key, p.value, cmp.Or(said, read), reason)
	if before, ok := withoutComment(p.value); ok {
		g.warning(p.pos, because(text, "what follows the # is not a comment in this syntax")).as(CodeValue).fix(p.value, before)
		return nil
	}
	g.warning(p.pos, text).as(CodeValue)
	return nil
}

// isPositive reports whether a text begins with a number above 0.
func isPositive(text string) bool {
	x, _ := strconv.ParseFloat(readNumber(text), 64)
	return x > 0
}

// readNumber is the number at the beginning of a text, 0 if there is none. It has 32 bytes at most.
func readNumber(text string) string {
	text = strings.TrimLeft(text, " \t")
	text = text[:len(text)-len(strings.TrimLeft(text, "+-.0123456789"))]
	for text = text[:min(len(text), 32)]; text != ""; text = text[:len(text)-1] {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return text
		}
	}
	return "0"
}

// readWhole is the whole number at the beginning of a text, 0 if there is none.
func readWhole(text string) string {
	whole, _, _ := strings.Cut(readNumber(text), ".")
	return cmp.Or(strings.Trim(whole, "+"), "0")
}

// readSeconds is the whole number at the beginning of a text in the unit at its end, in seconds; 0 if it is negative.
func readSeconds(text string) string {
	n, _ := strconv.ParseInt(readWhole(text), 10, 32)
	switch text[len(text)-1] | 0x20 {
	case 'm':
		n *= 60
	case 'h':
		n *= 60 * 60
	case 'd':
		n *= 24 * 60 * 60
	}
	return strconv.FormatInt(max(n, 0), 10)
}

// readSize is the number at the beginning of a text that ends with a digit; otherwise, or if it is negative, there is no limit.
func readSize(text string) string {
	n := readWhole(text)
	if last := text[len(text)-1]; last < '0' || last > '9' || n[0] == '-' {
		return "false"
	}
	return n
}

// takeOthers gives the options that errors name the values that they have instead, and reports whether there are any. An option without
// one that is written is a mistake.
func (g *binding) takeOthers(errs []error) (taken bool) {
	if g.dialect != FluentBit {
		return false
	}
	for _, err := range errs {
		wrong := (*OptionError)(nil)
		if !errors.As(err, &wrong) || wrong.Instead == "" {
			continue
		}
		o := g.schema.params[wrong.Option]
		if p, ok := g.given[o]; ok && g.takeInstead(o, p, wrong.Instead, wrong.Reason) == nil {
			delete(g.given, o) // so that it is taken once
			taken = true
		}
	}
	return taken
}

// takeInstead gives an option another value than the one that it can't have, with a warning. reason is why it can't.
func (g *binding) takeInstead(o *option, p param, instead, reason string) error {
	text, value := "is read as "+instead+", as in Fluent Bit", instead
	if instead == NotWritten {
		text, value = "counts as not written", o.def
	}
	field := g.into.FieldByIndex(o.index)
	field.SetZero()
	if value != "" || o.hasDef {
		if err := o.set(field, value, g.dialect); err != nil {
			return err
		}
	}
	quoted := strconv.Quote(p.value)
	for _, again := range []string{"", strconv.Quote(unquote(p.value)) + " ", p.value + " "} { // the value, which has been said
		if after, ok := strings.CutPrefix(reason, again); ok && slices.Contains([]string{"is", "has", "must", "contradicts", "excludes"}, firstWord(after)) {
			reason = "it " + after
			break
		}
	}
	if p.secret || o.secret {
		reason = strings.ReplaceAll(strings.ReplaceAll(reason, quoted, "the value"), p.value, "***")
		quoted = "the value"
	}
	text = fmt.Sprintf("%s: %s: %s %s: %s", g.what, p.key, quoted, text, reason)
	if before, ok := withoutComment(p.value); ok {
		g.warning(p.pos, because(text, "what follows the # is not a comment in this syntax")).as(CodeComment).fix(p.value, before)
		return nil
	}
	d := g.warning(p.pos, text).as(CodeValue)
	if !p.secret && !o.secret {
		d.fix(p.value, nearest(p.value, o.oneof))
	}
	return nil
}

// wrapPort makes a port of a number that is none, as the kernel does for Fluent Bit: its lower 16 bits. 0 is the default.
func (g *binding) wrapPort(field reflect.Value, o *option, p param) {
	if g.dialect != FluentBit || o.names[0] != "port" || field.Kind() != reflect.Int || field.Int() >= 0 && field.Int() <= math.MaxUint16 {
		return
	}
	port := strconv.FormatInt(field.Int()&math.MaxUint16, 10)
	if port == "0" && o.hasDef {
		port = o.def
	}
	g.takeInstead(o, p, port, "is not a port; want 1 to 65535")
}
