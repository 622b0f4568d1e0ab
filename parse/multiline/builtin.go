package multiline

import (
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
)

// javaException ends with the name of a class of exceptions: also JavaScript's and .NET's.
const javaException = `/(?:Exception|Error|Throwable|V8 errors stack trace)(?:[:\r\n]|$)/`

// builtInRules are the rules of the built-in parsers of type regex, by the formats in which each language's runtime prints
// its stack traces.
func builtInRules(name string) []rule3 {
	switch name {
	case "java": // java.lang.Throwable.printStackTrace, Logback's "common frames", V8's Error.stack, .NET's Exception.ToString
		return []rule3{
			{"start_state", javaException, "exception", "Exception|Error|Throwable|V8 errors stack trace"},
			{"exception", `/^[\t ]*nested exception is:[\t ]*/`, "exception", ""},
			{"exception", `/^[\t ]+\S*(?:Exception|Error|Throwable)(?:[:\r\n]|$)/`, "exception", ""},
			{"exception", `/^[\t ]*---> /`, "exception", ""},
			{"exception", `/^[\r\n]*$/`, "exception", ""},
			{"exception, frames", `/^[\t ]+(?:eval )?at /`, "frames", ""},
			{"exception, frames", `/^[\t ]+--- End of inner exception stack trace ---/`, "frames", ""},
			{"exception, frames", `/^[\t ]*--- End of stack trace from previous location/`, "frames", ""},
			{"exception, frames", `/^[\t ]*(?:Caused by|Suppressed):/`, "exception", ""},
			{"exception, frames", `/^[\t ]*\.\.\. \d+ (?:more|common frames omitted)/`, "frames", ""},
		}
	case "go": // runtime.printpanics, goroutineheader, traceback; net/http's "panic serving"
		return []rule3{
			{"start_state", `/\bpanic: /`, "panic", "panic: "},
			{"start_state", `/^fatal error: /`, "panic", "fatal error: "},
			{"start_state", `/http: panic serving/`, "goroutine", "http: panic serving"},
			{"panic", `/^\t?panic: /`, "panic", ""},
			{"panic", `/^\[signal /`, "signal", ""},
			{"panic, signal, frame", `/^\r?$/`, "goroutine", ""},
			{"goroutine", `/^goroutine \d+ [^:]*\[[^\]]+\]:\r?$/`, "frame", ""},
			{"frame", `/^(?:created by |\.\.\.)|^\S+\(.*\)\r?$/`, "place", ""},
			{"place", `/^\s+\S/`, "frame", ""},
			{"place", `/^goroutine \d+ /`, "frame", ""},
		}
	case "python": // traceback.print_exception
		return []rule3{
			{"start_state", `/Traceback \(most recent call last\):\s*$/`, "traceback", "Traceback (most recent call last):"},
			{"traceback, code", `/^[\t ]+File /`, "code", ""},
			{"traceback", `/^[\t ]+[~^]+\s*$/`, "traceback", ""},
			{"traceback", `/^[\t ]+\[Previous line repeated /`, "traceback", ""},
			{"code", `/[^\t ]/`, "traceback", ""},
			{"traceback", `/^(?:[^\s.():]+\.)*[^\s.():]+(?::|\s*$)/`, "start_state", ""},
		}
	case "ruby": // Exception#full_message
		return []rule3{
			{"start_state", `/^.+:\d+:in\s+/`, "from", ":in"},
			{"from", `/^\s+from\s+.*:\d+:in\s+/`, "from", ""},
		}
	}
	return nil
}

// builtIn makes a built-in parser: nil if there is none of that name.
func builtIn(name string) (*Parser, error) {
	p := &Parser{Name: name}
	switch name {
	case "docker": // the file of Docker's json-file driver: a line of the application ends with a newline
		p.kind, p.match = endsWith, []byte("\n")
		p.content, p.group = "log", "stream"
		return p, p.readBy(&parse.Options{Name: name, Format: "json", TimeKey: "time", TimeFormat: "%Y-%m-%dT%H:%M:%S.%L", TimeKeep: true})
	case "cri": // Kubernetes' container runtime interface: F is a whole line or the last part of one, P another part
		p.kind, p.match = equal, []byte("F")
		p.content, p.group, p.pattern = "log", "stream", "_p"
		return p, p.readBy(&parse.Options{
			Name: name, Format: "regex", Regex: `^(?<time>.+?) (?<stream>stdout|stderr) (?<_p>F|P) (?<log>.*)$`,
			TimeKey: "time", TimeFormat: "%Y-%m-%dT%H:%M:%S.%L%z", TimeKeep: true,
		})
	}
	rules := builtInRules(name)
	if rules == nil {
		return nil, nil
	}
	return p, p.compile(rules, nil, fmt.Errorf)
}

// readBy sets the parser that reads each line.
func (p *Parser) readBy(o *parse.Options) (err error) {
	p.parser, err = parse.New(o, config.FluentBit, parse.Env{})
	return err
}
