// Package vm runs scripts of Lua 5.1, with the additions of LuaJIT that log filters use: goto, the escapes of strings, and bit. A
// script has no access to files, processes or modules unless Config.Files allows it. Limits are the steps and the time of each call,
// memory, the length of a string, and the depth of calls. A script can't catch the error of a limit.
package vm

import (
	"io"
	"time"
)

// Limits of a script.
const (
	// MaxSteps is how many steps a call may take, a few tenths of a second: an expression, a statement, or what a function of
	// the library does with 16 bytes.
	MaxSteps = 10_000_000
	// MaxTime is how long a call may take, whatever its steps.
	MaxTime = time.Second
	// MaxMemory is how many bytes of values a script may keep.
	MaxMemory = 6 << 20
	// MaxString is the length of a string in bytes.
	MaxString = 4 << 20
	// maxCalls is the depth of nested calls, each weighted by the depth of its expressions: about 2,000 calls.
	maxCalls = 20_000
	// maxCoroutineCalls is the same in a coroutine, about 200 calls.
	maxCoroutineCalls = 2_000
	// maxCoroutines is how many coroutines a call may have that haven't ended.
	maxCoroutines = 50
	// maxMetaChain is the maximum length of a chain of tables by __index.
	maxMetaChain = 100
)

const (
	measureEvery = 2 << 20 // bytes allocated between two measurements of the memory
	bytesPerStep = 16      // that the library reads or writes, for one step
	nativeWeight = 8       // weight of a library function in maxCalls
	nativeSteps  = 4       // steps of its call
	thrownSteps  = 100     // steps of an error that is caught
	timeSteps    = 20_000  // steps between two readings of the clock
)

// Config configures a State.
type Config struct {
	Getenv func(string) (string, bool)
	Now    func() time.Time
	Output io.Writer // of print
	// Files lets the script read and write files, and run commands; Dir is where require looks for modules.
	Files bool
	Dir   string
	// Charge is called with the number of bytes that a script keeps, after each measurement. If it returns false, the call ends
	// with LimitMemory. nil: MaxMemory is the only limit.
	Charge func(bytes int) bool
}

// A State is a script's global variables, and what it needs to run. It isn't safe for concurrent use.
type State struct {
	Globals *Table

	cfg        Config
	main       *Thread
	stringMeta *Table
	fileMeta   *Table // nil: the script may not use files
	files      []*file
	next       Value // the functions that pairs and ipairs return
	inext      Value
	random     uint64
	begun      time.Time

	steps        int // left of this call
	look         int // value of steps at the next reading of the clock
	end          time.Time
	depth        int
	allocated    int // since the State was made
	measureAt    int
	live         int    // bytes, at the last measurement
	epoch        uint32 // of the last measurement
	threads      []*Thread
	spare        []byte // memory to build strings in
	spareMatcher *matcher
}

// New makes a State with the standard library.
func New(cfg Config) *State {
	st := &State{cfg: cfg, Globals: &Table{}, measureAt: measureEvery, begun: cfg.Now(), random: 1}
	st.main = &Thread{st: st, limit: maxCalls}
	st.openLibrary()
	return st
}

// A Function is a function of Lua or of the library.
type Function struct {
	proto  *proto
	env    *Table
	ups    []*cell
	native func(th *Thread, args []Value) []Value
	name   string
	isNext bool
	mark   uint32
}

// Params is the number of a function's parameters, as debug.getinfo tells.
func (f *Function) Params() int {
	if f.proto == nil {
		return 0
	}
	return f.proto.params
}

// A Thread is a coroutine, or the main one.
type Thread struct {
	st     *State
	cur    *frame
	stack  []Value // values above top are nil
	top    int
	frames []*frame
	active int // frames in use
	limit  int // of the state's depth
	ret    []Value
	pair   [2]Value
	co     *coroutine
	mark   uint32
}

// A frame is a call of a function of Lua.
type frame struct {
	th      *Thread
	fn      *Function
	parent  *frame
	slots   []Value
	varargs []Value
	line    int
	label   string

	stack []Value // the thread's, before the call
	top   int
}

// spend subtracts steps from those that the call has left.
func (st *State) spend(n int) {
	if st.steps -= n; st.steps < st.look {
		st.checkTime()
	}
}

// start resets the limits for a new call.
func (st *State) start() {
	st.steps, st.look, st.depth = MaxSteps, MaxSteps-timeSteps, 0
	st.end = time.Time{}
}

