//go:build terraform

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// aroundRetention is the rest of a configuration with the module's retention.tf, without AWS: so Terraform computes the documents
// alone.
const aroundRetention = `
variable "name" { default = "shop" }
variable "retention" { default = { days = 14, shards = 2, replicas = 1 } }
variable "domain" { default = { instance_count = 3 } }
locals {
  index_prefix = "shop"
  own_domain   = true
}
output "index_template" { value = jsonencode(local.index_template) }
output "index_policy" { value = jsonencode(local.index_policy) }
`

// The module's outputs are what `firelane bootstrap --file` writes for the same indices, days, shards and replicas, but for firelane's
// mark.
func TestTerraformsDocumentsAreThoseOfBootstrap(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "documents"), os.DirFS("../deploy/terraform/documents")); err != nil {
		t.Fatal(err)
	}
	retention, err := os.ReadFile("../deploy/terraform/retention.tf")
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "fluent-bit.conf")
	for name, text := range map[string]string{
		filepath.Join(dir, "retention.tf"): string(retention), filepath.Join(dir, "rest.tf"): aroundRetention,
		conf: "[OUTPUT]\n Name opensearch\n Match *\n Logstash_Format On\n Logstash_Prefix shop\n firelane_bootstrap On\n firelane_days 14\n" +
			" firelane_shards 2\n firelane_replicas 1\n firelane_refresh_interval 10s\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tf := terraform{dir: dir, env: append(os.Environ(), "TF_IN_AUTOMATION=1")}
	tf.run(t, "init", "-input=false")
	tf.run(t, "apply", "-input=false", "-auto-approve")
	if out, err := exec.Command(world.binary, "bootstrap", "-c", conf, "--file", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for output, file := range map[string]string{"index_template": "index-template-firelane-shop.json", "index_policy": "index-policy-firelane-shop.json"} {
		text, err := os.ReadFile(filepath.Join(dir, "opensearch", file))
		if err != nil {
			t.Fatal(err)
		}
		got, want := withoutMark(t, []byte(tf.output(t, output))), withoutMark(t, text)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", output, got, want)
		}
	}
}

// withoutMark reads a document without firelane's mark, and without a policy's description, which is in words.
func withoutMark(t *testing.T, text []byte) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(doc, func(name string, _ any) bool { return name == "_meta" })
	if policy, ok := doc["policy"].(map[string]any); ok {
		delete(policy, "description")
	}
	return doc
}
