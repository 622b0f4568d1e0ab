package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/record"
)

// maxReply is the largest reply of the agent, in bytes.
const maxReply = 1 << 20

// A source asks the ECS agent: its introspection endpoint, or the metadata endpoint of the router's own task.
type source struct {
	additions    []addition
	agent        string // URL of the introspection endpoint
	taskEndpoint string // URL of the task metadata endpoint; "": none
	retries      int
	client       *fetch.Client
	log          zerolog.Logger
}

func newSource(o *Options, list []addition, taskEndpoint string, log zerolog.Logger) *source {
	return &source{
		additions: list, agent: "http://" + net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), taskEndpoint: taskEndpoint,
		retries: max(o.Retries, 1), client: fetch.NewClient(nil), log: log,
	}
}

// values are the values of a template's variables, by name.
type values map[string]string

// errUnknown means that the agent answered, and doesn't know the container.
var errUnknown = errors.New("the ECS agent doesn't know the container")

// fetch asks for the container of a key.
func (s *source) fetch(ctx context.Context, key string, last known) (known, bool) {
	v, err := s.cluster(ctx)
	fromTask := false
	if err != nil && s.taskEndpoint != "" {
		v, fromTask = values{}, true
		err = s.task(ctx, v, key)
	} else if err == nil && key != "" {
		err = s.container(ctx, v, key)
	}
	switch {
	case err == nil:
		return known{set: s.filterOf(v)}, true
	case errors.Is(err, errUnknown):
		last.misses++
		last.set = s.filterOf(v)
		given := last.misses >= s.retries
		s.log.Info().Str("container", strings.TrimPrefix(key, string(nameMark))).Bool("asked_again", !given).Bool("task_endpoint", fromTask).
			Msg("the ECS agent doesn't know the container: its records go on without the container's fields")
		return last, given
	}
	s.log.Warn().Err(err).Msg("the ECS agent doesn't answer: records go on without its fields, and it is asked again later")
	return last, false
}

// get gets a JSON document.
func (s *source) get(ctx context.Context, url string, into any) error {
	b, err := s.client.Do(ctx, http.MethodGet, url, maxReply)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: the reply isn't the expected JSON: %w", url, err)
	}
	return nil
}

// cluster asks the introspection endpoint for what belongs to the cluster and the instance.
func (s *source) cluster(ctx context.Context) (values, error) {
	var reply struct{ Cluster, ContainerInstanceArn, Version string }
	if err := s.get(ctx, s.agent+"/v1/metadata", &reply); err != nil {
		return nil, err
	}
	return values{
		"ClusterName": reply.Cluster, "ContainerInstanceArn": reply.ContainerInstanceArn,
		"ContainerInstanceID": afterSlash(reply.ContainerInstanceArn), "ECSAgentVersion": reply.Version,
	}, nil
}

// container asks the introspection endpoint for a container by its short id. The endpoint can't search by name: errUnknown.
func (s *source) container(ctx context.Context, v values, key string) error {
	if key[0] == nameMark {
		return errUnknown
	}
	var reply struct {
		Arn, Family, Version string
		Containers           []containerReply
	}
	err := s.get(ctx, s.agent+"/v1/tasks?dockerid="+key, &reply)
	if fetch.StatusOf(err) != 0 { // 400 if it doesn't know the id
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	if err != nil {
		return err
	}
	v["TaskARN"], v["TaskID"] = reply.Arn, afterSlash(reply.Arn)
	v["TaskDefinitionFamily"], v["TaskDefinitionVersion"] = reply.Family, reply.Version
	return pick(v, reply.Containers, key)
}

// A containerReply is a container in a reply of either endpoint.
type containerReply struct {
	ID         string `json:"DockerId"`
	DockerName string
	Name       string
}

// pick sets the values of the container that has a key. The error is errUnknown if there is none.
func pick(v values, all []containerReply, key string) error {
	for _, c := range all {
		if strings.HasPrefix(c.ID, key) || key[0] == nameMark && c.Name == key[1:] {
			v["ContainerID"], v["DockerContainerName"], v["ECSContainerName"] = c.ID, c.DockerName, c.Name
			return nil
		}
	}
	return errUnknown
}

// task asks the metadata endpoint of the router's own task, which has the containers that log to the router. The endpoint doesn't
// tell the container instance.
func (s *source) task(ctx context.Context, v values, key string) error {
	var reply struct {
		Cluster, TaskARN, Family, Revision        string
		LaunchType, AvailabilityZone, ServiceName string
		Containers                                []containerReply
	}
	if err := s.get(ctx, s.taskEndpoint+"/task", &reply); err != nil {
		return err
	}
	v["ClusterName"] = reply.Cluster
	if strings.HasPrefix(reply.Cluster, "arn:") {
		v["ClusterName"] = afterSlash(reply.Cluster)
	}
	v["LaunchType"], v["AvailabilityZone"], v["ServiceName"] = reply.LaunchType, reply.AvailabilityZone, reply.ServiceName
	if key == "" {
		return nil
	}
	v["TaskARN"], v["TaskID"] = reply.TaskARN, afterSlash(reply.TaskARN)
	v["TaskDefinitionFamily"], v["TaskDefinitionVersion"] = reply.Family, reply.Revision
	return pick(v, reply.Containers, key)
}

func afterSlash(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// filterOf makes the filter that adds the fields. A missing value is the empty string, as in Fluent Bit.
func (s *source) filterOf(v values) enrich.Filter {
	body := record.AppendMapHeader(nil, len(v))
	for name, value := range v {
		body = record.AppendStr(record.AppendStr(body, name), value)
	}
	fields := make([]enrich.Field, 0, len(s.additions))
	for _, a := range s.additions {
		fields = append(fields, enrich.Field{Name: a.key, Value: a.value.AppendStr(nil, &record.Event{Body: body})})
	}
	return enrich.NewFields(fields)
}
