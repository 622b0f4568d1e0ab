//go:build terraform

// `make terraform` runs these tests. They need terraform on PATH, and the AWS provider from a registry or a mirror, which
// e2e/setup can't install.

package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
)

// A terraform is a folder with a configuration, and a server that imitates AWS.
type terraform struct {
	dir  string
	vars []string // -var NAME=VALUE …
	env  []string
}

// example copies the module, and returns one of its examples, initialized and valid.
func example(t *testing.T, moto, name string, vars ...string) terraform {
	t.Helper()
	root := filepath.Join(t.TempDir(), "terraform")
	if err := os.CopyFS(root, os.DirFS("../deploy/terraform")); err != nil {
		t.Fatal(err)
	}
	tf := terraform{dir: filepath.Join(root, "examples", name), env: append(os.Environ(), append(servers.MotoEnv(), "AWS_ENDPOINT_URL="+moto, "TF_IN_AUTOMATION=1")...)}
	for _, v := range vars {
		tf.vars = append(tf.vars, "-var", v)
	}
	tf.run(t, "fmt", "-check", "-diff", "-recursive", root)
	tf.run(t, "init", "-input=false")
	tf.run(t, "validate")
	return tf
}

// run runs a command of terraform; the error of one that fails ends the test.
func (tf terraform) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("terraform", args...)
	cmd.Dir, cmd.Env = tf.dir, tf.env
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

func (tf terraform) with(args ...string) []string {
	return append(append(args, "-input=false"), tf.vars...)
}

// A change is one that a plan would make.
type change struct {
	Address, Type string
	Change        struct {
		Actions       []string
		Before, After map[string]any
	}
}

