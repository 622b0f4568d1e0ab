package vm

import "iter"

// A coroutine runs a function on a stack of its own. It doesn't outlive the call in which it was made.
type coroutine struct {
	th    *Thread
	next  func() ([]Value, bool)
	stop  func()
	yield func([]Value) bool
	in    []Value // what resume passes
	out   []Value // what the function returns
	err   *thrown
	state string // "suspended", "running", "normal" or "dead"
	base  int    // the state's depth when it was resumed
	depth int    // its own
}

func (st *State) newCoroutine(f *Function) *coroutine {
	if len(st.threads) >= maxCoroutines {
		panic(&thrown{limit: LimitCoroutines})
	}
	st.allocate(coroutineBytes)
	co := &coroutine{state: "suspended"}
	co.th = &Thread{st: st, co: co}
	co.next, co.stop = iter.Pull(func(yield func([]Value) bool) {
		co.yield = yield
		co.out, co.err = co.th.protect(true, func() []Value { return co.th.call(f, co.in) })
	})
	st.threads = append(st.threads, co.th)
	return co
}

const coroutineBytes = 4 << 10

// resume runs co until it yields or ends. An error of the coroutine is returned, a limit is thrown.
func (co *coroutine) resume(th *Thread, args []Value) (values []Value, err *thrown) {
	if co.state != "suspended" {
		return nil, &thrown{value: String("cannot resume " + co.state + " coroutine")}
	}
	st := th.st
	co.in = append([]Value(nil), args...)
	co.base = st.depth
	co.th.limit = min(maxCalls, co.base+maxCoroutineCalls)
	st.depth += co.depth
	if th.co != nil {
		th.co.state = "normal"
	}
	co.state = "running"
	values, ok := co.next()
	st.depth = co.base
	if th.co != nil {
		th.co.state = "running"
	}
	if ok {
		co.state = "suspended"
		return values, nil
	}
	co.state = "dead"
	st.forget(co)
	if co.err != nil && co.err.limit != "" {
		panic(co.err)
	}
	return co.out, co.err
}

// forget removes a coroutine that has ended.
func (st *State) forget(co *coroutine) {
	for i, th := range st.threads {
		if th == co.th {
			st.threads = append(st.threads[:i], st.threads[i+1:]...)
			return
		}
	}
}

// endCoroutines ends all coroutines when the call has ended.
func (st *State) endCoroutines() {
	for _, th := range st.threads {
		th.co.state = "dead"
		th.co.stop()
	}
	clear(st.threads)
	st.threads = st.threads[:0]
}

func coYield(th *Thread, args []Value) []Value {
	co := th.co
	if co == nil {
		th.fail("attempt to yield across C-call boundary")
	}
	co.depth = th.st.depth - co.base
	if !co.yield(append([]Value(nil), args...)) {
		panic(&thrown{limit: limitKilled})
	}
	return co.in
}

func checkCoroutine(th *Thread, args []Value, name string) *coroutine {
	if len(args) == 0 || args[0].k != KindThread || args[0].thread().co == nil {
		th.argument(1, name, "coroutine expected")
	}
	return args[0].thread().co
}

func coroutineLibrary() map[string]func(*Thread, []Value) []Value {
	return map[string]func(*Thread, []Value) []Value{
		"create": func(th *Thread, args []Value) []Value {
			return th.ret1(threadValue(th.st.newCoroutine(checkFunction(th, args, 1, "create")).th))
		},
		"resume": func(th *Thread, args []Value) []Value {
			values, err := checkCoroutine(th, args, "resume").resume(th, args[1:])
			if err != nil {
				return th.returns(False, err.value)
			}
			return th.returns(append([]Value{True}, values...)...)
		},
		"wrap": func(th *Thread, args []Value) []Value {
			co := th.st.newCoroutine(checkFunction(th, args, 1, "wrap"))
			return th.ret1(functionValue(&Function{name: "wrap", env: th.st.Globals, native: func(th *Thread, args []Value) []Value {
				values, err := co.resume(th, args)
				if err != nil {
					panic(err)
				}
				return values
			}}))
		},
		"yield": coYield,
		"status": func(th *Thread, args []Value) []Value {
			return th.ret1(String(checkCoroutine(th, args, "status").state))
		},
		"running": func(th *Thread, _ []Value) []Value {
			if th.co == nil {
				return th.ret1(Nil)
			}
			return th.ret1(threadValue(th))
		},
		"isyieldable": func(th *Thread, _ []Value) []Value { return th.ret1(Bool(th.co != nil)) },
	}
}
