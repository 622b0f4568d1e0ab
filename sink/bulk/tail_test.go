package bulk

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// split makes the members of r's body from number n on its tail. ok is false where a key would then be in both.
func split(r *sink.Record, n int) (tailed *sink.Record, ok bool) {
	var parts [2][]byte
	var counts [2]int
	keys := map[string]bool{}
	for f := record.FieldsOf(r.Body); f.Next(); {
		p := min((counts[0]+counts[1])/max(n, 1), 1)
		if n == 0 {
			p = 1
		}
		if p == 0 {
			keys[string(f.Key())] = true
		} else if keys[string(f.Key())] {
			return nil, false
		}
		parts[p] = append(append(parts[p], f.RawKey()...), f.Value()...)
		counts[p]++
	}
	t := *r
	t.Body = append(record.AppendMapHeader(nil, counts[0]), parts[0]...)
	t.Tail = append(record.AppendMapHeader(nil, counts[1]), parts[1]...)
	return &t, true
}

// sameWithTail fails unless r is encoded as the same item wherever its body ends and its tail begins.
func sameWithTail(t testing.TB, d *Destination, r *sink.Record, want string) {
	t.Helper()
	n, _, _ := record.MapHeader(r.Body)
	for i := range n + 1 {
		tailed, ok := split(r, i)
		if !ok {
			continue
		}
		if got, err := d.Append(nil, tailed); err != nil || string(got) != want {
			t.Errorf("body %x, tail %x: %v\ngot  %s\nwant %s", tailed.Body, tailed.Tail, err, got, want)
		}
	}
}

// shareKey says whether a and b have a text key in common, which a body and its tail never have.
func shareKey(a, b []byte) bool {
	for f := record.FieldsOf(a); f.Next(); {
		if _, ok := record.Find(b, string(f.Key())); ok && f.Key() != nil {
			return true
		}
	}
	return false
}

func TestTailIsTakenOnlyWhereTheDocumentIsTheSame(t *testing.T) {
	ecs := object("ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123", "ecs_task_definition", "web:7")
	key := func(key string, v any) []byte { return object("a", 1, key, v, "z", "z") }
	for _, c := range []struct {
		name    string
		dialect config.Dialect
		set     func(*Options)
		tail    []byte
		want    bool
	}{
		{"the fields of ECS", config.FluentBit, nil, ecs, true},
		{"the fields of ECS, Fluentd", config.Fluentd, func(o *Options) { o.Logstash, o.IncludeTag = true, true }, ecs, true},
		{"values of every type", config.FluentBit, nil, object("a", 1.5, "_b2", nil, "C", object("a.b", true), "d", []byte{0x91, 0x07}), true},
		{"a date that isn't the document's", config.FluentBit, nil, key("timestamp", "2020-01-01"), true},
		{"upsert", config.FluentBit, func(o *Options) { o.WriteOp, o.IDKey = ptr("upsert"), "k" }, ecs, true},

		{"nothing", config.FluentBit, nil, object(), false},
		{"@timestamp", config.FluentBit, nil, key("@timestamp", "2020-01-01"), false},
		{"time_key", config.FluentBit, func(o *Options) { o.TimeKey = ptr("ts") }, key("ts", "2020-01-01"), false},
		{"Fluentd's time_key", config.Fluentd, func(o *Options) { o.TimeKey = ptr("when") }, key("when", "2020-01-01"), false},
		{"id_key", config.FluentBit, func(o *Options) { o.IDKey = "k" }, key("k", "x"), true},
		{"id_key, nested", config.FluentBit, func(o *Options) { o.IDKey = "$k['sub']" }, key("k", object("sub", "x")), true},
		{"routing_key", config.Fluentd, func(o *Options) { o.RoutingKey = "k" }, key("k", "x"), true},
		{"target_index_key", config.Fluentd, func(o *Options) { o.TargetIndex = "k" }, key("k", "x"), false},
		{"target_index_key, nested", config.Fluentd, func(o *Options) { o.TargetIndex = "k.sub" }, key("k", object("sub", "x")), true},
		{"index", config.FluentBit, func(o *Options) { o.Index = "x-$k" }, key("k", "x"), true},
		{"logstash_prefix", config.Fluentd, func(o *Options) { o.Logstash, o.LogstashPrefix = true, "x-${k}" }, key("k", "x"), true},
		{"logstash_prefix_key", config.FluentBit, func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "k" }, key("k", "x"), true},
		{"tag_key", config.FluentBit, func(o *Options) { o.IncludeTag, o.TagKey = true, "tag" }, key("tag", "own"), false},
		{"remove_keys", config.Fluentd, func(o *Options) { o.RemoveKeys = "k, z" }, ecs, true},
		{"remove_keys of the tail", config.Fluentd, func(o *Options) { o.RemoveKeys = "k, z" }, key("x", 1), false},
		{"generate_id", config.FluentBit, func(o *Options) { o.GenerateID = true }, ecs, false},
		{"replace_dots", config.FluentBit, func(o *Options) { o.ReplaceDots = true }, ecs, false},
		{"flatten_hashes", config.Fluentd, func(o *Options) { o.Flatten = true }, ecs, false},
		{"a key that a number is written as", config.FluentBit, nil, key("7", 1), false},
		{"a key that true is written as", config.FluentBit, nil, key("true", 1), false},
		{"a key that false is written as", config.FluentBit, nil, key("false", 1), false},
		{"a key that nil is written as", config.FluentBit, nil, key("null", 1), false},
		{"a key with a dot", config.FluentBit, nil, key("a.b", 1), false},
		{"a key beyond ASCII", config.FluentBit, nil, key("größe", 1), false},
		{"a key with nothing in it", config.FluentBit, nil, key("", 1), false},
		{"a key that is no text", config.FluentBit, nil, []byte{0x81, 0xc0, 0x01}, false},
		{"a key twice", config.FluentBit, nil, object("a", 1, "a", 2), true},
	} {
		o := fluentBit(c.set)
		if c.dialect == config.Fluentd {
			o = fluentd(c.set)
		}
		d := newDestination(t, o, c.dialect)
		if written, got := d.encoder.appendTail([]byte("so far"), c.tail); got != c.want || got == (string(written) == "so far") {
			t.Errorf("%s: got it taken: %t, want %t; written: %s", c.name, got, c.want, written)
		}
		for _, body := range [][]byte{
			object(), object("log", "x", "k", "own", "more", object("z.z", 1)), object("@timestamp", "2020-02-02T02:02:02Z"), object("@timestamp", "no date"),
			{0x84, 0x07, 0x01, 0xc3, 0x02, 0xc2, 0x03, 0xc0, 0x04}, // 7, true, false and nil as keys
		} {
			whole := event(0, bytes.Clone(body))
			whole.Tail = c.tail
			if shareKey(body, c.tail) {
				continue
			}
			tailed := *whole
			whole.Whole()
			want, wantErr := d.Append(nil, whole)
			got, err := d.Append(nil, &tailed)
			if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: got %s, %v\nwant %s, %v", c.name, got, err, want, wantErr)
			}
		}
	}
}

