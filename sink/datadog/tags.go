package datadog

import (
	"bytes"

	"github.com/firelane/firelane/record"
)

// maxRules is the largest number of rules of a configuration.
const maxRules = 6

// A rule makes ddtags of a field.
type rule struct {
	field string
	fits  func(value []byte) bool // the value can become ddtags
	// append appends the ddtags, with a comma before each but the first one of dst[n:].
	append func(dst, value []byte, n int) []byte
}

// ecsRules are Fluent Bit's with provider ecs: the fields that FireLens adds, and those of Docker's log driver.
var ecsRules = [maxRules]rule{
	{"container_id", isText, func(dst, v []byte, n int) []byte { return appendTag(dst, n, "container_id", text(v)) }},
	{"container_name", isText, func(dst, v []byte, n int) []byte {
		return appendTag(dst, n, "container_name", bytes.TrimPrefix(text(v), []byte("/")))
	}},
	{"container_image", isText, func(dst, v []byte, n int) []byte { return appendTag(dst, n, "container_image", text(v)) }},
	{"ecs_cluster", isText, func(dst, v []byte, n int) []byte {
		name := text(v)
		if _, after, ok := bytes.Cut(name, []byte("cluster/")); ok {
			name = after
		}
		return appendTag(dst, n, "cluster_name", name)
	}},
	{"ecs_task_definition", isText, func(dst, v []byte, n int) []byte {
		family, version, ok := bytes.Cut(text(v), []byte(":"))
		if !ok {
			return appendTag(dst, n, "ecs_task_definition", family)
		}
		return appendTag(appendTag(dst, n, "task_family", family), n, "task_version", version)
	}},
	{"ecs_task_arn", isText, func(dst, v []byte, n int) []byte {
		arn := text(v)
		dst = appendTag(dst, n, "task_arn", arn)
		if rest, ok := bytes.CutPrefix(arn, []byte("arn:aws:ecs:")); ok {
			if region, _, ok := bytes.Cut(rest, []byte(":")); ok {
				dst = appendTag(dst, n, "region", region)
			}
		}
		id := arn
		if _, after, ok := bytes.Cut(arn, []byte("task/")); ok {
			id = after
		}
		return appendTag(dst, n, "task_id", id)
	}},
}

// containerRules are those of fluent-plugin-datadog, for the fields of fluent-plugin-kubernetes_metadata_filter.
var containerRules = [...]rule{
	{"kubernetes", isMap, func(dst, v []byte, n int) []byte {
		for _, tag := range [...][2]string{
			{"container_image", "image_name"}, {"container_name", "container_name"}, {"namespace_name", "kube_namespace"},
			{"pod_name", "pod_name"}, {"docker_id", "container_id"},
		} {
			dst = appendMemberTag(dst, v, n, tag[0], tag[1])
		}
		return dst
	}},
	{"docker", isMap, func(dst, v []byte, n int) []byte { return appendMemberTag(dst, v, n, "container_id", "container_id") }},
}

func appendMemberTag(dst, m []byte, n int, field, tag string) []byte {
	if v, ok := record.Find(m, field); ok && isText(v) {
		return appendTag(dst, n, tag, text(v))
	}
	return dst
}

func isMap(v []byte) bool { return record.KindOf(v[0]) == record.KindMap }

// isText reports whether a value is text that isn't empty.
func isText(v []byte) bool { return len(text(v)) > 0 }

func text(v []byte) []byte {
	s, _ := record.Text(v)
	return s
}

func appendTag(dst []byte, n int, name string, value []byte) []byte {
	return append(append(append(separate(dst, n), name...), ':'), value...)
}
