package opentelemetry

import (
	"bytes"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/wire"
)

// ecsFields are the fields of a record that say where it comes from: the first three are added by FireLens
// (enable-ecs-log-metadata), the others by Docker's log driver.
type ecsFields struct{ cluster, task, definition, id, name []byte }

// appendResource appends the Resource that r comes from, in the words of OpenTelemetry's semantic conventions ("Cloud",
// "AWS ECS", "Container"). The fields stay in the record, too. Records of one container have the same Resource.
func appendResource(dst []byte, r *sink.Record) []byte {
	var f ecsFields
	f.read(r.Body)
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
