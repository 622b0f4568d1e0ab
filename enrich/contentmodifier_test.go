package enrich

import (
	"errors"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// The results were observed with Fluent Bit 5.1.1.
func TestContentModifierChangesOneField(t *testing.T) {
	const in = `{"a":"x","n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`
	for _, c := range []struct {
		o    ContentModifierOptions
		want string
	}{
		{ContentModifierOptions{Action: "insert", Key: "a", Value: "y"}, in},
		{ContentModifierOptions{Action: "insert", Key: "$q", Value: "$a"}, `{"a":"x","n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null,"$q":"$a"}`},
		{ContentModifierOptions{Action: "upsert", Key: "n", Value: "y"}, `{"a":"x","f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null,"n":"y"}`},
		{ContentModifierOptions{Action: "delete", Key: "m"}, `{"a":"x","n":5,"f":1.5,"s":"12","b":true,"t":"true","z":null}`},
		{ContentModifierOptions{Action: "delete", Key: "nope"}, in},
		{ContentModifierOptions{Action: "rename", Key: "a", Value: "aa"}, `{"aa":"x","n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "rename", Key: "a", Value: "n"}, `{"n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "hash", Key: "a"}, `{"a":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "extract", Key: "s", Pattern: "^(?<n>.)(?<rest>.*)$"}, `{"a":"x","f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null,"n":"1","rest":"2"}`},
		{ContentModifierOptions{Action: "extract", Key: "n", Pattern: "(?<q>.)"}, in},
		{ContentModifierOptions{Action: "convert", Key: "n", Converted: "string"}, `{"a":"x","n":"5","f":1.5,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "convert", Key: "f", Converted: "int"}, `{"a":"x","n":5,"f":2,"s":"12","b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "convert", Key: "s", Converted: "double"}, `{"a":"x","n":5,"f":1.5,"s":12.0,"b":true,"m":{"i":1},"t":"true","z":null}`},
		{ContentModifierOptions{Action: "convert", Key: "t", Converted: "boolean"}, `{"a":"x","n":5,"f":1.5,"s":"12","b":true,"m":{"i":1},"t":true,"z":null}`},
		{ContentModifierOptions{Action: "convert", Key: "a", Converted: "int"}, in},
		{ContentModifierOptions{Action: "convert", Key: "z", Converted: "string"}, in},
	} {
		step, err := NewContentModifier(&c.o, config.FluentBit, testEnv())
		if err != nil {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		if got := apply(t, step, "app", in); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.o, got, c.want)
		}
	}
}

func TestContentModifierWantsWhatItsActionNeeds(t *testing.T) {
	for option, o := range map[string]ContentModifierOptions{
		"value": {Action: "insert", Key: "a"}, "pattern": {Action: "extract", Key: "a", Pattern: "("}, "converted_type": {Action: "convert", Key: "a"},
	} {
		if wrong := (*config.OptionError)(nil); !errors.As(o.Check(config.FluentBit), &wrong) || wrong.Option != option {
			t.Errorf("%+v: got %v, want an error in %s", o, wrong, option)
		}
	}
}

// What holds was observed with Fluent Bit 5.1.1, except for a float: it is 1.500000 there.
func TestAConditionComparesTexts(t *testing.T) {
	ev := record.Event{Tag: "app", Body: body(t, `{"level":"error","n":1,"f":1.5,"s":"1","b":true,"z":null,"m":{"x":1},"list":["a","b"]}`)}
	for _, c := range []struct {
		rule config.Rule
		want bool
	}{
		{config.Rule{Field: "$level", Op: "eq", Values: []string{"error"}}, true},
		{config.Rule{Field: "$f", Op: "eq", Values: []string{"1.5"}}, true},
		{config.Rule{Field: "$b", Op: "eq", Values: []string{"true"}}, true},
		{config.Rule{Field: "$z", Op: "neq", Values: []string{"q"}}, true},
		{config.Rule{Field: "$missing", Op: "neq", Values: []string{"q"}}, true},
		{config.Rule{Field: "$missing", Op: "not_regex", Values: []string{"q"}}, true},
		{config.Rule{Field: "$missing", Op: "lt", Values: []string{"5"}}, true},
		{config.Rule{Field: "$missing", Op: "gte", Values: []string{"0"}}, true},
		{config.Rule{Field: "$missing", Op: "not_in", Values: []string{"q"}}, true},
		{config.Rule{Field: "$level", Op: "lt", Values: []string{"5"}}, true},
		{config.Rule{Field: "$n", Op: "eq", Values: []string{"1"}}, true},
		{config.Rule{Field: "$n", Op: "in", Values: []string{"2", "1"}}, true},
		{config.Rule{Field: "level", Op: "eq", Values: []string{"error"}}, false},
		{config.Rule{Field: "level", Op: "eq", Values: []string{"level"}}, true},
		{config.Rule{Field: "x-$level", Op: "eq", Values: []string{"x-error"}}, true},
		{config.Rule{Field: "$s", Op: "gt", Values: []string{"0"}}, true},
		{config.Rule{Field: "$level", Op: "regex", Values: []string{"/^ERR/i"}}, true},
		{config.Rule{Field: "$level", Op: "regex", Values: []string{"^ERR"}}, false},
		{config.Rule{Field: "$list[1]", Op: "eq", Values: []string{"b"}}, true},
		{config.Rule{Field: "$m['x']", Op: "lte", Values: []string{"1"}}, true},
	} {
		f, err := NewSelection(&config.Condition{Rules: []config.Rule{c.rule}}, config.FluentBit, testEnv())
		if err != nil {
			t.Error(err)
			continue
		}
		if got := f.Apply(&ev, &Scratch{}); got != c.want {
			t.Errorf("%+v: got %t, want %t", c.rule, got, c.want)
		}
	}
	yes, no := config.Condition{}, config.Condition{Not: true}
	for _, c := range []struct {
		c    config.Condition
		want bool
	}{
		{yes, true}, {no, false}, {config.Condition{Any: true}, false}, {config.Condition{Any: true, Not: true}, true},
		{config.Condition{Of: []config.Condition{yes, no}}, false}, {config.Condition{Any: true, Of: []config.Condition{no, yes}}, true},
		{config.Condition{Any: true, Of: []config.Condition{no, no}}, false}, {config.Condition{Of: []config.Condition{yes, yes}}, true},
	} {
		f, _ := NewSelection(&c.c, config.FluentBit, testEnv())
		if got := f.Apply(&ev, &Scratch{}); got != c.want {
			t.Errorf("%+v: got %t, want %t", c.c, got, c.want)
		}
	}
}

func TestANumberIsWhatATextBeginsWith(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "x": 0, "5": 5, "-5.5x": -5.5, "1e3": 1000, "1e": 1, "1e+x": 1, ".5": 0.5, "+7": 7, "-": 0, "..": 0, "1.2.3": 1.2, "0x10": 0,
	} {
		if got := leadingNumber([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
