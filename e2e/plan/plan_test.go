//go:build terraform

// Package plan checks what the real terraform plans and applies against moto, and what moto describes.
package plan

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/e2e/servers"
)

// terraformTime is how long one call of terraform may take.
const terraformTime = 5 * time.Minute

// A terraform is a folder with a configuration.
type terraform struct {
	t   *testing.T
	dir string
	env []string
}

// run runs terraform, and returns its output.
func (f terraform) run(args ...string) string {
	f.t.Helper()
	out, err := f.try(args...)
	if err != nil {
		f.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (f terraform) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), terraformTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "terraform", args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = f.dir, append(os.Environ(), f.env...), 10*time.Second
	begin := time.Now()
	defer func() { f.t.Logf("terraform %s: %v", args[0], time.Since(begin).Round(time.Second)) }()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		return stderr.String(), err
	}
	return stdout.String(), nil
}

// checked checks a file, and returns the places and the texts of what was found.
func checked(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	subjects, wrong := check.Open([]string{file}, check.Options{Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)})
	var out strings.Builder
	for _, d := range wrong {
		out.WriteString(d.Text + "\n")
	}
	for _, s := range subjects {
		for _, p := range s.Written {
			out.WriteString(p.Path + ": " + p.Text + "\n")
		}
		for _, d := range s.Errors {
			out.WriteString(s.Place(d.Pos).Path + ": " + d.Text + "\n")
		}
		for _, d := range s.Plan.Warnings {
			out.WriteString(s.Place(d.Pos).Path + ": " + d.Text + "\n")
		}
		if len(s.Errors) == 0 {
			_ = s.Plan.Write(&out)
		}
	}
	return out.String()
}

// The tutorial's Terraform: a domain, roles, a log group, a cluster and a task definition with jsonencode. Before there is a domain
// the containers are unknown, and check says why; then the plan, the state and what the service describes have the same mistakes.
func TestTheTutorialsTerraformIsCheckedFromItsPlan(t *testing.T) {
	t.Setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
	t.Setenv("MOTO_ECS_NEW_ARN", "true")
	moto, dir := servers.Moto(t), t.TempDir()
	source, err := os.ReadFile("testdata/main.tf")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "main.tf"), source, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := terraform{t, dir, append(servers.MotoEnv(), "TF_VAR_endpoint="+moto)}
	if out, err := f.try("init", "-input=false"); err != nil {
		t.Fatalf("the AWS provider is not installed: %s", out)
	}
	planned := func() string {
		f.run("plan", "-input=false", "-out=plan.out")
		return f.run("show", "-json", "plan.out")
	}
	if got, want := checked(t, "plan.json", planned()), "because they refer to aws_opensearch_domain.logs.endpoint"; !strings.Contains(got, want) {
		t.Errorf("the first plan: got %s want %s", got, want)
	}

	servers.Boto(t, `import boto3, sys
boto3.client("opensearch", endpoint_url=sys.argv[1]).create_domain(DomainName="logs", EngineVersion="OpenSearch_2.19",
    ClusterConfig={"InstanceType": "t3.small.search", "InstanceCount": 1}, EBSOptions={"EBSEnabled": True, "VolumeSize": 10},
    DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07"})`, moto)
	f.run("import", "-input=false", "aws_opensearch_domain.logs", "logs") // the provider would sleep for ten minutes after creating it
	const address = "aws_ecs_task_definition.web.container_definitions[1]"
	expect := func(what, got, container string) {
		t.Helper()
		for _, want := range []string{
			container + `.logConfiguration.options.Logstash_Prefix: opensearch: logstash_prefix`,
			container + `.logConfiguration.options.Logstash_DateFormat: opensearch: logstash_dateformat`,
			"host logs.eu-west-1.es.amazonaws.com",
		} {
			if !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
				t.Errorf("%s: got %s want %s", what, got, want)
			}
		}
	}
	expect("plan", checked(t, "plan.json", planned()), address)
	f.run("apply", "-input=false", "plan.out")
	expect("state", checked(t, "state.json", f.run("show", "-json")), address)
	state, err := os.ReadFile(filepath.Join(dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	expect("terraform.tfstate", checked(t, "terraform.tfstate", string(state)), address)
	expect("describe_task_definition", checked(t, "task.json", servers.Boto(t, `import boto3, json, sys
d = boto3.client("ecs", endpoint_url=sys.argv[1]).describe_task_definition(taskDefinition="web")
print(json.dumps({"taskDefinition": d["taskDefinition"]}, default=str))`, moto)), "containerDefinitions[0]")
}
