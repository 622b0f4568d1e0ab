package router

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
)

// imageFiles are the files that aws-for-fluent-bit ships for configurations, as its Dockerfiles copy them, and the file of
// Fluentd's image that FireLens mounts.
func imageFiles() []string {
	files := strings.Fields(`
		/fluent-bit/configs/minimize-log-loss.conf /fluent-bit/configs/output-metrics-healthcheck.conf
		/fluent-bit/configs/parse-json.conf /fluent-bit/configs/parse-multiline-json.conf
		/fluent-bit/configs/plugin-and-storage-metrics-to-cloudwatch.conf /fluent-bit/configs/plugin-metrics-parser.conf
		/fluent-bit/configs/plugin-metrics-to-cloudwatch.conf
		/fluent-bit/etc/fluent-bit.conf /fluent-bit/filters/replace_dots.lua
		/ecs/amazon-es.conf /ecs/cloudwatch.conf /ecs/ecs-metadata.conf /ecs/filter-parser.conf /ecs/firehose.conf
		/ecs/input-forward.conf /ecs/kinesis.conf /ecs/s3.conf /ecs/service.conf
		/fluentd/etc/fluent.conf`)
	for _, dir := range []string{"etc", "parsers"} {
		files = append(files, "/fluent-bit/"+dir+"/parsers.conf")
		for _, name := range strings.Fields("ambassador cinder extra java kafka mult multiline openstack") {
			files = append(files, "/fluent-bit/"+dir+"/parsers_"+name+".conf")
		}
	}
	return files
}

// imageVariables are those that the files of the image use.
func imageVariables(name string) (string, bool) {
	v, ok := map[string]string{
		"HOSTNAME": "host", "AWS_REGION": "eu-west-1", "ECS_CLUSTER": "demo", "ECS_TASK_ARN": "arn:aws:ecs:eu-west-1:123456789012:task/demo/abc",
		"ECS_TASK_DEFINITION": "web:7", "TASK_ID": "abc", "PARSER_NAME": "apache",
		"ES_ENDPOINT": "os.example", "ES_REGION": "eu-west-1", "INDEX": "web", "TYPE": "_doc",
		"FIREHOSE_REGION": "eu-west-1", "DELIVERY_STREAM": "web", "KINESIS_REGION": "eu-west-1", "STREAM": "web", "BUCKET": "logs", "S3_REGION": "eu-west-1",
		"FLUENT_BIT_METRICS_LOG_GROUP": "metrics", "FLUENT_BIT_METRICS_LOG_REGION": "eu-west-1",
	}[name]
	return v, ok
}

// startable compiles a configuration and makes its parts, as a start does before it binds a socket.
func startable(c config.Compiler, main string) (*config.Plan, []config.Diagnostic) {
	plan, errs := c.Compile(main)
	if len(errs) == 0 {
		_, errs = New(plan, Env{Log: zerolog.Nop()})
	}
	return plan, errs
}

func TestFilesOfTheImageAreBuiltIn(t *testing.T) {
	for _, name := range imageFiles() {
		t.Run(name, func(t *testing.T) {
			if _, ok := config.BuiltIn(name); !ok {
				t.Fatal("is not built in")
			}
			if strings.HasSuffix(name, ".lua") {
				return
			}
			text := "[INPUT]\n  Name forward\n[OUTPUT]\n  Name null\n  Match *\n@INCLUDE " + name + "\n"
			if strings.Contains(name, "parsers") {
				text = "[SERVICE]\n  Parsers_File " + name + "\n" + strings.ReplaceAll(text, "@INCLUDE", "#")
			}
			if strings.HasPrefix(name, "/fluentd") {
				text = "@include " + name + "\n"
			}
			main := filepath.Join(t.TempDir(), "main.conf")
			if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			plan, errs := startable(config.Compiler{Catalogue: Catalogue(), Lookup: imageVariables}, main)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if len(plan.Warnings) > 0 {
				t.Errorf("got the warnings %v, want none", plan.Warnings)
			}
			if !strings.Contains(fmt.Sprint(plan.Files), name) {
				t.Errorf("got the files %v, want %s among them", plan.Files, name)
			}
		})
	}
}

