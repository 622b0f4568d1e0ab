package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// program writes what `make build` would, with the file times of that moment.
func program(t *testing.T, text string, at time.Time) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"firelane": text, "licenses/LICENSES.txt": "licences", "licenses/sbom.spdx.json": "{}"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const epoch = "1795000000"

// build writes an image of two platforms.
func build(t *testing.T, out string, at time.Time) (digest string) {
	t.Helper()
	o := order{out: out, tag: "firelane:latest", links: "../../deploy/image", version: "v1.2.3", revision: "abc"}
	digest, err := o.run([]string{"linux/amd64=" + program(t, "amd64", at), "linux/arm64=" + program(t, "arm64", at)}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	first, second := build(t, one, time.Unix(1, 0)), build(t, two, time.Now())
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !bytes.Equal(a, b) {
		t.Errorf("got %s and %s, and files of %d and %d bytes, want the same twice", first, second, len(a), len(b))
	}
}

func read[T any](t *testing.T, dir, name string) (v T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEachPlatformHasAnImageWithItsProgramLinksAndLabels(t *testing.T) {
	dir := t.TempDir()
	digest := build(t, dir, time.Now())
	top := read[manifest](t, dir, "index.json")
	if len(top.Manifests) != 1 || top.Manifests[0].Digest != digest {
		t.Fatalf("got the index %+v, want one entry, %s", top, digest)
	}
	index := read[manifest](t, dir, top.Manifests[0].path())
	var platforms []string
	for _, d := range index.Manifests {
		platforms = append(platforms, d.Platform.OS+"/"+d.Platform.Architecture)
		m := read[manifest](t, dir, d.path())
		config := read[imageConfig](t, dir, m.Config.path())
		if config.Architecture != d.Platform.Architecture || !slices.Equal(config.Config.Entrypoint, []string{"/firelane"}) {
			t.Errorf("got %+v, want the platform's, with its entry point", config)
		}
		for key, want := range map[string]string{"version": "v1.2.3", "revision": "abc", "licenses": "Apache-2.0", "created": "2026-11-18T11:06:40Z"} {
			if got := config.Config.Labels["org.opencontainers.image."+key]; got != want || m.Annotations["org.opencontainers.image."+key] != want {
				t.Errorf("got the label %s = %q, want %q, also as annotation", key, got, want)
			}
		}
		checkLayer(t, filepath.Join(dir, m.Layers[0].path()), d.Platform.Architecture)
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
		t.Errorf("got %q, want %q", platforms, want)
	}
}

// checkLayer checks the files of an image.
func checkLayer(t *testing.T, file, program string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got, folders := map[string]string{}, map[string]bool{".": true}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if dir := filepath.Dir(strings.TrimSuffix(h.Name, "/")); !folders[dir] {
			t.Errorf("%s comes before its folder", h.Name)
		}
		if h.Typeflag == tar.TypeDir {
			folders[strings.TrimSuffix(h.Name, "/")] = true
		}
		if h.Uid != 0 || h.Gid != 0 || fmt.Sprint(h.ModTime.Unix()) != epoch {
			t.Errorf("%s is of %d:%d at %v, want 0:0 at %s", h.Name, h.Uid, h.Gid, h.ModTime, epoch)
		}
		got[h.Name] = fmt.Sprintf("%o %s%s", h.Mode, h.Linkname, text)
	}
	for name, want := range map[string]string{
		"firelane": "755 " + program, "bin/sh": "777 /firelane", "fluent-bit/bin/fluent-bit": "777 /firelane", "entrypoint.sh": "777 /firelane",
		"licenses/LICENSES.txt": "644 licences", "licenses/sbom.spdx.json": "644 {}", "var/lib/firelane/": "1777 ",
	} {
		if got[name] != want {
			t.Errorf("got %s: %q, want %q (of %q)", name, got[name], want, slices.Sorted(maps.Keys(got)))
		}
	}
}

func TestWhatCanNotBeBuiltIsSaid(t *testing.T) {
	for _, c := range []struct {
		args        []string
		epoch, want string
	}{
		{nil, "", "want -o OUT and"},
		{[]string{"linux=x"}, "", `"linux=x": want OS/ARCHITECTURE=FOLDER`},
		{[]string{"linux/amd64=none"}, "", "linux/amd64: open none/firelane"},
		{[]string{"linux/amd64=none"}, "today", "SOURCE_DATE_EPOCH"},
	} {
		o := order{out: filepath.Join(t.TempDir(), "x.tar"), links: "../../deploy/image"}
		if _, err := o.run(c.args, c.epoch); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.args, err, c.want)
		}
	}
}
