package kafka

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// propertyPrefix comes before the name of a property of librdkafka, in the names of options.
const propertyPrefix = "rdkafka."

// SetProperties sets the options of target, a pointer to an options struct, whose names in Fluent Bit are rdkafka. and a member of
// the JSON object text: Fluentd's option rdkafka_options. It returns the names of members that no option has.
func SetProperties(target any, text string) (unknown []string, err error) {
	if text == "" {
		return nil, nil
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, fmt.Errorf(`is not an object; want, for example, {"security.protocol": "ssl"}`)
	}
	byName := map[string]property{}
	properties(reflect.ValueOf(target).Elem(), byName)
	for name, value := range members {
		p, ok := byName[strings.ToLower(name)]
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		if n, isNumber := value.(float64); isNumber {
			value = strconv.FormatFloat(n, 'f', -1, 64)
		}
		if err := p.set(fmt.Sprint(value)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	slices.Sort(unknown)
	return unknown, nil
}

// A property is a field of an options struct.
type property struct {
	field reflect.Value
	oneof []string
}

// properties collects the properties of a struct and of those that are embedded in it.
func properties(v reflect.Value, byName map[string]property) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			properties(v.Field(i), byName)
			continue
		}
		for name := range strings.SplitSeq(f.Tag.Get("fluentbit"), ",") {
			if name, ok := strings.CutPrefix(name, propertyPrefix); ok {
				p := property{field: v.Field(i)}
				if list := f.Tag.Get("oneof"); list != "" {
					p.oneof = strings.Split(list, ",")
				}
				byName[name] = p
			}
		}
	}
}

func (p property) set(text string) error {
	if len(p.oneof) > 0 {
		i := slices.IndexFunc(p.oneof, func(v string) bool { return strings.EqualFold(v, text) })
		if i < 0 {
			return fmt.Errorf("%q is not supported; want one of %s", text, strings.Join(p.oneof, ", "))
		}
		text = p.oneof[i]
	}
	switch f := p.field; f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not an integer", text)
		}
		f.SetInt(int64(n))
	case reflect.Pointer: // to a bool
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not a boolean; want true or false", text)
		}
		f.Set(reflect.ValueOf(&b))
	}
	return nil
}
