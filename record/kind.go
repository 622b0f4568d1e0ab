package record

// Kind is the type of a MessagePack value, which its first byte determines.
type Kind uint8

// The kinds. KindInt covers signed and unsigned integers of every width, KindFloat both floats.
const (
	KindInvalid Kind = iota // 0xc1, which MessagePack never uses
	KindNil
	KindBool
	KindInt
	KindFloat
	KindStr
	KindBin
	KindArray
	KindMap
	KindExt
)

func (k Kind) String() string {
	return [...]string{"invalid", "nil", "bool", "int", "float", "str", "bin", "array", "map", "ext"}[min(k, KindExt)]
}

// KindOf is the kind of the value that begins with c.
func KindOf(c byte) Kind {
	switch {
	case c < 0x80 || c >= 0xe0:
		return KindInt
	case c < 0x90:
		return KindMap
	case c < 0xa0:
		return KindArray
	case c < 0xc0:
		return KindStr
	}
	return kinds[c-0xc0]
}

// kinds are those of the bytes 0xc0 to 0xdf.
var kinds = [32]Kind{
	KindNil, KindInvalid, KindBool, KindBool, // c0 nil, c1, c2 false, c3 true
	KindBin, KindBin, KindBin, KindExt, // c4–c6 bin8–bin32, c7–c9 ext8–ext32
	KindExt, KindExt, KindFloat, KindFloat, // ca float32, cb float64
	KindInt, KindInt, KindInt, KindInt, // cc–cf uint8–uint64
	KindInt, KindInt, KindInt, KindInt, // d0–d3 int8–int64
	KindExt, KindExt, KindExt, KindExt, KindExt, // d4–d8 fixext1–fixext16
	KindStr, KindStr, KindStr, // d9–db str8–str32
	KindArray, KindArray, KindMap, KindMap, // dc–dd array, de–df map
}
