package ecsmetadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// Limits of the requests. The endpoint answers 40 a second, to all containers of a task together.
const (
	// askTime is how long one request may take.
	askTime = 5 * time.Second
	// maxReply is the largest reply, in bytes. That of a task with ten containers has about 30 KiB.
	maxReply = 1 << 20
	// askPause is the shortest time between two requests. While something is missing it doubles each time: up to maxDownTime where
	// the endpoint fails, and up to maxMissingTime where it doesn't know a container.
	askPause       = time.Second
	maxDownTime    = 15 * time.Second
	maxMissingTime = 5 * time.Minute
)

// Start implements enrich.Starter: it begins to ask the endpoint.
func (f *filter) Start() {
	f.once.Do(func() {
		if f.endpoint == "" {
			f.log.Warn().Msg(endpointVariable + " is not set: this is not an ECS task, or one whose agent has no task metadata endpoint version 4; records get only what their tags say")
			return
		}
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(context.Background())
		go func() {
			defer close(f.done)
			f.ask(ctx)
		}()
	})
}

// Close implements enrich.Closer. What is known is still added after it.
func (f *filter) Close() {
	f.once.Do(func() {})
	if f.cancel != nil {
		f.cancel()
		<-f.done
	}
}

// ask asks the endpoint until nothing is missing, and again when a container is wanted, until ctx ends.
func (f *filter) ask(ctx context.Context) {
	failed := false
	for attempts := 0; ; attempts++ {
		begin := time.Now()
		t, err := f.get(ctx)
		pause := maxDownTime
		var missing []string
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed = true
			f.log.Warn().Err(err).Msg("the task metadata endpoint doesn't answer: records go on without its fields, and it is asked again; check that the task can reach 169.254.170.2")
		default:
			if failed {
				failed = false
				f.log.Info().Msg("the task metadata endpoint answers again: records get its fields")
			}
			missing, pause = f.learn(t), maxMissingTime
			f.changed()
		}
		if len(missing) > 0 && attempts == 0 {
			slices.Sort(missing)
			f.log.Info().Strs("containers", missing).Msg("the task metadata endpoint doesn't know containers yet: their records go on without the image, and it is asked again")
		}
		var again <-chan time.Time
		if err != nil || len(missing) > 0 {
			again = time.After(min(askPause<<min(attempts, 16), pause))
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-f.news:
			attempts = -1
			select {
			case <-ctx.Done():
				return
			case <-time.After(askPause - time.Since(begin)):
			}
		}
	}
}

// A task is what the endpoint says about the task. Values that are missing or too long are empty.
type task struct {
	cluster, arn, family, revision, id, zone, launchType, service, region string
	containers                                                            []container
}

type container struct{ name, id, image string }

// get makes one request. The reply is described in "Amazon ECS task metadata endpoint version 4", in the ECS Developer Guide.
func (f *filter) get(ctx context.Context) (*task, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	url := f.endpoint + "/task"
	body, err := f.client.Do(ctx, http.MethodGet, url, maxReply)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Cluster, TaskARN, Family, Revision        string
		AvailabilityZone, LaunchType, ServiceName string
		Containers                                []struct{ DockerID, Name, Image string }
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("%s: the reply isn't the expected JSON: %w", url, err)
	}
	parsed, err := arn.Parse(reply.TaskARN)
	if err != nil {
		return nil, errors.New(url + ": the reply has no valid TaskARN")
	}
	t := &task{
		cluster: afterSlash(reply.Cluster), arn: reply.TaskARN, family: reply.Family, revision: reply.Revision, id: afterSlash(parsed.Resource),
		zone: reply.AvailabilityZone, launchType: reply.LaunchType, service: reply.ServiceName, region: parsed.Region,
	}
	for _, c := range reply.Containers[:min(len(reply.Containers), maxContainers)] {
		t.containers = append(t.containers, container{c.Name, c.DockerID, c.Image})
	}
	return t, nil
}

// find returns the container with that name.
func (t *task) find(name string) (c container, ok bool) {
	i := slices.IndexFunc(t.containers, func(c container) bool { return c.name == name })
	if i < 0 {
		return c, false
	}
	return t.containers[i], true
}

// fields returns the fields of the records of a container; of those of none if name is "". The first three are also those that the
// ECS agent's configuration adds, with the same values.
func (t *task) fields(name string) []enrich.Field {
	definition := ""
	if t.family != "" && t.revision != "" {
		definition = t.family + ":" + t.revision
	}
	c, _ := t.find(name)
	var list []enrich.Field
	for _, f := range [][2]string{
		{"ecs_cluster", t.cluster}, {"ecs_task_arn", t.arn}, {"ecs_task_definition", definition},
		{"ecs_family", t.family}, {"ecs_revision", t.revision}, {"ecs_task_id", t.id},
		{"ecs_container_name", name}, {"ecs_container_image", c.image},
		{"availability_zone", t.zone}, {"launch_type", t.launchType}, {"service_name", t.service}, {"aws_region", t.region},
	} {
		if value := f[1]; value != "" && len(value) <= maxValue && strings.IndexFunc(value, unicode.IsControl) < 0 {
			list = append(list, enrich.Field{Name: f[0], Value: record.AppendStr(nil, value)})
		}
	}
	return list
}

func afterSlash(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