// FuzzTail puts arbitrary bodies before arbitrary tails: the document is that of the whole.
func FuzzTail(f *testing.F) {
	f.Add(line(), object("ecs_cluster", "demo", "a", object("b.c", "d")), uint8(0))
	f.Add(object("@timestamp", "2020-02-02T02:02:02Z", "log", "x"), object("env", "a"), uint8(1))
	f.Add([]byte{0x84, 0x07, 0x01, 0xc3, 0x02, 0xc2, 0x03, 0xc0, 0x04}, object("null", 1, "7", 2), uint8(2))
	f.Add([]byte{0x81, 0x81, 0x01, 0x01, 0x02}, object("msgpack:810101", 1), uint8(3))
	f.Add([]byte{0x81, 0xd4, 0x05, 0x06, 0x02}, object("ext(5):06", 1), uint8(4))
	sets := []func(*Options){
		nil,
		func(o *Options) { o.IncludeTag, o.TagKey = true, "env" },
		func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "env" },
		func(o *Options) { o.WriteOp, o.IDKey = ptr("upsert"), "log" },
		func(o *Options) { o.RemoveKeys, o.RoutingKey = "a, log", "env" },
	}
	f.Fuzz(func(t *testing.T, body, tail []byte, set uint8) {
		keys := map[string]bool{}
		for i, m := range [][]byte{body, tail} {
			if n, err := record.Check(m); err != nil || n != len(m) || record.KindOf(m[0]) != record.KindMap {
				return
			}
			for f := record.FieldsOf(m); f.Next(); {
				if key := string(f.Key()); i == 0 && f.Key() != nil {
					keys[key] = true
				} else if i == 1 && keys[key] {
					return
				}
			}
		}
		d := newDestination(t, fluentBit(sets[int(set)%len(sets)]), config.FluentBit)
		tailed := event(0, body)
		tailed.Tail = tail
		whole := *tailed
		whole.Whole()
		want, wantErr := d.Append(nil, &whole)
		got, err := d.Append(nil, tailed)
		if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("body %x, tail %x: got %s, %v\nwant %s, %v", body, tail, got, err, want, wantErr)
		}
	})
}
