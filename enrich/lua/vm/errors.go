package vm

import (
	"fmt"
	"runtime"
)

// A Limit is a limit that a script has exceeded, as text for an error message.
type Limit string

// The limits. The texts are shown to users.
const (
	LimitSteps      Limit = "it takes too many steps"
	LimitTime       Limit = "it takes too long"
	LimitMemory     Limit = "it keeps too much memory"
	LimitString     Limit = "a string is too long"
	LimitCoroutines Limit = "it has too many coroutines"
	limitKilled     Limit = "its call has ended" // ends a coroutine that outlives its call
)

// thrown is the value of panics: a script's error, or a limit, which a script can't catch.
type thrown struct {
	value Value
	limit Limit // "" for an error
}

// An Error is the error of a call that failed.
type Error struct {
	Text  string // begins with script and line, if the error has a position
	Limit Limit  // the limit that was exceeded, "" for an error of the script
}

func (e *Error) Error() string { return e.Text }

// maxErrorText is how many bytes of a script's error are kept.
const maxErrorText = 1 << 10

// position returns the script and the line of a frame, as error() puts them before a message.
func (fr *frame) position() string {
	if fr == nil || fr.fn == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", fr.fn.proto.source, fr.line)
}

// fail throws an error with the position of the current function.
func (th *Thread) fail(format string, args ...any) {
	panic(&thrown{value: String(th.cur.position() + fmt.Sprintf(format, args...))})
}

// argument throws an error about an argument of a library function. Arguments count from 1.
func (th *Thread) argument(n int, name, what string) {
	th.fail("bad argument #%d to '%s' (%s)", n, name, what)
}

// name1 returns how an error message describes a value.
func name1(v Value, name string) string {
	if name == "" {
		return "a " + v.k.String() + " value"
	}
	return name + " (a " + v.k.String() + " value)"
}

// A saved is the state that is restored after an error.
type saved struct {
	cur                *frame
	stack              []Value
	top, active, depth int
}

func (th *Thread) save() saved { return saved{th.cur, th.stack, th.top, th.active, th.st.depth} }

func (th *Thread) restore(s saved) {
	if s.top > 0 || len(s.stack) > 0 {
		th.stack = s.stack
	}
	th.cur, th.top, th.st.depth = s.cur, s.top, s.depth
	clear(th.stack[th.top:])
	for ; th.active > s.active; th.active-- {
		fr := th.frames[th.active-1]
		clear(fr.varargs)
		fr.slots, fr.fn = nil, nil
	}
}

// protect runs f and returns what it throws. It rethrows a limit unless all is true. A bug of this package, such as an
// index out of range, becomes an error of the script.
func (th *Thread) protect(all bool, f func() []Value) (ret []Value, err *thrown) {
	s := th.save()
	defer func() {
		e := recover()
		if e == nil {
			return
		}
		err = thrownBy(e)
		if err.limit != "" && !all {
			panic(err)
		}
		th.restore(s)
		if !all {
			th.st.spend(thrownSteps)
		}
	}()
	return f(), nil
}

// thrownBy converts a panic's value. A bug of this package becomes an error of the script.
func thrownBy(e any) *thrown {
	switch e := e.(type) {
	case *thrown:
		return e
	case runtime.Error:
		return &thrown{value: String("internal error: " + e.Error())}
	}
	panic(e)
}

// Load compiles a script and returns its main function. The error is a *SyntaxError.
func (st *State) Load(name, src string) (*Function, error) {
	body, err := parse(name, src)
	if err != nil {
		return nil, err
	}
	return &Function{proto: compileBody(name, body), env: st.Globals}, nil
}

// Call calls a function with the limits of a new call, and passes its results to use. The values are valid
// until that returns; use may read tables, and its own errors are Call's. All coroutines end with the call. The error is an
// *Error, or that of use.
func (st *State) Call(f *Function, use func([]Value) error, args ...Value) (err error) {
	st.start()
	t := st.run(f, args, use, &err)
	if len(st.threads) > 0 {
		st.endCoroutines()
	}
	clear(st.main.ret)
	st.main.pair = [2]Value{}
	if t != nil {
		return st.errorOf(t)
	}
	return err
}

// run makes the call for Call. It returns what was thrown, and sets failed to the error of use.
func (st *State) run(f *Function, args []Value, use func([]Value) error, failed *error) (t *thrown) {
	th := st.main
	s := th.save()
	defer func() {
		if e := recover(); e != nil {
			t = thrownBy(e)
			th.restore(s)
		}
	}()
	r := th.call(f, args)
	if use != nil {
		*failed = use(r)
	}
	return nil
}

// errorOf converts what was thrown to an Error.
func (st *State) errorOf(t *thrown) *Error {
	if t.limit != "" {
		return &Error{Text: string(t.limit), Limit: t.limit}
	}
	text := "error with a " + t.value.k.String()
	if t.value.k == KindString || t.value.k == KindNumber {
		text = string(appendText(nil, t.value))
	}
	return &Error{Text: text[:min(len(text), maxErrorText)]}
}
