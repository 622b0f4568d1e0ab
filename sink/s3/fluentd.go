package s3

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"crypto/sha256"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/gather"
)

// FluentdOptions are the options of s3 in Fluentd's dialect, those of fluent-plugin-s3.
type FluentdOptions struct {
	Bucket          string `fluentd:"s3_bucket" required:"true" identity:"true" help:"the bucket's name"`
	S3Region        string `fluentd:"s3_region" identity:"true" help:"the bucket's region; default: AWS_REGION"`
	S3Endpoint      string `fluentd:"s3_endpoint" identity:"true" help:"endpoint of a store with S3's API"`
	Path            string `fluentd:"path" identity:"true" help:"%{path} in s3_object_key_format; strftime of the record's time, ${tag}, ${tag[0]} and fields"`
	KeyFormat       string `fluentd:"s3_object_key_format" default:"%{path}%{time_slice}_%{index}.%{file_extension}" identity:"true" help:"the object's name: %{path}, %{time_slice}, %{index} (the number of the object and 8 characters that are the same when it is sent again), %{uuid_flush} (these 8 characters), %{hex_random}, %{hostname}, %{file_extension}"`
	TimeSliceFormat string `fluentd:"time_slice_format" help:"strftime of %{time_slice}; default: as exact as timekey"`
	IndexFormat     string `fluentd:"index_format" default:"%d" help:"how %{index}'s number is written, such as %04d"`
	HexLength       int    `fluentd:"hex_random_length" default:"4" help:"length of %{hex_random}"`
	StoreAs         string `fluentd:"store_as" oneof:"gzip,gzip_command,zstd,json,text,txt" default:"gzip" help:"gzip and zstd compress; %{file_extension} is gz, zst, json or txt"`
	UTC             bool   `fluentd:"utc" help:"times in names are in UTC, instead of local time"`
	ForcePathStyle  bool   `fluentd:"force_path_style" help:"addresses with the bucket in the path; always with s3_endpoint"`

	ACL          string `fluentd:"acl" help:"the objects' access control list"`
	StorageClass string `fluentd:"storage_class" help:"the objects' storage class"`
	Encryption   string `fluentd:"use_server_side_encryption" oneof:"AES256,aws:kms,aws:kms:dsse" help:"server-side encryption"`
	KMSKey       string `fluentd:"ssekms_key_id" help:"KMS key for use_server_side_encryption aws:kms"`

	CheckObject  bool   `fluentd:"check_object" default:"true" help:"accepted; names don't repeat"`
	CheckBucket  bool   `fluentd:"check_bucket" default:"true" help:"accepted; a bucket that is missing is logged, and records wait"`
	AutoCreate   bool   `fluentd:"auto_create_bucket" default:"true" help:"accepted; no bucket is created"`
	CheckKeys    bool   `fluentd:"check_apikey_on_start" default:"true" help:"accepted"`
	Overwrite    bool   `fluentd:"overwrite" help:"accepted"`
	ProxyURI     string `fluentd:"proxy_uri" help:"accepted; see HTTPS_PROXY"`
	ReducedRedun bool   `fluentd:"reduced_redundancy" help:"accepted; see storage_class"`

	Format    *format.Options       `fluentd:"<format>" help:"how a record is written; default @type out_file"`
	OldFormat string                `fluentd:"format" help:"old spelling of <format> @type"`
	Inject    *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`

	sink.OutputOptions
	aws.ServiceOptions
	aws.FluentdOptions
}

// Defaults of fluent-plugin-s3's <buffer>.
const (
	defaultTimekey     = 24 * time.Hour
	defaultTimekeyWait = 10 * time.Minute
	defaultFlush       = time.Minute
	defaultChunkLimit  = 256 << 20
)

// Check reports the mistakes that binding can't find.
func (o *FluentdOptions) Check(d config.Dialect) error {
	if err := errors.Join(o.CheckOutput(d), o.CheckCredentials(), o.CheckTLS(d), o.CheckNet()); err != nil {
		return err
	}
	if o.KMSKey != "" && o.Encryption == "" {
		return &config.OptionError{Option: "ssekms_key_id", Reason: "needs use_server_side_encryption aws:kms"}
	}
	service := o.service()
	if err := service.CheckService(d); err != nil {
		var wrong *config.OptionError
		if errors.As(err, &wrong) && wrong.Option == "endpoint" && o.S3Endpoint != "" {
			wrong.Option = "s3_endpoint"
		}
		return err
	}
	_, err := o.settings("")
	return err
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *FluentdOptions) Warnings() []string {
	return slices.DeleteFunc(o.OutputOptions.Warnings(), func(w string) bool { return strings.HasPrefix(w, "timekey ") }) // here it does
}

// service returns the options that all AWS services have.
func (o *FluentdOptions) service() *aws.ServiceOptions {
	s := o.ServiceOptions
	s.Verify = s.Verify && o.VerifyPeer
	if o.S3Region != "" {
		s.Region = o.S3Region
	}
	if o.S3Endpoint != "" {
		s.Endpoint = o.S3Endpoint
	}
	return &s
}

// NewFluentd makes the destination of the options of Fluentd's dialect.
func NewFluentd(o *FluentdOptions, d config.Dialect, env sink.Env) (gather.Store, error) {
	s, err := o.settings(env.Hostname)
	if err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	s.append = inject.Wrap(s.append)
	service := o.service()
	source := service.Source()
	o.Complete(&source)
	return newStore(s, service, source, d, env)
}

func (o *FluentdOptions) settings(hostname string) (s settings, err error) {
	s = settings{
		bucket: o.Bucket, part: minPart, total: defaultChunkLimit, acl: o.ACL, class: o.StorageClass, sse: o.Encryption, sseKey: o.KMSKey,
		pathStyle: o.ForcePathStyle || o.S3Endpoint != "" || o.Endpoint != "", compression: "none",
	}
	extension := "txt"
	switch o.StoreAs {
	case "gzip", "gzip_command":
		s.compression, s.contentType, extension = "gzip", "application/x-gzip", "gz"
	case "zstd":
		s.compression, s.contentType, extension = "zstd", "application/x-zst", "zst"
	case "json":
		s.contentType, extension = "application/json", "json"
	default:
		s.contentType = "text/plain"
	}
	if err = o.setTimes(&s); err != nil {
		return s, err
	}
	if s.key, err = o.namer(&s, hostname, extension); err != nil {
		return s, err
	}
	opts := format.Options{OutputTime: true, OutputTag: true}
	kind := o.OldFormat
	if o.Format != nil {
		opts, kind = *o.Format, o.Format.Type
	}
	if kind == "" {
		kind = "out_file"
	}
	if s.append, err = format.Fluentd(opts, kind); err != nil {
		return s, err
	}
	s.bound()
	return s, nil
}

// setTimes sets when objects are finished, as <buffer> says: after each timekey, or after flush_interval if time is no chunk key.
func (o *FluentdOptions) setTimes(s *settings) (err error) {
	b := o.Buffer
	if b == nil {
		b = &sink.BufferOptions{Keys: "time"}
	}
	if b.ChunkLimitSize > 0 {
		s.total = max(int64(b.ChunkLimitSize), minTotal)
	}
	timed := slices.Contains(strings.FieldsFunc(b.Keys, func(r rune) bool { return r == ',' || r == ' ' }), "time") || b.Timekey != ""
	if !timed {
		s.age = defaultFlush
		if b.FlushInterval != nil && *b.FlushInterval > 0 {
			s.age = *b.FlushInterval
		}
		return nil
	}
	s.slice, s.wait = defaultTimekey, defaultTimekeyWait
	if b.Timekey != "" {
		if s.slice, err = config.ParseDuration(b.Timekey); err != nil || s.slice < time.Second {
			return &config.OptionError{Option: "timekey", Reason: fmt.Sprintf("%q is not a time of a second or more; want, for example, 1h", b.Timekey)}
		}
	}
	if b.TimekeyWait != "" {
		if s.wait, err = config.ParseDuration(b.TimekeyWait); err != nil {
			return &config.OptionError{Option: "timekey_wait", Reason: err.Error()}
		}
	}
	_, offset := time.Now().In(o.zone()).Zone()
	s.age, s.offset = s.slice+s.wait, time.Duration(offset)*time.Second
	return nil
}

// zone returns the zone of times in names.
func (o *FluentdOptions) zone() *time.Location {
	if zone, _ := o.TimekeyZone(); zone != nil && !o.UTC { // CheckOutput has reported an error
		return zone
	}
	if o.UTC {
		return time.UTC
	}
	return time.Local
}

// sliceFormat returns the format of %{time_slice}.
func (o *FluentdOptions) sliceFormat(slice time.Duration) string {
	switch {
	case o.TimeSliceFormat != "":
		return o.TimeSliceFormat
	case slice == 0 || slice < time.Minute:
		return "%Y%m%d%H%M%S"
	case slice < time.Hour:
		return "%Y%m%d%H%M"
	case slice < 24*time.Hour:
		return "%Y%m%d%H"
	}
	return "%Y%m%d"
}

// A fluentdName is s3_object_key_format.
type fluentdName struct {
	format, extension, hostname string
	path                        *field.Template
	slice                       *field.Strftime
	zone                        *time.Location
	index                       string
	hex                         int
}

var indexFormat = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^%0?\d?d$`) })

