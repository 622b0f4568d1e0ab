// Command image makes the container image without Docker: the program, links to it under the names of the programs that it replaces,
// and its licences. Two runs with the same programs write the same bytes.
//
//	go run ./cmd/image -o OUT [-tag NAME:TAG] [-version VERSION] [-revision COMMIT] [-links FOLDER] OS/ARCHITECTURE=FOLDER...
//
// Each FOLDER has what `make build` writes: firelane and licenses/. OUT is a tar file, which docker load, podman and skopeo read, or,
// if its name doesn't end in .tar, a folder. Both are an OCI image layout, with an index of all platforms. SOURCE_DATE_EPOCH, in
// seconds, is the time of everything in it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// An order is what the command line asks for.
type order struct {
	out, tag, links   string
	version, revision string
	created           time.Time
	platforms         []platform
}

// A platform is what one image of the index is for.
type platform struct {
	os, arch string
	folder   string // has the program and its licences
}

func main() {
	var o order
	flag.StringVar(&o.out, "o", "", "the tar file or folder to write")
	flag.StringVar(&o.tag, "tag", "firelane:latest", "the image's name after docker load")
	flag.StringVar(&o.links, "links", "deploy/image", "folder of links to the program")
	flag.StringVar(&o.version, "version", "dev", "version of firelane")
	flag.StringVar(&o.revision, "revision", "", "commit of the source")
	flag.Parse()
	digest, err := o.run(flag.Args(), os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Println(digest)
}

// run writes the image, and returns the digest of its index.
func (o *order) run(args []string, epoch string) (string, error) {
	if o.out == "" || len(args) == 0 {
		return "", errors.New("want -o OUT and OS/ARCHITECTURE=FOLDER")
	}
	if epoch == "" {
		epoch = "0"
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH is %q; want seconds since 1970", epoch)
	}
	o.created = time.Unix(seconds, 0).UTC()
	for _, arg := range args {
		name, folder, ok := strings.Cut(arg, "=")
		system, arch, two := strings.Cut(name, "/")
		if !ok || !two || system == "" || arch == "" || folder == "" {
			return "", fmt.Errorf("%q: want OS/ARCHITECTURE=FOLDER", arg)
		}
		o.platforms = append(o.platforms, platform{system, arch, folder})
	}
	l := layout{}
	digest, err := l.build(o)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(o.out, ".tar") {
		return digest, l.writeTar(o.out, o.created)
	}
	return digest, l.writeFolder(o.out)
}
