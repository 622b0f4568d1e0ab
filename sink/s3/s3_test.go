package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	oracle "github.com/parquet-go/parquet-go"
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/gather/gathertest"
	"github.com/firelane/firelane/sink/s3/s3test"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// newServer starts a fake S3 with the bucket logs, and sets credentials for it.
func newServer(t *testing.T) *s3test.Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s := s3test.New("logs")
	t.Cleanup(s.Close)
	return s
}

// options binds options as the router does: change sets those that differ from the defaults.
func options(server string, change func(o *Options)) *Options {
	o := &Options{
		Bucket: "logs", KeyFormat: "/logs/$TAG/%Y/%m/%d/$UUID", TagDelimiters: ".", TotalFileSize: 100_000_000, ChunkSize: minPart,
		UploadTimeout: 10 * time.Minute, Compression: "none", JSONDateKey: "date", JSONDateFormat: "iso8601",
	}
	o.Endpoint, o.Region, o.Keepalive = server, "eu-west-1", true
	if change != nil {
		change(o)
	}
	return o
}

func newTestStore(t *testing.T, o *Options) gather.Store {
	t.Helper()
	if err := o.Check(config.FluentBit); err != nil {
		t.Fatal(err)
	}
	s, err := New(o, config.FluentBit, sink.Env{Log: zerolog.Nop(), Common: &sink.Common{}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unpack decompresses an object.
func unpack(t *testing.T, compression string, body []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch compression {
	case "parquet":
		return unpackParquet(t, body)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r); err == nil {
			defer z.Close()
			r = z
		}
	case "snappy":
		r = snappy.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// unpackParquet returns the JSON lines that a file of text columns was made of.
func unpackParquet(t *testing.T, body []byte) (lines []byte) {
	t.Helper()
	f, err := oracle.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	r := oracle.NewReader(f)
	defer r.Close()
	columns := f.Schema().Columns()
	rows := make([]oracle.Row, 1)
	for range f.NumRows() {
		if n, err := r.ReadRows(rows); n != 1 {
			t.Fatal(err)
		}
		for i, v := range rows[0] {
			lines = append(lines, "{,"[min(i, 1)])
			lines = append(record.AppendJSONString(lines, []byte(columns[v.Column()][0])), ':')
			lines = record.AppendJSONString(lines, v.ByteArray())
		}
		lines = append(lines, "}\n"...)
	}
	return lines
}

func TestContract(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"in parts":   nil,
		"gzip":       func(o *Options) { o.Compression = "gzip" },
		"put object": func(o *Options) { o.UsePutObject, o.TotalFileSize = true, 1_000_000 },
		"parquet":    func(o *Options) { o.Format, o.Compression = "parquet", "snappy" },
		"put object, parquet": func(o *Options) {
			o.Format, o.Compression, o.UsePutObject, o.TotalFileSize = "parquet", "zstd", true, 1_000_000
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			var compression string
			gathertest.Run(t, gathertest.Case{
				New: func(t *testing.T) gather.Store {
					o := options(server.URL, change)
					if compression = o.Compression; o.Format == "parquet" {
						compression = "parquet"
					}
					return newTestStore(t, o)
				},
				Stored: func(t *testing.T, name string) ([]byte, bool) {
					o, ok := server.Objects()[name]
					if !ok {
						return nil, false
					}
					return unpack(t, compression, o.Body), true
				},
				Unfinished: func(*testing.T) int { return len(server.Unfinished()) },
				Broken: func(t *testing.T) gather.Store {
					broken := newServer(t)
					broken.Fail = func(string, string) s3test.Fault { return s3test.Fault{Hang: true} }
					return newTestStore(t, options(broken.URL, change))
				},
			})
		})
	}
}

// Each part is compressed by itself, and the object can be read as one stream.
func TestCompressedPartsAreOneStream(t *testing.T) {
	for _, compression := range []string{"gzip", "zstd", "snappy"} {
		t.Run(compression, func(t *testing.T) {
			server := newServer(t)
			s := newTestStore(t, options(server.URL, func(o *Options) { o.Compression = compression }))
			defer s.Close()
			o := s.Create(gathertest.Record(1), gather.Start{Note: func(string, string) error { return nil }})
			want, saved := noise(minPart*5/4), 0
			write := func() {
				for at := saved; at < len(want); at += 100_000 {
					end := min(at+100_000, len(want))
					if r := o.Write(t.Context(), want[at:end]); r.Verdict != sink.Done {
						t.Fatalf("%+v", r)
					}
					if o.Saved() {
						saved = end
					}
				}
			}
			write()
			o.Rewind()
			write()
			if r := o.Finish(t.Context()); r.Verdict != sink.Done {
				t.Fatalf("%+v", r)
			}
			if got := unpack(t, compression, server.Objects()[o.Name()].Body); !bytes.Equal(got, want) || server.Ops("UploadPart") != 2 {
				t.Errorf("got %d bytes in %d parts, want the %d that were written in 2", len(got), server.Ops("UploadPart"), len(want))
			}
		})
	}
}

func TestNames(t *testing.T) {
	r := sinktest.Record("app.web-firelens-0f1", 7)
	r.ID = record.ID{Queue: [10]byte{1, 2, 3}, Pos: 7}
	uuid := `[0-9A-Za-z]{8}`
	for _, tt := range []struct{ format, delimiters, want string }{
		{"/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S", ".", `fluent-bit-logs/app\.web-firelens-0f1/2023/11/14/22/13/20-object` + uuid},
		{"/$TAG[0]/$TAG[1]/$UUID.gz", ".", `app/web-firelens-0f1/` + uuid + `\.gz`},
		{"/$TAG[1]/$TAG[2]/$TAG[3]/$INDEX", ".-", `web/firelens/0f1/42`},
		{"/$TAG[9]/$INDEX", ".", `\$TAG\[9\]/42`},
		{"//a/$TAG[x]$INDEX%%", ".", `a/app\.web-firelens-0f1\[x\]42%`},
		{"/$TAGS/$UNKNOWN/$INDEX", ".", `app\.web-firelens-0f1S/\$UNKNOWN/42`},
	} {
		o := options("http://127.0.0.1:1", func(o *Options) { o.KeyFormat, o.TagDelimiters = tt.format, tt.delimiters })
		s, err := o.settings()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.key.name(r, 42); !regexp.MustCompile("^" + tt.want + "$").MatchString(got) {
			t.Errorf("%s: got %s, want %s", tt.format, got, tt.want)
		}
	}
}

// A name is one that S3 takes, whatever the tag is.
func TestNamesAreValid(t *testing.T) {
	s, err := options("", func(o *Options) { o.KeyFormat = "/$TAG/$TAG/$TAG/$TAG/$TAG" }).settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"", "\xff\xfe", strings.Repeat("é", 127), strings.Repeat("x", 255), "%s%Y", "/"} {
		names := make(map[string]bool)
		for pos := range uint64(3) {
			name := s.key.name(sinktest.Record(tag, pos), 0)
			if name == "" || len(name) > maxName || strings.ToValidUTF8(name, "?") != name || strings.HasPrefix(name, "/") || names[name] {
				t.Errorf("tag %q: got %q", tag, name)
			}
			names[name] = true
		}
	}
}

// Fluent Bit's $UUID is random; this one is the same when an object is begun again.
func TestUUIDFollowsFromTheRecord(t *testing.T) {
	a, b := record.ID{Pos: 1}, record.ID{Pos: 2}
	if same := a; uuidOf(a) != uuidOf(same) || uuidOf(a) == uuidOf(b) {
		t.Errorf("got %s, %s and %s", uuidOf(a), uuidOf(a), uuidOf(b))
	}
}

func TestRecordsAreLinesOfJSON(t *testing.T) {
	r := sinktest.Record("app", 1, "log", "hello")
	for want, change := range map[string]func(o *Options){
		`{"date":"2023-11-14T22:13:20.123456Z","log":"hello"}` + "\n": nil,
		`{"log":"hello"}` + "\n":                func(o *Options) { o.JSONDateKey = "false" },
		`{"t":1700000000,"log":"hello"}` + "\n": func(o *Options) { o.JSONDateKey, o.JSONDateFormat = "t", "epoch" },
		"hello\n":                               func(o *Options) { o.LogKey = "log" },
	} {
		s := newTestStore(t, options("http://127.0.0.1:1", change))
		if got, err := s.Append(nil, r); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		s.Close()
	}
	s := newTestStore(t, options("http://127.0.0.1:1", func(o *Options) { o.LogKey = "message" }))
	defer s.Close()
	if _, err := s.Append(nil, r); !errors.Is(err, errNoField) {
		t.Errorf("got %v, want %v", err, errNoField)
	}
}

func TestHeadersAreThoseOfTheOptions(t *testing.T) {
	server := newServer(t)
	want := map[string]string{
		"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Server-Side-Encryption": "aws:kms",
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key", "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip",
	}
	for _, size := range []int{10, minPart + 1} {
		s := newTestStore(t, options(server.URL, func(o *Options) {
			o.CannedACL, o.StorageClass, o.SSE, o.SSEKeyID = want["X-Amz-Acl"], want["X-Amz-Storage-Class"], "aws:kms", "key"
			o.ContentType, o.Compression, o.SendMD5 = want["Content-Type"], "gzip", true
		}))
		o := s.Create(gathertest.Record(uint64(size)), gather.Start{Note: func(string, string) error { return nil }})
		random := noise(size)
		if r := o.Write(t.Context(), random); r.Verdict != sink.Done {
			t.Fatalf("%+v", r)
		}
		if r := o.Finish(t.Context()); r.Verdict != sink.Done {
			t.Fatalf("%+v", r)
		}
		if server.MD5s() == 0 {
			t.Error("got no Content-MD5")
		}
		stored := server.Objects()[o.Name()]
		for name, value := range want {
			if got := stored.Header.Get(name); got != value {
				t.Errorf("%d bytes: got %s %q, want %q", size, name, got, value)
			}
		}
		s.Close()
	}
	if server.Ops("PutObject") != 1 || server.Ops("CompleteMultipartUpload") != 1 {
		t.Errorf("got %d PutObject and %d multipart uploads, want one each", server.Ops("PutObject"), server.Ops("CompleteMultipartUpload"))
	}
}

// noise doesn't compress.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(1)
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

// Parts of a Parquet file are row groups; what ends the file is in the last part, or is one.
func TestPartsOfParquetAreOneFile(t *testing.T) {
	for name, lines := range map[string]int{"the end is a part of its own": 900, "the end is in the last part": 1000} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			s := newTestStore(t, options(server.URL, func(o *Options) { o.Format, o.Compression = "parquet", "snappy" }))
			defer s.Close()
			o := s.Create(gathertest.Record(1), gather.Start{Note: func(string, string) error { return nil }})
			var want []byte
			saved := 0
			write := func(to int) {
				for ; saved < to || !o.Saved() && name[11] == 'a'; saved++ {
					line, err := s.Append(nil, gathertest.Record(uint64(saved)))
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, line...)
					if r := o.Write(t.Context(), line); r.Verdict != sink.Done {
						t.Fatalf("%+v", r)
					}
				}
			}
			write(lines)
			if r := o.Finish(t.Context()); r.Verdict != sink.Done {
				t.Fatalf("%+v", r)
			}
			if got := unpackParquet(t, server.Objects()[o.Name()].Body); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes in %d parts, want the %d that were written", len(got), server.Ops("UploadPart"), len(want))
			}
			if n := server.Ops("UploadPart"); n < 2 {
				t.Errorf("got %d parts, want several", n)
			}
		})
	}
}

