// Package s3 is the destination Amazon S3, and stores with its API: objects of JSON lines, or Parquet files.
package s3

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/format"
)

// Options are the options of s3 in Fluent Bit's dialect; FluentdOptions are those in Fluentd's.
type Options struct {
	Bucket         string        `fluentbit:"bucket" required:"true" identity:"true" help:"the bucket's name"`
	KeyFormat      string        `fluentbit:"s3_key_format" default:"/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S" identity:"true" help:"the object's name: strftime of its first record's time in UTC, $TAG, $TAG[0] (a part of the tag), $INDEX (the number of the object), $UUID (8 characters that are the same when the object is sent again)"`
	TagDelimiters  string        `fluentbit:"s3_key_format_tag_delimiters" default:"." help:"characters at which a tag is split for $TAG[n]"`
	StaticFilePath bool          `fluentbit:"static_file_path" help:"don't append -object$UUID to a name whose format has neither $UUID nor $INDEX: objects with the same name replace one another"`
	TotalFileSize  config.Size   `fluentbit:"total_file_size" default:"100000000" strict:"true" help:"size of an object, compressed, at which it is finished: 1M to 50G; at most 8M with use_put_object"`
	ChunkSize      config.Size   `fluentbit:"upload_chunk_size" default:"5242880" strict:"true" help:"size of a part of an object, compressed: 5M to 8M; a larger value is 8M"`
	UploadTimeout  time.Duration `fluentbit:"upload_timeout" default:"10m" help:"how long after its first record an object is finished"`
	UsePutObject   bool          `fluentbit:"use_put_object" help:"store an object by one PutObject instead of in parts; it then has at most 8M"`
	Compression    string        `fluentbit:"compression" oneof:"none,gzip,zstd,snappy,parquet" default:"none" help:"how objects are compressed; snappy: in its framing format; parquet: old spelling of format parquet, with snappy"`
	Format         string        `fluentbit:"format" oneof:"json_lines,json,parquet" default:"json_lines" help:"json_lines, json: one JSON object a line; parquet: Parquet files, whose pages have the compression"`
	JSONDateKey    string        `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time; false for none"`
	JSONDateFormat string        `fluentbit:"json_date_format" oneof:"iso8601,double,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" default:"iso8601" help:"format of that time"`
	LogKey         string        `fluentbit:"log_key" help:"store only the value of this field; a record without it goes to the dead letter"`
	CannedACL      string        `fluentbit:"canned_acl" help:"the objects' access control list, such as bucket-owner-full-control"`
	StorageClass   string        `fluentbit:"storage_class" help:"the objects' storage class; default: STANDARD"`
	SSE            string        `fluentbit:"sse" oneof:"AES256,aws:kms,aws:kms:dsse" help:"server-side encryption; default: the bucket's"`
	SSEKeyID       string        `fluentbit:"sse_kms_key_id" help:"KMS key for sse aws:kms"`
	ContentType    string        `fluentbit:"content_type" help:"the objects' Content-Type"`
	SendMD5        bool          `fluentbit:"send_content_md5" help:"send Content-MD5 with each part, as buckets with Object Lock require"`

	StoreDir         string      `fluentbit:"store_dir" help:"accepted; records wait in the output's queue, see storage.path"`
	StoreDirLimit    config.Size `fluentbit:"store_dir_limit_size" help:"accepted; see storage.total_limit_size"`
	QuarantineLimit  config.Size `fluentbit:"quarantine_dir_limit_size" help:"accepted; see dead_letter.limit"`
	RetryExhausted   string      `fluentbit:"retry_exhausted_action" oneof:"quarantine,delete" help:"accepted; the records of an object that is given up go to the dead letter"`
	PreserveOrdering bool        `fluentbit:"preserve_data_ordering" default:"true" help:"accepted; the order is always preserved"`

	sink.OutputOptions
	aws.ServiceOptions
}

