// Package statsd is Fluent Bit's input statsd: metrics of StatsD in datagrams, each a record.
package statsd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// Options are those of the input.
type Options struct {
	Tag     string `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Listen  string `fluentbit:"listen" default:"0.0.0.0" help:"address to listen on"`
	Host    string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port    int    `fluentbit:"port" default:"8125" help:"port to listen on"`
	Metrics bool   `fluentbit:"metrics" default:"off" ignored:"the events are records, as without it" help:"accepted, without effect"`
	input.CommonOptions
}

// Errors of a metric, and reasons for which it is refused.
var (
	errBucket = errors.New("no bucket name")
	errType   = errors.New("no metric type")
	errNumber = errors.New("value is not a number")
)

// New binds the socket and returns at once.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	conn, err := serve.ListenUDP(env, o.Listen, o.Port, 0)
	if err != nil {
		return nil, fmt.Errorf("statsd: %w", err)
	}
	t := &taker{log: env.Log, tag: []byte(cmp.Or(o.Tag, env.DefaultTag()))}
	return serve.NewPackets(conn, t.take, env)
}

// A taker takes datagrams.
type taker struct {
	log  zerolog.Logger
	tag  []byte
	body []byte
}

// take takes the metrics of a datagram, one a line. One that can't be read costs no other.
func (t *taker) take(recv input.Receiver, msg []byte, _ func() string) {
	at := time.Now()
	for line := range bytes.SplitSeq(msg, []byte("\n")) {
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			continue
		}
		body, err := appendMetric(t.body[:0], line)
		if err != nil {
			recv.Reject(1, err.Error())
			t.log.Warn().Err(err).Int("bytes", len(line)).Msg("a line is not a metric of StatsD, such as page.views:1|c: skipped")
			continue
		}
		t.body = body
		recv.Add(t.tag, record.Time{Sec: uint32(at.Unix()), Nsec: uint32(at.Nanosecond())}, body)
	}
}

// appendMetric appends the record of bucket:value|type|@sample_rate. Other parts, such as tags, are left out, and an unknown
// type is a counter, as in Fluent Bit.
func appendMetric(dst, line []byte) ([]byte, error) {
	bucket, rest, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return nil, errBucket
	}
	value, rest, ok := bytes.Cut(rest, []byte("|"))
	if !ok {
		return nil, errType
	}
	kind, rest, _ := bytes.Cut(rest, []byte("|"))
	name, rated := "counter", true
	switch {
	case bytes.HasPrefix(kind, []byte("g")):
		name, rated = "gauge", false
	case bytes.HasPrefix(kind, []byte("ms")):
		name = "timer"
	case bytes.HasPrefix(kind, []byte("s")):
		name, rated = "set", false
	}
	fields := 4
	if name == "set" {
		fields = 3
	}
	dst = record.AppendStr(record.AppendStr(record.AppendMapHeader(dst, fields), "type"), name)
	dst = record.AppendStrBytes(record.AppendStr(dst, "bucket"), bucket)
	dst = record.AppendStr(dst, "value")
	if name == "set" {
		return record.AppendStrBytes(dst, value), nil
	}
	n, ok := number(value)
	if !ok {
		return nil, errNumber
	}
	dst = record.AppendFloat(dst, n)
	if !rated {
		signed := int64(0)
		if len(value) > 0 && (value[0] == '+' || value[0] == '-') {
			signed = 1
		}
		return record.AppendInt(record.AppendStr(dst, "incremental"), signed), nil
	}
	return record.AppendFloat(record.AppendStr(dst, "sample_rate"), rate(rest)), nil
}

// rate reads the sample rate of the parts after the type; 1 if none is given.
func rate(parts []byte) float64 {
	for part := range bytes.SplitSeq(parts, []byte("|")) {
		if text, ok := bytes.CutPrefix(part, []byte("@")); ok {
			if n, ok := number(text); ok && n != 0 {
				return n
			}
		}
	}
	return 1
}

func number(text []byte) (float64, bool) {
	n, err := strconv.ParseFloat(string(text), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}
