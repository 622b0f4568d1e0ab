package record

import "strconv"

// AppendJSONCut appends an event's map as JSON that a person reads: a value that takes more than most bytes is cut, and after about
// four times that the remaining members are only counted, in a member called "…". So the time that it takes and what it appends are
// limited, whatever the size of the event. Unlike AppendJSON it writes all members of the same key.
//
// A text that is cut ends with "… (N bytes)"; another value becomes the text "(N bytes)".
func AppendJSONCut(dst []byte, ev *Event, most int) []byte {
	dst = append(dst, '{')
	start := len(dst)
	left, _, _ := MapHeader(ev.Body)
	if len(ev.Tail) > 0 {
		n, _, _ := MapHeader(ev.Tail)
		left += n
	}
	for _, body := range [...][]byte{ev.Body, ev.Tail} {
		for f := FieldsOf(body); f.Next(); left-- {
			if len(dst)-start > 4*most {
				dst = append(strconv.AppendInt(append(dst, `"…":"`...), int64(left), 10), ` more members"}`...)
				return dst
			}
			dst = appendCutKey(dst, &f, most)
			dst = append(appendCutValue(append(dst, ':'), f.Value(), most), ',')
		}
	}
	return append(withoutComma(dst, start), '}')
}

func appendCutKey(dst []byte, f *Fields, most int) []byte {
	key := f.Key()
	if key == nil {
		key = append(strconv.AppendInt([]byte{'('}, int64(len(f.RawKey())), 10), " bytes)"...)
	}
	return AppendJSONString(dst, key[:min(len(key), most)])
}

func appendCutValue(dst, value []byte, most int) []byte {
	if len(value) <= most {
		return AppendJSON(dst, value)
	}
	var cut []byte
	size := len(value)
	if text, ok := Text(value); ok {
		size = len(text)
		cut = append(append(cut, text[:min(size, most)]...), "… "...)
	}
	cut = strconv.AppendInt(append(cut, '('), int64(size), 10)
	return AppendJSONString(dst, append(cut, " bytes)"...))
}
