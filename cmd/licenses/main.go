// Command licenses writes what the container image says about the code in it: the texts of all licences (LICENSES.txt) and
// a software bill of materials in SPDX 2.3 (sbom.spdx.json). Both depend on the source, the build list and the environment
// only, with SOURCE_DATE_EPOCH as the date.
//
//	go run ./cmd/licenses [-version VERSION] [-goos OS] [-goarch ARCHITECTURE] FOLDER
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// program is the package that is in the image.
const program = "github.com/firelane/firelane/cmd/firelane"

// Names of the files.
const (
	textFile = "LICENSES.txt"
	sbomFile = "sbom.spdx.json"
)

func main() {
	version := flag.String("version", "dev", "version of firelane")
	goos := flag.String("goos", "", "operating system that firelane is built for (default: this one)")
	goarch := flag.String("goarch", "", "architecture that firelane is built for (default: this one)")
	flag.Parse()
	target := []string{"CGO_ENABLED=0", "GOOS=" + cmp.Or(*goos, runtime.GOOS), "GOARCH=" + cmp.Or(*goarch, runtime.GOARCH)}
	if err := generate(flag.Arg(0), *version, target); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// generate writes both files to dir, for the build that the environment target makes.
func generate(dir, version string, target []string) error {
	if dir == "" {
		return errors.New("want a folder: licenses [-version VERSION] FOLDER")
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		epoch = 0 // unset
	}
	modules, err := linked(program, version, target)
	if err != nil {
		return err
	}
	sbom, err := json.MarshalIndent(document(modules, time.Unix(epoch, 0)), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(dir, textFile), texts(modules), 0o644)
	return errors.Join(err, os.WriteFile(filepath.Join(dir, sbomFile), append(sbom, '\n'), 0o644))
}

// texts returns the licences of all modules.
func texts(modules []module) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "firelane contains the following modules, with these licences and notices.\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n", rule, m.Path, m.Version, m.license())
		for _, l := range m.licenses {
			fmt.Fprintf(&b, "%s\n%s\n\n%s\n", rule, l.name, bytes.TrimSpace(l.text))
		}
	}
	return b.Bytes()
}

const rule = "--------------------------------------------------------------------------------"
