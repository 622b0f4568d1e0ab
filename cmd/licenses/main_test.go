package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// required are the members that SPDX 2.3 wants of a document and of a package.
var (
	required        = []string{"spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "relationships"}
	requiredPackage = []string{"name", "SPDXID", "downloadLocation", "versionInfo", "licenseDeclared", "externalRefs"}
	spdxID          = regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`)
)

func TestEveryModuleInTheBinaryHasItsLicencesAndIsInTheBillOfMaterials(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			dir, target := t.TempDir(), []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}
			if err := generate(dir, "1.2.3", target); err != nil {
				t.Fatal(err)
			}
			text := read(t, dir, textFile)
			versions := versionsOf(t, read(t, dir, sbomFile))
			list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", program)
			list.Env = append(os.Environ(), target...)
			out, err := list.Output()
			if err != nil {
				t.Fatal(err)
			}
			modules := 0
			for line := range strings.Lines(string(out) + "github.com/firelane/firelane 1.2.3\nstd \n") {
				path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
				if version == "" && path != "std" {
					continue // firelane's own packages
				}
				modules++
				if got, ok := versions[path]; !ok || version != "" && got != version {
					t.Errorf("the bill of materials has %s %q, want %q", path, got, version)
				}
				if !strings.Contains(text, "\n"+path+"/LICENSE") {
					t.Errorf("%s has no licence in %s", path, textFile)
				}
			}
			if modules < 10 {
				t.Errorf("got %d modules, want at least 10", modules)
			}
		})
	}
}

// versionsOf checks a document's members, and returns its packages' versions.
func versionsOf(t *testing.T, text string) map[string]string {
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	members(t, d, required)
	versions, ids := map[string]string{}, map[string]bool{}
	for _, p := range d["packages"].([]any) {
		p := p.(map[string]any)
		members(t, p, requiredPackage)
		id := p["SPDXID"].(string)
		if ids[id] || !spdxID.MatchString(id) {
			t.Errorf("the id %q is used twice or isn't one", id)
		}
		ids[id] = true
		versions[p["name"].(string)], _ = p["versionInfo"].(string)
	}
	for _, r := range d["relationships"].([]any) {
		if to := r.(map[string]any)["relatedSpdxElement"].(string); !ids[to] {
			t.Errorf("a relationship to %q, which is no package", to)
		}
	}
	return versions
}

func members(t *testing.T, object map[string]any, names []string) {
	t.Helper()
	for _, name := range names {
		if v, ok := object[name]; !ok || v == "" {
			t.Errorf("%v has no %s", object["name"], name)
		}
	}
}

func TestTheSameSourceMakesTheSameFiles(t *testing.T) {
	target := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64"}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if err := generate(dir, "dev", target); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{textFile, sbomFile} {
		if read(t, dirs[0], name) != read(t, dirs[1], name) {
			t.Errorf("two runs made a different %s", name)
		}
	}
	if !strings.Contains(read(t, dirs[0], sbomFile), `"created": "2023-11-14T22:13:20Z"`) {
		t.Error("the date isn't SOURCE_DATE_EPOCH's")
	}
}

func TestAModuleWithoutALicenceIsAnError(t *testing.T) {
	dir := t.TempDir()
	m := module{Path: "example.com/m", Version: "v1.0.0", Dir: dir}
	if err := m.collect(); err == nil || !strings.Contains(err.Error(), "example.com/m v1.0.0 has no licence") {
		t.Errorf("got %v, want an error that names the module", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.collect(); err == nil {
		t.Error("an unknown licence passed, want an error")
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