// plan returns the changes that another apply would make.
func (tf terraform) plan(t *testing.T) (changes []change) {
	t.Helper()
	tf.run(t, tf.with("plan", "-out", "plan")...)
	var plan struct {
		Changes []change `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(tf.run(t, "show", "-json", "plan")), &plan); err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Changes {
		if len(c.Change.Actions) != 1 || c.Change.Actions[0] != "no-op" && c.Change.Actions[0] != "read" {
			changes = append(changes, c)
		}
	}
	return changes
}

// stable expects that another apply changes nothing. moto doesn't keep availability_zone_rebalancing of a service.
func (tf terraform) stable(t *testing.T) {
	t.Helper()
	for _, c := range tf.plan(t) {
		if c.Type == "aws_ecs_service" {
			delete(c.Change.Before, "availability_zone_rebalancing")
			delete(c.Change.After, "availability_zone_rebalancing")
			before, _ := json.Marshal(c.Change.Before)
			after, _ := json.Marshal(c.Change.After)
			if string(before) == string(after) {
				continue
			}
		}
		t.Errorf("a second apply would %v %s", c.Change.Actions, c.Address)
	}
}

// output returns an output of the configuration.
func (tf terraform) output(t *testing.T, name string) string {
	return tf.run(t, "output", "-raw", name)
}

// The module's own tests: mistakes in its variables end the plan.
func TestTerraformTellsMistakesBeforeItCreatesAnything(t *testing.T) {
	root := filepath.Join(t.TempDir(), "terraform")
	if err := os.CopyFS(root, os.DirFS("../deploy/terraform")); err != nil {
		t.Fatal(err)
	}
	tf := terraform{dir: root, env: append(os.Environ(), "TF_IN_AUTOMATION=1")}
	tf.run(t, "init", "-input=false")
	t.Log(tf.run(t, "test"))
}

// createDomain makes a domain in moto like the module's own, for which the provider would wait ten minutes; createRole a role.
// stillThere fails if the domain, the role or the cluster is gone.
const (
	createDomain = `
import boto3, sys
boto3.client("opensearch", endpoint_url=sys.argv[1]).create_domain(DomainName="web", EngineVersion="OpenSearch_2.19",
	ClusterConfig={"InstanceType": "t3.small.search", "InstanceCount": 1, "ZoneAwarenessEnabled": False},
	EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 20},
	EncryptionAtRestOptions={"Enabled": True}, NodeToNodeEncryptionOptions={"Enabled": True},
	DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"})
`
	createRole = `
import boto3, json, sys
boto3.client("iam", endpoint_url=sys.argv[1]).create_role(RoleName="shop", Path="/services/",
	AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
`
	stillThere = `
import boto3, sys
boto3.client("opensearch", endpoint_url=sys.argv[1]).describe_domain(DomainName="web")
boto3.client("iam", endpoint_url=sys.argv[1]).get_role(RoleName="shop")
clusters = boto3.client("ecs", endpoint_url=sys.argv[1]).describe_clusters(clusters=["web"])["clusters"]
assert [c["status"] for c in clusters] == ["ACTIVE"], clusters
`
	describe = `
import boto3, json, sys
task = boto3.client("ecs", endpoint_url=sys.argv[1]).describe_task_definition(taskDefinition=sys.argv[2])["taskDefinition"]
policy = lambda role, name: boto3.client("iam", endpoint_url=sys.argv[1]).get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
print(json.dumps({"Containers": task["containerDefinitions"], "Policy": policy(sys.argv[3], sys.argv[4])}))
`
)

// applied is what AWS has of a task definition and the policy of its task role.
type applied struct {
	Containers json.RawMessage
	Policy     struct {
		Statement []struct{ Effect, Action, Resource string }
	}
}

func (tf terraform) applied(t *testing.T, moto, role, policy string) (a applied) {
	t.Helper()
	text := servers.Boto(t, describe, moto, tf.output(t, "task_definition_arn"), role, policy)
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// mayWrite expects that the role may do one thing.
func (a applied) mayWrite(t *testing.T, domain string) {
	t.Helper()
	s := a.Policy.Statement
	if len(s) != 1 || s[0].Effect != "Allow" || s[0].Action != "es:ESHttpPost" || s[0].Resource != domain+"/*" {
		t.Errorf("got the policy %+v, want only es:ESHttpPost on %s/*", s, domain)
	}
}

// Both examples apply, and apply again without a change; removing the second one leaves what was there before. What ECS has of the first one's task definition brings the
// application's lines, signed as the task role, into an index of the day that has the settings of the module's template.
func TestTerraformsTaskDeliversIntoDailyIndices(t *testing.T) {
	const arn = "arn:aws:es:eu-west-1:123456789012:domain/web"
	moto := servers.Moto(t, "MOTO_ECS_NEW_ARN=true", "MOTO_IAM_LOAD_MANAGED_POLICIES=true")
	servers.Boto(t, createDomain, moto)

	fargate := example(t, moto, "fargate", "firelane_image=firelane:test")
	fargate.run(t, append(fargate.with("import"), "module.firelane.aws_opensearch_domain.this[0]", "web")...)
	fargate.run(t, fargate.with("apply", "-auto-approve")...)
	fargate.stable(t)
	got := fargate.applied(t, moto, "web-task", "web-opensearch")
	got.mayWrite(t, arn)

	servers.Boto(t, createRole, moto)
	existing := example(t, moto, "existing-domain", "firelane_image=firelane:test", "domain_arn="+arn,
		"cluster_arn=arn:aws:ecs:eu-west-1:123456789012:cluster/web", "task_role_arn=arn:aws:iam::123456789012:role/services/shop")
	existing.run(t, existing.with("apply", "-auto-approve")...)
	existing.stable(t)
	other := existing.applied(t, moto, "shop", "shop-opensearch")
	other.mayWrite(t, arn)
	d, err := definitionOf(other.Containers)
	if err != nil {
		t.Fatal(err)
	}
	d.isUnderstood(t)
	existing.run(t, existing.with("destroy", "-auto-approve")...)
	servers.Boto(t, stillThere, moto)

	if d, err = definitionOf(got.Containers); err != nil {
		t.Fatal(err)
	}
	host := fargate.output(t, "domain_endpoint")
	if d.LogOptions["Host"] != host {
		t.Fatalf("got the host %s, want %s", d.LogOptions["Host"], host)
	}
	deliverFrom(t, d, host, fargate.output(t, "index_template"))
}

// deliverFrom runs the task with a domain of that name.
func deliverFrom(t *testing.T, d taskDefinition, host, template string) {
	t.Helper()
	search := useSearch(t, servers.OpenSearch2())
	must(t)(search.Do("PUT", "/_index_template/web", template))
	t.Cleanup(func() { search.Do("DELETE", "/_index_template/web", "") })
	domain := startDomain(t, search, host)
	d.RouterOptions = append(d.RouterOptions, domain.routerOptions(t)...)
	task := d.start(t)
	task.delivers(t, search, lines.Count, 2*time.Minute)
	task.end(t)
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	checkStream(t, task, documents, "stdout", lines.Stdout())
	checkStream(t, task, documents, "stderr", lines.Stderr())
	settings, err := search.Do("GET", "/"+time.Now().UTC().Format("web-2006-01-02")+"/_settings?flat_settings=true", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"index.number_of_replicas":"0"`, `"index.refresh_interval":"10s"`} {
		if !strings.Contains(string(settings), want) {
			t.Errorf("the day's index doesn't have %s, which the template sets: %s", want, settings)
		}
	}
	domain.mu.Lock()
	defer domain.mu.Unlock()
	if len(domain.refused) > 0 {
		t.Errorf("refused: %q", domain.refused)
	}
}
