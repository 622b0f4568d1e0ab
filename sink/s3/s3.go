package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/s3/parquet"
)

// slack is by how many bytes a part may exceed its size: what is written at once, and what a compressor holds back.
const slack = 512 << 10

// A store is a bucket.
type store struct {
	settings
	log     zerolog.Logger
	service *aws.Service
	client  aws.Client[*s3.Client]
	buffers *sync.Pool       // of *partBuffer with this compression, shared by the process's stores
	columns *parquet.Encoder // nil for other formats
}

// buffersKey is the key in a sink.Common of the partBuffers of a compression.
type buffersKey struct {
	compression string
	parquet     bool
}

// New makes the destination of the options of Fluent Bit's dialect.
func New(o *Options, d config.Dialect, env sink.Env) (gather.Store, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	return newStore(s, &o.ServiceOptions, o.Source(), d, env)
}

func newStore(s settings, o *aws.ServiceOptions, source aws.Source, d config.Dialect, env sink.Env) (gather.Store, error) {
	service, err := aws.NewService(o, source, d, env)
	if err != nil {
		return nil, err
	}
	st := &store{settings: s, log: env.Log, service: service}
	if s.parquet {
		if st.columns, err = parquet.NewEncoder(s.compression); err != nil {
			return nil, err
		}
	}
	st.client = aws.Client[*s3.Client]{Service: service, New: func(c sdk.Config) *s3.Client {
		return s3.NewFromConfig(c, func(o *s3.Options) {
			o.UsePathStyle = s.pathStyle
			// Stores with S3's API that aren't S3 don't know the checksums that the SDK would add.
			o.RequestChecksumCalculation = sdk.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = sdk.ResponseChecksumValidationWhenRequired
		})
	}}
	st.buffers = env.Common.Get(buffersKey{s.compression, s.parquet}, func() any { return new(sync.Pool) }).(*sync.Pool)
	return st, nil
}

// Key implements gather.Store.
func (s *store) Key(dst []byte, r *sink.Record) []byte { return s.key.appendKey(dst, r) }

// Append implements gather.Store.
func (s *store) Append(body []byte, r *sink.Record) ([]byte, error) { return s.append(body, r) }

// Limits implements gather.Store.
func (s *store) Limits() gather.Limits {
	memory := s.part + slack
	if s.parquet {
		memory += 2 * parquet.GroupBytes // as records, and as columns
	}
	return gather.Limits{
		ObjectBytes: s.total, PartBytes: int(min(int64(s.part), s.total)), MaxAge: s.age, Memory: memory, Indexed: s.key.indexed(),
		Slice: s.slice, SliceWait: s.wait, SliceOffset: s.offset,
	}
}

// Close implements gather.Store.
func (s *store) Close() error { return s.service.Close() }

// buffer returns an empty partBuffer.
func (s *store) buffer() (*partBuffer, error) {
	if b, ok := s.buffers.Get().(*partBuffer); ok {
		return b, nil
	}
	if s.parquet { // which compresses its pages
		return new(partBuffer), nil
	}
	zip, err := newCompressor(s.compression)
	if err != nil {
		return nil, err
	}
	return &partBuffer{zip: zip}, nil
}

// release takes a buffer back, unless it is larger than parts need.
func (s *store) release(b *partBuffer) {
	b.clear()
	if b.Cap() <= s.part+2*slack { // a part that had a large record may be larger
		s.buffers.Put(b)
	}
}

// call makes one attempt at an operation, and returns its reply.
func (s *store) call(ctx context.Context, doing string, do func(ctx context.Context, c *s3.Client) error) sink.Reply {
	err := s.service.Call(ctx, func(ctx context.Context) error {
		c, err := s.client.Get(ctx)
		if err != nil {
			return err
		}
		return do(ctx, c)
	})
	if err == nil {
		return sink.Reply{Cause: sink.Answered}
	}
	return s.reply(doing, err)
}

// reply sorts an error of S3: "Error responses" in its API reference has the codes.
func (s *store) reply(doing string, err error) sink.Reply {
	r := aws.Reply(err)
	r.Split, r.CutOff = sink.No, false
	r.Trouble = aws.TroubleOf(err, "s3:PutObject")
	text, code := r.Err, ""
	if f := aws.RefusalOf(err); f != nil {
		code = f.Code
	}
	switch code {
	case "NoSuchBucket":
		r.Cause = sink.Unreached
		r.Trouble = &sink.Trouble{Kind: sink.Missing, What: "has no %s", Want: "create it, or correct the option bucket or region"}
		text = fmt.Errorf("the bucket %s doesn't exist; create it, or correct the configuration (%w)", s.bucket, r.Err)
	case "PermanentRedirect", "MovedPermanently", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		r.Cause = sink.Unreached
		r.Trouble = &sink.Trouble{Kind: sink.Misconfigured, What: "has %s in another region", Want: "set region to the bucket's"}
		text = fmt.Errorf("the bucket %s is in another region; set region to that (%w)", s.bucket, r.Err)
	case "AccessDenied":
		text = fmt.Errorf("the credentials may not write to the bucket %s: want s3:PutObject, and kms:GenerateDataKey and kms:Decrypt if a key encrypts it (%w)", s.bucket, r.Err)
	case "NoSuchUpload", "InvalidPart", "InvalidPartOrder":
		text = fmt.Errorf("%w (%w)", gather.ErrGone, r.Err)
	}
	if r.Trouble != nil {
		of := *r.Trouble
		of.Target = "bucket " + s.bucket
		r.Trouble = &of
	}
	r.Err = fmt.Errorf("%s: %w", doing, text)
	return r
}

var errNoField = errors.New("the record has no field with the name in log_key")

// value returns a formatter that writes the value of a field: text as it is, anything else as JSON.
func value(key string) format.Func {
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		v, ok := record.Find(r.Body, key)
		if !ok {
			return dst, errNoField
		}
		return append(record.AppendText(dst, v), '\n'), nil
	}
}
