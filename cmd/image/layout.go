package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Media types of the OCI image specification, version 1.1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// source is where the code is, and home its documentation.
const (
	source = "https://github.com/firelane/firelane"
	home   = source + "/blob/main/README.md"
)

// environment is what Docker gives to an image from scratch.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

// A descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// A manifest is that of one image, or an index.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        *descriptor       `json:"config,omitempty"`
	Layers        []descriptor      `json:"layers,omitempty"`
	Manifests     []descriptor      `json:"manifests,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// An imageConfig is the configuration of one image.
type imageConfig struct {
	Created time.Time `json:"created"`
	ociPlatform
	Config  runConfig `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type runConfig struct {
	Env        []string
	Entrypoint []string
	WorkingDir string
	Labels     map[string]string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// A dockerImage is an image in manifest.json, which Docker's engines without an image store of containerd's read.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// A layout is an OCI image layout: the files, in the order in which they are written.
type layout struct {
	names []string
	data  map[string][]byte
}

func (l *layout) put(name string, data []byte) {
	if l.data == nil {
		l.data = map[string][]byte{}
	}
	if _, ok := l.data[name]; !ok {
		l.names = append(l.names, name)
	}
	l.data[name] = data
}

// blob adds a blob, and returns what refers to it.
func (l *layout) blob(mediaType string, data []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(data)), Size: len(data)}
	l.put(d.path(), data)
	return d
}

// path is the blob's file.
func (d *descriptor) path() string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }

// document adds v as a blob.
func (l *layout) document(mediaType string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	return l.blob(mediaType, data), err
}

// annotations are the keys that the OCI image specification names; the image has them as labels, too.
func (o *order) annotations() map[string]string {
	m := map[string]string{
		"org.opencontainers.image.title":         "firelane",
		"org.opencontainers.image.description":   "A log router for ECS FireLens, in place of Fluent Bit or Fluentd",
		"org.opencontainers.image.source":        source,
		"org.opencontainers.image.documentation": home,
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       o.version,
		"org.opencontainers.image.created":       o.created.Format(time.RFC3339),
	}
	if o.revision != "" {
		m["org.opencontainers.image.revision"] = o.revision
	}
	return m
}

// build makes the images of all platforms and their index, and returns the digest of the index.
func (l *layout) build(o *order) (string, error) {
	index := manifest{SchemaVersion: 2, MediaType: typeIndex, Annotations: o.annotations()}
	var docker []dockerImage
	for _, p := range o.platforms {
		d, legacy, err := l.image(o, p)
		if err != nil {
			return "", fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
		index.Manifests, docker = append(index.Manifests, d), append(docker, legacy)
	}
	d, err := l.document(typeIndex, index)
	if err != nil {
		return "", err
	}
	_, tag, _ := strings.Cut(o.tag, ":")
	d.Annotations = map[string]string{"io.containerd.image.name": "docker.io/library/" + o.tag, "org.opencontainers.image.ref.name": tag}
	top, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{d}})
	l.put("index.json", top)
	l.put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	if len(docker) == 1 { // it can't choose among several
		legacy, err2 := json.Marshal(docker)
		l.put("manifest.json", legacy)
		err = errors.Join(err, err2)
	}
	return d.Digest, err
}

// image makes the image of one platform.
func (l *layout) image(o *order, p platform) (descriptor, dockerImage, error) {
	list, err := files(o.links, p.folder)
	if err != nil {
		return descriptor{}, dockerImage{}, err
	}
	compressed, diff, err := pack(list, o.created)
	if err != nil {
		return descriptor{}, dockerImage{}, err
	}
	layer := l.blob(typeLayer, compressed)
	on := ociPlatform{p.arch, p.os}
	config, err := l.document(typeConfig, imageConfig{
		Created: o.created, ociPlatform: on,
		Config:  runConfig{Env: environment, Entrypoint: []string{"/firelane"}, WorkingDir: "/", Labels: o.annotations()},
		RootFS:  rootFS{"layers", []string{diff}},
		History: []history{{o.created, "firelane " + o.version}},
	})
	if err != nil {
		return descriptor{}, dockerImage{}, err
	}
	d, err := l.document(typeManifest, manifest{SchemaVersion: 2, MediaType: typeManifest, Config: &config, Layers: []descriptor{layer}, Annotations: o.annotations()})
	d.Platform = &on
	return d, dockerImage{config.path(), []string{o.tag}, []string{layer.path()}}, err
}

// writeFolder writes the layout as a folder.
func (l *layout) writeFolder(dir string) error {
	for _, name := range l.names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, l.data[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeTar writes the layout as a tar file.
func (l *layout) writeTar(file string, created time.Time) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range l.names {
		h := &tar.Header{Format: tar.FormatUSTAR, Name: name, Mode: 0o644, ModTime: created, Size: int64(len(l.data[name])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(l.data[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}
