package ruby

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/firelane/firelane/record"
)

func (n *binaryNode) eval(m *Machine) (value, error) {
	if err := m.step(1); err != nil {
		return value{}, err
	}
	left, err := n.left.eval(m)
	if err != nil {
		return value{}, err
	}
	right, err := n.right.eval(m)
	if err == nil {
		err = m.step(left.cost())
	}
	if err != nil {
		return value{}, err
	}
	switch n.op {
	case "==":
		return boolean(left.equal(right)), nil
	case "===":
		return m.caseEqual(left, right)
	case "=~":
		return m.search(left, right)
	case "<=>", "<", "<=", ">", ">=":
		return relation(n.op, left, right)
	}
	switch left.kind {
	case kInt, kFloat:
		return arithmetic(n.op, left, right)
	case kStr:
		return m.textOperator(n.op, left, right)
	case kArray:
		return m.arrayOperator(n.op, left, right)
	case kTime:
		return timeOperator(n.op, left, right)
	case kBool, kNil:
		if n.op == "&" || n.op == "|" {
			return boolean(left.truthy() && right.truthy() || n.op == "|" && (left.truthy() || right.truthy())), nil
		}
	}
	return value{}, noMethod(n.op, left)
}

// caseEqual is pattern === v, the comparison of when.
func (m *Machine) caseEqual(pattern, v value) (value, error) {
	switch {
	case pattern.kind == kRegexp:
		if !v.isText() {
			return boolean(false), nil
		}
		found, err := m.search(v, pattern)
		return boolean(found.kind != kNil), err
	case pattern.kind == kRange:
		return boolean(pattern.covers(v)), nil
	case pattern.kind == kSym && isClass(string(pattern.b)):
		return boolean(v.isA(string(pattern.b)) || v.equal(pattern)), nil
	}
	return boolean(pattern.equal(v)), nil
}

// covers reports whether a number is in the range v.
func (v value) covers(of value) bool {
	switch {
	case !of.isNumber() || of.float() < float64(v.n):
		return false
	case v.open:
		return true
	case v.excl:
		return of.float() < float64(v.end)
	}
	return of.float() <= float64(v.end)
}

func relation(op string, left, right value) (value, error) {
	n, ok := left.compare(right)
	switch {
	case op == "<=>" && !ok:
		return value{}, nil
	case op == "<=>":
		return integer(int64(n)), nil
	case !left.isNumber() && !left.isText() && left.kind != kTime:
		return value{}, noMethod(op, left)
	case !ok:
		return value{}, &Error{"ArgumentError", fmt.Sprintf("comparison of %s with %s failed", left.class(), right.class())}
	}
	switch op {
	case "<":
		return boolean(n < 0), nil
	case "<=":
		return boolean(n <= 0), nil
	case ">":
		return boolean(n > 0), nil
	}
	return boolean(n >= 0), nil
}

var errOverflow = &Error{"RangeError", "the integer needs more than 64 bits, which is not supported"}

func arithmetic(op string, left, right value) (value, error) {
	if !right.isNumber() {
		return value{}, &Error{"TypeError", fmt.Sprintf("%s can't be coerced into %s", right.class(), left.class())}
	}
	if left.kind == kInt && right.kind == kInt && (op != "**" || right.n >= 0) {
		return integers(op, left.n, right.n)
	}
	a, b := left.float(), right.float()
	switch op {
	case "+":
		return float(a + b), nil
	case "-":
		return float(a - b), nil
	case "*":
		return float(a * b), nil
	case "/":
		return float(a / b), nil
	case "%":
		return float(a - b*math.Floor(a/b)), nil
	case "**":
		return float(math.Pow(a, b)), nil
	}
	return value{}, noMethod(op, left)
}

func integers(op string, a, b int64) (value, error) {
	switch op {
	case "+":
		if sum := a + b; (sum > a) == (b > 0) {
			return integer(sum), nil
		}
		return value{}, errOverflow
	case "-":
		if diff := a - b; (diff < a) == (b > 0) {
			return integer(diff), nil
		}
		return value{}, errOverflow
	case "*":
		return multiply(a, b)
	case "/", "%":
		if b == 0 {
			return value{}, &Error{"ZeroDivisionError", "divided by 0"}
		}
		if a == math.MinInt64 && b == -1 {
			return value{}, errOverflow
		}
		q, r := a/b, a%b
		if r != 0 && (r < 0) != (b < 0) { // Ruby rounds down
			q, r = q-1, r+b
		}
		if op == "/" {
			return integer(q), nil
		}
		return integer(r), nil
	case "**":
		return power(a, b)
	case "&":
		return integer(a & b), nil
	case "|":
		return integer(a | b), nil
	case "<<":
		if b >= 0 && b < int64(bits.LeadingZeros64(uint64(max(a, -a)))) {
			return integer(a << b), nil
		}
		return value{}, errOverflow
	}
	return value{}, noMethod(op, integer(a))
}

