package format

import (
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Value returns a Func that writes only the value of a field, and end. option is the one that names the field, key. A record
// without the field is an error.
func Value(option, key, end string) (Func, error) {
	at, err := field.ParseAccessor(key, config.FluentBit)
	if err != nil {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	missing := fmt.Errorf("the record has no field %s (%s)", key, option)
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		v, ok := at.Find(&r.Event)
		if !ok {
			return dst, missing
		}
		return append(record.AppendText(dst, v), end...), nil
	}, nil
}