// Verdicts: every answer of S3 is one of the loop's, with what a person should do.
func TestVerdicts(t *testing.T) {
	for name, tt := range map[string]struct {
		fault s3test.Fault
		cause sink.Cause
		text  string
		gone  bool
		says  string
	}{
		"SlowDown":       {fault: s3test.Fault{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {"7"}}}, cause: sink.Throttled, text: "SlowDown"},
		"InternalError":  {fault: s3test.Fault{Status: 500, Code: "InternalError"}, cause: sink.Answered, text: "InternalError"},
		"AccessDenied":   {fault: s3test.Fault{Status: 403, Code: "AccessDenied"}, cause: sink.Unauthorised, text: "s3:PutObject", says: "denied access (403 AccessDenied), bucket logs"},
		"ExpiredToken":   {fault: s3test.Fault{Status: 400, Code: "ExpiredToken"}, cause: sink.Unauthorised, text: "ExpiredToken"},
		"NoSuchBucket":   {fault: s3test.Fault{Status: 404, Code: "NoSuchBucket"}, cause: sink.Unreached, text: "bucket logs doesn't exist", says: "has no bucket logs"},
		"another region": {fault: s3test.Fault{Status: 301, Code: "PermanentRedirect"}, cause: sink.Unreached, text: "another region", says: "has bucket logs in another region"},
		"NoSuchUpload":   {fault: s3test.Fault{Status: 404, Code: "NoSuchUpload"}, cause: sink.Answered, text: "gone", gone: true},
		"closed":         {fault: s3test.Fault{Close: true}, cause: sink.Unreached, text: "storing logs/"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			server.Fail = func(string, string) s3test.Fault { return tt.fault }
			s := newTestStore(t, options(server.URL, nil))
			defer s.Close()
			o := s.Create(gathertest.Record(1), gather.Start{Note: func(string, string) error { return nil }})
			o.Write(t.Context(), []byte("line\n"))
			r := o.Finish(t.Context())
			if r.Verdict != sink.Again || r.Cause != tt.cause || r.Err == nil || !strings.Contains(r.Err.Error(), tt.text) || errors.Is(r.Err, gather.ErrGone) != tt.gone {
				t.Errorf("got %+v, want again, cause %v and %q", r, tt.cause, tt.text)
			}
			if tt.says != "" && (r.Trouble == nil || r.Trouble.Text() != tt.says) {
				t.Errorf("got the trouble %+v, want %q", r.Trouble, tt.says)
			}
			if tt.fault.Header != nil && r.RetryAfter != 7*time.Second {
				t.Errorf("got RetryAfter %v, want 7 s", r.RetryAfter)
			}
			o.Rewind()
		})
	}
}