// Bounds of the options.
const (
	minTotal = 1_000_000
	maxTotal = 50 << 30
	// minPart is S3's smallest part that is not the last one: "Amazon S3 multipart upload limits".
	minPart = 5 << 20
	// maxPart is the largest part, in bytes: it is in memory while it is sent.
	maxPart = 8 << 20
	// maxParts is S3's largest number of parts.
	maxParts = 10_000
)

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := errors.Join(o.CheckOutput(d), o.CheckService(d)); err != nil {
		return err
	}
	if !strings.HasPrefix(o.KeyFormat, "/") {
		return &config.OptionError{Option: "s3_key_format", Reason: fmt.Sprintf("%q must begin with a slash, as in /logs/$TAG/%%Y/%%m/%%d/$UUID", o.KeyFormat)}
	}
	if _, err := parseKey(o.KeyFormat, o.TagDelimiters); err != nil {
		return &config.OptionError{Option: "s3_key_format", Reason: err.Error()}
	}
	if o.TotalFileSize < minTotal || o.TotalFileSize > maxTotal {
		return &config.OptionError{Option: "total_file_size", Reason: "must be from 1M to 50G"}
	}
	if !o.UsePutObject && o.ChunkSize < minPart {
		return &config.OptionError{Option: "upload_chunk_size", Reason: "must be at least 5M (5242880): S3 takes no smaller part"}
	}
	if o.UploadTimeout <= 0 {
		return &config.OptionError{Option: "upload_timeout", Reason: "must be more than 0", Instead: config.NotWritten}
	}
	if o.SSEKeyID != "" && o.SSE == "" {
		return &config.OptionError{Option: "sse_kms_key_id", Reason: "needs sse aws:kms"}
	}
	return nil
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if o.UsePutObject && o.TotalFileSize > maxPart {
		w = append(w, "with use_put_object an object has at most 8M, since it is sent from memory; without it objects are sent in parts and have total_file_size")
	}
	if k, err := parseKey(o.KeyFormat, o.TagDelimiters); err == nil && o.StaticFilePath && !k.uuid && !k.index && !k.timed {
		w = append(w, "all objects of a tag have the same name with this s3_key_format and static_file_path: each replaces the one before; add $UUID, $INDEX or a time")
	}
	return w
}

// A namer names objects.
type namer interface {
	// appendKey appends what the name takes from a record: records with the same text share objects.
	appendKey(dst []byte, r *sink.Record) []byte
	name(first *sink.Record, index uint64) string
	// indexed reports whether names depend on the index.
	indexed() bool
}

// settings are what the store needs of the options of either dialect.
type settings struct {
	bucket       string
	key          namer
	append       format.Func
	total        int64
	part         int
	age          time.Duration
	slice, wait  time.Duration
	offset       time.Duration
	put          bool
	compression  string
	parquet      bool
	acl, class   string
	sse, sseKey  string
	contentType  string
	md5          bool
	pathStyle    bool
	encodingName string
}

func (o *Options) settings() (settings, error) {
	key, err := parseKey(o.KeyFormat, o.TagDelimiters)
	if err != nil {
		return settings{}, err
	}
	if !key.uuid && !key.index && !o.StaticFilePath {
		key.appendUUID()
	}
	s := settings{
		bucket: o.Bucket, key: key, total: int64(o.TotalFileSize), part: int(min(max(o.ChunkSize, minPart), maxPart)), age: o.UploadTimeout,
		put: o.UsePutObject, compression: o.Compression, acl: o.CannedACL, class: o.StorageClass, sse: o.SSE, sseKey: o.SSEKeyID,
		contentType: o.ContentType, md5: o.SendMD5, pathStyle: o.Endpoint != "",
	}
	if o.LogKey != "" {
		s.append = value(o.LogKey)
	} else {
		s.append = format.JSON(format.DateKey(o.JSONDateKey), o.JSONDateFormat, "\n")
	}
	if o.Compression == "parquet" {
		s.compression = "snappy"
	}
	s.parquet = o.Format == "parquet" || o.Compression == "parquet"
	if o.Compression != "none" && o.Compression != "snappy" && !s.parquet {
		s.encodingName = o.Compression
	}
	s.bound()
	return s, nil
}

// bound keeps sizes within what S3 takes, and what there is memory for.
func (s *settings) bound() {
	if s.put {
		s.total = min(s.total, maxPart)
		s.part = int(s.total)
	}
	s.part = max(s.part, int(s.total/(maxParts*9/10)))
}