func (st *State) checkTime() {
	if st.steps < 0 {
		panic(&thrown{limit: LimitSteps})
	}
	switch now := st.cfg.Now(); {
	case st.end.IsZero(): // the first time
		st.end = now.Add(MaxTime)
	case now.After(st.end):
		panic(&thrown{limit: LimitTime})
	}
	st.look = max(st.steps-timeSteps, 0)
}

// work spends the steps for n bytes.
func (st *State) work(n int) { st.spend(n/bytesPerStep + 1) }

// allocate counts n bytes of memory.
func (st *State) allocate(n int) {
	if st.allocated += n; st.allocated > st.measureAt {
		st.measure()
	}
}

// makeString counts a new string of n bytes, before it is made.
func (st *State) makeString(n int) {
	if n > MaxString {
		panic(&thrown{limit: LimitString})
	}
	st.work(n)
	st.allocate(n)
}

// grow makes room for n bytes. append grows a large slice by a quarter at a time, and all those copies add up to several times
// the memory.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, max(2*cap(b), len(b)+n)), b...)
}

// text returns b, which is reused, as a new string.
func (st *State) text(b []byte) Value {
	st.makeString(len(b))
	return String(string(b))
}

// call calls a function. The values that it returns are valid until the next call.
func (th *Thread) call(f *Function, args []Value) []Value {
	st := th.st
	if f.native != nil {
		if st.depth += nativeWeight; st.depth > th.limit {
			th.fail("stack overflow")
		}
		st.spend(nativeSteps)
		r := f.native(th, args)
		st.depth -= nativeWeight
		return r
	}
	p := f.proto
	if st.depth += p.weight; st.depth > th.limit {
		th.fail("stack overflow")
	}
	fr := th.push(f)
	n := copy(fr.slots[:p.params], args)
	if p.dots {
		fr.varargs = append(fr.varargs[:0], args[n:]...)
	}
	for _, slot := range p.boxed {
		fr.slots[slot] = cellValue(&cell{fr.slots[slot]})
	}
	f2 := p.body(fr)
	if f2 == flowGoto {
		th.fail("no visible label '%s' for goto", fr.label)
	}
	th.pop(fr)
	st.depth -= p.weight
	if f2 != flowReturn {
		return nil
	}
	return th.ret
}

// push makes a frame. Its slots are nil.
func (th *Thread) push(f *Function) *frame {
	if th.active == len(th.frames) {
		th.frames = append(th.frames, &frame{th: th})
	}
	fr := th.frames[th.active]
	th.active++
	n := f.proto.slots
	fr.fn, fr.parent, fr.line, fr.stack, fr.top = f, th.cur, f.proto.line, th.stack, th.top
	if th.top+n > len(th.stack) {
		th.stack, th.top = make([]Value, max(2*len(th.stack), n+minStack)), 0
		th.st.allocate(len(th.stack) * valueBytes)
	}
	fr.slots = th.stack[th.top : th.top+n : th.top+n]
	th.top += n
	th.cur = fr
	return fr
}

const minStack = 128 // values

// pop ends the current frame.
func (th *Thread) pop(fr *frame) {
	clear(fr.slots)
	clear(fr.varargs)
	if fr.top > 0 { // otherwise the stack that was made for the call is kept
		th.stack = fr.stack
	}
	th.top, th.cur = fr.top, fr.parent
	th.active--
	fr.slots, fr.fn = nil, nil
}

// call1 calls a value and returns its first result.
func (th *Thread) call1(f Value, args ...Value) Value {
	if r := th.callValue(f, args, ""); len(r) > 0 {
		return r[0]
	}
	return Nil
}

// callValue calls a function, or the metamethod __call of another value.
func (th *Thread) callValue(f Value, args []Value, name string) []Value {
	for range maxMetaChain {
		if f.k == KindFunction {
			return th.call(f.function(), args)
		}
		h := th.meta(f, "__call")
		if h.k == KindNil {
			break
		}
		args = append([]Value{f}, args...)
		f = h
	}
	th.fail("attempt to call %s", name1(f, name))
	return nil
}

// ret1 returns a value from a library function.
func (th *Thread) ret1(v Value) []Value {
	th.ret = append(th.ret[:0], v)
	return th.ret
}

// returns returns values from a library function.
func (th *Thread) returns(v ...Value) []Value {
	th.ret = append(th.ret[:0], v...)
	return th.ret
}
