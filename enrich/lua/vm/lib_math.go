package vm

import (
	"math"
	"math/bits"
)

func mathLibrary() library {
	lib := library{
		"atan2": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(math.Atan2(checkNumber(th, args, 1, "atan2"), checkNumber(th, args, 2, "atan2"))))
		},
		"fmod": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(math.Mod(checkNumber(th, args, 1, "fmod"), checkNumber(th, args, 2, "fmod"))))
		},
		"pow": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(math.Pow(checkNumber(th, args, 1, "pow"), checkNumber(th, args, 2, "pow"))))
		},
		"ldexp": func(th *Thread, args []Value) []Value {
			return th.ret1(Number(math.Ldexp(checkNumber(th, args, 1, "ldexp"), checkInt(th, args, 2, "ldexp"))))
		},
		"frexp": func(th *Thread, args []Value) []Value {
			f, e := math.Frexp(checkNumber(th, args, 1, "frexp"))
			return th.returns(Number(f), Number(float64(e)))
		},
		"modf": func(th *Thread, args []Value) []Value {
			f := checkNumber(th, args, 1, "modf")
			whole := math.Trunc(f)
			if math.IsInf(f, 0) {
				return th.returns(Number(f), Number(0))
			}
			return th.returns(Number(whole), Number(f-whole))
		},
		"log": func(th *Thread, args []Value) []Value {
			f := math.Log(checkNumber(th, args, 1, "log"))
			if arg(args, 2).k != KindNil {
				f /= math.Log(checkNumber(th, args, 2, "log"))
			}
			return th.ret1(Number(f))
		},
		"max": func(th *Thread, args []Value) []Value {
			most := checkNumber(th, args, 1, "max")
			for i := range args {
				if f := checkNumber(th, args, i+1, "max"); f > most {
					most = f
				}
			}
			return th.ret1(Number(most))
		},
		"min": func(th *Thread, args []Value) []Value {
			least := checkNumber(th, args, 1, "min")
			for i := range args {
				if f := checkNumber(th, args, i+1, "min"); f < least {
					least = f
				}
			}
			return th.ret1(Number(least))
		},
		"random": mathRandom,
		"randomseed": func(th *Thread, args []Value) []Value {
			th.st.random = math.Float64bits(checkNumber(th, args, 1, "randomseed")) | 1
			return nil
		},
	}
	addSimple(lib)
	return lib
}

// addSimple adds the functions of one number.
func addSimple(lib library) {
	for name, f := range map[string]func(float64) float64{
		"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "sqrt": math.Sqrt, "exp": math.Exp, "log10": math.Log10,
		"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan,
		"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh,
		"deg": func(x float64) float64 { return x * 180 / math.Pi }, "rad": func(x float64) float64 { return x * math.Pi / 180 },
	} {
		lib[name] = func(th *Thread, args []Value) []Value { return th.ret1(Number(f(checkNumber(th, args, 1, name)))) }
	}
}

// mathRandom is a multiplicative congruential generator with a permuted output (O'Neill, PCG, 2014).
func mathRandom(th *Thread, args []Value) []Value {
	th.st.random = th.st.random*6364136223846793005 + 1442695040888963407
	x := th.st.random
	x = (x ^ x>>32) * 0x9e3779b97f4a7c15
	f := float64(x>>11) / (1 << 53)
	if len(args) == 0 {
		return th.ret1(Number(f))
	}
	low, high := 1.0, math.Floor(checkNumber(th, args, 1, "random"))
	if len(args) > 1 {
		low, high = high, math.Floor(checkNumber(th, args, 2, "random"))
	}
	if low > high {
		th.argument(len(args), "random", "interval is empty")
	}
	return th.ret1(Number(low + math.Floor(f*(high-low+1))))
}

// toBit converts a number to 32 bits, modulo 2^32, as LuaJIT's bit library does.
func toBit(th *Thread, args []Value, n int, name string) uint32 {
	f := checkNumber(th, args, n, name)
	return uint32(int64(math.Mod(math.RoundToEven(f), 1<<32)))
}

func bitLibrary() library {
	result := func(th *Thread, v uint32) []Value { return th.ret1(Number(float64(int32(v)))) }
	lib := library{
		"tohex": func(th *Thread, args []Value) []Value {
			v, n := toBit(th, args, 1, "tohex"), optInt(th, args, 2, "tohex", 8)
			digits := "0123456789abcdef"
			if n < 0 {
				n, digits = -max(n, -8), "0123456789ABCDEF"
			}
			b := make([]byte, min(n, 8))
			for i := len(b) - 1; i >= 0; i-- {
				b[i] = digits[v&15]
				v >>= 4
			}
			return th.ret1(String(string(b)))
		},
	}
	for name, f := range map[string]func(uint32) uint32{
		"tobit": func(a uint32) uint32 { return a }, "bnot": func(a uint32) uint32 { return ^a }, "bswap": bits.ReverseBytes32,
	} {
		lib[name] = func(th *Thread, args []Value) []Value { return result(th, f(toBit(th, args, 1, name))) }
	}
	for name, f := range map[string]func(a, b uint32) uint32{
		"band": func(a, b uint32) uint32 { return a & b }, "bor": func(a, b uint32) uint32 { return a | b },
		"bxor": func(a, b uint32) uint32 { return a ^ b },
	} {
		lib[name] = func(th *Thread, args []Value) []Value {
			v := toBit(th, args, 1, name)
			for i := 2; i <= len(args); i++ {
				v = f(v, toBit(th, args, i, name))
			}
			return result(th, v)
		}
	}
	for name, f := range map[string]func(a uint32, n uint32) uint32{
		"lshift": func(a, n uint32) uint32 { return a << n }, "rshift": func(a, n uint32) uint32 { return a >> n },
		"arshift": func(a, n uint32) uint32 { return uint32(int32(a) >> n) },
		"rol":     func(a, n uint32) uint32 { return bits.RotateLeft32(a, int(n)) },
		"ror":     func(a, n uint32) uint32 { return bits.RotateLeft32(a, -int(n)) },
	} {
		lib[name] = func(th *Thread, args []Value) []Value {
			return result(th, f(toBit(th, args, 1, name), toBit(th, args, 2, name)&31))
		}
	}
	return lib
}