func (o *FluentdOptions) namer(s *settings, hostname, extension string) (namer, error) {
	n := &fluentdName{format: o.KeyFormat, extension: extension, hostname: hostname, zone: o.zone(), index: o.IndexFormat, hex: o.HexLength}
	var err error
	if n.path, err = field.ParseTemplate(o.Path, field.Notation{Dialect: config.Fluentd, Strftime: true, Zone: n.zone}); err != nil {
		return nil, &config.OptionError{Option: "path", Reason: err.Error()}
	}
	if n.slice, err = field.ParseStrftime(o.sliceFormat(s.slice)); err != nil {
		return nil, &config.OptionError{Option: "time_slice_format", Reason: err.Error()}
	}
	if !indexFormat().MatchString(n.index) {
		return nil, &config.OptionError{Option: "index_format", Reason: fmt.Sprintf("%q is not a format of a number; want, for example, %%04d", n.index)}
	}
	if n.hex < 1 || n.hex > 2*sha256.Size {
		return nil, &config.OptionError{Option: "hex_random_length", Reason: fmt.Sprintf("must be from 1 to %d", 2*sha256.Size)}
	}
	if !strings.Contains(n.format, "%{index}") && !strings.Contains(n.format, "%{uuid_flush}") && !strings.Contains(n.format, "%{hex_random}") {
		return nil, &config.OptionError{Option: "s3_object_key_format", Reason: "needs %{index}, %{uuid_flush} or %{hex_random}, so that objects have different names"}
	}
	return n, nil
}

func (n *fluentdName) indexed() bool { return strings.Contains(n.format, "%{index}") }

func (n *fluentdName) appendKey(dst []byte, r *sink.Record) []byte {
	dst, _ = n.path.AppendKey(dst, &r.Event)
	return dst
}

func (n *fluentdName) name(first *sink.Record, index uint64) string {
	at := time.Unix(int64(first.Time.Sec), int64(first.Time.Nsec)).In(n.zone)
	sum := sha256.Sum256(first.ID.Append(nil))
	uuid := uuidOf(first.ID)
	name := strings.NewReplacer(
		"%{path}", string(n.path.Append(nil, &first.Event)), "%{time_slice}", string(n.slice.Append(nil, at)),
		"%{index}", fmt.Sprintf(n.index, index)+"-"+uuid, "%{uuid_flush}", uuid, "%{hex_random}", hex.EncodeToString(sum[:])[:n.hex],
		"%{hostname}", n.hostname, "%{file_extension}", n.extension,
	).Replace(n.format)
	return clean(name, first.ID)
}