// An answer that is lost is no object twice: the request is repeated, and has the same name.
func TestALostAnswerIsNoSecondObject(t *testing.T) {
	server := newServer(t)
	var n atomic.Int64
	server.Fail = func(string, string) s3test.Fault { return s3test.Fault{Lost: n.Add(1) == 1} }
	s := newTestStore(t, options(server.URL, nil))
	defer s.Close()
	o := s.Create(gathertest.Record(1), gather.Start{})
	o.Write(t.Context(), []byte("line\n"))
	if r := o.Finish(t.Context()); r.Verdict != sink.Done {
		t.Fatalf("%+v", r)
	}
	if all := server.Objects(); len(all) != 1 || string(all[o.Name()].Body) != "line\n" || all[o.Name()].Puts != 2 {
		t.Errorf("got %+v, want one object that was stored twice", all)
	}
}

// Otherwise a role without these permissions would store nothing after a crash.
func TestAbandonWithoutPermissionIsLoggedAndNoObstacle(t *testing.T) {
	server := newServer(t)
	server.Fail = func(op, _ string) s3test.Fault {
		if op == "ListMultipartUploads" || op == "AbortMultipartUpload" {
			return s3test.Fault{Status: 403, Code: "AccessDenied"}
		}
		return s3test.Fault{}
	}
	var log bytes.Buffer
	s, err := New(options(server.URL, nil), config.FluentBit, sink.Env{Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, token := range []string{"", "upload-1"} {
		log.Reset()
		if r := s.Abandon(context.Background(), "logs/a", token); r.Verdict != sink.Done || !strings.Contains(log.String(), "lifecycle rule") {
			t.Errorf("got %+v and log %s", r, log.String())
		}
	}
}

func TestWrongOptionsAreToldInOneLine(t *testing.T) {
	for want, change := range map[string]func(o *Options){
		"s3_key_format":     func(o *Options) { o.KeyFormat = "logs/$UUID" },
		"total_file_size":   func(o *Options) { o.TotalFileSize = 1000 },
		"upload_chunk_size": func(o *Options) { o.ChunkSize = 1 << 20 },
		"upload_timeout":    func(o *Options) { o.UploadTimeout = 0 },
		"sse_kms_key_id":    func(o *Options) { o.SSEKeyID = "key" },
		"endpoint":          func(o *Options) { o.Endpoint = "ftp://x" },
	} {
		var wrong *config.OptionError
		if err := options("", change).Check(config.FluentBit); !errors.As(err, &wrong) || wrong.Option != want {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
	for _, change := range []func(o *Options){
		func(o *Options) { o.UsePutObject = true },
		func(o *Options) { o.StaticFilePath, o.KeyFormat = true, "/logs/$TAG" },
	} {
		if w := options("", change).Warnings(); len(w) != 1 {
			t.Errorf("got %q, want one warning", w)
		}
	}
}

// FuzzNames: no format and no tag makes a name that S3 refuses.
func FuzzNames(f *testing.F) {
	f.Add("/logs/$TAG[1]/%Y/$UUID$INDEX", ".-", "app.web")
	f.Fuzz(func(t *testing.T, format, delimiters, tag string) {
		k, err := parseKey(format, delimiters)
		if err != nil || len(format) > 4<<10 {
			return
		}
		name := k.name(sinktest.Record(tag, 1), 2)
		if name == "" || len(name) > maxName || strings.ToValidUTF8(name, "?") != name {
			t.Errorf("got %q", name)
		}
		k.appendKey(nil, sinktest.Record(tag, 1))
	})
}
