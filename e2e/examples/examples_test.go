// Package examples tests that firelane does what the pages of AWS's public FireLens examples say
// (https://github.com/aws-samples/amazon-ecs-firelens-examples).
//
// A case is one file, testdata/FOLDER/NAME.txtar: an equivalent of one example, written for this test. Its head says what the
// example's page promises, and which folder it stands for. Its sections are the task definition, the files of the image, the volumes
// and S3, the environment, what the task's containers send, and want: what arrives where, a record a line. The test renders the
// configuration as the ECS agent does, and runs the firelane binary with it. Whatever the router connects to is a stand-in that refuses
// what the service refuses, at the service's own host name: the router finds it by a proxy and a certificate authority of the test.
//
// In want, NOW stands for a time at which the case ran, and TASK for the task's id. Lines may come in any order. The fields that ECS
// adds (ecs_cluster, ecs_task_arn, ecs_task_definition, ec2_instance_id) are written as "ecs": "all".
package examples

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/internal/race"
)

var binary = flag.String("firelane", "", "binary of firelane to test; default: it is built")

// parallel is how many cases run at the same time; they mostly wait.
const parallel = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if race.Enabled {
		fmt.Println("e2e/examples: the binary is built without the race detector, so the tests run without it only")
		return
	}
	os.Exit(run(m))
}

// run builds the binary, unless there is one, and runs the tests.
func run(m *testing.M) int {
	if *binary == "" {
		dir, err := os.MkdirTemp("", "examples")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		*binary = filepath.Join(dir, "firelane")
		if out, err := exec.Command("go", "build", "-o", *binary, "../../cmd/firelane").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*binary = path
	flag.Set("test.parallel", parallel)
	return m.Run()
}

// folders are those of the repository's examples, and what is not run of them, with the reason.
var folders = map[string]string{
	"fluent-bit/add-keys":                              "",
	"fluent-bit/adot-resource-monitoring":              "its second container, AWS's collector, asks the metadata endpoint by itself; the router is that of cloudwatchlogs",
	"fluent-bit/amazon-managed-service-for-prometheus": "",
	"fluent-bit/amazon-opensearch":                     "",
	"fluent-bit/amazon-opensearch-serverless":          "",
	"fluent-bit/cloudwatchlogs":                        "",
	"fluent-bit/cloudwatchlogs-emf":                    "",
	"fluent-bit/config-file-type-file":                 "",
	"fluent-bit/cross-account":                         "",
	"fluent-bit/datadog":                               "",
	"fluent-bit/dynatrace":                             "",
	"fluent-bit/ecs-log-collection":                    "",
	"fluent-bit/ecs-log-deletion":                      "",
	"fluent-bit/efs":                                   "",
	"fluent-bit/elastic-cloud":                         "",
	"fluent-bit/enable-debug-logging":                  "",
	"fluent-bit/filter-multiline":                      "",
	"fluent-bit/filter-multiline-partial-message-mode": "",
	"fluent-bit/forward-to-aggregator":                 "",
	"fluent-bit/grafana-cloud":                         "",
	"fluent-bit/health-check":                          "",
	"fluent-bit/init-metadata":                         "",
	"fluent-bit/kinesis-firehose":                      "",
	"fluent-bit/kinesis-stream":                        "",
	"fluent-bit/log-driver-buffer-limit":               "",
	"fluent-bit/logstash":                              "",
	"fluent-bit/multi-config-support":                  "",
	"fluent-bit/newrelic":                              "",
	"fluent-bit/oomkill-prevention":                    "",
	"fluent-bit/parse-common-log-formats":              "",
	"fluent-bit/parse-envoy-app-mesh":                  "",
	"fluent-bit/parse-json":                            "",
	"fluent-bit/s3":                                    "",
	"fluent-bit/sematext":                              "",
	"fluent-bit/send-fb-internal-metrics-to-cw":        "",
	"fluent-bit/send-to-multiple-destinations":         "",
	"fluent-bit/signalfx":                              "its output is a plugin of SignalFx's own image, which Splunk has withdrawn: neither Fluent Bit nor AWS's image has it",
	"fluent-bit/solarwinds-loggly":                     "",
	"fluent-bit/sumologic":                             "",
	"fluentd/multiline-logs":                           "",
	"splitting-log-streams/fluent-bit":                 "",
	"splitting-log-streams/fluentd":                    "",
}

// Every example starts, and does what its page says.
func TestExamplesDoWhatTheirPagesSay(t *testing.T) {
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// Every folder of the repository has a case, or a reason why it has none.
func TestEveryExampleHasACase(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases(t) {
		seen[c.example] = true
		if _, ok := folders[c.example]; !ok {
			t.Errorf("%s: the repository has no folder examples/%s", c.name, c.example)
		}
	}
	for folder, reason := range folders {
		if seen[folder] == (reason != "") {
			t.Errorf("examples/%s: want either a case or a reason why it isn't run", folder)
		}
	}
}

// cases reads all cases, in order.
func cases(t *testing.T) (list []*testCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	slices.Sort(files)
	for _, file := range files {
		c, err := readCase(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		c.name = strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar")
		list = append(list, c)
	}
	return list
}
