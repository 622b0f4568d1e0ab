package puttest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/smithy-go/encoding/cbor"
)

// toJSON makes JSON of a body in CBOR, by the code of AWS's SDK.
func toJSON(body []byte) ([]byte, error) {
	v, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	if _, err := cbor.Decode(body[:len(body)-1]); err == nil {
		return nil, errors.New("more follows the body's map")
	}
	plain, err := plain(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// plain makes a value of the kind that encoding/json encodes. Bytes become Base64.
func plain(v cbor.Value) (any, error) {
	switch v := v.(type) {
	case cbor.Map:
		m := map[string]any{}
		for name, member := range v {
			value, err := plain(member)
			if err != nil {
				return nil, err
			}
			m[name] = value
		}
		return m, nil
	case cbor.List:
		list := make([]any, len(v))
		for i, member := range v {
			value, err := plain(member)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case cbor.String:
		return string(v), nil
	case cbor.Slice:
		return []byte(v), nil
	case cbor.Uint:
		return uint64(v), nil
	}
	return nil, fmt.Errorf("a value of the type %T, which no member has", v)
}

// toCBOR makes CBOR of an answer in JSON.
func toCBOR(answer []byte) []byte {
	var v any
	_ = json.Unmarshal(answer, &v) // it is what json.Marshal has made
	return cbor.Encode(value(v))
}

func value(v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		m := cbor.Map{}
		for name, member := range v {
			m[name] = value(member)
		}
		return m
	case []any:
		list := cbor.List{}
		for _, member := range v {
			list = append(list, value(member))
		}
		return list
	case string:
		return cbor.String(v)
	case float64:
		return cbor.Uint(v)
	}
	return &cbor.Nil{}
}
