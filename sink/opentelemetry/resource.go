package opentelemetry

import (
	"bytes"
	"slices"
	"sync"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/wire"
)

// ecsFields are the fields of a record that say where it comes from: the first three are added by FireLens
// (enable-ecs-log-metadata), the others by Docker's log driver.
type ecsFields struct{ cluster, task, definition, id, name []byte }

// A lastResource is the Resource of one record: the next record usually has the same.
type lastResource struct {
	fields  ecsFields // of the record, in raw
	raw     []byte
	encoded []byte
}

// resources are the lastResources of the workers.
type resources struct{ pool sync.Pool }

// append appends the Resource that r, whose tail is encoded, comes from, in the words of OpenTelemetry's semantic conventions ("Cloud", "AWS ECS",
// "Container"). The fields stay in the record, too. Records of one container have the same Resource.
func (s *resources) append(dst []byte, r *sink.Record) []byte {
	var f ecsFields
	f.read(r.Body)
	if len(r.Tail) > 0 {
		if f.equal(&ecsFields{}) {
			return append(dst, r.Shared.Encoded...)
		}
		f.read(r.Tail)
	}
	last, ok := s.pool.Get().(*lastResource)
	if !ok {
		last = &lastResource{}
	}
	if !f.equal(&last.fields) {
		last.remember(&f)
	}
	dst = append(dst, last.encoded...)
	if cap(last.encoded)+cap(last.raw) <= sink.MaxKept {
		s.pool.Put(last)
	}
	return dst
}

// remember encodes the Resource, and copies the fields that it is made of.
func (l *lastResource) remember(f *ecsFields) {
	l.encoded, l.raw = f.append(l.encoded[:0]), l.raw[:0]
	l.raw = slices.Grow(l.raw, len(f.cluster)+len(f.task)+len(f.definition)+len(f.id)+len(f.name))
	for _, pair := range [...][2]*[]byte{
		{&l.fields.cluster, &f.cluster}, {&l.fields.task, &f.task}, {&l.fields.definition, &f.definition},
		{&l.fields.id, &f.id}, {&l.fields.name, &f.name},
	} {
		start := len(l.raw)
		l.raw = append(l.raw, *pair[1]...)
		if *pair[0] = l.raw[start:len(l.raw):len(l.raw)]; *pair[1] == nil {
			*pair[0] = nil
		}
	}
}

func (f *ecsFields) equal(o *ecsFields) bool {
	return same(f.cluster, o.cluster) && same(f.task, o.task) && same(f.definition, o.definition) && same(f.id, o.id) && same(f.name, o.name)
}

// same reports whether both are missing, or both are there and equal.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// append appends the Resource.
func (f *ecsFields) append(dst []byte) []byte {
	if f.cluster != nil || f.task != nil || f.definition != nil {
		dst = appendText(dst, resourceAttributes, "cloud.provider", []byte("aws"))
		dst = appendText(dst, resourceAttributes, "cloud.platform", []byte("aws_ecs"))
	}
	dst = f.appendTask(dst)
	if family, revision, ok := bytes.Cut(f.definition, []byte(":")); len(family) > 0 {
		dst = appendText(dst, resourceAttributes, "aws.ecs.task.family", family)
		if ok {
			dst = appendText(dst, resourceAttributes, "aws.ecs.task.revision", revision)
		}
	}
	if len(f.id) > 0 {
		dst = appendText(dst, resourceAttributes, "container.id", f.id)
	}
	if len(f.name) > 0 {
		dst = appendText(dst, resourceAttributes, "container.name", bytes.TrimPrefix(f.name, []byte("/")))
	}
	return dst
}

// read finds the fields in a record.
func (f *ecsFields) read(body []byte) {
	for m := record.FieldsOf(body); m.Next(); {
		var at *[]byte
		switch string(m.Key()) {
		case "ecs_cluster":
			at = &f.cluster
		case "ecs_task_arn":
			at = &f.task
		case "ecs_task_definition":
			at = &f.definition
		case "container_id":
			at = &f.id
		case "container_name":
			at = &f.name
		default:
			continue
		}
		*at, _ = record.Text(m.Value())
	}
}

// appendTask appends what the task's ARN says: arn:PARTITION:ecs:REGION:ACCOUNT:task/CLUSTER/ID. The cluster's ARN is made of
// it, since FireLens gives only the cluster's name.
func (f *ecsFields) appendTask(dst []byte) []byte {
	scope, resource, ok := cutARN(f.task)
	switch {
	case bytes.HasPrefix(f.cluster, []byte("arn:")):
		dst = appendText(dst, resourceAttributes, "aws.ecs.cluster.arn", f.cluster)
	case ok && len(f.cluster) > 0:
		var pair, start, text int
		dst, pair = wire.Open(dst, resourceAttributes)
		dst = wire.AppendString(dst, pairKey, "aws.ecs.cluster.arn")
		dst, start = wire.Open(dst, pairValue)
		dst, text = wire.Open(dst, valueString)
		dst = append(append(append(dst, scope...), ":cluster/"...), f.cluster...)
		dst = wire.Close(wire.Close(wire.Close(valid(dst, text), text), start), pair)
	}
	if len(f.task) > 0 {
		dst = appendText(dst, resourceAttributes, "aws.ecs.task.arn", f.task)
	}
	if !ok {
		return dst
	}
	region := scope[bytes.LastIndexByte(scope[:bytes.LastIndexByte(scope, ':')], ':')+1:] // REGION:ACCOUNT
	region, account, _ := bytes.Cut(region, []byte(":"))
	dst = appendText(dst, resourceAttributes, "cloud.region", region)
	dst = appendText(dst, resourceAttributes, "cloud.account.id", account)
	return appendText(dst, resourceAttributes, "aws.ecs.task.id", resource[bytes.LastIndexByte(resource, '/')+1:])
}

// cutARN cuts arn:PARTITION:ecs:REGION:ACCOUNT:RESOURCE before the resource.
func cutARN(arn []byte) (scope, resource []byte, ok bool) {
	if !bytes.HasPrefix(arn, []byte("arn:")) {
		return nil, nil, false
	}
	end := 0
	for range 5 {
		i := bytes.IndexByte(arn[end:], ':')
		if i < 0 {
			return nil, nil, false
		}
		end += i + 1
	}
	return arn[:end-1], arn[end:], true
}
