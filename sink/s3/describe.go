package s3

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	s, err := o.settings()
	if err != nil {
		return sink.Description{Service: "Amazon S3"}
	}
	return s.describe(&o.ServiceOptions, o.Source(), o.Names(d, now))
}

// defaultKey is the default of s3_key_format.
const defaultKey = "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S"

// Names implements sink.Namer: the bucket, and the objects.
func (o *Options) Names(_ config.Dialect, now time.Time) []sink.Name {
	text := strings.TrimLeft(o.KeyFormat, "/")
	if o.KeyFormat == defaultKey {
		text = strings.Replace(text, "$TAG", sink.Tag, 1)
	}
	if k, err := parseKey(o.KeyFormat, o.TagDelimiters); err == nil && !k.uuid && !k.index && !o.StaticFilePath {
		text += "-object$UUID"
	}
	return []sink.Name{bucket(o.Bucket, "bucket"), objectName("s3_key_format", text, now, time.UTC)}
}

// Describe implements sink.Describer.
func (o *FluentdOptions) Describe(d config.Dialect, now time.Time) sink.Description {
	s, err := o.settings("")
	if err != nil {
		return sink.Description{Service: "Amazon S3"}
	}
	service := o.service()
	source := service.Source()
	o.Complete(&source)
	return s.describe(service, source, o.Names(d, now))
}

// Names implements sink.Namer: the bucket, and the objects.
func (o *FluentdOptions) Names(_ config.Dialect, now time.Time) []sink.Name {
	s, err := o.settings("")
	if err != nil {
		return nil
	}
	path := objectName("path", o.Path, now, o.zone())
	slice := objectName("time_slice_format", o.sliceFormat(s.slice), now, o.zone())
	n := objectName("s3_object_key_format", "", now, nil)
	n.Written = strings.NewReplacer("%{path}", path.Written, "%{time_slice}", slice.Written).Replace(o.KeyFormat)
	n.Used, n.Dynamic = n.Written, path.Dynamic || slice.Dynamic || strings.Contains(n.Written, "%{")
	return []sink.Name{bucket(o.Bucket, "s3_bucket"), n}
}

func bucket(name, option string) sink.Name {
	return sink.Name{What: "bucket", Option: option, Written: name, Used: name, Max: 63} // "General purpose bucket naming rules"
}

// legalBucket matches a bucket's name ("General purpose bucket naming rules").
var legalBucket = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) })

// bucketProblems is the problem of a bucket's name that S3 has none of. Stores with its API may, and access points have ARNs.
func bucketProblems(name, option string, o *aws.ServiceOptions) []sink.NameProblem {
	if name == "" || o.Endpoint != "" || strings.HasPrefix(name, "arn:") || legalBucket().MatchString(name) && !strings.Contains(name, "..") && net.ParseIP(name) == nil {
		return nil
	}
	p := sink.NameProblem{
		Kind: sink.NameRefused, Option: option,
		Text: fmt.Sprintf("%q can't be the name of a bucket: nothing can be stored, and all records wait in the queue until it is full", name),
		Want: "want 3 to 63 lower-case letters, digits, points and hyphens, without a path",
	}
	for _, from := range []string{strings.ToLower(name), strings.TrimPrefix(name, "s3://")} {
		bare := strings.Trim(from, `"/`)
		if legalBucket().MatchString(bare) {
			p.Want, p.Value = "want "+bare, bare
		}
	}
	return []sink.NameProblem{p}
}

// NameProblems implements sink.NameChecker.
func (o *Options) NameProblems(config.Dialect, time.Time) []sink.NameProblem {
	return bucketProblems(o.Bucket, "bucket", &o.ServiceOptions)
}

// NameProblems implements sink.NameChecker.
func (o *FluentdOptions) NameProblems(config.Dialect, time.Time) []sink.NameProblem {
	return bucketProblems(o.Bucket, "s3_bucket", o.service())
}

// objectName is the name of the objects. A date in it is the time of the object's first record: like a placeholder, it is filled in for each
// object.
func objectName(option, text string, now time.Time, zone *time.Location) sink.Name {
	n := sink.Name{What: "object", Option: option, Zone: zone, Max: maxName}.Fill(text, now, nil)
	n.Dynamic = n.Dynamic || n.Each != ""
	n.Each, n.Zone = "", nil
	return n
}

func (s *settings) describe(o *aws.ServiceOptions, source aws.Source, names []sink.Name) sink.Description {
	out := o.DescribeService("s3", source, o.Verified(), s.grants(source.Region)...)
	out.Service, out.Name = "Amazon S3", sink.JoinNames(names)
	u, err := url.Parse(out.URL)
	if err != nil || out.URL == "" {
		return out
	}
	if s.pathStyle {
		u.Path += "/" + s.bucket
	} else {
		u.Host = s.bucket + "." + u.Host
	}
	out.URL, out.Servers = u.String(), []sink.Server{httpsend.ServerOf(u, o.Verified())}
	return out
}

// grants are the actions that this output calls: for uploads in parts also those that find and remove what a crash has left.
// A bucket that has a wildcard in its name grants nothing but itself ("IAM policy elements: Variables and tags", special characters).
func (s *settings) grants(region string) []sink.IAMGrant {
	arn := "arn:" + aws.Partition(region) + ":s3:::" + sink.LiteralARN(s.bucket)
	objects := []string{"s3:PutObject"}
	if s.acl != "" {
		objects = append(objects, "s3:PutObjectAcl")
	}
	list := []sink.IAMGrant{{Actions: objects, Resource: arn + "/*"}}
	if !s.put {
		list[0].Actions = append(list[0].Actions, "s3:AbortMultipartUpload")
		list = append(list, sink.IAMGrant{Actions: []string{"s3:ListBucketMultipartUploads"}, Resource: arn})
	}
	if strings.HasPrefix(s.sse, "aws:kms") {
		key := s.sseKey
		if !strings.HasPrefix(key, "arn:") {
			key = aws.ARN("kms", region, "key/"+orAny(sink.LiteralARN(key)))
		} else {
			key = sink.LiteralARN(key)
		}
		list = append(list, sink.IAMGrant{Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resource: key})
	}
	return list
}

// orAny is *, if there is no text.
func orAny(text string) string {
	if text == "" || strings.HasPrefix(text, "alias/") { // a policy can't name a key by its alias
		return "*"
	}
	return text
}
