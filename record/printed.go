package record

// AppendPrinted appends the value at the start of value in the notation of msgpack-c: {"log"=>"text", "n"=>1}. Text is
// written as it is.
func AppendPrinted(dst, value []byte) []byte {
	dst, _ = appendPrintedValue(dst, value)
	return dst
}

func appendPrintedValue(dst, b []byte) (out, rest []byte) {
	switch KindOf(b[0]) {
	case KindStr, KindBin:
		s, rest, err := Str(b)
		if err != nil {
			return dst, nil
		}
		return append(append(append(dst, '"'), s...), '"'), rest
	case KindMap:
		n, rest, _ := MapHeader(b)
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendPrintedValue(dst, rest)
			dst, rest = appendPrintedValue(append(dst, "=>"...), rest)
		}
		return append(dst, '}'), rest
	case KindArray:
		n, rest, _ := ArrayHeader(b)
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, rest = appendPrintedValue(dst, rest)
		}
		return append(dst, ']'), rest
	case KindNil:
		return append(dst, "nil"...), b[1:]
	}
	rest, err := Skip(b)
	if err != nil {
		return dst, nil
	}
	return AppendText(dst, b[:len(b)-len(rest)]), rest
}
