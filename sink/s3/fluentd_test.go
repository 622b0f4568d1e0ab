package s3

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/gather/gathertest"
	"github.com/firelane/firelane/sink/sinktest"
)

// fluentdOptions binds options as the router does.
func fluentdOptions(server string, change func(o *FluentdOptions)) *FluentdOptions {
	o := &FluentdOptions{
		Bucket: "logs", S3Region: "eu-west-1", S3Endpoint: server, Path: "logs/${tag}/", KeyFormat: "%{path}%{time_slice}_%{index}.%{file_extension}",
		IndexFormat: "%d", HexLength: 4, StoreAs: "gzip",
	}
	o.Keepalive = true
	if change != nil {
		change(o)
	}
	return o
}

func newFluentdStore(t *testing.T, o *FluentdOptions) gather.Store {
	t.Helper()
	if err := o.Check(config.Fluentd); err != nil {
		t.Fatal(err)
	}
	s, err := NewFluentd(o, config.Fluentd, sink.Env{Hostname: "host", Common: &sink.Common{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFluentdNames(t *testing.T) {
	r := sinktest.Record("app.web", 7, "env", "prod")
	utc := true
	hour := &sink.BufferOptions{Keys: "tag,time", Timekey: "1h", TimekeyUseUTC: &utc}
	for want, change := range map[string]func(o *FluentdOptions){
		`logs/app.web/20231114_0-\w{8}\.gz`:   func(o *FluentdOptions) { o.UTC = true },
		`logs/app.web/2023111422_0-\w{8}\.gz`: func(o *FluentdOptions) { o.Buffer = hour },
		`2023/prod/web/22:13-0000-\w{8}\.json`: func(o *FluentdOptions) {
			o.Path, o.TimeSliceFormat, o.KeyFormat = "%Y/${$.env}/${tag[1]}/", "%H:%M", "%{path}%{time_slice}-%{index}.%{file_extension}"
			o.IndexFormat, o.StoreAs, o.UTC = "%04d", "json", true
		},
		`host/\w{8}/[0-9a-f]{4}\.zst`: func(o *FluentdOptions) {
			o.KeyFormat, o.StoreAs = "%{hostname}/%{uuid_flush}/%{hex_random}.%{file_extension}", "zstd"
		},
	} {
		s := newFluentdStore(t, fluentdOptions("", change))
		name := s.Create(r, gather.Start{}).Name()
		if again := s.Create(r, gather.Start{}).Name(); !regexp.MustCompile("^"+want+"$").MatchString(name) || again != name {
			t.Errorf("got %s, and then %s; want %s", name, again, want)
		}
	}
}

func TestFluentdBufferSaysWhenObjectsAreFinished(t *testing.T) {
	flush := 5 * time.Second
	for _, tt := range []struct {
		buffer *sink.BufferOptions
		want   gather.Limits
	}{
		{nil, gather.Limits{Slice: 24 * time.Hour, SliceWait: 10 * time.Minute}},
		{&sink.BufferOptions{Keys: "tag,time", Timekey: "3600", TimekeyWait: "1m"}, gather.Limits{Slice: time.Hour, SliceWait: time.Minute}},
		{&sink.BufferOptions{Keys: "tag"}, gather.Limits{MaxAge: time.Minute}},
		{&sink.BufferOptions{Keys: "tag", FlushInterval: &flush}, gather.Limits{MaxAge: 5 * time.Second}},
	} {
		l := newFluentdStore(t, fluentdOptions("", func(o *FluentdOptions) { o.Buffer = tt.buffer })).Limits()
		if l.Slice != tt.want.Slice || l.SliceWait != tt.want.SliceWait || tt.want.Slice == 0 && l.MaxAge != tt.want.MaxAge {
			t.Errorf("%+v: got %+v, want %+v", tt.buffer, l, tt.want)
		}
	}
	if l := newFluentdStore(t, fluentdOptions("", func(o *FluentdOptions) { o.Buffer = &sink.BufferOptions{ChunkLimitSize: 20 << 20} })).Limits(); l.ObjectBytes != 20<<20 {
		t.Errorf("got %d bytes, want chunk_limit_size", l.ObjectBytes)
	}
}

func TestFluentdContract(t *testing.T) {
	server := newServer(t)
	change := func(o *FluentdOptions) { o.Format = &format.Options{Type: "json"} }
	gathertest.Run(t, gathertest.Case{
		New: func(t *testing.T) gather.Store {
			s, err := NewFluentd(fluentdOptions(server.URL, change), config.Fluentd, sink.Env{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Stored: func(t *testing.T, name string) ([]byte, bool) {
			o, ok := server.Objects()[name]
			if !ok {
				return nil, false
			}
			return unpack(t, "gzip", o.Body), true
		},
		Unfinished: func(*testing.T) int { return len(server.Unfinished()) },
		Broken: func(t *testing.T) gather.Store {
			s, err := NewFluentd(fluentdOptions("http://127.0.0.1:1", change), config.Fluentd, sink.Env{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}

func TestWrongFluentdOptionsAreToldInOneLine(t *testing.T) {
	for want, change := range map[string]func(o *FluentdOptions){
		"s3_object_key_format": func(o *FluentdOptions) { o.KeyFormat = "%{path}%{time_slice}.gz" },
		"index_format":         func(o *FluentdOptions) { o.IndexFormat = "%s" },
		"hex_random_length":    func(o *FluentdOptions) { o.HexLength = 0 },
		"path":                 func(o *FluentdOptions) { o.Path = "${" },
		"time_slice_format":    func(o *FluentdOptions) { o.TimeSliceFormat = "%" },
		"timekey":              func(o *FluentdOptions) { o.Buffer = &sink.BufferOptions{Timekey: "an hour"} },
		"s3_endpoint":          func(o *FluentdOptions) { o.S3Endpoint = "ftp://x" },
		"aws_key_id":           func(o *FluentdOptions) { o.AccessKeyID = "AKID" },
		"ssekms_key_id":        func(o *FluentdOptions) { o.KMSKey = "key" },
	} {
		var wrong *config.OptionError
		if err := fluentdOptions("", change).Check(config.Fluentd); !errors.As(err, &wrong) || wrong.Option != want {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}
