package bulk

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fluentBit is the options of a section that sets nothing but what set does.
func fluentBit(set func(*Options)) *Options {
	o := &Options{Host: "127.0.0.1", Port: 9200, Index: "fluent-bit", LogstashPrefix: "logstash", LogstashSeparator: "-",
		LogstashDateFormat: "%Y.%m.%d", TagKey: "flb-key", FlattenSeparator: "_", TimePrecision: 9, Scheme: "http", CompressionLevel: "no_compression"}
	o.AWSService = "es"
	o.Verify, o.Keepalive = true, true
	if set != nil {
		set(o)
	}
	return o
}

// fluentd is the same in the other dialect.
func fluentd(set func(*Options)) *Options {
	o := fluentBit(nil)
	o.Index, o.TagKey = "fluentd", "tag"
	if set != nil {
		set(o)
	}
	return o
}

func ptr[T any](v T) *T { return &v }

// object is a MessagePack map of keys and values in turn.
func object(kv ...any) []byte {
	b := record.AppendMapHeader(nil, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		b = record.AppendStr(b, kv[i].(string))
		switch v := kv[i+1].(type) {
		case string:
			b = record.AppendStr(b, v)
		case int:
			b = record.AppendInt(b, int64(v))
		case float64:
			b = record.AppendFloat(b, v)
		case bool:
			b = record.AppendBool(b, v)
		case []byte: // MessagePack
			b = append(b, v...)
		case nil:
			b = record.AppendNil(b)
		default:
			panic(fmt.Sprintf("object: %T", v))
		}
	}
	return b
}

// at is 2026-11-23T10:22:55.123456789Z.
var at = record.Time{Sec: 1795429375, Nsec: 123456789}

const tag = "app-firelens-0123456789abcdef"

// event is a record with the identity that ends in n.
func event(n uint64, body []byte) *sink.Record {
	return &sink.Record{Event: record.Event{Tag: tag, Time: at, Body: body}, ID: record.ID{Pos: n}}
}

func newDestination(t testing.TB, o *Options, d config.Dialect) *Destination {
	t.Helper()
	if err := o.Check(d); err != nil {
		t.Fatalf("options: %v", err)
	}
	dest, err := newBulk(o, d, sink.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

// item is what d makes of one record, whether or not some of its members are its tail.
func item(t testing.TB, d *Destination, r *sink.Record) string {
	t.Helper()
	b, err := d.Append(nil, r)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	sameWithTail(t, d, r, string(b))
	return string(b)
}

// request encodes records 0 to n-1, {"n": i}.
func request(t testing.TB, d *Destination, n int) *sink.Request {
	t.Helper()
	req := &sink.Request{}
	for i := range n {
		var err error
		if req.Body, err = d.Append(req.Body, event(uint64(i), object("n", i, "log", "line "+strconv.Itoa(i)))); err != nil {
			t.Fatalf("Append: %v", err)
		}
		req.Ends = append(req.Ends, len(req.Body))
	}
	return req
}

// cluster is a fake server and a destination of it.
func cluster(t testing.TB, so bulktest.Options, o *Options) (*bulktest.Server, *Destination) {
	t.Helper()
	s := bulktest.New(so)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	pointTo(t, o, h.URL)
	return s, newDestination(t, o, config.FluentBit)
}

func pointTo(t testing.TB, o *Options, base string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	o.Host = u.Hostname()
	o.Port, _ = strconv.Atoi(u.Port())
}

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = time.Minute

// send is Send with a limit.
func send(t testing.TB, d *Destination, req *sink.Request) sink.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return d.Send(ctx, req)
}

// verdicts are those of all items of a reply.
func verdicts(r *sink.Reply, n int) []sink.Verdict {
	v := make([]sink.Verdict, n)
	for i := range v {
		v[i] = r.Verdict
	}
	for _, it := range r.Items {
		v[it.Index] = it.Verdict
	}
	return v
}

// writeCA writes a certificate as a PEM file.
func writeCA(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
