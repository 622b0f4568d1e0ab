package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string][2]Size{ // Fluent Bit, Fluentd
		"0": {0, 0}, "1024000": {1024000, 1024000}, "9223372036854775807": {1<<63 - 1, 1<<63 - 1},
		"512k": {512_000, 512 << 10}, "512K": {512_000, 512 << 10}, "10M": {10_000_000, 10 << 20}, "10MB": {10_000_000, 10 << 20},
		"1G": {1_000_000_000, 1 << 30}, "2t": {2_000_000_000_000, 2 << 40}, "1.5k": {1500, 1536},
		"1KiB": {1024, 1024}, "1Mi": {1 << 20, 1 << 20}, "10 m": {-2, -2}, "10b": {10, 10},
		"false": {Unlimited, Unlimited}, "Unlimited": {Unlimited, Unlimited},
		"": {-2, -2}, "k": {-2, -2}, "-1": {-2, -2}, "5X": {-2, -2}, "1kk": {-2, -2}, "1i": {-2, -2}, "nan": {-2, -2}, "1e30g": {-2, -2},
	} {
		for d, want := range map[Dialect]Size{FluentBit: want[0], Fluentd: want[1]} {
			got, err := parseSize(text, d)
			if err != nil {
				got = -2
			}
			if got != want {
				t.Errorf("%s %q: got %d, want %d (%v)", d, text, got, want, err)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5": 5 * time.Second, "0.5": 500 * time.Millisecond, "5s": 5 * time.Second, "10m": 10 * time.Minute, "1h": time.Hour,
		"2d": 48 * time.Hour, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "0": 0, "10M": 10 * time.Minute,
		"": -1, "5x": -1, "-5": -1, "-5s": -1, "soon": -1, "1e300": -1, "nan": -1, "99999999d": -1,
	} {
		got, err := parseDuration(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %v, want %v (%v)", text, got, want, err)
		}
	}
}

func TestBooleans(t *testing.T) {
	for _, c := range []struct {
		text        string
		bit, fluent string
	}{
		{"On", "true", "true"}, {"TRUE", "true", "true"}, {"yes", "true", "true"},
		{"off", "false", "false"}, {"False", "false", "false"}, {"no", "false", "false"},
		{"", "error", "true"}, {"# a comment", "error", "true"}, {"1", "error", "error"}, {"y", "error", "error"},
	} {
		for d, want := range map[Dialect]string{FluentBit: c.bit, Fluentd: c.fluent} {
			b, err := parseBool(c.text, d)
			got := map[bool]string{true: "true", false: "false"}[b]
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("%s %q: got %s, want %s", d, c.text, got, want)
			}
		}
	}
}

func TestLists(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "a,b": "a|b", " a , b ,": "a|b", "": "", `["a", "b c", 1]`: "a|b c|1", `["a"`: "error",
	} {
		list, err := parseList(text, Fluentd)
		got := strings.Join(list, "|")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	if list, _ := parseList(`["a"`, FluentBit); !slices.Equal(list, []string{`["a"`}) {
		t.Errorf("got %q, want the text as it is, as Fluent Bit's lists aren't JSON", list)
	}
}

func TestPairs(t *testing.T) {
	for _, c := range []struct {
		text   string
		quotes bool
		want   Pair
	}{
		{"log ^ERR", false, Pair{"log", "^ERR"}},
		{"log  health check", false, Pair{"log", "health check"}},
		{"log\ttab", false, Pair{"log", "tab"}},
		{"alone", false, Pair{"alone", ""}},
		{`log "quoted"`, false, Pair{"log", `"quoted"`}},
		{`log "quoted text"`, true, Pair{"log", `quoted text`}},
		{`"two words" "a \" b"`, true, Pair{"two words", `a " b`}},
		{`key "a" and "b"`, true, Pair{"key", `"a" and "b"`}},
		{`"open value`, true, Pair{`"open`, "value"}},
		{`key "`, true, Pair{"key", `"`}},
	} {
		if got := pairOf(c.text, c.quotes, false); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]Pair{"log  DEBUG": {"log", " DEBUG"}, " log x y": {"log", "x y"}, "alone": {"alone", ""}} {
		if got := pairOf(text, false, true); got != want {
			t.Errorf("%q, split at one blank: got %q, want %q", text, got, want)
		}
	}
}

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	names := []string{"host", "port", "logstash_prefix", "logstash_prefix_key", "logstash_format", "tls", "tls.verify"}
	for name, want := range map[string]string{
		"Logstash_Prefx": "logstash_prefix", "hots": "host", "prot": "port", "tsl": "tls", "tls.verfy": "tls.verify",
		"logstash_pre": "logstash_prefix", "zzz": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestRubyIsTheEnvironmentAndTheHostname(t *testing.T) {
	env := map[string]string{"X": "x", "EMPTY": "", "A B": "ab"}
	r := ruby{hostname: "h", lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for code, want := range map[string]string{
		`ENV['X']`: "x", ` ENV["X"] `: "x", `ENV[ 'X' ]`: "x", `ENV['A B']`: "ab", `ENV['NONE']`: "nil", `ENV['EMPTY']`: "",
		`ENV.fetch('X')`: "x", `ENV.fetch("X", "d")`: "x", `ENV.fetch('NONE', 'd')`: "d", `ENV.fetch('NONE', ENV['X'])`: "x",
		`ENV.fetch('NONE') { 'd' }`: "d", `ENV.fetch('X') { 'd' }`: "x", `ENV.fetch('NONE') do 'd' end`: "d",
		`ENV.fetch('NONE', nil)`: "nil", `ENV.fetch('NONE')`: "error", `ENV.fetch`: "error",
		`ENV['NONE'] || 'd'`: "d", `ENV['NONE'] || ENV['X'] || 'd'`: "x", `ENV['X'] || ENV.fetch('NONE')`: "x", `ENV['X']||`: "error",
		`ENV['NONE'] || use_default`: "out", `ENV['X'] || use_nil`: "x", `use_nil`: "out", `use_default`: "out",
		`hostname`: "h", `Socket.gethostname`: "h", `worker_id`: "0", `'text'`: "text", `"te\"xt"`: `te"xt`, `nil`: "nil",
		`ENV['X'].upcase`: "X", `ENV['X'] == 'x' ? 'yes' : 'no'`: "yes", `ENV['NONE'].to_s.empty? ? use_default : 'b'`: "out", `"a#{ENV['X']}"`: "ax",
		`ENV['A B'].split('').first`: "a", `1 + 1`: "2", `Time.now.to_i > 0`: "true", `ENV['NONE'].upcase`: "error", `record["x"]`: "error", `tag`: "error",
		`File.read('x')`: "error", "`id`": "error", ``: "error", `ENV['X`: "error", `"a#{b}"`: "error", `hostnames`: "error",
	} {
		v, err := r.eval(code)
		got := v.text
		switch {
		case err != nil:
			got = "error"
			if !strings.Contains(err.Error(), code) {
				t.Errorf("%s: got %v, want an error that quotes it", code, err)
			}
		case v.isNil:
			got = "nil"
		case v.leaveOut:
			got = "out"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", code, got, want)
		}
	}
}
