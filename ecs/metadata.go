// Package ecs implements what a router needs of Amazon ECS and AWS's init image: the task metadata endpoint, and the init image's
// variables, which name further configuration files.
package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Limits of a request for the task's metadata.
const (
	// metadataTime is how long all attempts together may take.
	metadataTime = 10 * time.Second
	// metadataAttempt is how long one attempt may take.
	metadataAttempt = 3 * time.Second
	// metadataPause is the time between two attempts.
	metadataPause = 250 * time.Millisecond
	// maxMetadata is the largest response in bytes. That of a task with ten containers has about 30 KiB.
	maxMetadata = 1 << 20
	// maxValue is the longest value in the metadata, in bytes. An ARN has at most 2,048.
	maxValue = 4096
)

// MetadataURI is the environment variable with the URL of the metadata endpoint, version 4. ECS sets it in each container.
const MetadataURI = "ECS_CONTAINER_METADATA_URI_V4"

// A Task is what the metadata endpoint says about the task ("Amazon ECS task metadata endpoint version 4" in the ECS Developer
// Guide).
type Task struct {
	Cluster          string `json:"Cluster"` // its name or its ARN
	ARN              string `json:"TaskARN"`
	Family           string `json:"Family"`
	Revision         string `json:"Revision"`
	AvailabilityZone string `json:"AvailabilityZone"`
	LaunchType       string `json:"LaunchType"` // "" from agents before 1.45
}

// Variables are the names of the variables that the init image exports.
func Variables() []string {
	return []string{
		"AWS_REGION", "AWS_AVAILABILITY_ZONE", "ECS_CLUSTER", "ECS_TASK_ARN", "ECS_TASK_ID", "ECS_FAMILY", "ECS_LAUNCH_TYPE",
		"ECS_REVISION", "ECS_TASK_DEFINITION",
	}
}

// Variables returns the values of the variables that the init image exports, without those that the endpoint doesn't have. It
// returns an error if the TaskARN is not an ARN, or a value is longer than 4096 bytes or has control characters.
func (t *Task) Variables() (map[string]string, error) {
	task, err := arn.Parse(t.ARN)
	if err != nil {
		return nil, fmt.Errorf("the metadata has the TaskARN %q, which is not an ARN", t.ARN)
	}
	all := map[string]string{
		"AWS_REGION": task.Region, "AWS_AVAILABILITY_ZONE": t.AvailabilityZone, "ECS_CLUSTER": lastPart(t.Cluster),
		"ECS_TASK_ARN": t.ARN, "ECS_TASK_ID": lastPart(task.Resource), "ECS_FAMILY": t.Family, "ECS_LAUNCH_TYPE": t.LaunchType,
		"ECS_REVISION": t.Revision, "ECS_TASK_DEFINITION": t.Family + ":" + t.Revision,
	}
	if t.Family == "" || t.Revision == "" {
		all["ECS_TASK_DEFINITION"] = ""
	}
	for name, value := range all {
		switch {
		case value == "":
			delete(all, name)
		case len(value) > maxValue || strings.IndexFunc(value, unicode.IsControl) >= 0:
			return nil, fmt.Errorf("the metadata's value for %s is too long, or has control characters", name)
		}
	}
	return all, nil
}

// lastPart returns what follows the last slash.
func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// Metadata fetches the task from the endpoint at uri. It retries for up to 10 s if the endpoint doesn't answer or is overloaded (429 or
// 5xx).
func Metadata(ctx context.Context, uri string) (*Task, error) {
	if u, err := url.Parse(uri); err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%s is %q, which is not a URL; want http://HOST/PATH", MetadataURI, uri)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, metadataTime, fmt.Errorf("no answer within %s", metadataTime))
	defer cancel()
	client := &http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: metadataAttempt}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for {
		task, again, err := metadata(ctx, client, uri+"/task")
		if err == nil {
			return task, nil
		}
		err = fmt.Errorf("asking %s for the task's metadata: %w", uri, err)
		if !again {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-time.After(metadataPause):
		}
	}
}

// metadata makes one attempt; again is whether another one may succeed.
func metadata(ctx context.Context, client *http.Client, uri string) (task *Task, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataAttempt)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return nil, true, errors.New("it answers " + resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, false, errors.New("it answers " + resp.Status)
	case err != nil:
		return nil, true, err
	case len(body) > maxMetadata:
		return nil, false, fmt.Errorf("the answer is longer than %d bytes", maxMetadata)
	}
	task = new(Task)
	if err := json.Unmarshal(body, task); err != nil {
		return nil, false, fmt.Errorf("the answer can't be read: %w", err)
	}
	return task, false, nil
}
