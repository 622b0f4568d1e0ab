package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A module is one that is linked into the program: firelane first, then Go's standard library, then the others.
type module struct {
	Path    string
	Version string
	Dir     string
	Sum     string // of go.sum, "h1:…"; "" for firelane and the standard library

	packages []string // folders of the linked packages
	licenses []license
}

// A license is a file that has to come with the module.
type license struct {
	name string // the module's path, and the file's path in the module
	text []byte
}

// licenseNames are the files that are collected: those of the module and of every folder above a linked package.
var licenseNames = []string{"LICEN[CS]E*", "COPYING*", "NOTICE*", "ATTRIB*", "PATENTS*"}

// linked returns the modules of pkg's dependencies in the environment target, with their licences.
func linked(pkg, version string, target []string) ([]module, error) {
	own := &module{Path: "github.com/firelane/firelane", Version: version}
	std := &module{Path: "std", Version: strings.TrimPrefix(runtime.Version(), "go")}
	root, err := goOutput(target, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	std.Dir = strings.TrimSpace(string(root))
	others := map[string]*module{}
	err = list(pkg, target, func(dir string, m *module) {
		switch {
		case m == nil:
			return // in the standard library, which has one licence for all packages
		case m.Path == own.Path:
			own.Dir = m.Dir
			return
		case others[m.Path] == nil:
			others[m.Path] = m
		}
		others[m.Path].packages = append(others[m.Path].packages, dir)
	})
	if err != nil {
		return nil, err
	}
	modules := []module{*own, *std}
	for _, m := range others {
		modules = append(modules, *m)
	}
	slices.SortFunc(modules[2:], func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	for i := range modules {
		if err := modules[i].collect(); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

// list calls see for each package that pkg depends on, pkg included, with its module.
func list(pkg string, target []string, see func(dir string, m *module)) error {
	out, err := goOutput(target, "list", "-deps", "-json=Dir,Module", pkg)
	if err != nil {
		return err
	}
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir    string
			Module *module
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		see(p.Dir, p.Module)
	}
}

func goOutput(env []string, args ...string) ([]byte, error) {
	var errs bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, errs.Bytes())
	}
	return out, nil
}

// collect reads the module's licences. A module without one is an error.
func (m *module) collect() error {
	folders := []string{m.Dir}
	for _, dir := range m.packages {
		for ; len(dir) > len(m.Dir); dir = filepath.Dir(dir) {
			folders = append(folders, dir)
		}
	}
	slices.Sort(folders)
	for _, dir := range slices.Compact(folders) {
		for _, pattern := range licenseNames {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				rel, _ := filepath.Rel(m.Dir, file)
				m.licenses = append(m.licenses, license{name: m.Path + "/" + filepath.ToSlash(rel), text: text})
			}
		}
	}
	if m.license() == "" {
		return fmt.Errorf("%s %s has no licence that this program knows; find it in %s, and add the file's name to licenseNames or the licence to phrases", m.Path, m.Version, m.Dir)
	}
	return nil
}

// phrases are SPDX's names of licences, each with a phrase by which its text is recognised.
var phrases = [][2]string{
	{"Apache-2.0", "Apache License Version 2.0"},
	{"BSD-3-Clause", "Neither the name of"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
}

// license returns the SPDX expression of all the module's licences, "" if none is known.
func (m *module) license() string {
	var all []byte
	for _, l := range m.licenses {
		all = append(all, bytes.Join(bytes.Fields(l.text), []byte(" "))...)
	}
	var names []string
	for _, p := range phrases {
		if bytes.Contains(all, []byte(p[1])) {
			names = append(names, p[0])
		}
	}
	return strings.Join(names, " AND ")
}