// power is a to the power of b, which isn't negative.
func power(a, b int64) (v value, err error) {
	if a >= -1 && a <= 1 {
		b = min(b, 2-b%2) // 0, 1 and -1: the same result with a small exponent
	}
	v = integer(1)
	for ; b > 0 && err == nil; b-- { // at most 63 times
		v, err = multiply(v.n, a)
	}
	return v, err
}

func multiply(a, b int64) (value, error) {
	if a == 0 || b == 0 {
		return integer(0), nil
	}
	if c := a * b; c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64) {
		return integer(c), nil
	}
	return value{}, errOverflow
}

func (m *Machine) textOperator(op string, left, right value) (value, error) {
	switch op {
	case "+":
		if !right.isText() || right.kind == kSym {
			return value{}, typeError(right, "String")
		}
		if err := m.room(len(left.b) + len(right.b)); err != nil {
			return value{}, err
		}
		start := len(m.arena)
		m.arena = append(append(m.arena, left.b...), right.b...)
		return str(m.arena[start:len(m.arena):len(m.arena)]), nil
	case "*":
		if right.kind != kInt || right.n < 0 {
			return value{}, typeError(right, "Integer")
		}
		if right.n > maxBytes || int64(len(left.b))*right.n > maxBytes {
			return value{}, errBytes
		}
		start := len(m.arena)
		b := m.arena
		for range right.n {
			b = append(b, left.b...)
		}
		b, err := m.keep(b, start)
		return str(b), err
	case "%":
		if right.kind == kArray {
			var list []value
			for e := elementsOf(right.b); e.next(); {
				if err := m.step(1); err != nil {
					return value{}, err
				}
				list = append(list, read(e.value))
			}
			return m.format(left.b, list)
		}
		return m.format(left.b, []value{right})
	}
	return value{}, noMethod(op, left)
}

func (m *Machine) arrayOperator(op string, left, right value) (value, error) {
	if op == "<<" {
		right = array(appendValue(record.AppendArrayHeader(nil, 1), right))
		op = "+"
	}
	if op == "*" && right.isText() {
		return m.join(left, right.b, 0)
	}
	if right.kind != kArray {
		return value{}, typeError(right, "Array")
	}
	out := list{m: m}
	switch op {
	case "+":
		out.addAll(left.b)
		out.addAll(right.b)
	case "-", "&":
		for e := elementsOf(left.b); e.next(); {
			found, err := m.has(right.b, read(e.value))
			if err != nil {
				return value{}, err
			}
			if found == (op == "&") {
				out.add(e.value)
			}
		}
	case "|":
		out.addAll(left.b)
		out.addAll(right.b)
		v, err := out.array()
		if err != nil {
			return value{}, err
		}
		return m.uniq(v)
	default:
		return value{}, noMethod(op, left)
	}
	return out.array()
}

// has reports whether an array has an element that equals v.
func (m *Machine) has(b []byte, v value) (bool, error) {
	for e := elementsOf(b); e.next(); {
		if err := m.step(1); err != nil {
			return false, err
		}
		if read(e.value).equal(v) {
			return true, nil
		}
	}
	return false, nil
}

// A list is an array or a hash that is being made. err is the error of the first element that exceeded a limit.
type list struct {
	m   *Machine
	b   []byte // without a header
	n   int
	err error
}

func (l *list) add(b []byte) { l.addMany(b, 1) }

func (l *list) addMany(b []byte, n int) {
	if l.err == nil {
		l.err = l.m.room(len(b))
	}
	if l.err == nil {
		l.b, l.n = append(l.b, b...), l.n+n
	}
}

func (l *list) addValue(v value) {
	if l.err == nil {
		l.err = l.m.room(len(v.b) + 9)
	}
	if l.err == nil {
		l.b, l.n = appendValue(l.b, v), l.n+1
	}
}

func (l *list) addAll(array []byte) {
	n, rest, _ := record.ArrayHeader(array)
	l.addMany(rest, n)
}

func (l *list) addMember(f *record.Fields) {
	l.add(f.RawKey())
	l.add(f.Value())
}

func (l *list) array() (value, error) {
	return array(append(record.AppendArrayHeader(make([]byte, 0, len(l.b)+5), l.n), l.b...)), l.err
}

// hash returns the list of keys and values as a hash.
func (l *list) hash() (value, error) {
	return hash(append(record.AppendMapHeader(make([]byte, 0, len(l.b)+5), l.n/2), l.b...)), l.err
}
