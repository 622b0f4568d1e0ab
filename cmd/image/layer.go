package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An entry is a file, a folder or a link of the image.
type entry struct {
	name string // without a slash at the beginning; a folder's ends with one
	mode int64
	link string // the target of a link
	data []byte
}

// queues is the default folder of the queues. Every user may write to it, as to /tmp: the router need not be root. A volume that is
// mounted there for the first time gets its mode.
const queues = "var/lib/firelane/"

// files returns the entries of the image for a platform: each name once, and folders before what is in them.
func files(links, folder string) ([]entry, error) {
	program, err := os.ReadFile(filepath.Join(folder, "firelane"))
	if err != nil {
		return nil, err
	}
	list := []entry{{name: "firelane", mode: 0o755, data: program}, {name: queues, mode: 0o1777}}
	for from, to := range map[string]string{links: "", filepath.Join(folder, "licenses"): "licenses"} {
		err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(from, p)
			if err != nil {
				return err
			}
			e := entry{name: path.Join(to, filepath.ToSlash(rel)), mode: 0o644}
			if d.Type() == fs.ModeSymlink {
				e.mode = 0o777
				e.link, err = os.Readlink(p)
			} else {
				e.data, err = os.ReadFile(p)
			}
			list = append(list, e)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return withFolders(list)
}

// withFolders adds the folders that entries are in, and sorts.
func withFolders(list []entry) ([]entry, error) {
	known := map[string]bool{}
	for _, e := range list {
		if known[e.name] {
			return nil, fmt.Errorf("/%s is there twice", e.name)
		}
		known[e.name] = true
	}
	for _, e := range list {
		for dir := path.Dir(strings.TrimSuffix(e.name, "/")); dir != "."; dir = path.Dir(dir) {
			if !known[dir+"/"] {
				known[dir+"/"] = true
				list = append(list, entry{name: dir + "/", mode: 0o755})
			}
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// pack writes entries as a tar file and compresses it. diff is the digest of the tar file. The owner of everything is root, and its
// time is created.
func pack(list []entry, created time.Time) (compressed []byte, diff string, err error) {
	var b bytes.Buffer
	sum := sha256.New()
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, "", err
	}
	w := tar.NewWriter(io.MultiWriter(sum, z))
	for _, e := range list {
		h := &tar.Header{Format: tar.FormatUSTAR, Name: e.name, Mode: e.mode, ModTime: created, Size: int64(len(e.data)), Typeflag: tar.TypeReg}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, "", fmt.Errorf("/%s: %w", e.name, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, "", fmt.Errorf("/%s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
}
