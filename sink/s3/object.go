package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/gather"
	"github.com/firelane/firelane/sink/s3/parquet"
)

// An object is stored with one PutObject if it is a single part, otherwise with a multipart upload.
type object struct {
	s      *store
	name   string
	start  gather.Start
	part   *partBuffer // nil if nothing was written since the last part was stored
	upload string      // id of the multipart upload, "" for none
	parts  []types.CompletedPart
	saved  int64 // bytes that are stored

	file  *parquet.File // nil for other formats
	ended bool          // the file's footer is in part, or stored
}

// Create implements gather.Store.
func (s *store) Create(first *sink.Record, start gather.Start) gather.Object {
	o := &object{s: s, name: s.key.name(first, start.Index), start: start}
	if s.parquet {
		o.file = parquet.New(s.columns)
	}
	return o
}

// Name implements gather.Object.
func (o *object) Name() string { return o.name }

// Saved implements gather.Object.
func (o *object) Saved() bool { return o.part == nil }

// Size implements gather.Object.
func (o *object) Size() int64 {
	if o.part == nil {
		return o.saved
	}
	return o.saved + int64(max(o.part.Len(), 1)) // at least 1: a compressor or Parquet's rows may hold everything that was written
}

// Rewind implements gather.Object.
func (o *object) Rewind() {
	if o.part != nil && o.file != nil {
		o.file.Rollback()
		o.ended = false
	}
	o.releasePart()
}

func (o *object) releasePart() {
	if o.part != nil {
		o.s.release(o.part)
		o.part = nil
	}
}

// savePart records that the part, of n bytes, is stored.
func (o *object) savePart(n int) {
	o.saved += int64(n)
	if o.file != nil {
		o.file.Commit()
	}
	o.releasePart()
}

// Write implements gather.Object.
func (o *object) Write(ctx context.Context, body []byte) sink.Reply {
	if err := o.needPart(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	if o.part.zip == nil && o.file == nil && !o.s.put && len(body) > slack && o.part.Len()+len(body) >= o.s.part {
		return o.send(ctx, body) // a large record isn't copied
	}
	if o.part.Cap() == 0 {
		o.part.Grow(o.s.part + slack)
	}
	if err := o.part.add(body, o.file); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("compressing %s: %w", o.name, err)}
	}
	if o.s.put || o.part.Len() < o.s.part || !o.part.rows.Whole() {
		return sink.Reply{}
	}
	return o.send(ctx, nil)
}

// send stores the buffered part, followed by more, which isn't compressed.
func (o *object) send(ctx context.Context, more []byte) sink.Reply {
	if err := o.part.end(o.file); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("compressing %s: %w", o.name, err)}
	}
	if r := o.begin(ctx); r.Verdict != sink.Done {
		return r
	}
	number := int32(len(o.parts) + 1)
	var tag *string
	r := o.s.call(ctx, fmt.Sprintf("storing part %d of %s", number, o.name), func(ctx context.Context, c *s3.Client) error {
		body := newPayload(o.part.Bytes(), more)
		defer body.release()
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &o.s.bucket, Key: &o.name, UploadId: &o.upload, PartNumber: &number, Body: body, ContentMD5: o.md5(more),
		})
		if err == nil {
			tag = out.ETag
			err = confirmed(tag)
		}
		return err
	})
	if r.Verdict != sink.Done {
		return r
	}
	o.parts = append(o.parts, types.CompletedPart{ETag: tag, PartNumber: &number})
	o.savePart(o.part.Len() + len(more))
	return r
}

// begin begins the multipart upload, unless there is one. It notes the upload first, so that after a crash the next process can
// remove it.
func (o *object) begin(ctx context.Context) sink.Reply {
	if o.upload != "" {
		return sink.Reply{}
	}
	_ = o.start.Note(o.name, "") // the loop logs it
	in := &s3.CreateMultipartUploadInput{
		Bucket: &o.s.bucket, Key: &o.name, ACL: types.ObjectCannedACL(o.s.acl), StorageClass: types.StorageClass(o.s.class),
		ServerSideEncryption: types.ServerSideEncryption(o.s.sse), SSEKMSKeyId: optional(o.s.sseKey), ContentType: optional(o.s.contentType),
		ContentEncoding: optional(o.s.encodingName),
	}
	r := o.s.call(ctx, "beginning "+o.name, func(ctx context.Context, c *s3.Client) error {
		out, err := c.CreateMultipartUpload(ctx, in)
		if err == nil {
			if o.upload = sdk.ToString(out.UploadId); o.upload == "" {
				err = errUnconfirmed
			}
		}
		return err
	})
	if r.Verdict == sink.Done {
		_ = o.start.Note(o.name, o.upload)
	}
	return r
}

func (o *object) needPart() (err error) {
	if o.part == nil {
		o.part, err = o.s.buffer()
	}
	return err
}

