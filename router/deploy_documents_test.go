package router

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/retain"
)

// The documents for Terraform and for curl are what `firelane bootstrap --file` writes for OpenSearch, from the configuration of the
// Compose file. UPDATE=1 writes them.
func TestTheDocumentsOfDeployAreThoseOfBootstrap(t *testing.T) {
	plan, errs := startable(config.Compiler{Catalogue: Catalogue(), Lookup: func(string) (string, bool) { return "", false }}, deploy+"/compose/fluent-bit.conf")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	list, end, diags := Retainers(plan, Env{Log: zerolog.Nop()})
	defer end()
	if len(diags) > 0 || len(list) != 1 {
		t.Fatalf("got %d outputs with something to install, and the mistakes %v; want one", len(list), diags)
	}
	files, err := retain.Files(list[0].Retention())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"opensearch/index-template-firelane-web.json": "index-template.json",
		"opensearch/index-policy-firelane-web.json":   "index-policy.json",
		"opensearch/index-pattern-web.json":           "index-pattern.json",
	}
	for _, f := range files {
		name, ok := want[f.Name]
		if !ok {
			continue
		}
		delete(want, f.Name)
		if !json.Valid(f.Body) {
			t.Errorf("%s is not JSON", f.Name)
		}
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(filepath.Join(deploy, "terraform/documents", name), f.Body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, "terraform/documents/"+name); !bytes.Equal(got, f.Body) {
			t.Errorf("deploy/terraform/documents/%s is\n%s\nwant what firelane bootstrap writes (UPDATE=1 go test ./router -run Bootstrap)\n%s", name, got, f.Body)
		}
	}
	if len(want) > 0 {
		t.Errorf("firelane bootstrap doesn't write %v", want)
	}
}
