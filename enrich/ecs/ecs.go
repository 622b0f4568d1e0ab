// Package ecs is Fluent Bit's filter ecs: it adds metadata of the ECS task and container to records.
package ecs

import (
	"os"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// Options are those of ecs.
type Options struct {
	Add         []config.Pair `fluentbit:"add" help:"field to add, as KEY TEMPLATE. The template may have $ClusterName, $ContainerInstanceArn, $ContainerInstanceID, $ECSAgentVersion, $TaskARN, $TaskID, $TaskDefinitionFamily, $TaskDefinitionVersion, $ContainerID, $DockerContainerName, $ECSContainerName; from a task's metadata endpoint also $LaunchType, $AvailabilityZone, $ServiceName"`
	TagPrefix   string        `fluentbit:"ecs_tag_prefix" help:"what comes before the first 12 characters of the container's id in the tag. If that isn't there, the record's container_id is used, or the tag that ECS gives: NAME-firelens-…"`
	ClusterOnly bool          `fluentbit:"cluster_metadata_only" default:"false" help:"add only what belongs to the cluster and the instance"`
	TTL         time.Duration `fluentbit:"ecs_meta_cache_ttl" default:"3600s" help:"how long what is known of a container is used"`
	Host        string        `fluentbit:"ecs_meta_host" default:"127.0.0.1" help:"address of the agent's introspection endpoint. Where there is none, as on Fargate, the task's metadata endpoint (ECS_CONTAINER_METADATA_URI_V4) is used"`
	Port        int           `fluentbit:"ecs_meta_port" default:"51678" help:"its port"`
	Retries     int           `fluentbit:"agent_endpoint_retries" default:"2" help:"how often a container that the agent doesn't know is asked for; then its records get only the cluster's fields"`
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	_, err := o.templates()
	return err
}

// An addition is a field to add.
type addition struct {
	key   string
	value *field.Template
}

func (o *Options) templates() (list []addition, err error) {
	for _, a := range o.Add {
		text := a.Value
		if text == "" {
			text = a.Key // as in Fluent Bit
		}
		t, err := field.ParseTemplate(text, field.Notation{Dialect: config.FluentBit})
		if err != nil {
			return nil, &config.OptionError{Option: "add", Reason: err.Error()}
		}
		list = append(list, addition{a.Key, t})
	}
	return list, nil
}

const (
	// metadataVariable has the URI of the task metadata endpoint, version 4, in a container of a task.
	metadataVariable = "ECS_CONTAINER_METADATA_URI_V4"

	// maxContainers is how many containers are in the cache, as in Fluent Bit.
	maxContainers = 100
	// firstWait is how long the first records of a container wait, fetchTime how long all requests of one attempt may take, and
	// retryTime the time until the next attempt.
	firstWait = time.Second
	fetchTime = 10 * time.Second
	retryTime = time.Second
	// idLength is the length of a container's short id.
	idLength = 12
)

// filter is the filter.
type filter struct {
	prefix      string
	clusterOnly bool
	cache       *fetch.Cache[known]
}

// known is the cache's value for a container: the filter that sets its fields, and how often the agent didn't know it.
type known struct {
	set    enrich.Filter
	misses int
}

// New makes the step of an ecs. It makes no request before the first record.
func New(o *Options, d config.Dialect, env enrich.Env) (enrich.Filter, error) {
	return newFilter(o, env, os.Getenv(metadataVariable))
}

func newFilter(o *Options, env enrich.Env, taskEndpoint string) (enrich.Filter, error) {
	list, err := o.templates()
	if err != nil {
		return nil, err
	}
	s := newSource(o, list, taskEndpoint, env.Log)
	return &filter{o.TagPrefix, o.ClusterOnly, fetch.New(fetch.Options{
		Max: maxContainers, TTL: max(o.TTL, time.Second), Retry: retryTime, Timeout: fetchTime, FirstWait: firstWait,
	}, s.fetch)}, nil
}

// Apply implements enrich.Filter. Metadata that isn't known yet is left out.
func (f *filter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	key := s.Take() // scratch memory, not kept
	if !f.clusterOnly {
		key = f.appendKey(key, ev)
	}
	if now := f.cache.Get(key); now.set != nil {
		return now.set.Apply(ev, s)
	}
	return true
}

// Close implements enrich.Closer.
func (f *filter) Close() { f.cache.Close() }

// appendKey appends the cache key of a record's container: its short id, or nameMark and its name. It appends nothing if the record
// has neither.
func (f *filter) appendKey(dst []byte, ev *record.Event) []byte {
	if rest, ok := strings.CutPrefix(ev.Tag, f.prefix); ok && len(rest) >= idLength && isHex(rest[:idLength]) {
		return append(dst, rest[:idLength]...)
	}
	if value, ok := record.Find(ev.Body, "container_id"); ok {
		if id, ok := record.Text(value); ok && len(id) >= idLength && isHex(string(id[:idLength])) {
			return append(dst, id[:idLength]...)
		}
	}
	if name, _, ok := strings.Cut(ev.Tag, "-firelens-"); ok && len(name) <= maxName {
		return append(append(dst, nameMark), name...)
	}
	return dst
}

// maxName is the maximum length of a container's name in ECS, in bytes.
const maxName = 255

// nameMark precedes a container's name in a cache key.
const nameMark = '='

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