// The files of /ecs are whole configurations, so a task that runs without FireLens may start with one.
func TestFilesOfTheImageAreMainFiles(t *testing.T) {
	for _, name := range []string{
		"/ecs/amazon-es.conf", "/ecs/cloudwatch.conf", "/ecs/firehose.conf", "/ecs/kinesis.conf", "/ecs/s3.conf",
		"/fluent-bit/etc/fluent-bit.conf", "/fluentd/etc/fluent.conf",
	} {
		if _, err := os.Stat(name); err == nil {
			t.Skipf("%s exists here", name)
		}
		plan, errs := startable(config.Compiler{Catalogue: Catalogue(), Lookup: imageVariables}, name)
		if len(errs) > 0 || len(plan.Inputs) != 1 || len(plan.Outputs) != 1 {
			t.Errorf("%s: got %d inputs, %d outputs and the errors %v, want one of each and none", name, len(plan.Inputs), len(plan.Outputs), errs)
		}
		if len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0].Text, "there is no such file") {
			t.Errorf("%s: got the warnings %v, want one that the file is built in", name, plan.Warnings)
		}
	}
}

func TestAFileOnDiskIsReadInsteadOfTheBuiltInOne(t *testing.T) {
	const name = "/fluent-bit/configs/minimize-log-loss.conf"
	c := config.Compiler{Catalogue: Catalogue(), Lookup: imageVariables, Files: map[string]string{
		"main.conf": "[INPUT]\n  Name forward\n@INCLUDE " + name + "\n", name: "[SERVICE]\n  Flush 7\n",
	}}
	plan, errs := startable(c, "main.conf")
	if len(errs) > 0 || plan.Service.Flush.Seconds() != 7 {
		t.Errorf("got the flush %v and the errors %v, want 7s: the file's own", plan.Service.Flush, errs)
	}
}

// What is named by the command line or a variable is read before and after the main file.
func TestExtraFilesAreReadAroundTheMainOne(t *testing.T) {
	c := config.Compiler{Catalogue: Catalogue(), Lookup: imageVariables, Files: map[string]string{
		"main.conf":        "[SERVICE]\n  Flush 2\n[INPUT]\n  Name forward\n[OUTPUT]\n  Name null\n  Match *\n",
		"first":            "[SERVICE]\n  Flush 9\n  Grace 9\n",
		"s3://b/last.conf": "[PARSER]\n  Name p\n  Format json\n[FILTER]\n  Name parser\n  Match *\n  Key_Name log\n  Parser p\n[FILTER]\n  Name nosuch\n  Match *\n",
		"s3://b/x.yaml":    "pipeline:\n  filters:\n    - name: grep\n      match: '*'\n      regex: log x\n",
	}}
	c.Before = []config.Extra{{Name: "first", From: "command line"}}
	plan, errs := c.Compile("main.conf")
	if len(errs) > 0 || plan.Service.Flush.Seconds() != 2 || plan.Service.Grace.Seconds() != 9 {
		t.Errorf("got %v, %v and the errors %v, want the main file's 2s and the other's 9s", plan.Service.Flush, plan.Service.Grace, errs)
	}
	c.After = []config.Extra{{Name: "s3://b/last.conf", From: "aws_fluent_bit_init_s3_1"}, {Name: "gone.conf", From: "aws_fluent_bit_init_file_2"}}
	_, errs = c.Compile("main.conf")
	if want := "aws_fluent_bit_init_file_2: gone.conf does not exist"; len(errs) != 1 || errs[0].String() != want {
		t.Errorf("got %v, want %s", errs, want)
	}
	c.After = []config.Extra{{Name: "s3://b/x.yaml", From: "aws_fluent_bit_init_s3_1"}}
	if plan, errs := c.Compile("main.conf"); len(errs) > 0 || len(plan.Filters) != 1 {
		t.Errorf("got %d filters and the errors %v from YAML, want one and none", len(plan.Filters), errs)
	}
	c.After = []config.Extra{{Name: "first", From: "v"}, {Name: "main.conf", From: "w"}}
	_, errs = c.Compile("main.conf")
	if len(errs) != 2 || errs[0].String() != "v: first is included twice, first in command line" || errs[1].String() != "w: main.conf is the main file; want another one" {
		t.Errorf("got %v, want that both files are read already", errs)
	}
	c.After = []config.Extra{{Name: "s3://b/last.conf", From: "aws_fluent_bit_init_s3_1"}}
	_, errs = c.Compile("main.conf")
	if want := "s3://b/last.conf:10: unknown filter nosuch"; len(errs) != 1 || !strings.HasPrefix(errs[0].String(), want) {
		t.Errorf("got %v, want %s", errs, want)
	}
}

// TestBuiltInParsersAreValid: a start doesn't check them, since compiling all of their patterns takes longer than everything else.
func TestBuiltInParsersAreValid(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), forwardInput)
	checked := 0
	for _, p := range plan.Parsers {
		if p.Pos.File != "(built in)" {
			continue
		}
		checked++
		if err := p.Options.(*parse.Options).Check(config.FluentBit); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
	}
	if checked < 15 {
		t.Errorf("%d parsers are built in, want all stock parsers", checked)
	}
}