// endFile appends the footer of a Parquet file. It may need a part of its own.
func (o *object) endFile() error {
	if o.file == nil || o.ended {
		return nil
	}
	if err := o.needPart(); err != nil {
		return err
	}
	if err := o.part.end(o.file); err != nil {
		return err
	}
	o.ended = true
	return o.file.Close(&o.part.Buffer)
}

// Finish implements gather.Object.
func (o *object) Finish(ctx context.Context) sink.Reply {
	if err := o.endFile(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("ending %s: %w", o.name, err)}
	}
	if o.upload == "" && o.part != nil {
		return o.put(ctx)
	}
	if o.part != nil {
		if r := o.send(ctx, nil); r.Verdict != sink.Done {
			return r
		}
	}
	return o.s.call(ctx, "completing "+o.name, func(ctx context.Context, c *s3.Client) error {
		out, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &o.s.bucket, Key: &o.name, UploadId: &o.upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: o.parts},
		})
		if err == nil {
			err = confirmed(out.ETag)
		}
		return err
	})
}

// errUnconfirmed is an answer with a status 2xx from something other than a store: a proxy, or a login page.
var errUnconfirmed = errors.New("the answer isn't that of a store with S3's API: it has no ETag or upload id; check endpoint and proxies")

// confirmed returns an error if the answer to what was stored has no entity tag: S3 always returns one.
func confirmed(tag *string) error {
	if tag == nil || *tag == "" {
		return errUnconfirmed
	}
	return nil
}

// put stores an object that is a single part.
func (o *object) put(ctx context.Context) sink.Reply {
	if err := o.part.end(o.file); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("compressing %s: %w", o.name, err)}
	}
	r := o.s.call(ctx, "storing "+o.name, func(ctx context.Context, c *s3.Client) error {
		body := newPayload(o.part.Bytes(), nil)
		defer body.release()
		out, err := c.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &o.s.bucket, Key: &o.name, Body: body, ContentMD5: o.md5(nil), ACL: types.ObjectCannedACL(o.s.acl),
			StorageClass: types.StorageClass(o.s.class), ServerSideEncryption: types.ServerSideEncryption(o.s.sse),
			SSEKMSKeyId: optional(o.s.sseKey), ContentType: optional(o.s.contentType), ContentEncoding: optional(o.s.encodingName),
		})
		if err == nil {
			err = confirmed(out.ETag)
		}
		return err
	})
	if r.Verdict == sink.Done {
		o.savePart(o.part.Len())
	}
	return r
}

func (o *object) md5(more []byte) *string {
	if !o.s.md5 {
		return nil
	}
	h := md5.New()
	_, _ = h.Write(o.part.Bytes()) // a hash never fails
	_, _ = h.Write(more)
	return optional(base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// Abort implements gather.Object.
func (o *object) Abort(ctx context.Context) {
	o.Rewind()
	if o.upload == "" {
		return
	}
	if r := o.s.abort(ctx, o.name, o.upload); r.Verdict == sink.Done {
		o.upload, o.parts, o.saved = "", nil, 0
	}
}

// abort removes a multipart upload. If there is no such upload any more, that is success.
func (s *store) abort(ctx context.Context, name, upload string) sink.Reply {
	return s.call(ctx, "removing the unfinished upload of "+name, func(ctx context.Context, c *s3.Client) error {
		_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &name, UploadId: &upload})
		if f := aws.RefusalOf(err); f != nil && (f.Code == "NoSuchUpload" || f.Code == "NoSuchBucket") {
			return nil
		}
		return err
	})
}

// Abandon implements gather.Store. An empty token means that the process died before it noted the upload's id, so uploads are looked
// up by the object's name. If that isn't allowed, a lifecycle rule has to remove the upload.
func (s *store) Abandon(ctx context.Context, name, token string) sink.Reply {
	uploads := []string{token}
	r := sink.Reply{}
	if token == "" {
		uploads, r = s.uploadsOf(ctx, name)
	}
	for _, u := range uploads {
		if r.Verdict == sink.Done {
			r = s.abort(ctx, name, u)
		}
	}
	if r.Verdict != sink.Done && r.Status == 403 && r.Cause == sink.Unauthorised {
		s.log.Warn().Err(r.Err).Str("object", name).Msg("an unfinished upload may remain, and cost storage: allow s3:AbortMultipartUpload and s3:ListBucketMultipartUploads, or add a lifecycle rule")
		return sink.Reply{}
	}
	return r
}

// uploadsOf returns the ids of the unfinished uploads of an object.
func (s *store) uploadsOf(ctx context.Context, name string) (ids []string, r sink.Reply) {
	r = s.call(ctx, "listing unfinished uploads of "+name, func(ctx context.Context, c *s3.Client) error {
		ids = nil
		out, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &name})
		if f := aws.RefusalOf(err); f != nil && f.Code == "NoSuchBucket" {
			return nil
		}
		if err != nil {
			return err
		}
		for _, u := range out.Uploads {
			if u.Key != nil && u.UploadId != nil && *u.Key == name {
				ids = append(ids, *u.UploadId)
			}
		}
		return nil
	})
	return ids, r
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
