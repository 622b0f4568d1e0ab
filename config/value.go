package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// set parses text and stores the value in field. Its errors have the form "X is not …; want Y".
func (o *option) set(field reflect.Value, text string, d Dialect) error {
	if d == FluentBit && base(field.Type()).Kind() != reflect.String && base(field.Type()) != typePair && base(field.Type()) != typeOrdered {
		text = unquote(text) // HTTP_Port "2020"
	}
	switch t := field.Type(); {
	case t.Kind() == reflect.Pointer:
		v := reflect.New(t.Elem())
		if err := o.set(v.Elem(), text, d); err != nil {
			return err
		}
		field.Set(v)
		return nil
	case t == reflect.SliceOf(typePair):
		v := reflect.New(typePair).Elem()
		if err := o.set(v, text, d); err != nil {
			return err
		}
		field.Set(reflect.Append(field, v))
		return nil
	case t == reflect.SliceOf(typeOrdered):
		field.Set(reflect.Append(field, reflect.ValueOf(Ordered{Value: text})))
		return nil
	case t.Kind() == reflect.Slice:
		return o.setList(field, text, d)
	case t == typePair:
		field.Set(reflect.ValueOf(pairOf(text, o.quotes, o.oneBlank)))
		return nil
	case t == typeSize:
		n, err := parseSize(text, d)
		field.SetInt(int64(n))
		return err
	case t == typeDuration:
		if strings.HasPrefix(text, "-") && o.negative != "" {
			text = o.negative
		}
		n, err := parseDuration(text)
		field.SetInt(int64(n))
		return err
	}
	return o.setScalar(field, text, d)
}

// setScalar is set for strings, booleans and numbers.
func (o *option) setScalar(field reflect.Value, text string, d Dialect) error {
	switch field.Kind() {
	case reflect.String:
		text, err := o.allowed(text)
		field.SetString(text)
		return err
	case reflect.Bool:
		b, err := parseBool(text, d)
		field.SetBool(b)
		return err
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, field.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not an integer%s", text, o.example())
		}
		field.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a number%s", text, o.example())
		}
		field.SetFloat(x)
	default:
		return fmt.Errorf("options of type %s are not supported", field.Type())
	}
	return nil
}

// setList adds the elements of a list.
func (o *option) setList(field reflect.Value, text string, d Dialect) error {
	items, err := parseList(text, d)
	if err != nil {
		return err
	}
	for _, item := range items {
		v := reflect.New(field.Type().Elem()).Elem()
		if err := o.set(v, item, d); err != nil {
			return err
		}
		field.Set(reflect.Append(field, v))
	}
	return nil
}

// allowed returns text as oneof spells it. It is an error if there is a oneof without text.
func (o *option) allowed(text string) (string, error) {
	if len(o.oneof) == 0 {
		return text, nil
	}
	for _, v := range o.oneof {
		if strings.EqualFold(v, text) {
			return v, nil
		}
	}
	return "", fmt.Errorf("%q is not supported; want %s", text, enumerate(o.oneof, "or"))
}

func (o *option) example() string {
	if o.def == "" {
		return ""
	}
	return ", such as " + o.def
}

// parseBool reads on and off, true and false, yes and no. In Fluentd a parameter without a value, or with a comment instead
// of one, is true.
func parseBool(text string, d Dialect) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "on", "yes":
		return true, nil
	case "false", "off", "no":
		return false, nil
	}
	if d == Fluentd {
		if text == "" || text[0] == '#' {
			return true, nil
		}
		return false, fmt.Errorf("%q is not a boolean; want true or false", text)
	}
	return false, fmt.Errorf("%q is not a boolean; want on or off", text)
}

// parseSize reads a number of bytes: 512k, 10M, 1G. A k is 1000 in Fluent Bit and 1024 in Fluentd.
func parseSize(text string, d Dialect) (Size, error) {
	bad := fmt.Errorf("%q is not a size; want, for example, 512k or 10M", text)
	lower := strings.ToLower(strings.TrimSpace(text))
	if lower == "false" || lower == "unlimited" || d == FluentBit && (lower == "off" || lower == "no") {
		return Unlimited, nil
	}
	number := strings.TrimRight(lower, "kmgtib")
	unit := strings.TrimSuffix(lower[len(number):], "b")
	step := 1000.0
	if d == Fluentd || strings.HasSuffix(unit, "i") {
		step = 1024
	}
	power := strings.Index("kmgt", strings.TrimSuffix(unit, "i"))
	if strings.TrimSuffix(unit, "i") != "" {
		power++
	}
	if len(strings.TrimSuffix(unit, "i")) > 1 || unit == "i" || power < 0 {
		return 0, bad
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && power == 0 && n >= 0 {
		return Size(n), nil
	}
	x, err := strconv.ParseFloat(number, 64)
	if x *= math.Pow(step, float64(power)); err != nil || !(x >= 0 && x < math.MaxInt64) {
		return 0, bad
	}
	return Size(x), nil
}

// parseDuration reads 5s, 10m, 1h30m, 2d, 500ms; a bare number is seconds.
// ParseDuration parses a time as options give it: 5s, 10m, 1d, or seconds.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

func parseDuration(text string) (time.Duration, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		return seconds(text, x)
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if x, err := strconv.ParseFloat(days, 64); err == nil {
			return seconds(text, x*24*60*60)
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, badDuration(text)
	}
	return d, nil
}

func seconds(text string, x float64) (time.Duration, error) {
	if x *= float64(time.Second); !(x >= 0 && x < math.MaxInt64) {
		return 0, badDuration(text)
	}
	return time.Duration(x), nil
}

func badDuration(text string) error {
	return fmt.Errorf("%q is not a duration; want, for example, 5s or 10m", text)
}

// parseList reads a list with commas, or in Fluentd a JSON array.
func parseList(text string, d Dialect) ([]string, error) {
	if d == Fluentd && strings.HasPrefix(text, "[") {
		var items []any
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			return nil, errors.New("want a list such as a,b or [\"a\", \"b\"]")
		}
		list := make([]string, len(items))
		for i, item := range items {
			list[i] = fmt.Sprint(item)
		}
		return list, nil
	}
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// pairOf splits a value at its first blanks. With quotes, either half may be in double quotes. With oneBlank it is split at the
// first blank alone: those after it belong to the value.
func pairOf(text string, quotes, oneBlank bool) Pair {
	if oneBlank {
		key, value, _ := strings.Cut(strings.TrimLeft(text, " "), " ")
		return Pair{key, value}
	}
	if quotes && strings.HasPrefix(text, `"`) {
		if end := closingQuote(text); end > 0 {
			return Pair{unquote(text[:end+1]), unquote(strings.TrimLeft(text[end+1:], " \t"))}
		}
	}
	key, value, _ := cutBlank(strings.TrimSpace(text))
	if quotes {
		value = unquote(value)
	}
	return Pair{key, value}
}

// closingQuote is the index of the double quote that closes the one at the start of text, -1 if there is none.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unquote removes double quotes around the whole text.
func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' || closingQuote(text) != len(text)-1 {
		return text
	}
	return strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
}
