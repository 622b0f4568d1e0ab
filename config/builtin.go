package config

import (
	"embed"
	"path"
	"path/filepath"
)

// builtInFiles are the files that the images aws-for-fluent-bit and fluentd have and that configurations refer to, written for
// firelane.
//
//go:embed builtin
var builtInFiles embed.FS

// builtInPaths maps paths of these images to built-in files. AWS's image has the files of parsers in two folders: FireLens
// mounts a file into /fluent-bit/etc.
var builtInPaths = map[string]string{
	"/fluent-bit/configs/parse-json.conf":                               "parse-json.conf",
	"/fluent-bit/configs/parse-multiline-json.conf":                     "parse-multiline-json.conf",
	"/fluent-bit/configs/minimize-log-loss.conf":                        "minimize-log-loss.conf",
	"/fluent-bit/configs/output-metrics-healthcheck.conf":               "output-metrics-healthcheck.conf",
	"/fluent-bit/configs/plugin-metrics-parser.conf":                    "plugin-metrics-parser.conf",
	"/fluent-bit/configs/plugin-metrics-to-cloudwatch.conf":             "plugin-metrics-to-cloudwatch.conf",
	"/fluent-bit/configs/plugin-and-storage-metrics-to-cloudwatch.conf": "plugin-and-storage-metrics-to-cloudwatch.conf",

	"/fluent-bit/parsers/parsers.conf":            "parsers.conf",
	"/fluent-bit/parsers/parsers_ambassador.conf": "parsers-ambassador.conf",
	"/fluent-bit/parsers/parsers_cinder.conf":     "parsers-cinder.conf",
	"/fluent-bit/parsers/parsers_extra.conf":      "parsers-extra.conf",
	"/fluent-bit/parsers/parsers_java.conf":       "parsers-java.conf",
	"/fluent-bit/parsers/parsers_kafka.conf":      "parsers-kafka.conf",
	"/fluent-bit/parsers/parsers_mult.conf":       "parsers-mult.conf",
	"/fluent-bit/parsers/parsers_multiline.conf":  "parsers-multiline.conf",
	"/fluent-bit/parsers/parsers_openstack.conf":  "parsers-openstack.conf",

	"/fluent-bit/etc/parsers.conf":            "parsers.conf",
	"/fluent-bit/etc/parsers_ambassador.conf": "parsers-ambassador.conf",
	"/fluent-bit/etc/parsers_cinder.conf":     "parsers-cinder.conf",
	"/fluent-bit/etc/parsers_extra.conf":      "parsers-extra.conf",
	"/fluent-bit/etc/parsers_java.conf":       "parsers-java.conf",
	"/fluent-bit/etc/parsers_kafka.conf":      "parsers-kafka.conf",
	"/fluent-bit/etc/parsers_mult.conf":       "parsers-mult.conf",
	"/fluent-bit/etc/parsers_multiline.conf":  "parsers-multiline.conf",
	"/fluent-bit/etc/parsers_openstack.conf":  "parsers-openstack.conf",

	"/fluent-bit/etc/fluent-bit.conf":      "fluent-bit.conf",
	"/fluent-bit/filters/replace_dots.lua": "replace_dots.lua",

	"/ecs/amazon-es.conf":     "ecs/amazon-es.conf",
	"/ecs/cloudwatch.conf":    "ecs/cloudwatch.conf",
	"/ecs/ecs-metadata.conf":  "ecs/ecs-metadata.conf",
	"/ecs/filter-parser.conf": "ecs/filter-parser.conf",
	"/ecs/firehose.conf":      "ecs/firehose.conf",
	"/ecs/input-forward.conf": "ecs/input-forward.conf",
	"/ecs/kinesis.conf":       "ecs/kinesis.conf",
	"/ecs/s3.conf":            "ecs/s3.conf",
	"/ecs/service.conf":       "ecs/service.conf",

	"/fluentd/etc/fluent.conf": "fluent.conf",
}

// BuiltIn returns the built-in file for a path of AWS's image or of Fluentd's; a relative one begins in the working directory.
// A file on disk takes precedence, which the caller has to check.
func BuiltIn(name string) (text string, ok bool) {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	short, ok := builtInPaths[path.Clean(filepath.ToSlash(name))]
	if !ok {
		return "", false
	}
	data, err := builtInFiles.ReadFile("builtin/" + short)
	return string(data), err == nil
}

// globBuiltIn lists the built-in files that match and are not among those found.
func globBuiltIn(pattern string, found []string) []string {
	have := map[string]bool{}
	for _, f := range found {
		have[f] = true
	}
	var names []string
	for name := range builtInPaths {
		if ok, _ := path.Match(pattern, name); ok && !have[name] {
			names = append(names, name)
		}
	}
	return names
}
